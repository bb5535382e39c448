import assert from "node:assert/strict";

import fc from "fast-check";

import {
  chooseBursts,
  chooseShare,
  intervals,
  patternLength,
  stationaryLoss,
} from "../../../../components/runtime/faults/pattern";
import { delaysOf } from "../../../../components/runtime/faults/relay/distribution";
import { DelayQueue } from "../../../../components/runtime/faults/relay/queue";

describe("choice of packets", () => {
  it("takes exactly the asked share, each packet once, and the same for the same seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(), (hundredths, seed) => {
        const chosen = chooseShare(hundredths / 100, seed);
        assert.equal(new Set(chosen).size, hundredths);
        assert.ok(chosen.every((place) => place >= 0 && place < patternLength));
        assert.deepEqual(chooseShare(hundredths / 100, seed), chosen);
      }),
      { numRuns: 30 },
    );
  });

  it("depends on the seed", () => {
    assert.notDeepEqual(chooseShare(10, 1), chooseShare(10, 2));
  });

  it("loses in bursts what the model says in the long run", () => {
    const model = { p: 0.05, r: 0.25, h: 0.1, k: 0.999 };
    const seeds = Array.from({ length: 40 }, (_, seed) => seed);
    const lost = seeds.reduce((sum, seed) => sum + chooseBursts(model, seed).length, 0);
    assert.ok(Math.abs(lost / (40 * patternLength) - stationaryLoss(model)) < 0.005);
    assert.ok(Math.abs(stationaryLoss({ p: 0.05, r: 0.25, h: 0, k: 1 }) - 1 / 6) < 1e-12);
  });

  it("has bursts as long as the chance to leave them says", () => {
    const model = { p: 0.02, r: 0.2, h: 0, k: 1 };
    const runs = intervals(chooseBursts(model, 3));
    const mean = chooseBursts(model, 3).length / runs.length;
    assert.ok(mean > 4 && mean < 6.2, `${mean}`);
  });

  it("is written as intervals that give it back", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (numbers) => {
        const sorted = numbers.sort((a, b) => a - b);
        const back = intervals(sorted).flatMap((text) => {
          const [first, last = first] = text.split("-").map(Number);
          return Array.from({ length: last! - first! + 1 }, (_, index) => first! + index);
        });
        assert.deepEqual(back, sorted);
      }),
    );
  });
});

describe("delays of the relay", () => {
  const base = { delayMilliseconds: 100, jitterMilliseconds: 10, keepOrder: true };

  for (const distribution of ["uniform", "normal", "pareto", "paretonormal"] as const) {
    it(`have the asked mean and spread (${distribution})`, () => {
      const next = delaysOf({ ...base, distribution }, 42);
      const values = Array.from({ length: 50_000 }, next);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
      const asked = distribution === "uniform" ? 10 / Math.sqrt(3) : 10;
      assert.ok(Math.abs(mean - 100) < 0.6, `mean ${mean}`);
      assert.ok(Math.abs(deviation - asked) < 0.2 * asked, `deviation ${deviation}`);
      assert.deepEqual(Array.from({ length: 5 }, delaysOf({ ...base, distribution }, 42)), values.slice(0, 5));
    });
  }

  it("are never negative and constant without jitter", () => {
    const wild = delaysOf({ ...base, delayMilliseconds: 1, distribution: "normal" }, 1);
    assert.ok(Array.from({ length: 1000 }, wild).every((value) => value >= 0));
    assert.equal(delaysOf({ ...base, jitterMilliseconds: 0, distribution: "normal" }, 1)(), 100);
  });
});

describe("DelayQueue", () => {
  it("gives packets back by time, and in order of arrival for equal times", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
        const queue = new DelayQueue();
        const held = times.map((due, order) => ({ frame: Buffer.alloc(0), arrived: 0, due, order, of: 0 }));
        for (const one of held) queue.push(one);
        assert.equal(queue.size, held.length);
        const out = held.map(() => queue.pop());
        assert.deepEqual(
          out,
          [...held].sort((a, b) => a.due - b.due || a.order - b.order),
        );
        assert.equal(queue.pop(), undefined);
      }),
    );
  });
});
