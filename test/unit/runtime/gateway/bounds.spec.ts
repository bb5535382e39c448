import assert from "node:assert/strict";
import { createServer } from "node:net";

import { TcpScript, udpFrame } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import type { GatewayConfig } from "../../../../components/runtime/gateway/config";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const head = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

describe("gateway: bounds of flows, and a client's port that is taken", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  const start = async (config: Partial<GatewayConfig>): Promise<void> => {
    shadow = await RecordingServer.start((socket, all) => {
      if (all.includes("GET") || all.includes("end")) socket.write(ok);
    });
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` }, ...config });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  it("sheds the newest flow when all hold too much, and carries the older one to its end", async () => {
    await start({ limits: { totalBytes: 40_000 } });
    const old = new TcpScript({ address: "10.8.0.1", port: 42_001 }, server).handshake();
    const young = new TcpScript({ address: "10.8.0.1", port: 42_002 }, server).handshake();
    old.say(true, head("/old", 15_003)).say(true, Buffer.alloc(15_000));
    young.say(true, head("/young", 30_003)).say(true, Buffer.alloc(30_000));
    await harness.send([...old.frames.splice(0), ...young.frames.splice(0)]);
    assert.deepEqual(harness.gateway.snapshot().flows.shed, { totalBytes: 1 });
    await harness.send(old.say(true, "end").say(false, ok).close().frames);
    await harness.send(young.say(true, "end").say(false, ok).close().frames);
    await until("the old one is answered", () => harness.gateway.snapshot().requests.answered === 1);
    const { requests } = harness.gateway.snapshot();
    assert.deepEqual([requests.replayed, requests.shed, requests.onWire], [1, { totalBytes: 1 }, 2]);
    assert.match(shadow.received[0]!.toString("latin1"), /^POST \/old /);
  });

  it("holds what it compares within the bound too, gives up fields at it, and sheds no flow for it", async () => {
    const totalBytes = 400_000;
    const jsonOf = (value: string, bytes: number): string =>
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n"${value.padEnd(bytes - 2, value)}"`;
    const waiting: (() => void)[] = [];
    shadow = await RecordingServer.start((socket) => waiting.push(() => socket.write(jsonOf("s", 30_000))));
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` }, limits: { totalBytes } });
    const held = (): number => harness.gateway.snapshot().flows.heldBytes;
    for (let flow = 0; flow < 20; flow++) {
      const script = new TcpScript({ address: "10.8.0.1", port: 43_000 + flow }, server).handshake();
      await harness.send(
        script
          .say(true, get(`/${flow}`))
          .say(false, jsonOf("l", 30_000))
          .acknowledge(true).frames,
      );
      assert.ok(held() > 0 && held() <= totalBytes, `${held()} held`);
    }
    await until("all are asked", () => waiting.length === 20);
    for (const answer of waiting) answer();
    await until("all are compared", () => harness.gateway.snapshot().compare.different === 20);
    const { compare, flows, requests } = harness.gateway.snapshot();
    assert.equal(compare.fieldPaths["$"]! + compare.fieldsNotKept, 20);
    assert.ok(compare.fieldsNotKept > 0);
    assert.deepEqual([flows.shed, requests.coverage], [{}, 1]);
    await until("nothing is held", () => held() === 0);
  });

  it("counts datagrams of a flow that was shed", async () => {
    await start({});
    const frame = udpFrame({ address: "10.8.0.1", port: 9 }, server, Buffer.alloc(100, "x"));
    await harness.stop();
    harness.remove();
    // Nothing listens there, and a name server's port is never reached before its first datagrams wait.
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": "127.0.0.1:9" }, limits: { totalBytes: 50 } });
    await harness.send([frame, frame, frame]);
    const { requests, flows } = await harness.stop();
    assert.equal(requests.onWire, 3);
    assert.equal(requests.replayed + (requests.shed["totalBytes"] ?? 0), 3);
    assert.deepEqual([flows.shed, flows.heldBytes], [{ totalBytes: 1 }, 0]);
  });

  it("begins anew with datagrams that come after a silence", async () => {
    await start({ limits: { idleTimeoutMilliseconds: 300 } });
    const frame = udpFrame({ address: "10.8.0.1", port: 9 }, server, Buffer.from("once"));
    for (const seen of [1, 2]) {
      await harness.send([frame]);
      await until("it has lapsed", () => harness.gateway.snapshot().flows.open === 0);
      assert.equal(harness.gateway.snapshot().requests.replayed, seen);
    }
  });

  it("takes a connection up again that says something after a silence, and counts what it cannot carry of it", async () => {
    await start({ limits: { idleTimeoutMilliseconds: 300 } });
    const script = new TcpScript({ address: "10.8.0.1", port: 42_020 }, server).handshake();
    const half = new TcpScript({ address: "10.8.0.1", port: 42_021 }, server).handshake();
    script.say(true, get("/1")).say(false, ok).acknowledge(true);
    half.say(true, head("/half", 10) + "12345");
    await harness.send([...script.frames.splice(0), ...half.frames.splice(0)]);
    for (const again of [2, 3]) {
      await until("all are forgotten", () => harness.gateway.snapshot().flows.open === 0);
      // Between the end of a flow and the next look at the table, and long after it.
      if (again === 3) await new Promise((done) => setTimeout(done, 1_100));
      script
        .say(true, get(`/${again}`))
        .say(false, ok)
        .acknowledge(true);
      await harness.send(script.frames.splice(0));
      await until("it is answered", () => harness.gateway.snapshot().requests.answered === again);
    }
    await harness.send(half.say(true, "67890").say(false, ok).acknowledge(true).frames);
    const { requests } = harness.gateway.snapshot();
    assert.deepEqual(requests.unusable, { incomplete: 1, startedBefore: 1 });
    assert.deepEqual(shadow.received.map(String).filter(Boolean), [get("/1"), get("/2"), get("/3")]);
  });

  it("takes another port where the client's is taken, and counts it", async () => {
    await start({ source: "original" });
    const holder = createServer();
    await new Promise<void>((done) => holder.listen(0, "127.0.0.1", done));
    try {
      const { port } = holder.address() as { port: number };
      const script = new TcpScript({ address: "127.0.0.1", port }, server).handshake();
      await harness.send(script.say(true, get("/1")).say(false, ok).close().frames);
      await until("it is answered", () => harness.gateway.snapshot().requests.answered === 1);
      assert.equal(harness.gateway.snapshot().replay.sourcePortTaken, 1);
    } finally {
      await new Promise((done) => holder.close(done));
    }
  });
});
