import assert from "node:assert/strict";

import type { GatewayConfig } from "../../../../components/runtime/gateway/config";
import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const turn = (name: string): string => `\x01\x02 ${name.repeat(1_000)}`;

describe("gateway: turns that wait for a shadow", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  let script: TcpScript;

  const start = async (config: Partial<GatewayConfig>): Promise<void> => {
    shadow = await RecordingServer.start(() => undefined);
    harness = await GatewayHarness.start({ to: { "10.9.0.1:7007": `127.0.0.1:${shadow.port}` }, ...config });
    script = new TcpScript({ address: "10.8.0.1", port: 40_000 }, { address: "10.9.0.1", port: 7_007 }).handshake();
  };

  const play = (...names: string[]): Promise<void> => {
    for (const name of names) script.say(true, turn(name)).acknowledge(false).say(false, "well").acknowledge(true);
    return harness.send(script.frames.splice(0));
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  it("hold nothing any more once their answers are given up", async () => {
    await start({ responseTimeoutSeconds: 1, limits: { maximumLagMilliseconds: 60_000 } });
    await play("a", "b", "c", "d");
    const counted = (): GatewayStats => harness.gateway.snapshot();
    assert.ok(counted().flows.heldBytes > 3_000);
    await until("all are given up", () => counted().requests.failed["timeout"] === 4);
    await until("nothing is held", () => counted().flows.heldBytes === 0, 3_000);
    assert.equal(counted().flows.open, 1);
  });
});
