import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, until } from "../../../support/captureHarness";
import { describeRequest, Http2Recorder, recordHttp2 } from "../../../support/http2Sessions";
import { sessionScript } from "../../../support/recordedSession";

const server = { address: "10.9.0.1", port: 8_080 };
const bodyBytes = 60_000;

describe("gateway: HTTP/2 flows that are shed", () => {
  let live: Http2Recorder;
  let shadow: Http2Recorder;
  let harness: GatewayHarness;

  beforeEach(async () => {
    live = await Http2Recorder.start((stream) => {
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
    shadow = await Http2Recorder.start((stream) => {
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` },
      limits: { totalBytes: 80_000 },
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await live.stop();
    await shadow.stop();
  });

  /** Until the figure of what is held has been renewed. */
  const renewed = (): Promise<unknown> => new Promise((done) => setTimeout(done, 300));
  const held = (): number => harness.gateway.snapshot().flows.heldBytes;
  const script = async (port: number, path: string): Promise<TcpScript> => {
    const request = { method: "POST", path, body: Buffer.alloc(bodyBytes, path) };
    return sessionScript(await recordHttp2(live.port, [request], true), { address: "10.8.0.1", port }, server);
  };

  it("give back what they hold at once, so that an older one is carried whole", async () => {
    const old = (await script(46_000, "/old")).close().frames;
    const young = (await script(46_001, "/young")).close().frames;
    const [oldHalf, youngMost] = [Math.floor(old.length / 2), young.length - 12];
    await harness.send(old.slice(0, oldHalf));
    await until("half a request is held", () => held() > bodyBytes / 4);
    const before = held();
    await harness.send(young.slice(0, youngMost));
    await until("the younger one is shed", () => harness.gateway.snapshot().flows.shed["totalBytes"] === 1);
    await renewed();
    assert.ok(held() <= before + 17_000, `${held()} bytes are held, ${before} before`);
    await harness.send([...old.slice(oldHalf), ...young.slice(youngMost)]);
    await until("the older one is answered", () => harness.gateway.snapshot().requests.answered === 1);
    await until("nothing is held", () => held() === 0);
    const { requests } = await harness.stop();
    assert.deepEqual(shadow.asked, [describeRequest("POST", "/old", Buffer.alloc(bodyBytes, "/old"))]);
    assert.deepEqual([requests.onWire, requests.replayed, requests.shed], [2, 1, { totalBytes: 1 }]);
  });

  it("hold nothing of a frame that claims to be enormous", async () => {
    const hostile = new TcpScript({ address: "10.8.0.1", port: 46_002 }, server).handshake();
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    hostile.say(true, Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings]));
    hostile.say(false, settings).acknowledge(true);
    hostile.say(true, Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), Buffer.alloc(300_000)]));
    await harness.send(hostile.frames);
    await until("it is shed", () => harness.gateway.snapshot().flows.shed["totalBytes"] === 1);
    await renewed();
    assert.equal(held(), 0);
    assert.equal(shadow.asked.length, 0);
  });
});
