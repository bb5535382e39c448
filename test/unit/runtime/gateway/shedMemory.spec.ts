import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";

import type { GatewayConfig } from "../../../../components/runtime/gateway/config";
import { FrameFlag, FrameType, makeFrame, preface } from "../../../../components/runtime/gateway/compare/http2/frames";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, until } from "../../../support/captureHarness";
import { realHello, withExtension } from "../../../support/clientHello";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const jumbo = 60_000;
const megabyte = 2 ** 20;

const open = (port: number, mss = jumbo): TcpScript =>
  new TcpScript({ address: "10.8.0.1", port }, server, { mss }).handshake();
const fresh = (script: TcpScript): Buffer[] => script.frames.splice(0);
const post = (length: number): string => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
/** `POST /` for the authority `x`, by the static table. */
const http2Head = Buffer.from("838486410178", "hex");

describe("gateway: what a flow holds is let go when it is shed", function () {
  this.timeout(60_000);
  let shadow: Server;
  const sockets: Socket[] = [];
  let harness: GatewayHarness;
  let reads: boolean;

  const start = async (config: Partial<GatewayConfig>): Promise<void> => {
    reads = true;
    shadow = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => {
        if (bytes.toString("latin1").endsWith("end")) socket.write(ok);
      });
      if (!reads) socket.pause();
    });
    await new Promise<void>((done) => shadow.listen(0, "127.0.0.1", done));
    const { port } = shadow.address() as { port: number };
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${port}` }, ...config });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    for (const socket of sockets.splice(0)) socket.destroy();
    await new Promise((done) => shadow.close(done));
  });

  /** Bytes that the gateway says it holds, after it has looked again. */
  const held = async (): Promise<number> => {
    await new Promise((done) => setTimeout(done, 450));
    return harness.gateway.snapshot().flows.heldBytes;
  };

  const holdsLessThan = async (limit: number): Promise<void> => {
    const bytes = await held();
    assert.ok(bytes < limit, `${bytes} bytes are held`);
  };

  /** An older flow whose request is half there. */
  const older = async (bytes: number, whole = bytes): Promise<TcpScript> => {
    const script = open(1_000);
    script.say(true, post(whole + 3)).say(true, Buffer.alloc(bytes));
    await harness.send(fresh(script));
    return script;
  };

  const finish = async (script: TcpScript): Promise<void> => {
    await harness.send(fresh(script.say(true, "end").say(false, ok).close()));
    await until("the older one is answered", () => harness.gateway.snapshot().requests.answered === 1);
  };

  it("by a protocol by turns, and nothing of what comes after a pause is held", async () => {
    await start({ limits: { totalBytes: 2 * megabyte } });
    const old = await older(megabyte);
    const young = open(2_000);
    await harness.send(fresh(young.say(true, Buffer.alloc(1_200_000, 1))));
    assert.deepEqual(harness.gateway.snapshot().flows.shed, { totalBytes: 1 });
    await holdsLessThan(1.1 * megabyte);
    await harness.send(fresh(young.say(true, Buffer.alloc(900_000, 1))));
    await holdsLessThan(1.1 * megabyte);
    await harness.send(fresh(young.say(false, "answer").say(true, "more").say(false, "answer").close()));
    await finish(old);
    const { requests } = harness.gateway.snapshot();
    assert.equal(requests.replayed, 1);
    assert.ok(requests.shed["totalBytes"]! >= 2, "its turns are counted");
  });

  it("by HTTP/2, in whole frames and inside one", async () => {
    await start({ limits: { totalBytes: 2 * megabyte } });
    const old = await older(megabyte);
    const young = open(2_000);
    young.say(true, Buffer.concat([preface, makeFrame(FrameType.Settings, 0, 0, Buffer.alloc(0))]));
    young.say(true, makeFrame(FrameType.Headers, FrameFlag.EndHeaders, 1, http2Head));
    const data = makeFrame(FrameType.Data, 0, 1, Buffer.alloc(16_384));
    for (let index = 0; index < 40; index++) young.say(true, data);
    const long = makeFrame(FrameType.Data, FrameFlag.EndStream, 1, Buffer.alloc(megabyte));
    young.say(true, long.subarray(0, 800_000));
    await harness.send(fresh(young));
    assert.deepEqual(harness.gateway.snapshot().flows.shed, { totalBytes: 1 });
    await holdsLessThan(1.1 * megabyte);
    await harness.send(fresh(young.say(true, long.subarray(800_000)).close()));
    await finish(old);
    const { requests } = harness.gateway.snapshot();
    assert.deepEqual([requests.replayed, requests.shed], [1, { totalBytes: 1 }]);
  });

  it("by segments that wait for a missing one", async () => {
    await start({ limits: { totalBytes: 2 * megabyte, holeTimeoutMilliseconds: 30_000 } });
    const old = await older(megabyte);
    const young = open(2_000);
    young.say(true, post(4 * megabyte)).say(true, Buffer.alloc(1_800_000));
    const frames = fresh(young);
    await harness.send(frames.filter((_, index) => index !== 6));
    assert.deepEqual(harness.gateway.snapshot().flows.shed, { totalBytes: 1 });
    await holdsLessThan(1.1 * megabyte);
    await finish(old);
  });

  it("by a hello whose name is not known yet, which is then no match", async () => {
    await start({ limits: { totalBytes: 12_000 }, include: [{ serverName: "www.shop.example" }] });
    const hello = withExtension(await realHello({ servername: "www.shop.example" }), 21, Buffer.alloc(9_000), true);
    const script = open(3_000, 1_000).say(true, hello);
    const frames = fresh(script);
    await harness.send(frames.slice(0, 6));
    assert.ok((await held()) > 3_000, "a hello counts while it is not whole");
    await harness.send(frames.slice(6, 10));
    const { flows, selection } = harness.gateway.snapshot();
    assert.deepEqual([flows.shed, selection.flowsSelected, selection.flowsExcluded], [{}, 0, 1]);
    assert.equal(await held(), 0);
  });

  it("by a shadow that does not read, whose connection is reset so that no part passes for the whole", async () => {
    await start({ limits: { totalBytes: 24 * megabyte, bytesPerFlow: 64 * megabyte }, responseTimeoutSeconds: 60 });
    const old = await older(megabyte, 20 * megabyte);
    await until("the older one has its connection", () => sockets.length === 1);
    reads = false;
    const young = open(2_000);
    await harness.send(fresh(young.say(true, post(20 * megabyte)).say(true, Buffer.alloc(20 * megabyte))));
    assert.equal(harness.gateway.snapshot().requests.replayed, 1);
    const stalled = (await held()) - megabyte;
    assert.ok(stalled > 5 * megabyte, `${stalled} bytes wait for the shadow`);
    await harness.send(fresh(old.say(true, Buffer.alloc(19 * megabyte))));
    const { flows, requests } = harness.gateway.snapshot();
    assert.deepEqual([flows.shed, requests.shed], [{ totalBytes: 1 }, { totalBytes: 1 }]);
    assert.deepEqual([requests.replayed, requests.failed], [0, {}], "the shadow is not blamed");
    await holdsLessThan(20.1 * megabyte);
    await finish(old);
    assert.equal(harness.gateway.snapshot().requests.onWire, 2);
  });

  it("nothing is held once the gateway has stopped, also where the shadow did not read", async () => {
    await start({});
    reads = false;
    const length = 12 * megabyte;
    await harness.send(open(43_001).say(true, post(length) + "x".repeat(length)).frames);
    assert.ok((await held()) > megabyte);
    const { flows } = await harness.stop();
    assert.deepEqual([flows.heldBytes, flows.open], [0, 0]);
  });
});
