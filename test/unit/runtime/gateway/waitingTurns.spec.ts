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

  it("hold no more than one flow may behind a missing segment, also after they were shed for being late", async () => {
    const bytesPerFlow = 20_000;
    await start({
      responseTimeoutSeconds: 600,
      limits: { maximumLagMilliseconds: 200, bytesPerFlow, holeTimeoutMilliseconds: 600_000 },
    });
    await play("a", "b");
    await until("it is shed", () => harness.gateway.snapshot().flows.shed["lag"] === 1);
    script.say(true, Buffer.alloc(60_000, 1));
    script.frames.shift();
    for (const frame of script.frames.splice(0)) await harness.send([frame]);
    // The figure of what is held is renewed now and then.
    await new Promise((done) => setTimeout(done, 400));
    const { heldBytes, holes } = harness.gateway.snapshot().flows;
    assert.ok(heldBytes <= bytesPerFlow, `${heldBytes} bytes are held`);
    assert.ok(holes > 0);
  });
});
