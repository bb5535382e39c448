import assert from "node:assert/strict";
import type { Socket } from "node:net";

import type { GatewayConfig } from "../../../../components/runtime/gateway/config";
import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const client = { address: "10.8.0.1", port: 40_001 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Gives every request of this suite, which all name a host, the answer of a plain server. */
function answer(socket: Socket, _all: Buffer, fresh: Buffer): void {
  for (const [, method] of fresh.toString("latin1").matchAll(/([A-Z]+) [!-~]{1,99} HTTP\/1\.1\r\nHost: x/g)) {
    socket.write(method === "HEAD" ? ok.slice(0, -5) : ok);
  }
}

interface Case {
  name: string;
  frames: () => Buffer[];
  /** What each shadow connection must have got, byte for byte. */
  delivered: string[];
  requests?: Partial<GatewayStats["requests"]>;
  flows?: Partial<GatewayStats["flows"]>;
  config?: Partial<GatewayConfig>;
}

const script = (options?: ConstructorParameters<typeof TcpScript>[2]): TcpScript =>
  new TcpScript(client, server, options).handshake();

function exchange(flow: TcpScript, request: string, response = ok): TcpScript {
  return flow.say(true, request).say(false, response).acknowledge(true);
}

/** The frames without those at some positions. */
function without(frames: Buffer[], ...positions: number[]): Buffer[] {
  return frames.filter((_, index) => !positions.includes(index));
}

function swap(frames: Buffer[], a: number, b: number): Buffer[] {
  const result = [...frames];
  [result[a], result[b]] = [result[b]!, result[a]!];
  return result;
}

const big = "x".repeat(200_000);
const chunked =
  "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;e=1\r\nfgh\r\n0\r\nT: 1\r\n\r\n";

const cases: Case[] = [
  {
    name: "a request in segments of one byte",
    frames: () => exchange(script({ mss: 1 }), get("/tiny")).close().frames,
    delivered: [get("/tiny")],
    requests: { onWire: 1, replayed: 1 },
  },
  {
    name: "several requests in one segment",
    frames: () =>
      script()
        .say(true, get("/1") + get("/2") + get("/3"))
        .say(false, ok + ok + ok)
        .close().frames,
    delivered: [get("/1") + get("/2") + get("/3")],
    requests: { onWire: 3, answered: 3 },
  },
  {
    name: "a body that spans hundreds of segments",
    frames: () => exchange(script({ mss: 500 }), post("/big", big)).close().frames,
    delivered: [post("/big", big)],
    requests: { onWire: 1 },
  },
  {
    name: "jumbo and coalesced frames",
    frames: () => exchange(exchange(script({ mss: 9_000 }), post("/j", big)), post("/k", big)).close().frames,
    delivered: [post("/j", big) + post("/k", big)],
    requests: { onWire: 2 },
  },
  {
    name: "frames of 64 KB, as coalescing makes them",
    frames: () => exchange(script({ mss: 65_400 }), post("/j", big)).close().frames,
    delivered: [post("/j", big)],
  },
  {
    name: "a chunked body with an extension and a trailer",
    frames: () => exchange(script({ mss: 7 }), chunked).close().frames,
    delivered: [chunked],
  },
  {
    name: "an acknowledgement that moves inside a request",
    frames: () => {
      const flow = script();
      const request = post("/slow", "0123456789");
      flow.say(true, request.slice(0, 60)).say(false, "HTTP/1.1 100 Continue\r\n\r\n").acknowledge(true);
      return exchange(flow, request.slice(60)).close().frames;
    },
    delivered: [post("/slow", "0123456789")],
    requests: { onWire: 1, answered: 1 },
  },
  {
    name: "sequence numbers that wrap around in both directions",
    frames: () =>
      exchange(
        exchange(script({ clientIsn: 0xffffff00, serverIsn: 0xfffffff0, mss: 300 }), post("/w", big)),
        get("/n"),
      ).close().frames,
    delivered: [post("/w", big) + get("/n")],
  },
  {
    name: "reordered segments",
    frames: () => swap(exchange(script({ mss: 20 }), post("/r", "abcdefghij".repeat(5))).close().frames, 4, 5),
    delivered: [post("/r", "abcdefghij".repeat(5))],
    requests: { lostByMirror: 0 },
  },
  {
    name: "every packet twice",
    frames: () =>
      exchange(exchange(script(), get("/a")), get("/b"))
        .close()
        .frames.flatMap((frame) => [frame, frame]),
    delivered: [get("/a") + get("/b")],
    requests: { onWire: 2 },
  },
  {
    name: "a retransmission with other boundaries",
    frames: () => {
      const request = post("/again", "0123456789".repeat(20));
      const first = script({ mss: 50 }).say(true, request);
      const second = script({ mss: 33 }).say(true, request);
      return [...first.frames, ...second.frames.slice(4), ...exchange(script(), request).close().frames.slice(4)];
    },
    delivered: [post("/again", "0123456789".repeat(20))],
    requests: { onWire: 1 },
  },
  {
    name: "an overlap with other bytes: the first copy wins and the conflict is counted",
    frames: () => {
      const good = script().say(true, get("/good"));
      const evil = script().say(true, get("/evil"));
      return [...good.frames, evil.frames.at(-1)!, ...exchange(script(), get("/good")).close().frames.slice(4)];
    },
    delivered: [get("/good")],
    flows: { overlapConflicts: 1 },
  },
  {
    name: "VLAN tags",
    frames: () => exchange(script({ vlan: 7 }), get("/vlan")).close().frames,
    delivered: [get("/vlan")],
  },
  {
    name: "IPv6",
    frames: () =>
      exchange(
        new TcpScript({ address: "fd00:8::1", port: 5000 }, { address: "fd00:9::1", port: 80 }).handshake(),
        get("/six"),
      ).close().frames,
    delivered: [get("/six")],
  },
  {
    name: "a flow that was open before mirroring began, at its next request",
    frames: () =>
      exchange(exchange(exchange(script(), get("/1")), get("/2")), get("/3"))
        .close()
        .frames.slice(6),
    delivered: [get("/2") + get("/3")],
    requests: { onWire: 2, answered: 2 },
    flows: { pickedUpMidStream: 1 },
  },
  {
    name: "a flow that was in the middle of a body when mirroring began",
    frames: () =>
      exchange(exchange(script({ mss: 100 }), post("/1", "y".repeat(300))), get("/2"))
        .close()
        .frames.slice(5),
    delivered: [get("/2")],
    requests: { onWire: 2, unusable: { startedBefore: 1 } },
  },
  {
    name: "a lost request between two others",
    frames: () => without(exchange(exchange(exchange(script(), get("/1")), get("/2")), get("/3")).close().frames, 6),
    delivered: [get("/1") + get("/3")],
    requests: { onWire: 3, replayed: 2, lostByMirror: 1 },
    flows: { resumedAfterLoss: 1 },
  },
  {
    name: "a hole in a body whose other segments look like requests",
    frames: () => {
      const body = get("/not-me").repeat(20);
      const flow = exchange(script(), get("/0"));
      const request = post("/1", body);
      const headLength = request.length - body.length;
      flow
        .say(true, request.slice(0, headLength))
        .say(true, body, get("/not-me").length)
        .say(false, ok)
        .acknowledge(true);
      return without(exchange(flow, get("/2")).close().frames, 6);
    },
    delivered: [get("/0") + get("/2")],
    requests: { onWire: 3, lostByMirror: 1 },
  },
  {
    name: "a lost response: the request is replayed all the same",
    frames: () => without(exchange(exchange(script(), get("/1")), get("/2")).close().frames, 4),
    delivered: [get("/1") + get("/2")],
    requests: { onWire: 2, answered: 2, lostByMirror: 0 },
  },
  {
    name: "ambiguous framing is not forwarded",
    frames: () => {
      const evil = "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
      return exchange(exchange(exchange(script(), get("/1")), evil), get("/2")).close().frames;
    },
    delivered: [get("/1") + get("/2")],
    requests: { onWire: 3, unusable: { ambiguousFraming: 1 } },
  },
  {
    name: "lines that LF alone ends: the request is counted, and the next one is carried",
    frames: () => {
      const flow = exchange(script(), "GET /lf HTTP/1.1\nHost: x\n\n");
      return exchange(exchange(flow, "GET /lf HTTP/1.1\r\nHost: x\r\n\n"), get("/next")).close().frames;
    },
    delivered: [get("/next")],
    requests: { onWire: 3, replayed: 1, unusable: { malformed: 2 } },
  },
  {
    name: "a chunked request of HTTP/1.0, which some servers do not take for chunked",
    frames: () => exchange(exchange(script(), chunked.replace("1.1", "1.0")), get("/next")).close().frames,
    delivered: [get("/next")],
    requests: { onWire: 2, replayed: 1, unusable: { ambiguousFraming: 1 } },
  },
  {
    name: "empty lines before the first request and between two",
    frames: () => exchange(exchange(script(), `\r\n\r\n${get("/1")}`), `\r\n${get("/2")}`).close().frames,
    delivered: [get("/1") + get("/2")],
    requests: { onWire: 2, replayed: 2 },
  },
  {
    name: "HEAD, 204 and 304 answers have no body",
    frames: () => {
      const flow = script();
      exchange(flow, get("/h").replace("GET", "HEAD"), "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
      exchange(flow, get("/204"), "HTTP/1.1 204 No Content\r\n\r\n");
      exchange(flow, get("/304"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
      return exchange(flow, get("/end")).close().frames;
    },
    delivered: [get("/h").replace("GET", "HEAD") + get("/204") + get("/304") + get("/end")],
    requests: { onWire: 4 },
  },
  {
    name: "a new connection from the same port",
    frames: () => [
      ...exchange(script(), get("/old")).close().frames,
      ...exchange(script({ clientIsn: 900_000, serverIsn: 7 }), get("/new")).close().frames,
    ],
    delivered: [get("/old"), get("/new")],
    requests: { onWire: 2 },
  },
  {
    name: "a connection that is reset and opened again from the same port",
    frames: () => [
      ...exchange(script(), get("/old")).reset(false).frames,
      ...exchange(script({ clientIsn: 900_000, serverIsn: 7 }), get("/new")).close().frames,
    ],
    delivered: [get("/old"), get("/new")],
    requests: { onWire: 2 },
  },
  {
    name: "a request that its client never finished: the connection that it began carries nothing",
    frames: () => script().say(true, post("/half", big).slice(0, 3000)).close().frames,
    delivered: [""],
    requests: { onWire: 1, replayed: 0, unusable: { incomplete: 1 } },
  },
  {
    name: "keep-alive probes and zero-window packets",
    frames: () => {
      const flow = exchange(script(), get("/1"));
      const probe = new TcpScript(client, server, { clientIsn: 1000 + get("/1").length }).say(true, "\0").frames;
      flow.frames.push(...probe);
      return exchange(flow, get("/2")).close().frames;
    },
    delivered: [get("/1") + get("/2")],
    requests: { onWire: 2 },
  },
  {
    name: "a body that looks like requests, whose head was lost and which was answered before its end",
    frames: () => {
      const flow = exchange(script(), get("/1"));
      const body = get("/wrong").repeat(20);
      const head = post("/2", body.repeat(3)).slice(0, -body.length * 3);
      flow.say(true, head).say(true, body);
      const clientIsn = 1001 + get("/1").length + head.length + body.length;
      const early = new TcpScript(client, server, { clientIsn, serverIsn: 5001 + ok.length }).say(false, ok).frames;
      flow.say(true, body).say(false, ok);
      flow.say(true, body, get("/wrong").length);
      const { frames } = exchange(exchange(flow, get("/3")), get("/4")).close();
      const [lost, inFlight, late] = [6, 8, 9];
      return [...frames.slice(0, lost), frames[lost + 1]!, ...early, frames[inFlight]!, ...frames.slice(late + 1)];
    },
    delivered: [get("/1") + get("/4")],
    requests: { onWire: 4, replayed: 2, lostByMirror: 2 },
    flows: { resumedAfterLoss: 1 },
  },
  {
    name: "a flow over its bound of bytes is shed whole, and its requests are counted",
    config: { limits: { bytesPerFlow: 50_000 } },
    frames: () => exchange(exchange(exchange(script(), get("/1")), post("/2", big)), get("/3")).close().frames,
    delivered: [get("/1")],
    requests: { onWire: 3, replayed: 1, shed: { bytesPerFlow: 2 } },
  },
];

describe("gateway: HTTP/1 from mirrored packets to the shadow", () => {
  for (const { name, frames, delivered, requests, flows, config } of cases) {
    it(name, async () => {
      const shadow = await RecordingServer.start(answer);
      const to = { "10.9.0.1:80": `127.0.0.1:${shadow.port}`, "[fd00:9::1]:80": `127.0.0.1:${shadow.port}` };
      const harness = await GatewayHarness.start({ to, ...config });
      try {
        await harness.send(frames());
        const replayed = (): number => harness.gateway.snapshot().requests.replayed;
        await until("every replayed request is answered", () => {
          return harness.gateway.snapshot().requests.answered === replayed();
        });
        const stats = await harness.stop();
        assert.deepEqual(
          shadow.received.map((bytes) => bytes.toString("latin1")),
          delivered,
        );
        for (const [field, value] of Object.entries(requests ?? {})) {
          assert.deepEqual(stats.requests[field as keyof GatewayStats["requests"]], value, field);
        }
        for (const [field, value] of Object.entries(flows ?? {})) {
          assert.deepEqual(stats.flows[field as keyof GatewayStats["flows"]], value, field);
        }
        assert.equal(stats.requests.answered, stats.requests.replayed);
        assert.equal(harness.samples().length, stats.requests.replayed);
      } finally {
        await harness.stop();
        harness.remove();
        await shadow.stop();
      }
    });
  }

  it("takes an answer's encoding before its length, and says of one that cannot be read that it is malformed", async () => {
    const shadow = await RecordingServer.start(answer);
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
    const both = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    const unclear = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello";
    const flow = exchange(exchange(exchange(script(), get("/1"), both), get("/2"), unclear), get("/3"));
    await harness.send(flow.close().frames);
    await until("all are written", () => harness.samples().length === 3);
    const told = harness.samples().map(({ live, equal }) => [live.bytes, live.error, equal]);
    assert.deepEqual(told, [
      [5, undefined, true],
      [undefined, "malformed", undefined],
      [5, undefined, true],
    ]);
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });
});
