import assert from "node:assert/strict";

import type { GatewayConfig } from "../../../../components/runtime/gateway/config";
import { FrameFlag, FrameType, makeFrame, preface } from "../../../../components/runtime/gateway/compare/http2/frames";
import { tcpFrame, TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe("gateway: flows beyond its bounds, and flows that are over", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  const start = async (config: Partial<GatewayConfig>): Promise<void> => {
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      for (let count = fresh.toString("latin1").split("GET ").length - 1; count > 0; count--) socket.write(ok);
    });
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` }, ...config });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const opened = (port: number): TcpScript => new TcpScript({ address: "10.8.0.1", port }, server).handshake();

  it("are counted with all their requests when there are too many, and so are those that not even that is kept of", async () => {
    await start({ limits: { flows: 2 } });
    const flows = Array.from({ length: 12 }, (_, index) => opened(41_000 + index));
    for (const [index, flow] of flows.entries()) {
      flow
        .say(true, get(`/${index}/a`))
        .say(false, ok)
        .acknowledge(true);
      flow
        .say(true, get(`/${index}/b`))
        .say(false, ok)
        .acknowledge(true);
      await harness.send(flow.frames.splice(0));
    }
    await until("those within the bound are answered", () => harness.gateway.snapshot().requests.answered === 4);
    const { flows: counted, requests } = harness.gateway.snapshot();
    // Of four times as many flows as may be carried it is known what became of them.
    assert.deepEqual(counted.shed, { flows: 6, tableFull: 4 });
    assert.deepEqual(requests.shed, { flows: 12, tableFull: 8 });
    assert.deepEqual([requests.onWire, requests.replayed], [24, 4]);
  });

  describe("from their beginning", () => {
    const turns = ["ask one\n", "ask two, which is longer than a segment\n".repeat(90), "ask three\n"];
    const frame = (type: number, stream: number, bytes = 20): Buffer =>
      makeFrame(type, type === FrameType.Headers ? FrameFlag.EndHeaders : 0, stream, Buffer.alloc(bytes, 0x82));
    const http2 = [
      Buffer.concat([preface, frame(FrameType.Settings, 0, 0), frame(FrameType.Headers, 1)]),
      frame(FrameType.Data, 1, 9_000),
      Buffer.concat([3, 5, 7].map((stream) => frame(FrameType.Headers, stream))),
      frame(FrameType.Headers, 9),
    ];
    const upload = `POST /up HTTP/1.1\r\nContent-Length: 9000\r\n\r\n${"x".repeat(9_000)}`;
    const kinds: [string, (Buffer | string)[], number][] = [
      ["another protocol, by turns", turns, 3],
      ["HTTP/1.x, also in pipelines and with bodies", [get("/1") + get("/2") + get("/3"), upload, get("/5")], 5],
      ["HTTP/2, also of several streams in a segment", http2, 5],
    ];
    for (const [name, said, truth] of kinds) {
      it(`count their requests where they are ${name}`, async () => {
        await start({ limits: { flows: 1 } });
        await harness.send(opened(41_300).say(true, get("/carried")).say(false, ok).frames);
        const flow = opened(41_301);
        for (const words of said) flow.say(true, words).say(false, "HTTP/1.1 200 OK\r\n\r\nanswer");
        // Nothing is counted twice that comes twice.
        await harness.send(flow.close().frames.flatMap((packet) => [packet, packet]));
        await until("the one within the bound is answered", () => harness.gateway.snapshot().requests.answered === 1);
        const { requests } = harness.gateway.snapshot();
        assert.deepEqual([requests.shed, requests.shedEstimated], [{ flows: truth }, truth]);
        assert.deepEqual([requests.onWire, requests.replayed], [truth + 1, 1]);
      });
    }

    it("count what single packets show where nothing is kept of them", async () => {
      await start({ limits: { flows: 1 } });
      for (let port = 41_400; port < 41_404; port++) await harness.send(opened(port).say(true, "hello\n").frames);
      const flow = opened(41_410).say(true, get("/1") + get("/2"));
      const other = opened(41_411).say(true, "ask\n");
      await harness.send([...flow.frames, ...other.frames]);
      await until("all are seen", () => harness.gateway.snapshot().requests.shed["tableFull"] === 3);
      assert.equal(harness.gateway.snapshot().requests.shedEstimated, 3 + 3);
    });
  });

  it("are not begun again by what comes late of them", async () => {
    await start({});
    const flow = opened(41_100).say(true, get("/once")).say(false, ok);
    const request = flow.frames.find((frame) => frame.includes("/once"))!;
    await harness.send(flow.close().frames);
    await until("it is over", () => harness.gateway.snapshot().flows.open === 0);
    for (let again = 0; again < 3; again++) {
      await new Promise((done) => setTimeout(done, 800));
      await harness.send([request]);
    }
    await new Promise((done) => setTimeout(done, 200));
    const { requests, selection } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, requests.replayed, selection.flowsSeen], [1, 1, 1]);
    assert.deepEqual(shadow.received.map(String), [get("/once")]);
  });

  it("are over when live's server refuses the connection, and not by a refusal of something else", async () => {
    await start({});
    const client = { address: "10.8.0.1", port: 41_200 };
    const [syn] = opened(client.port).frames as [Buffer];
    const refusal = (acknowledgement: number): Buffer =>
      tcpFrame({ from: server, to: client, sequence: 0, acknowledgement, flags: "RA" });
    const open = (): number => harness.gateway.snapshot().flows.open;
    await harness.send([syn, refusal(77_777)]);
    // Flows that are over are taken off the table now and then.
    await new Promise((done) => setTimeout(done, 400));
    assert.equal(open(), 1);
    await harness.send([refusal(1_001)]);
    await until("it is over", () => open() === 0, 5_000);
    const { requests, replay } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, replay.connections], [0, 0]);
  });
});
