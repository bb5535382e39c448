import assert from "node:assert/strict";

import fc from "fast-check";

import { logChoose } from "../../../../components/runtime/analysis/distributions";
import { burstsOf, chooseBursts, chooseShare, patternLength } from "../../../../components/runtime/faults/pattern";
import type { Fault } from "../../../../components/runtime/faults/plan";
import { countedShare, lostShare } from "../../../../components/runtime/faults/share";

const fault = (parameters: Partial<Fault>): Fault => ({
  kind: "packetLoss",
  id: "x",
  durationSeconds: 10,
  ...parameters,
});

const isRefuted = (hit: number, matched: number, asked: number): boolean =>
  /further off than chance/.test(countedShare("dropped", "lost", asked, { matched, dropped: hit }).why);

/** The chance that a share is refuted, where each of some packets is hit with a chance of its own. */
function refuted(packets: number, asked: number, real: number): number {
  let sum = 0;
  for (let hit = 0; hit <= packets; hit++) {
    if (!isRefuted(hit, packets, asked)) continue;
    sum += Math.exp(logChoose(packets, hit) + hit * Math.log(real / 100) + (packets - hit) * Math.log1p(-real / 100));
  }
  return sum;
}

describe("the proof of a share", () => {
  it("refutes a share that is as asked once in 100,000 times at most, however many packets passed", () => {
    for (const asked of [0.01, 1, 5, 20, 50, 99]) {
      for (const packets of [30, 100, 200, 1000, 3000]) {
        const chance = refuted(packets, asked, asked);
        assert.ok(chance <= 1e-5, `${asked} % of ${packets} packets: ${chance}`);
      }
    }
  });

  /** The table in docs/faults.md. */
  const found: [number, number, number[]][] = [
    [1, 1000, [4.4]],
    [1, 10_000, [0.4, 1.84]],
    [1, 100_000, [0.77, 1.25]],
    [5, 1000, [1.1, 11]],
    [5, 10_000, [3.5, 6.7]],
    [5, 100_000, [4.5, 5.52]],
    [20, 1000, [11.6, 29.8]],
    [20, 10_000, [17.1, 23]],
    [20, 100_000, [19, 21]],
    [50, 1000, [38.6, 61.4]],
    [50, 10_000, [46.3, 53.7]],
    [50, 100_000, [48.8, 51.2]],
  ];
  for (const [asked, packets, shares] of found) {
    it(`finds ${shares.join(" % and ")} % where ${asked} % were asked, in 99 of 100 cases of ${packets} packets`, () => {
      for (const real of shares) assert.ok(refuted(packets, asked, real) >= 0.99, `${real} %`);
    });
  }

  it("refutes a share that nothing was hit of once chance does not explain it", () => {
    assert.match(countedShare("dropped", "lost", 5, { matched: 200, dropped: 0 }).why, /too few packets/);
    assert.ok(isRefuted(0, 300, 5));
    assert.ok(isRefuted(699, 700, 100));
    assert.ok(!isRefuted(700, 700, 100));
  });

  /** How many of the first packets a pattern chooses that begins again at its end. */
  const chosenOf = (places: number[], packets: number): number =>
    places.length * Math.floor(packets / patternLength) +
    places.filter((place) => place < packets % patternLength).length;
  const seeds = fc.integer({ min: 0, max: 2 ** 31 });
  const packetCounts = fc.oneof(fc.integer({ min: 30, max: 10_000 }), fc.integer({ min: 10_000, max: 5_000_000 }));

  it("refutes no share that a pattern chooses", () => {
    fc.assert(
      fc.property(seeds, packetCounts, fc.constantFrom(1, 5, 10, 50, 90), (seed, packets, percent) => {
        assert.ok(!isRefuted(chosenOf(chooseShare(percent, seed), packets), packets, percent));
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  it("refutes no bursts that a pattern chooses, also once it has begun again a hundred times", () => {
    const chances = fc.record({
      burstP: fc.constantFrom(0.0005, 0.01, 0.05, 0.5),
      burstR: fc.constantFrom(0.02, 0.1, 0.25, 0.9),
      burstH: fc.constantFrom(undefined, 0.5),
      burstK: fc.constantFrom(undefined, 0.99),
    });
    fc.assert(
      fc.property(seeds, packetCounts, chances, (seed, matched, parameters) => {
        const lossy = fault(parameters);
        const dropped = chosenOf(chooseBursts(burstsOf(lossy)!, seed), matched);
        assert.doesNotMatch(lostShare(lossy, { matched, dropped }).why, /further off/);
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  it("refutes bursts that are twice as many as asked", () => {
    const bursts = fault({ burstP: 0.05, burstR: 0.25 });
    const why = (dropped: number): string => lostShare(bursts, { matched: 10_000, dropped }).why;
    assert.match(why(3333), /further off/);
    assert.match(why(833), /further off/);
  });
});
