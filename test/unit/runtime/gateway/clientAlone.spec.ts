import assert from "node:assert/strict";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer } from "../../../support/captureHarness";
import { redisCommand } from "../../../support/protocols";

const client = { address: "10.8.0.1", port: 4_000 };
const server = { address: "10.9.0.1", port: 6_379 };
const count = 6;

describe("gateway: a mirror that carries the client's direction alone", () => {
  /** What is counted of six commands, each sent after the answer to the one before, without the packet of one of them. */
  const countedWithout = async (lost: number | undefined): Promise<GatewayStats["requests"]> => {
    const shadow = await RecordingServer.start((socket) => socket.write("+OK\r\n"));
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` } });
    const flow = new TcpScript(client, server).handshake();
    for (let n = 1; n <= count; n++) {
      flow.say(true, redisCommand("SET", "key", `value${n}`));
      if (n === lost) flow.frames.pop();
      flow.say(false, "+OK\r\n").acknowledge(true);
    }
    await harness.send(flow.close().frames.filter((frame) => frame.readUInt16BE(34) === client.port));
    const { requests } = await harness.stop();
    harness.remove();
    await shadow.stop();
    return requests;
  };

  it("counts every command", async () => {
    const { onWire, replayed, lostEstimated } = await countedWithout(undefined);
    assert.deepEqual([onWire, replayed, lostEstimated], [count, count, 0]);
  });

  for (let lost = 1; lost <= count; lost++) {
    it(`judges by their bytes how many went by from command ${lost} on, which it lost, and says so`, async () => {
      const { onWire, lostByMirror, lostEstimated } = await countedWithout(lost);
      assert.equal(onWire, count);
      assert.equal(lostEstimated, lostByMirror);
    });
  }
});
