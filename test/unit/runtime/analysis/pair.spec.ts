import assert from "node:assert/strict";

import fc from "fast-check";

import {
  analysePair,
  effectiveSampleFactor,
  hodgesLehmann,
  minimumDetectableEffect,
  onset,
  pulseOnset,
  recovery,
  timeToDetect,
  timeToStabilise,
} from "../../../../components/runtime/analysis";
import type { Effect } from "../../../../components/runtime/runner/journal";
import { generator, simulate, type Model } from "./simulation";

const plain = { marginPercent: 0, equivalencePercent: 10 };

function analyse(seed: number, model: Model, start: number, end: number, settings: object = plain): Effect {
  return analysePair({ ...simulate(seed, model), faults: [{ name: "f", windows: [{ start, end }] }], settings })[0]!;
}

function share(runs: number, hit: (seed: number) => boolean): number {
  let hits = 0;
  for (let seed = 1; seed <= runs; seed++) if (hit(seed)) hits++;
  return hits / runs;
}

describe("analysis of a pair of series", () => {
  for (const phi of [0, 0.5, 0.8]) {
    it(`keeps to its error rate where nothing happened, autocorrelation ${phi}`, () => {
      const effects = Array.from({ length: 300 }, (_, i) => analyse(i + 1, { samples: 180, phi }, 120, 180));
      const alarms = effects.filter(({ p }) => p! < 0.05).length / effects.length;
      const covered = effects.filter(({ low, high }) => low! <= 0 && high! >= 0).length / effects.length;
      assert.ok(alarms <= 0.1, `false alarms ${alarms}`);
      assert.ok(covered >= 0.9, `coverage ${covered}`);
    });
  }

  it("keeps to its error rate where shadow follows the load twice as strongly as live", () => {
    const model = { samples: 180, phi: 0.5, slope: 2, load: 3 };
    const alarms = share(200, (seed) => analyse(seed, model, 120, 180).p! < 0.05);
    assert.ok(alarms <= 0.1, `false alarms ${alarms}`);
    const during = (second: number): boolean => second >= 120;
    const found = share(100, (seed) => analyse(seed, { ...model, effect: 8, during }, 120, 180).verdict === "degraded");
    assert.ok(found >= 0.6, `found ${found}`);
  });

  it("finds a shift of three noise widths at the right size, time and with recovery", () => {
    const during = (second: number): boolean => second >= 120 && second < 160;
    const effects = Array.from({ length: 100 }, (_, i) =>
      analyse(i + 1, { samples: 200, phi: 0.5, effect: 3, during }, 120, 160),
    );
    const found = effects.filter(({ verdict }) => verdict === "degraded");
    assert.ok(found.length >= 95, `found ${found.length}`);
    const covered = effects.filter(({ low, high }) => low! <= 3 && high! >= 3).length;
    assert.ok(covered >= 88, `covered ${covered}`);
    const prompt = found.filter((effect) => Math.abs(effect.onset!) <= 3).length;
    assert.ok(prompt >= 0.85 * found.length, `onset within 3 s in ${prompt} of ${found.length}`);
    const back = found.filter(({ recovered, censored }) => recovered !== null && recovered <= 5 && !censored).length;
    assert.ok(back >= 0.9 * found.length, `recovered at once in ${back} of ${found.length}`);
    assert.ok(found.every(({ why }) => /interval/.test(why)));
  });

  it("says what it could have seen where it sees nothing", () => {
    const effect = analyse(4, { samples: 55, phi: 0.5 }, 35, 55, { marginPercent: 0.1 });
    assert.equal(effect.verdict, "inconclusive");
    assert.match(effect.why, /smallest that 80 % of such runs would find/);
    assert.ok(effect.minimumDetectable! > 0);
  });

  it("is inconclusive with too few samples and with holes, noData without a baseline", () => {
    const { live, shadow } = simulate(1, { samples: 100, phi: 0 });
    const window = (start: number, end: number): { name: string; windows: { start: number; end: number }[] }[] => [
      { name: "f", windows: [{ start, end }] },
    ];
    const short = analysePair({ live, shadow, faults: window(10, 100), settings: plain })[0]!;
    assert.equal(short.verdict, "inconclusive");
    assert.match(short.why, /only 10 samples in the baseline/);
    const holes = shadow.filter(({ time }) => time < 60 || time % 3 === 0);
    const missing = analysePair({ live, shadow: holes, faults: window(60, 100), settings: plain })[0]!;
    assert.equal(missing.verdict, "inconclusive");
    assert.match(missing.why, /% of the samples of the fault are missing/);
    const late = analysePair({ live, shadow: shadow.slice(60), faults: window(60, 100), settings: plain })[0]!;
    assert.equal(late.verdict, "noData");
  });

  it("never passes what Kayenta passes: the reference blind spot (b)", () => {
    const values = [...new Array<number>(10).fill(1), 100, 100, 100, 100, 100, 100, 100, 1, 1, 1];
    const shadow = values.map((value, time) => ({ time, value }));
    const live = values.map((_, time) => ({ time, value: 1 }));
    const [effect] = analysePair({ live, shadow, faults: [{ name: "f", windows: [{ start: 10, end: 20 }] }] });
    assert.equal(effect!.verdict, "inconclusive");
  });

  it("calls a grossly wider spread degraded though the level stays", () => {
    const { live, shadow } = simulate(5, { samples: 180, phi: 0 });
    const wide = shadow.map(({ time, value }) => ({
      time,
      value: time >= 120 ? value + (time % 2 === 0 ? 12 : -12) : value,
    }));
    const [effect] = analysePair({ live, shadow: wide, faults: [{ name: "f", windows: [{ start: 120, end: 180 }] }] });
    assert.equal(effect!.verdict, "degraded");
    assert.match(effect!.why, /swings .* times as widely as before \(q < 0\.001\)/);
  });

  it("does not call a wider spread degraded while it swings within the margin", () => {
    const { live, shadow } = simulate(5, { samples: 180, phi: 0 });
    const wide = shadow.map(({ time, value }) => ({
      time,
      value: time >= 120 ? value + (time % 2 === 0 ? 5 : -5) : value,
    }));
    const faults = [{ name: "f", windows: [{ start: 120, end: 180 }] }];
    const judged = (marginPercent: number): string =>
      analysePair({ live, shadow: wide, faults, settings: { marginPercent } })[0]!.verdict;
    assert.notEqual(judged(10), "degraded");
    assert.equal(judged(2), "degraded");
  });

  it("does not attribute overlapping faults", () => {
    const during = (second: number): boolean => second >= 120;
    const faults = [
      { name: "a", windows: [{ start: 120, end: 150 }] },
      { name: "b", windows: [{ start: 140, end: 170 }] },
    ];
    const effects = analysePair({
      ...simulate(2, { samples: 180, phi: 0, effect: 5, during }),
      faults,
      settings: plain,
    });
    for (const effect of effects) {
      assert.equal(effect.verdict, "inconclusive");
      assert.match(effect.why, /confounded with/);
    }
  });

  it("subtracts what live does too", () => {
    const { live, shadow } = simulate(4, { samples: 180, phi: 0 });
    const busier = (side: typeof live): typeof live =>
      side.map(({ time, value }) => ({ time, value: time >= 120 ? value + 8 : value }));
    const faults = [{ name: "f", windows: [{ start: 120, end: 180 }] }];
    const [both] = analysePair({ live: busier(live), shadow: busier(shadow), faults, settings: plain });
    assert.notEqual(both!.verdict, "degraded");
    const [alone] = analysePair({ live: undefined, shadow: busier(shadow), faults, settings: plain });
    assert.equal(alone!.verdict, "degraded");
    assert.match(alone!.why, /compared with its own baseline only: no live side/);
  });

  it("doubts a gap that drifted before the fault", () => {
    const { live, shadow } = simulate(6, { samples: 180, phi: 0 });
    const drifting = shadow.map(({ time, value }) => ({ time, value: value + time / 10 }));
    const [effect] = analysePair({
      live,
      shadow: drifting,
      faults: [{ name: "f", windows: [{ start: 120, end: 180 }] }],
      settings: plain,
    });
    assert.equal(effect!.verdict, "inconclusive");
    assert.match(effect!.why, /drifted before the fault/);
  });
});

describe("analysis of pulses", () => {
  const windows = (count: number, on: number, off: number, start: number): { start: number; end: number }[] =>
    Array.from({ length: count }, (_, i) => ({ start: start + i * (on + off), end: start + i * (on + off) + on }));
  const inside = (all: { start: number; end: number }[]) => (second: number) =>
    all.some(({ start, end }) => second >= start && second < end);

  it("keeps its error rate and finds effects with pulses of 2 s", () => {
    const pulses = windows(8, 2, 2, 30);
    const faults = [{ name: "pulsed", windows: pulses }];
    const run = (seed: number, effect: number): Effect =>
      analysePair({
        ...simulate(seed, { samples: 75, phi: 0.5, effect, during: inside(pulses) }),
        faults,
        settings: plain,
      })[0]!;
    const alarms = share(400, (seed) => run(seed, 0).p! < 0.05);
    assert.ok(alarms <= 0.08, `false alarms ${alarms}`);
    const power = share(100, (seed) => run(seed, 3).verdict === "degraded");
    assert.ok(power >= 0.9, `power ${power}`);
    const effect = run(1, 6);
    assert.equal(effect.p, 0.0078125);
    assert.match(effect.why, /over 8 pulses/);
  });

  it("survives pulses that lie across the steps", () => {
    const pulses = windows(8, 2, 2, 30.4);
    const faults = [{ name: "pulsed", windows: pulses }];
    const { live, shadow } = simulate(1, { samples: 75, phi: 0, load: 0 });
    const touched = shadow.map(({ time, value }) => {
      const overlap = pulses.reduce(
        (sum, { start, end }) => sum + Math.max(0, Math.min(time + 1, end) - Math.max(time, start)),
        0,
      );
      return { time, value: value + 20 * overlap };
    });
    const [effect] = analysePair({ live, shadow: touched, faults, settings: plain });
    assert.equal(effect!.verdict, "degraded");
    assert.ok(effect!.shift! > 12 && effect!.shift! < 24, `shift ${effect!.shift}`);
  });

  it("falls back to a rank test with fewer than six pulses", () => {
    const pulses = windows(4, 5, 5, 60);
    const [effect] = analysePair({
      ...simulate(1, { samples: 120, phi: 0, effect: 6, during: inside(pulses) }),
      faults: [{ name: "few", windows: pulses }],
      settings: plain,
    });
    assert.equal(effect!.verdict, "degraded");
    assert.doesNotMatch(effect!.why, /pulses/);
  });
});

describe("building blocks", () => {
  it("Hodges-Lehmann and its interval equal the brute force over all differences", () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(values, values, (a, b) => {
        const all = a.flatMap((x) => b.map((y) => y - x)).sort((x, y) => x - y);
        const middle = (all[(all.length - 1) >> 1]! + all[all.length >> 1]!) / 2;
        const { shift, low, high } = hodgesLehmann(a, b);
        const tolerance = 1e-9 * Math.max(1, ...all.map(Math.abs));
        assert.ok(Math.abs(shift - middle) <= tolerance);
        assert.ok(low <= shift + tolerance && high >= shift - tolerance);
      }),
    );
  });

  it("the sample factor is 1 for alternating values, large for a trend, and survives gaps", () => {
    assert.equal(effectiveSampleFactor([1, 2, 1, 2, 1, 2, 1, 2]), 1);
    assert.ok(effectiveSampleFactor(Array.from({ length: 50 }, (_, i) => i)) > 20);
    assert.equal(effectiveSampleFactor([5, 5, 5]), 1);
    assert.ok(Number.isFinite(effectiveSampleFactor([1, Number.NaN, 3, 2, Number.NaN, 4])));
  });

  it("the detectable effect agrees with the simulated table", () => {
    const { live, shadow } = simulate(9, { samples: 300, phi: 0 });
    const gap = shadow.map(({ value }, i) => (value - live[i]!.value) / Math.SQRT2);
    const detectable = minimumDetectableEffect(gap, 60, 1);
    assert.ok(detectable > 0.35 && detectable < 0.45, `${detectable}`);
  });

  it("onset and recovery on a clean step", () => {
    const values = Array.from({ length: 120 }, (_, i) => (i >= 42 && i < 68 ? 10 : 0) + (i % 3) / 10);
    const gap = { start: 1000, step: 1, values };
    assert.equal(onset(gap, { start: 1040, end: 1060 }), 2);
    assert.ok(Math.abs(onset(gap, { start: 1041.7, end: 1060 })! - 0.3) < 1e-9);
    assert.equal(onset(gap, { start: 1042.4, end: 1060 }), 0, "the sample in which the fault began");
    const base = values.slice(0, 40);
    const back = recovery(gap, base, { end: 1060, watchUntil: 1120 });
    assert.equal(back.censored, false);
    assert.ok(back.recovered! >= 7 && back.recovered! <= 9, `${back.recovered}`);
    const stuck = recovery(gap, base, { end: 1050, watchUntil: 1066 });
    assert.deepEqual([stuck.recovered, stuck.censored], [null, true]);
  });

  it("no onset lies before the fault, whatever the noise does", () => {
    const { normal } = generator(3);
    for (let round = 0; round < 50; round++) {
      const values = Array.from({ length: 100 }, (_, i) => 3 * normal() + (i >= 50 ? 4 : 0));
      const found = onset({ start: 0, step: 1, values }, { start: 50.5, end: 70 });
      assert.ok(found !== null && found >= 0, `${found}`);
    }
  });

  it("lays noisy pulses over one another to find their onset", () => {
    const { normal } = generator(5);
    const pulses = Array.from({ length: 8 }, (_, i) => ({ start: 40.5 + 6 * i, end: 43.5 + 6 * i }));
    const on = (second: number): boolean => pulses.some(({ start, end }) => second + 1 > start + 1 && second < end);
    const errors = Array.from({ length: 40 }, () => {
      const values = Array.from({ length: 100 }, (_, second) => 2 * normal() + (on(second) ? 6 : 0));
      return pulseOnset({ start: 0, step: 1, values }, pulses)!;
    });
    assert.ok(errors.filter((found) => found === 0.5).length >= 38, errors.join(" "));
  });

  it("times when a watcher could know, and when the new level was reached", () => {
    const ramp = Array.from({ length: 120 }, (_, i) => (i < 40 || i >= 80 ? 0 : Math.min(10, 2 * (i - 39))));
    const gap = { start: 0, step: 1, values: ramp };
    const during = { start: 40, end: 80 };
    assert.equal(timeToDetect(gap, 0, 3, during), 4, "samples of 4, 6 and 8 are outside; the third ends at 44");
    assert.equal(timeToDetect(gap, 0, 20, during), null);
    assert.equal(timeToDetect({ ...gap, values: ramp.map((v, i) => (i === 42 ? Number.NaN : v)) }, 0, 3, during), 5);
    const settled = timeToStabilise(gap, 1.5, during)!;
    assert.ok(settled >= 2 && settled <= 5, `${settled}`);
    const wandering = ramp.map((value, i) => (i >= 75 && i < 80 ? 30 : value));
    assert.equal(timeToStabilise({ ...gap, values: wandering }, 1.5, during), null);
    assert.equal(timeToStabilise(gap, 1.5, { start: 40, end: 45 }), null, "too short to have a level");
  });
});
