import assert from "node:assert/strict";

import fc from "fast-check";

import { coverageBetween, surestCoverage } from "../../../../components/runtime/runner/coverage";
import { pulseWindows } from "../../../../components/runtime/runner/pulse";

describe("pulses", () => {
  it("are the same for the same seed, and vary each dormant time by up to half", () => {
    const pulse = { initialDelaySeconds: 3, activeSeconds: 10, dormantSeconds: 20, repeat: 50, randomise: true };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const windows = pulseWindows(pulse, seed);
        assert.deepEqual(windows, pulseWindows(pulse, seed));
        assert.equal(windows.length, 50);
        assert.equal(windows[0]!.start, 3);
        const dormant = windows.slice(1).map(({ start }, index) => start - windows[index]!.start - 10);
        assert.ok(dormant.every((seconds) => seconds >= 10 && seconds < 30));
        assert.ok(new Set(dormant).size > 40, "they differ");
      }),
    );
    const mean = (pulseWindows({ ...pulse, repeat: 5001 }, 1).at(-1)!.start - 3) / 5000;
    assert.ok(Math.abs(mean - 30) < 0.5, `mean period ${mean}`);
  });
});

describe("coverage of a run", () => {
  const state = { percent: 100, intakeOpen: true, problems: [], coverage: 1 };

  it("counts only what happened during the run, and its parts sum to the whole", () => {
    const before = { ...state, onWire: 100, replayed: 50, answered: 50, lostByMirror: 10, shed: { memory: 5 } };
    const after = { ...state, onWire: 300, replayed: 230, answered: 230, lostByMirror: 12, shed: { memory: 9 } };
    const coverage = coverageBetween(before, after);
    assert.deepEqual(coverage, {
      onWire: 200,
      replayed: 180,
      lostByMirror: 2,
      unusable: { notExplained: 14 },
      shed: { memory: 4 },
      coverage: 0.9,
    });
  });

  it("has a lower bound where packets went by unseen, and none where nobody knows", () => {
    const before = { ...state, onWire: 100, replayed: 100, answered: 100, unseen: 7 };
    const after = { ...state, onWire: 180, replayed: 180, answered: 180, unseen: 27 };
    const coverage = coverageBetween(before, after);
    assert.deepEqual([coverage.coverage, coverage.unseen, coverage.coverageAtLeast], [1, 20, 0.8]);
    assert.equal(surestCoverage(coverage), 0.8);
    const unknown = coverageBetween({ ...before, unseen: undefined }, after);
    assert.ok(!("unseen" in unknown) && !("coverageAtLeast" in unknown));
    assert.equal(surestCoverage(unknown), 1);
  });
});
