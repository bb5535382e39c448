import assert from "node:assert/strict";

import {
  benjaminiHochberg,
  brownForsythe,
  cliffsDelta,
  deltaBand,
  doseResponse,
  eDivisive,
  energyStatistics,
  fisherExact,
  gilbertElliott,
  hodgesLehmann,
  ks2,
  latencyHistogram,
  mad,
  mannWhitney,
  mergeLatencies,
  percentiles,
  poissonRatio,
  quantile,
  theilSen,
  walshInterval,
  wilcoxonSignedRank,
  wilsonInterval,
} from "../../../../components/runtime/analysis";
import { MAD_TO_SD } from "../../../../components/runtime/analysis/descriptive";

function near(actual: number, expected: number, tolerance = 1e-6): void {
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);
}

/** Close in proportion: for p-values far below 1. */
function proportional(actual: number, expected: number, tolerance = 1e-6): void {
  assert.ok(Math.abs(actual / expected - 1) <= tolerance, `${actual} is not ${expected}`);
}

function range(from: number, to: number, step = 1): number[] {
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step);
}

describe("statistics against published reference numbers", () => {
  // The two arrays are given as in scipy: the first sample's U is the one tabulated.
  const small = { x: [10, 20, 30, 40], y: [1, 2, 3, 4] };
  const doc = { x: [19, 22, 16, 29, 24], y: [20, 11, 17, 12] };

  it("Mann-Whitney, Cliff and Hodges-Lehmann: scipy, and R's interval as Kayenta has it", () => {
    const exact = mannWhitney(small.y, small.x, "exact");
    assert.equal(exact.u, 16);
    assert.equal(exact.cles, 1);
    proportional(exact.p, 0.0285714286);
    proportional(mannWhitney(small.y, small.x, "continuity").p, 0.030382822);
    assert.deepEqual(hodgesLehmann(small.y, small.x, { continuity: true }), { shift: 22.5, low: 6, high: 39 });
    assert.equal(mannWhitney(doc.y, doc.x).u, 17);
    proportional(mannWhitney(doc.y, doc.x, "exact").p, 0.1111111111);
    proportional(mannWhitney(doc.y, doc.x, "continuity").p, 0.1113468865);
    near(mannWhitney(doc.y, doc.x).cles, 0.85);
    near(cliffsDelta(doc.y, doc.x), 0.7);
    assert.equal(hodgesLehmann(doc.y, doc.x).shift, 7);
    assert.deepEqual([0.1, -0.2, 0.4, -0.9].map(deltaBand), ["negligible", "small", "medium", "large"]);
  });

  it("Kolmogorov-Smirnov: exact p", () => {
    const { d, p } = ks2(doc.x, doc.y);
    near(d, 0.6);
    proportional(p, 0.2857142857);
  });

  it("Kayenta's blind spot (a): no shift, but the spread test fires", () => {
    const narrow = [10, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 17, 17.1, 17.2, 17.3, 17.4, 17.5, 17.6, 17.7];
    const wide = [1, 100, 4, 101, 5, 102, 6, 103, 7, 104, 8, 105, 9, 106, 17];
    const test = mannWhitney(narrow, wide);
    assert.equal(test.u, 112.5);
    near(test.p, 1);
    near(hodgesLehmann(narrow, wide).shift, 0);
    const spread = brownForsythe(narrow, wide);
    near(spread.f, 16.9317, 1e-5);
    proportional(spread.p, 0.0003086303);
    proportional(ks2(narrow, wide).p, 0.07546400949);
  });

  it("blind spots (b) and (c): ties are corrected", () => {
    const dropped = [100, 100, 100, 100, 100, 100, 100, 1, 1, 1];
    const ones = new Array<number>(10).fill(1);
    const test = mannWhitney(ones, dropped, "continuity");
    assert.equal(test.u, 85);
    proportional(test.p, 0.001616772831);
    near(cliffsDelta(ones, dropped), 0.7);
    assert.equal(hodgesLehmann(ones, dropped).shift, 99);
    const sparse = [0, 1, 2, 1, 0, 0];
    const zeros = new Array<number>(6).fill(0);
    near(mannWhitney(zeros, sparse, "continuity").p, 0.0731398, 1e-5);
    const spread = brownForsythe(zeros, sparse);
    near(spread.f, 16);
    near(spread.p, 0.0025183, 1e-5);
  });

  it("Wilcoxon signed rank, exact", () => {
    const darwin = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75];
    const test = wilcoxonSignedRank(darwin);
    assert.equal(test.w, 24);
    proportional(test.p, 0.041259765625);
    assert.equal(wilcoxonSignedRank([1, 2, 3, 4, 5, 6, 7, 8]).p, 0.0078125);
    assert.equal(wilcoxonSignedRank([1, 2, 3, 4, 5, 6]).p, 0.03125);
    assert.equal(wilcoxonSignedRank([0, 0]).p, 1);
  });

  it("the interval over pulses holds what the test does not reject", () => {
    const pulses = [3.1, 2.2, 4.6, 3.9, 2.7, 5.3, 3.4, 4.1];
    const { shift, low, high, confidence } = walshInterval(pulses);
    assert.ok(low <= shift && shift <= high);
    assert.ok(confidence >= 0.95 && confidence < 1);
    const rejected = (centre: number): boolean =>
      wilcoxonSignedRank(pulses.map((value) => value - centre)).p <= 1 - 0.95;
    assert.ok(rejected(low - 0.01) && rejected(high + 0.01));
    assert.ok(!rejected(low + 0.01) && !rejected(high - 0.01));
    assert.equal(walshInterval([1, 2, 3, 4, 5]).low, 1, "five pulses never give 95 %: all of the range");
  });

  it("E-divisive: Otava's sequences", () => {
    const found = eDivisive([0.3, 2.4, 1.5, -0.9, -0.5, 99.7, 98.3, 99.1, 149, 149.7, 149.5, 149.1, 148.8, 150]);
    assert.deepEqual(
      found.map(({ index }) => index),
      [5, 8],
    );
    near(found[0]!.q, 761.2821428571);
    near(found[1]!.q, 198.2666666667);
    proportional(found[0]!.p, 3.983064914e-8);
    proportional(found[1]!.p, 1.416568494e-13);
    const [first] = eDivisive([1.02, 0.95, 0.99, 1, 1.12, 0.9, 0.5, 0.51, 0.48, 0.48, 0.55]);
    assert.equal(first!.index, 6);
    near(first!.q, 2.354545, 1e-5);
    proportional(first!.p, 9.470438655e-8);
    const flatThenUp = [...new Array<number>(15).fill(50), ...new Array<number>(15).fill(100)];
    assert.deepEqual(
      eDivisive(flatThenUp).map(({ index }) => index),
      [15],
    );
    const step = [...new Array<number>(1000).fill(0), ...new Array<number>(1000).fill(1)];
    assert.equal(eDivisive(step)[0]!.index, 1000);
  });

  it("energy statistics: MongoDB's", () => {
    const cases: [number[], number[], number[]][] = [
      [range(1, 100), range(1, 105), [0.16, 8.136, 0.002]],
      [range(1, 100), range(10000, 13000, 14), [21859.691, 1481794.709, 0.954]],
      [range(300, 500), range(400, 900, 11), [268.352, 10035.943, 0.532]],
    ];
    for (const [a, b, expected] of cases) {
      const { e, t, h } = energyStatistics(a, b);
      // The published values are cut to three decimals.
      [e, t, h].forEach((value, i) =>
        assert.ok(Math.abs(value - expected[i]!) < 0.001, `${value} is not ${expected[i]}`),
      );
    }
  });

  it("Benjamini-Hochberg; a missing test counts for nothing", () => {
    const expected = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057142857, 0.216, 0.216, 0.216];
    const qs = benjaminiHochberg([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]);
    qs.forEach((q, i) => near(q, expected[i]!));
    assert.deepEqual(benjaminiHochberg([Number.NaN, 0.04]), [Number.NaN, 0.04]);
  });

  it("Gilbert-Elliott: stationary loss", () => {
    near(gilbertElliott(0.05, 0.9).loss, 0.052631578947);
    const full = gilbertElliott(0.01, 0.1, 0.7, 0.001);
    near(full.loss, 0.064545454545);
    near(full.meanBurst, 10);
  });

  it("MAD and quantiles", () => {
    const values = [1, 1, 2, 2, 4, 6, 9];
    assert.equal(mad(values), 1);
    near(MAD_TO_SD * mad(values), 1.482602218505602, 1e-15);
    const ramp = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5];
    near(quantile(ramp, 0.05), 0.175);
    near(quantile(ramp, 0.5), 1.75);
  });

  it("Fisher: the lady tasting tea, and scipy's documented table", () => {
    near(fisherExact(3, 4, 1, 4), 0.4857142857);
    near(fisherExact(8, 10, 1, 6), 0.034965034965);
    assert.equal(fisherExact(0, 1000, 0, 50), 1);
  });

  it("Poisson ratio: p is the binomial's, the interval holds the ratio", () => {
    const rate = poissonRatio(10, 100, 30, 100);
    // Binomial(40, 1/2) at 30, both tails.
    near(rate.p, 0.0022214337, 1e-7);
    assert.ok(rate.low < 3 && rate.high > 3 && rate.low > 1);
    assert.ok(poissonRatio(10, 100, 30, 100, { dispersion: 5 }).p > 0.1, "clumped counts prove less");
  });

  it("Wilson's interval", () => {
    const [low, high] = wilsonInterval(1, 20);
    near(low, 0.00888, 1e-4);
    near(high, 0.23613, 1e-4);
    assert.deepEqual(wilsonInterval(0, 0), [0, 1]);
  });

  it("Theil-Sen and dose-response", () => {
    const line = theilSen([1, 2, 3, 4, 5, 6], [3, 5, 7, 9, 100, 13]);
    near(line.slope, 2, 1e-9);
    near(line.intercept, 1, 1e-9);
    const rising = doseResponse([10, 20, 40, 80], [11, 19, 43, 78]);
    assert.equal(rising.tau, 1);
    near(rising.p, 2 / 24);
    assert.ok(rising.low <= 1 && rising.high >= 1 - 0.2);
  });

  it("percentiles come from merged histograms", () => {
    const fast = latencyHistogram(range(0, 990).map(() => 10));
    const slow = latencyHistogram(range(0, 10).map(() => 500));
    const { count, p50, p99, max } = percentiles(mergeLatencies([fast, slow]));
    assert.equal(count, 1000);
    near(p50, 10, 1e-3);
    near(p99, 10, 1e-3);
    near(max, 500, 1e-3);
    assert.ok(Number.isNaN(percentiles(latencyHistogram()).p50));
  });
});
