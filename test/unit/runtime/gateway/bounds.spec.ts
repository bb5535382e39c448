import assert from "node:assert/strict";
import { createServer } from "node:net";

import { TcpScript } from "../../../support/capture";
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
