import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const bound = 400;
const turns = 40;
const slowMilliseconds = 150;
const [slow, quick] = [
  { address: "10.9.0.1", port: 7 },
  { address: "10.9.0.2", port: 7 },
];

describe("gateway: a flow that lags", () => {
  it("is shed whole at its bound and not stretched, and a flow that keeps up is carried to its end", async function () {
    this.timeout(60_000);
    const late = await RecordingServer.start((socket) => setTimeout(() => socket.write("well"), slowMilliseconds));
    const prompt = await RecordingServer.start((socket) => socket.write("well"));
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:7": `127.0.0.1:${late.port}`, "10.9.0.2:7": `127.0.0.1:${prompt.port}` },
      limits: { maximumLagMilliseconds: bound },
    });
    const scripts = [slow, quick].map((server, index) =>
      new TcpScript({ address: "10.8.0.1", port: 44_000 + index }, server).handshake(),
    );
    for (let turn = 0; turn < turns; turn++) {
      for (const script of scripts) {
        script.say(true, `\x01\x02 turn ${turn}.`).acknowledge(false).say(false, "well").acknowledge(true);
        await harness.send(script.frames.splice(0));
      }
      await new Promise((done) => setTimeout(done, 40));
    }
    await harness.send(scripts.flatMap((script) => script.close().frames));
    await until("both flows are over", () => harness.gateway.snapshot().flows.open === 0);
    const { flows, requests } = await harness.stop();
    const said = Buffer.concat(late.received).toString("latin1").split(".").length - 1;
    assert.deepEqual(flows.shed, { lag: 1 });
    assert.ok(said > 0 && said < turns, `${said} turns were sent`);
    assert.equal(requests.replayed, turns + said);
    assert.deepEqual(requests.shed, { lag: turns - said });
    assert.equal(requests.onWire, 2 * turns);
    const lags = harness.samples().map(({ lagMilliseconds }) => lagMilliseconds);
    assert.equal(lags.length, turns + said);
    assert.ok(Math.max(...lags) < bound + slowMilliseconds + 300, `sent up to ${Math.max(...lags)} ms late`);
    assert.equal(Buffer.concat(prompt.received).toString("latin1").split(".").length - 1, turns);
    harness.remove();
    await late.stop();
    await prompt.stop();
  });
});
