import assert from "node:assert/strict";

import fc from "fast-check";

import { type Sample, gapOf, indexPoints, medianWithin, thinned } from "../../../../components/runtime/report/series";
import { effectSize, formatSeconds } from "../../../../components/runtime/report/format";
import { axisFormatter, formatShift, formatValue, significant } from "../../../../components/runtime/words";
import { syntheticRun } from "../../../support/runs";

describe("series for the charts", () => {
  it("keeps at most the asked number of samples, in order, and every extreme", () => {
    const series = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 800 });
    fc.assert(
      fc.property(series, fc.integer({ min: 4, max: 200 }), (values, limit) => {
        const samples = values.map((value, index): Sample => [index * 1000, value]);
        const kept = thinned(samples, limit).filter(([, value]) => value !== null);
        assert.ok(kept.length <= Math.max(limit, Math.min(samples.length, limit)));
        assert.ok(kept.every(([time], index) => index === 0 || time > kept[index - 1]![0]));
        const found = kept.map(([, value]) => value!);
        assert.equal(Math.max(...found), Math.max(...values));
        assert.equal(Math.min(...found), Math.min(...values));
      }),
    );
  });

  it("breaks the line where samples are missing", () => {
    const samples: Sample[] = [0, 1, 2, 3, 20, 21, 22].map((second) => [second * 1000, 1]);
    assert.equal(thinned(samples, 100).filter(([, value]) => value === null).length, 1);
  });

  it("levels the gap on the baseline, and takes a recorded gap before its own", () => {
    const point = (side: "live" | "shadow" | "gap", time: number, value: number) => ({
      signal: "s",
      target: "t",
      side,
      time,
      value,
    });
    const pairs = [0, 1, 2].flatMap((time) => [point("live", time, 10), point("shadow", time, time === 2 ? 20 : 13)]);
    const baselines = [{ start: 0, end: 2 }];
    assert.deepEqual(gapOf(indexPoints(pairs), "s", "t", baselines), [
      [0, 0],
      [1, 0],
      [2, 7],
    ]);
    const recorded = indexPoints([...pairs, point("gap", 2, 5)]);
    assert.deepEqual(gapOf(recorded, "s", "t", baselines), [[2, 5]]);
    assert.equal(medianWithin([], baselines), undefined);
  });
});

describe("numbers for people", () => {
  it("keep one unit along an axis, that of its largest value", () => {
    const along = (signal: string, largest: number): string[] =>
      [0, 500, 8_000, 10_000].map(axisFormatter(signal, largest));
    assert.deepEqual(along("app.latency.p95", 10_000), ["0 s", "0.5 s", "8 s", "10 s"]);
    assert.deepEqual(along("app.latency.p95", 1_500).slice(0, 2), ["0 ms", "500 ms"]);
    assert.deepEqual(along("machine.memory", 8_000), ["0 kB", "0.5 kB", "8 kB", "10 kB"]);
    assert.deepEqual(along("machine.network.in", 999).slice(0, 2), ["0 B/s", "500 B/s"]);
    assert.equal(axisFormatter("app.errors", 1)(0.5), "50 %");
  });

  it("have three significant digits and a unit", () => {
    assert.equal(significant(1234.56), "1,235");
    assert.equal(significant(-0.01234), "−0.012");
    assert.equal(significant(0.0001), "< 0.001");
    assert.equal(significant(Number.NaN), "–");
    assert.equal(formatValue("app.latency.p95", 12_345), "12.3 s");
    assert.equal(formatValue("app.errors", 0.031), "3.1 %");
    assert.equal(formatShift("app.errors", 0.031), "+3.1 pp");
    assert.equal(formatValue("machine.memory", 61_000_000), "61 MB");
    assert.equal(formatSeconds(3723), "1 h 2 min");
  });

  it("say when there is none", () => {
    const missing = syntheticRun().journal.experiments[2]!.effects.find(({ verdict }) => verdict === "noData")!;
    assert.equal(effectSize(missing), "–");
  });
});
