import assert from "node:assert/strict";

import { newStats } from "../../../../../components/runtime/gateway/stats";
import { GatewaySignals } from "../../../../../components/runtime/runner/signals/gatewaySignals";

describe("signals of the gateway", () => {
  const stats = (time: number, onWire: number, replayed: number, lost: number, startedAt = 0) => {
    const all = newStats(startedAt);
    all.time = time;
    Object.assign(all.requests, { onWire, replayed, lostByMirror: lost });
    Object.assign(all.selection, { flowsSeen: onWire, flowsSelected: onWire / 4 });
    return all;
  };

  it("takes ratios over what was added, not since the gateway began", () => {
    const signals = new GatewaySignals();
    assert.deepEqual(signals.points(stats(1000, 1000, 0, 1000), 0), []);
    const points = signals.points(stats(2000, 1100, 90, 1010), 1000);
    assert.deepEqual(
      points.map(({ signal, time, value }) => [signal, time, value]),
      [
        ["replay.coverage", 1000, 0.9],
        ["mirror.loss", 1000, 0.1],
        ["mirror.share", 1000, 25],
      ],
    );
  });

  it("takes packets that nobody saw for requests that did not reach the shadow", () => {
    const signals = new GatewaySignals();
    const dropping = (time: number, drops: number | null) => {
      const all = stats(time, time / 10, time / 10, 0);
      all.intake.kernelDrops = drops;
      return all;
    };
    signals.points(dropping(1000, 5), 0);
    assert.equal(signals.points(dropping(2000, 30), 1000)[0]!.value, 0.8);
    const silent = new GatewaySignals();
    silent.points(dropping(1000, null), 0);
    assert.equal(silent.points(dropping(2000, null), 1000)[0]!.value, 1);
  });

  it("leaves a gap where nothing was on the wire, and starts over with a new gateway", () => {
    const signals = new GatewaySignals();
    signals.points(stats(1000, 10, 10, 0), 0);
    assert.deepEqual(signals.points(stats(2000, 10, 10, 0), 1000), []);
    assert.deepEqual(signals.points(stats(3000, 5, 5, 0, 2500), 2000), []);
    assert.equal(signals.points(stats(4000, 15, 15, 0, 2500), 3000)[0]!.value, 1);
  });
});
