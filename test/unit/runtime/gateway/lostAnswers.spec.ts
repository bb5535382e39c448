import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { redisCommand } from "../../../support/protocols";

const asked = redisCommand("GET", "a");
const answer = `$2000\r\n${"x".repeat(2_000)}\r\n`;

describe("gateway: an answer by turns of which the mirror lost something", () => {
  /** What a sample says of live when these packets of its second answer, by their place in it, are lost. */
  const liveOf = async (lost: number[], closes: boolean): Promise<unknown> => {
    const shadow = await RecordingServer.start((socket) => socket.write(answer));
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` } });
    const script = new TcpScript({ address: "10.8.0.1", port: 4_000 }, { address: "10.9.0.1", port: 6_379 });
    script.handshake().say(true, asked).say(false, answer).acknowledge(true).say(true, asked);
    const before = script.frames.length;
    script.say(false, answer);
    for (const place of [...lost].reverse()) script.frames.splice(before + place, 1);
    if (closes) script.close();
    else script.acknowledge(true).say(true, asked).say(false, answer).acknowledge(true);
    await harness.send(script.frames);
    const count = closes ? 2 : 3;
    await until("all is answered", () => harness.gateway.snapshot().requests.answered === count);
    await harness.stop();
    const live = harness.samples().find(({ index }) => index === 1)?.live;
    const { compare, requests } = harness.gateway.snapshot();
    await shadow.stop();
    harness.remove();
    return [live?.error, compare.different, compare.liveIncomplete, requests.onWire];
  };

  for (const closes of [false, true]) {
    for (const lost of [[0], [1], [0, 1]]) {
      const what = lost.length > 1 ? "all of it" : lost[0] === 0 ? "its beginning" : "its end";
      it(`is not compared: ${what}, ${closes ? "and the client closes" : "and the client goes on"}`, async () => {
        assert.deepEqual(await liveOf(lost, closes), ["lost", 0, 1, closes ? 2 : 3]);
      });
    }
  }
});
