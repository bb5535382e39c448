import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("gateway: the client's end is passed on", () => {
  /** Lets a client end its connection in front of a shadow that answers after 300 ms; gives what was seen of both sides. */
  const end = async (isAnswered: boolean, isSeen: boolean): Promise<unknown> => {
    const shadow = await RecordingServer.start((socket) => setTimeout(() => socket.writable && socket.write(ok), 300));
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
    const script = new TcpScript({ address: "10.8.0.1", port: 4_000 }, { address: "10.9.0.1", port: 80 });
    script.handshake().say(true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const before = script.frames.length;
    if (isAnswered) script.say(false, ok);
    if (!isSeen) script.frames.splice(before);
    await harness.send(script.close().frames);
    await until("it is settled", () => harness.gateway.snapshot().flows.open === 0);
    const { requests, compare } = await harness.stop();
    await shadow.stop();
    harness.remove();
    return [requests.answered, requests.failed, compare.equal, compare.liveIncomplete];
  };

  it("after the shadow's answer where live had answered", async () => {
    assert.deepEqual(await end(true, true), [1, {}, 1, 0]);
  });

  it("after the shadow's answer where the mirror lost that of live", async () => {
    assert.deepEqual(await end(true, false), [1, {}, 0, 1]);
  });

  it("before the shadow's answer where the client did not wait for that of live", async () => {
    assert.deepEqual(await end(false, true), [0, { closed: 1 }, 0, 1]);
  });
});
