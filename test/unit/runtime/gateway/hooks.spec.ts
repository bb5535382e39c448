import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Exchange } from "../../../../components/runtime/gateway/compare/exchangeLog";
import { checkConfig, type GatewayConfig } from "../../../../components/runtime/gateway/config";
import { configuredHooks } from "../../../../components/runtime/gateway/replay/hooks/configured";
import { rewriteRequest } from "../../../../components/runtime/gateway/replay/hooks/hook";
import { TokenSubstitution } from "../../../../components/runtime/gateway/replay/hooks/tokens";
import { newStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, quietLog, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

describe("gateway: hooks", () => {
  it("set header fields and mark idempotency keys, and leave everything else as it was", async () => {
    const shadow = await RecordingServer.start((socket, all) => {
      if (all.toString("latin1").endsWith("two\r\n\r\nbody")) socket.write(ok);
    });
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      hooks: { setHeaders: { Host: "shadow.example", "X-Shadow": "1" }, idempotencySuffix: "-shadow" },
    });
    const request = [
      'POST /pay?a=1 HTTP/1.1\r\nhost:live.example\r\nHost: again\r\nidempotency-key: "k7"\r\n',
      "Content-Length: 18\r\n\r\none\r\n\r\ntwo\r\n\r\nbody",
    ];
    const script = new TcpScript({ address: "10.8.0.1", port: 4001 }, { address: "10.9.0.1", port: 80 }).handshake();
    for (const part of request) script.say(true, part, 50);
    try {
      await harness.send(script.say(false, ok).close().frames);
      await until("the request is answered", () => harness.gateway.snapshot().requests.answered === 1);
      const head =
        'POST /pay?a=1 HTTP/1.1\r\nhost: shadow.example\r\nidempotency-key: "k7-shadow"\r\nContent-Length: 18\r\nX-Shadow: 1';
      assert.equal(shadow.received.join(""), `${head}\r\n\r\none\r\n\r\ntwo\r\n\r\nbody`);
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });

  it("hold a request until the shadow has issued its token, on whatever connection, and give it the shadow's", async () => {
    const answer = (side: string): string => {
      const body = JSON.stringify({ user: { access_token: `${side}-bearer-1` } });
      const cookie = `Set-Cookie: sid=${side}-session-1; Path=/`;
      return `HTTP/1.1 200 OK\r\n${cookie}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    };
    const order: string[] = [];
    const shadow = await RecordingServer.start((socket, _all, fresh) => {
      const login = fresh.includes("POST /login");
      order.push(login ? "asked" : "used");
      if (!login) socket.write(ok);
      else
        setTimeout(() => {
          order.push("issued");
          socket.write(answer("shadow"));
        }, 150);
    });
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      hooks: { substituteTokens: true },
    });
    const script = (port: number): TcpScript =>
      new TcpScript({ address: "10.8.0.1", port }, { address: "10.9.0.1", port: 80 }).handshake();
    const login = script(4002)
      .say(true, "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
      .say(false, answer("live"));
    const request = (sid: string, bearer: string): string =>
      `GET /me HTTP/1.1\r\nCookie: theme=dark; sid=${sid}\r\nAuthorization: Bearer ${bearer}\r\n\r\n`;
    const use = script(4003).say(true, request("live-session-1", "live-bearer-1")).say(false, ok);
    const unknown = script(4004).say(true, request("never-issued-1", "never-issued-2")).say(false, ok);
    try {
      await harness.send([...login.frames, ...use.frames]);
      await until("both are answered", () => harness.gateway.snapshot().requests.answered === 2);
      assert.deepEqual(order, ["asked", "issued", "used"]);
      await harness.send(unknown.frames);
      await until("the last is answered", () => harness.gateway.snapshot().requests.answered === 3);
      const got = shadow.received.map(String);
      assert.ok(got.includes(request("shadow-session-1", "shadow-bearer-1")), got.join("\n"));
      assert.ok(got.includes(request("never-issued-1", "never-issued-2")), got.join("\n"));
      const { tokens } = harness.gateway.snapshot().replay;
      assert.deepEqual(tokens, { learned: 2, substituted: 2, held: 1, unmatched: 0 });
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });

  it("hold a request for a token in any one place, and put the shadow's into every place that had live's", async () => {
    const issue = (side: string): string =>
      `HTTP/1.1 200 OK\r\nX-Session-Token: ${side}-session-1\r\nContent-Length: 0\r\n\r\n`;
    const places = ["Authorization: Bearer {}", "Authorization: {}", "X-Auth-Token: {}", "Cookie: a=b; c={}; d=e"];
    for (const [index, place] of places.entries()) {
      let issued = false;
      const early: string[] = [];
      const shadow = await RecordingServer.start((socket, _all, fresh) => {
        if (!fresh.includes("POST /login")) {
          if (!issued) early.push(fresh.toString());
          socket.write(ok);
          return;
        }
        setTimeout(() => {
          issued = true;
          socket.write(issue("shadow"));
        }, 100);
      });
      const harness = await GatewayHarness.start({
        to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
        hooks: { substituteTokens: true },
      });
      const flow = (port: number): TcpScript =>
        new TcpScript({ address: "10.8.0.1", port }, { address: "10.9.0.1", port: 80 }).handshake();
      const use = (token: string): string =>
        `GET /me?token=live-session-1 HTTP/1.1\r\n${place.replace("{}", token)}\r\nX-Other: live-session-1;\r\n\r\n`;
      try {
        const login = "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        await harness.send([
          ...flow(5_000 + index)
            .say(true, login)
            .say(false, issue("live"))
            .acknowledge(true).frames,
          ...flow(6_000 + index)
            .say(true, use("live-session-1"))
            .say(false, ok).frames,
        ]);
        await until("both are answered", () => harness.gateway.snapshot().requests.answered === 2);
        assert.deepEqual(early, []);
        assert.deepEqual(shadow.received.map(String), [login, use("shadow-session-1")]);
      } finally {
        await harness.stop();
        harness.remove();
        await shadow.stop();
      }
    }
  });

  it("rewrite fields wherever they stand and however they are written, and no byte of the content", () => {
    const rewritten = (hooks: GatewayConfig["hooks"], ...lines: string[]): string[] => {
      const bytes = Buffer.from(["POST / HTTP/1.1", ...lines, "", "A: 1\r\n\r\nIdempotency-Key: k"].join("\r\n"));
      const parts = [bytes.subarray(0, 9), bytes.subarray(9, 30), bytes.subarray(30)];
      const [head, body] = rewriteRequest(parts, configuredHooks(hooks, newStats(0))!);
      assert.equal(String(body), "A: 1\r\n\r\nIdempotency-Key: k");
      const [line, ...fields] = String(head).split("\r\n");
      assert.deepEqual([line, ...fields.splice(-2)], ["POST / HTTP/1.1", "", ""]);
      return fields;
    };
    const set = { setHeaders: { A: "new" } };
    assert.deepEqual(rewritten(set, "B: 1"), ["B: 1", "A: new"]);
    assert.deepEqual(rewritten(set, "a:1", "a: 2", "B: 1", "A:3"), ["a: new", "B: 1"]);
    assert.deepEqual(rewritten(set, "B: 1", "A: 1"), ["B: 1", "A: new"]);
    const mark = { idempotencySuffix: "-s" };
    const keys = ['Idempotency-Key: "k"', "idempotency-key: k", 'Idempotency-Key: "', 'Idempotency-Key: "k'];
    assert.deepEqual(rewritten(mark, ...keys), [
      ...['Idempotency-Key: "k-s"', "idempotency-key: k-s", 'Idempotency-Key: "-s', 'Idempotency-Key: "k-s'],
    ]);
  });

  it("let a request go with live's token when the shadow issued none", async () => {
    const shadow = await RecordingServer.start((socket) => socket.write(ok));
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      hooks: { substituteTokens: true },
    });
    const script = new TcpScript({ address: "10.8.0.1", port: 4005 }, { address: "10.9.0.1", port: 80 }).handshake();
    const use = "GET /me HTTP/1.1\r\nCookie: sid=live-session-1\r\n\r\n";
    script.say(true, "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    script
      .say(false, "HTTP/1.1 200 OK\r\nSet-Cookie: sid=live-session-1\r\nContent-Length: 0\r\n\r\n")
      .acknowledge(true);
    try {
      await harness.send(script.say(true, use).say(false, ok).frames);
      await until("both are answered", () => harness.gateway.snapshot().requests.answered === 2);
      assert.ok(shadow.received.join("").endsWith(use));
      assert.equal(harness.gateway.snapshot().replay.tokens.unmatched, 1);
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });

  it("know tokens of all that may stand in a cookie, in quotes or not", () => {
    const stats = newStats(0);
    const tokens = new TokenSubstitution(stats.replay.tokens);
    const exchange = new Exchange("flow", 0, "http1", 0);
    quietLog(stats).replaying(exchange);
    const issued = (side: string): [cookie: string, bearer: string] => [`2|1:0|${side}&x!$`, `12|${side}*(a)`];
    for (const side of ["live", "shadow"] as const) {
      const [cookie, bearer] = issued(side);
      tokens.head(exchange, side, `HTTP/1.1 200 OK\r\nSet-Cookie: id="${cookie}"; Path=/\r\nX-Api-Token: ${bearer}`);
    }
    const request = ([cookie, bearer]: [string, string]): { name: string; value: string }[] => [
      { name: "Cookie", value: `a=b; id="${cookie}"; id=${cookie}; ${cookie}` },
      { name: "Authorization", value: `Bearer ${bearer}` },
    ];
    const fields = request(issued("live"));
    tokens.rewrite(fields);
    assert.deepEqual(fields, request(issued("shadow")));
  });

  it("remember tokens without everything that issued them", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const stats = newStats(0);
    const log = quietLog(stats);
    const tokens = new TokenSubstitution(stats.replay.tokens);
    const issued = Array.from({ length: 50 }, (_, index) => {
      const exchange = new Exchange("flow", index, "http1", 0);
      log.replaying(exchange);
      tokens.head(exchange, "live", `HTTP/1.1 200 OK\r\nX-Auth-Token: live-token-${index}`);
      log.settle(exchange, exchange.live);
      tokens.head(exchange, "shadow", `HTTP/1.1 200 OK\r\nX-Auth-Token: shadow-token-${index}`);
      log.settle(exchange, exchange.shadow);
      return new WeakRef(exchange);
    });
    await new Promise((done) => setTimeout(done, 10));
    collect();
    assert.ok(issued.filter((exchange) => exchange.deref() !== undefined).length < 5);
    const fields = [{ name: "X-Auth-Token", value: "live-token-7" }];
    assert.deepEqual(tokens.waitsFor(fields), []);
    tokens.rewrite(fields);
    assert.equal(fields[0]!.value, "shadow-token-7");
  });

  it("refuse what would change the framing or could not be sent", () => {
    const config = {
      intake: "vxlan:127.0.0.1:0",
      stats: "s",
      samples: "n",
      hooks: { setHeaders: { "Content-Length": "3", "a b": "1", ok: "x\r\ny" }, idempotencySuffix: "a b" },
    };
    const twoThreads = { ...config, workers: 2, hooks: { substituteTokens: true } };
    assert.throws(() => checkConfig(twoThreads), /workers[^]*tokens/);
    assert.throws(() => checkConfig(config), /Content-Length[^]*framing[^]*a b[^]*ok[^]*idempotencySuffix/);
  });
});
