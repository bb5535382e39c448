import assert from "node:assert/strict";

import type { GatewayConfig } from "../../../../components/runtime/gateway/config";
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
