import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const client = { address: "10.8.0.1", port: 40_001 };

function answerAll(
  status = "200 OK",
  body = "hello",
): (socket: import("node:net").Socket, all: Buffer, fresh: Buffer) => void {
  return (socket, _all, fresh) => {
    const requests = fresh.toString("latin1").split("\r\n\r\n").length - 1;
    for (let i = 0; i < requests; i++)
      socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  };
}

describe("gateway: HTTP/1 from mirrored packets to the shadow", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    shadow = await RecordingServer.start(answerAll());
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  it("replays a keep-alive flow verbatim over one connection and pairs the answers", async () => {
    const script = new TcpScript(client, server).handshake();
    const requests = ["GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"];
    for (const request of requests) {
      script.say(true, request).say(false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }
    await harness.send(script.close().frames);
    await until("both are answered", () => harness.gateway.snapshot().compare.paired === 2);
    const stats = await harness.stop();
    assert.deepEqual(
      shadow.received.map((bytes) => bytes.toString()),
      [requests.join("")],
    );
    assert.equal(stats.requests.onWire, 2);
    assert.equal(stats.requests.replayed, 2);
    assert.equal(stats.requests.answered, 2);
    assert.equal(stats.compare.equal, 2);
    const samples = harness.samples();
    assert.deepEqual(
      samples.map(({ index, path, equal, flow }) => ({ index, path, equal, flow })),
      ["/a", "/b"].map((path, index) => ({ index, path, equal: true, flow: "tcp 10.8.0.1:40001>10.9.0.1:80" })),
    );
  });
});
