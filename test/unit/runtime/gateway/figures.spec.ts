import assert from "node:assert/strict";

import fc from "fast-check";

import { LagHistogram } from "../../../../components/runtime/gateway/lagHistogram";
import { newStats } from "../../../../components/runtime/gateway/stats";
import { gatewayStatsSchema } from "../../../../components/runtime/gateway/statsSchema";
import { mergeStats } from "../../../../components/runtime/gateway/workers/mergeStats";

function histogramOf(values: readonly number[]): LagHistogram {
  const histogram = new LagHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe("gateway: figures of lag, and figures of several threads", () => {
  it("name the share of requests that were faster, to one per cent", () => {
    const lag = fc.oneof(
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 3_600_000, noNaN: true }),
    );
    const share = fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1);
    fc.assert(
      fc.property(fc.array(lag, { minLength: 1, maxLength: 200 }), share, (values, part) => {
        const sorted = [...values].sort((a, b) => a - b);
        const truth = sorted[Math.ceil(values.length * part) - 1]!;
        const told = histogramOf(values).quantile(part)!;
        assert.ok(Math.abs(told - truth) <= Math.max(0.0006, truth * 0.01), `${told} for ${truth}`);
      }),
      { numRuns: 500 },
    );
  });

  it("are null without requests, 0 for what left early, and at most an hour", () => {
    assert.equal(new LagHistogram().quantile(0.5), null);
    assert.equal(histogramOf([-5]).quantile(1), 0);
    const longest = histogramOf([1e12]).quantile(1)!;
    assert.ok(Math.abs(longest - 3_600_000) < 36_000, `${longest}`);
  });

  it("are those of one gateway when each thread has a part of the requests", () => {
    const lags = [
      [1, 2, 3],
      [10, 20, 30, 40, 50],
    ];
    const reports = lags.map((values, thread) => {
      const stats = newStats(7);
      const by = thread + 1;
      stats.intake.packets = 100 * by;
      stats.intake.receiveBufferBytes = { asked: 4 * by, granted: 2 * by };
      stats.intake.malformed = thread === 0 ? { shortFrame: 1 } : { shortFrame: 2, notIp: 3 };
      stats.requests.replayed = 6 * by;
      stats.requests.lostByMirror = by;
      stats.requests.unusable = { incomplete: by };
      stats.requests.shed = thread === 0 ? {} : { lag: 3 };
      stats.compare.fieldPaths["__proto__"] = by;
      stats.compare.fieldPaths["constructor"] = by;
      stats.replay.http2.stalls = by;
      stats.replay.lagMilliseconds = { p50: 1_000 * by, p99: 1_000 * by };
      return { stats: structuredClone(stats), lag: histogramOf(values).counts };
    });
    const merged = gatewayStatsSchema.parse(mergeStats(5, true, reports));
    assert.deepEqual(
      [merged.startedAt, merged.intake.open, merged.intake.packets, merged.replay.http2.stalls],
      [5, true, 300, 3],
    );
    assert.deepEqual(merged.intake.receiveBufferBytes, { asked: 12, granted: 6 });
    assert.deepEqual(merged.intake.malformed, { shortFrame: 3, notIp: 3 });
    const { onWire, coverage, coverageAtLeast, shed, unusable } = merged.requests;
    assert.deepEqual([onWire, coverage, coverageAtLeast], [27, 18 / 27, null]);
    assert.deepEqual([shed, unusable], [{ lag: 3 }, { incomplete: 3 }]);
    assert.deepEqual(merged.replay.lagMilliseconds, {
      p50: histogramOf(lags.flat()).quantile(0.5),
      p99: histogramOf(lags.flat()).quantile(0.99),
    });
    const { fieldPaths } = mergeStats(5, true, reports).compare;
    assert.deepEqual(Object.entries(fieldPaths), [
      ["__proto__", 3],
      ["constructor", 3],
    ]);
  });

  it("know of packets that the kernel dropped when one thread does", () => {
    const reports = [null, 4, null].map((kernelDrops) => {
      const stats = newStats(0);
      stats.intake.kernelDrops = kernelDrops;
      stats.requests.replayed = 2;
      return { stats, lag: new LagHistogram().counts };
    });
    const { intake, requests } = mergeStats(0, false, reports);
    assert.deepEqual([intake.kernelDrops, requests.coverageAtLeast, requests.coverage], [4, 0.6, 1]);
    assert.equal(mergeStats(0, false, []).intake.kernelDrops, null);
  });
});
