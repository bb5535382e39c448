import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const answer = `HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n${"r".repeat(500)}`;

/** A letter for each request: G fits into a copy, P does not. */
function requestsOf(plan: string): string[] {
  return Array.from(plan, (kind, index) => {
    const body = kind === "G" ? "" : "q".repeat(500);
    return `POST /${index} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  });
}

describe("gateway: a mirror that cuts every copy short", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    const heads = (bytes: Buffer): number => bytes.toString().split("POST").length - 1;
    shadow = await RecordingServer.start((socket, _all, fresh) => socket.write(answer.repeat(heads(fresh))));
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      include: [{ application: "http1" }],
    });
  });

  afterEach(async () => {
    harness.remove();
    await shadow.stop();
  });

  for (const plan of ["PPPPP", "GGGGGPPPPP", "PPPPPGGGGG", "GPGPGPGPGP", "GGPPPPPPPG"]) {
    it(`replays what is whole of ${plan}, counts each other request once, and knows them all for HTTP/1`, async () => {
      const script = new TcpScript({ address: "10.8.0.1", port: 40_000 }, server).handshake();
      const requests = requestsOf(plan);
      for (const request of requests) script.say(true, request).say(false, answer);
      await harness.send(script.close().frames.map((frame) => frame.subarray(0, 128)));
      const whole = requests.filter((_, index) => plan[index] === "G");
      await until("what is whole is answered", () => harness.gateway.snapshot().requests.answered === whole.length);
      const { requests: counted, selection } = await harness.stop();
      assert.equal(shadow.received.join(""), whole.join(""));
      assert.deepEqual(
        [counted.onWire, counted.replayed, counted.lostByMirror, counted.lostEstimated, selection.flowsSelected],
        [plan.length, whole.length, plan.length - whole.length, 0, 1],
      );
    });
  }

  it("takes the rest of a cut segment from its repetition", async () => {
    const script = new TcpScript({ address: "10.8.0.1", port: 40_001 }, server).handshake();
    const [request] = requestsOf("P");
    const { length } = script.frames;
    script.say(true, request!).say(false, answer).close();
    const sent = script.frames[length]!;
    script.frames.splice(length, 0, sent.subarray(0, 128));
    await harness.send(script.frames);
    await until("it is answered", () => harness.gateway.snapshot().requests.answered === 1);
    assert.equal(shadow.received.join(""), request);
    assert.equal((await harness.stop()).intake.truncated, 1);
  });
});
