import assert from "node:assert/strict";

import { newStats, sumRequests, type GatewayStats } from "../../../../components/runtime/gateway/stats";
import { mergeStats } from "../../../../components/runtime/gateway/workers/mergeStats";
import { LagHistogram } from "../../../../components/runtime/gateway/lagHistogram";
import { GatewayHarness } from "../../../support/captureHarness";

function counted(kernelDrops: number | null): GatewayStats {
  const stats = newStats(0);
  stats.intake.kernelDrops = kernelDrops;
  Object.assign(stats.requests, { replayed: 80, lostByMirror: 10, unusable: { incomplete: 4 }, shed: { lag: 6 } });
  sumRequests(stats);
  return stats;
}

describe("gateway: coverage when the kernel drops packets of the intake", () => {
  it("keeps the parts summing to the whole and lowers the bound by one request for each packet", () => {
    const { requests } = counted(60);
    assert.deepEqual([requests.onWire, requests.coverage, requests.coverageAtLeast], [100, 0.8, 0.5]);
  });

  it("bounds nothing lower when nothing was dropped, and claims no bound when the kernel does not say", () => {
    assert.equal(counted(0).requests.coverageAtLeast, 0.8);
    assert.equal(counted(null).requests.coverageAtLeast, null);
  });

  it("adds up the drops of all threads", () => {
    const lag = new LagHistogram();
    const reports = [counted(50), counted(250)].map((stats) => ({ stats, lag: lag.counts }));
    const { requests } = mergeStats(0, true, reports);
    assert.deepEqual([requests.onWire, requests.coverage, requests.coverageAtLeast], [200, 0.8, 0.32]);
  });

  it("reads the socket's counter in a gateway that runs", async () => {
    const harness = await GatewayHarness.start({});
    const { requests, intake } = await harness.stop();
    harness.remove();
    assert.equal(intake.kernelDrops, 0);
    assert.equal(requests.coverageAtLeast, 1);
  });
});
