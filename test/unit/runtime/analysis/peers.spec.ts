import assert from "node:assert/strict";

import {
  analysePair,
  brownForsythe,
  calibratedSlope,
  cliffsDelta,
  cohensD,
  eDivisive,
  hodgesLehmann,
  hunterChangePoints,
  ks2,
  mannWhitney,
  quantile,
  welchTest,
} from "../../../../components/runtime/analysis";
import { normalQuantile } from "../../../../components/runtime/analysis/distributions";
import * as data from "./referenceData";
import { generator } from "./simulation";

function near(actual: number, expected: number, tolerance = 1e-6): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
}

/** `count` copies of a value. */
function level(value: number, count: number): number[] {
  return new Array<number>(count).fill(value);
}

describe("statistics against what peers publish", () => {
  it("ties out with R as Kayenta does, 90 against 90 with many ties", () => {
    const { rControl: a, rExperiment: b } = data;
    const { shift, low, high } = hodgesLehmann(a, b, { continuity: true });
    near(low, -0.500002522, 1e-4);
    near(high, -3.486288e-5, 1e-4);
    near(shift, -0.49994, 1e-4);
    const { u, p, cles } = mannWhitney(a, b, "continuity");
    assert.equal(u, 3344);
    near(p, 0.04097223499, 1e-9);
    near(cles, 0.4128395062, 1e-9);
    const ks = ks2(a, b);
    near(ks.d, 0.1333333333, 1e-9);
    near(ks.p, 0.4022888527, 1e-9);
  });

  it("ties out with R, 180 against 180 at 98 %: the exact shift is 0, R's root finder stops near it", () => {
    const { rControlLarge: a, rExperimentLarge: b } = data;
    const { shift, low, high } = hodgesLehmann(a, b, { continuity: true, confidence: 0.98 });
    near(low, -0.499917325, 1e-4);
    near(high, -6.912686e-6, 1e-4);
    near(shift, -3.45044e-5, 1e-4);
    const { u, p } = mannWhitney(a, b, "continuity");
    assert.equal(u, 13337.5);
    near(p, 0.002624852837, 1e-9);
  });

  it("common-language effect sizes: the same, apart, high and low", () => {
    const cles = (experiment: number[], control: number[]): number => mannWhitney(control, experiment).cles;
    assert.equal(cles([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), 0.5);
    assert.equal(cles(data.clesApart, data.clesApartControl), 0);
    near(cles(data.clesHigh, data.clesHighControl), 0.771, 1e-3);
    near(cles(data.clesLow, data.clesLowControl), 0.12, 1e-3);
    const high = mannWhitney(data.clesHighControl, data.clesHigh, "continuity");
    assert.equal(high.u, 694);
    near(high.p, 0.0003182078923, 1e-9);
    near(cliffsDelta(data.clesHighControl, data.clesHigh), 0.5422222222, 1e-9);
    near(hodgesLehmann(data.clesHighControl, data.clesHigh).shift, 2.007854825, 1e-8);
  });

  it("Cohen's d, Welch's t, and the quantile that R's z test uses", () => {
    near(cohensD([1, 1, 1, 2, 2, 2], [5, 5, 5, 10, 10, 10]), 3.03821, 1e-5);
    const { t, p } = welchTest([20, 11, 17, 12], [19, 22, 16, 29, 24]);
    near(t, 2.283148256, 1e-9);
    near(p, 0.05675092592, 1e-8);
    near(normalQuantile(0.01), -2.326348, 1e-6);
  });

  it("percentiles and fences of the NIST handbook", () => {
    const wafers = [
      95.1772, 95.1567, 95.1937, 95.1959, 95.1442, 95.061, 95.1591, 95.1195, 95.1065, 95.0925, 95.199, 95.1682,
    ];
    near(quantile(wafers, 0.9), 95.19568, 1e-9);
    const [first, third] = [quantile(data.nistYarn, 0.25), quantile(data.nistYarn, 0.75)];
    const fence = 1.5 * (third - first);
    const outliers = data.nistYarn.filter((value) => value < first - fence || value > third + fence);
    assert.deepEqual(outliers, [1441]);
  });

  it("Kayenta's blind spot (c): sparse errors, by all three tests", () => {
    const [sparse, zeros] = [[0, 1, 2, 1, 0, 0], level(0, 6)];
    near(mannWhitney(zeros, sparse, "continuity").p, 0.0731398, 1e-6);
    near(brownForsythe(zeros, sparse).p, 0.0025183, 1e-6);
  });

  it("Apache Otava's second series", () => {
    const [point, ...more] = eDivisive([2.02, 2.03, 2.01, 2.04, 1.82, 1.85, 1.79, 1.81, 1.8, 1.76, 1.78]);
    assert.deepEqual([point?.index, more], [4, []]);
    near(point!.q, 1.006061, 1e-6);
    assert.ok(Math.abs(point!.p / 8.236974073947701e-8 - 1) < 1e-6);
  });

  it("Apache Otava's TigerBeetle series, at the limits that it publishes", () => {
    const found = (maxP: number, minMagnitude: number): number[] =>
      hunterChangePoints(data.tigerbeetle, { window: 30, maxP, minMagnitude }).map(({ index }) => index);
    assert.deepEqual(found(0.01, 0.05), [15, 71]);
    assert.deepEqual(found(0.05, 0.05), [15, 71]);
    assert.deepEqual(found(0.1, 0.05), [10, 11, 15, 71, 363]);
    assert.deepEqual(found(0.01, 0), [15, 26, 61, 71, 95, 117, 131, 142, 148, 165, 169, 192, 212, 260]);
    assert.deepEqual(found(0.001, 0), [15, 61, 71, 95, 117, 131, 142, 148, 192, 212, 260]);
    assert.deepEqual(found(0.0001, 0), [71, 95, 117, 131, 142, 148, 192, 212]);
    assert.deepEqual(found(0.00001, 0), [71, 95, 131, 192, 212]);
  });

  it("MongoDB's cases of E-divisive: ahead, and there and back", () => {
    const indexes = (series: number[]): number[] =>
      eDivisive(series, 0.01, { count: 199, seed: 1234 }).map(({ index }) => index);
    assert.deepEqual(indexes([...level(50, 14), 74, ...level(100, 15)]), [15]);
    const thereAndBack = level(50, 45).map((value, i) => (i === 2 || i === 32 || (i >= 15 && i < 30) ? 100 : value));
    const [up, down, ...more] = eDivisive(thereAndBack, 0.05, { count: 199, seed: 1234 });
    assert.deepEqual([up?.index, down?.index, more], [15, 33, []]);
    near(up!.q, 544.7415329768271);
    near(down!.q, 226.66666666666674);
    assert.deepEqual(indexes(level(50, 30)), []);
  });

  it("CausalImpact's vignette, its shape: 10 is recovered with a control, and nothing where nothing was added", () => {
    const { normal } = generator(1);
    let state = 0;
    const control = level(0, 100).map(() => 100 + (state = 0.999 * state + normal()));
    const response = control.map((value) => 1.2 * value + normal());
    const series = (values: number[]): { time: number; value: number }[] =>
      values.map((value, time) => ({ time, value }));
    const faults = [{ name: "intervention", windows: [{ start: 70, end: 100 }] }];
    const analysed = (added: number): ReturnType<typeof analysePair>[number] =>
      analysePair({
        live: series(control),
        shadow: series(response.map((value, i) => (i >= 70 ? value + added : value))),
        faults,
        settings: { marginPercent: 0, equivalencePercent: 5 },
      })[0]!;
    const { slope } = calibratedSlope(control.slice(0, 70), response.slice(0, 70));
    assert.ok(slope > 0.9 && slope < 1.5, `slope ${slope}`);
    const found = analysed(10);
    assert.equal(found.verdict, "degraded", found.why);
    near(found.shift!, 10, 1);
    assert.ok(found.low! <= 10 && found.high! >= 10, found.why);
    assert.notEqual(analysed(0).verdict, "degraded");
  });
});
