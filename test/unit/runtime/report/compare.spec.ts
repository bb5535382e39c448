import assert from "node:assert/strict";

import { compareRuns, renderComparison, renderComparisonMarkdown } from "../../../../components/runtime/report/compare";
import { cutRun, syntheticRun } from "../../../support/runs";

describe("comparing two runs", () => {
  it("finds nothing between a run and itself", () => {
    const comparison = compareRuns(syntheticRun(), syntheticRun());
    assert.deepEqual(comparison.differences, []);
    assert.ok(
      comparison.experiments.every(
        ({ change, effects }) => change === "same" && effects.every((one) => one.change === "same"),
      ),
    );
    assert.match(comparison.sentence, /verdicts are the same/);
  });

  it("finds what became worse and what grew beyond its interval", () => {
    const comparison = compareRuns(syntheticRun(), syntheticRun({ strength: 2 }));
    const crash = comparison.experiments.find(({ name }) => name === "appCrash")!;
    assert.equal(crash.change, "worse");
    const slow = comparison.experiments.find(({ name }) => name === "slowFlow")!;
    assert.equal(slow.change, "same");
    assert.equal(slow.effects.find(({ signal }) => signal === "app.latency.p95")!.change, "larger");
    const back = compareRuns(syntheticRun({ strength: 2 }), syntheticRun());
    assert.equal(back.experiments.find(({ name }) => name === "appCrash")!.change, "better");
  });

  it("does not call a missing verdict better or worse", () => {
    const comparison = compareRuns(syntheticRun(), cutRun());
    assert.equal(comparison.experiments.find(({ name }) => name === "slowFlow")!.change, "unclear");
    assert.equal(comparison.experiments.find(({ name }) => name === "appCrash")!.change, "gone");
    assert.match(comparison.differences.join("\n"), /did not complete/);
  });

  it("says why two runs are not like for like", () => {
    const after = syntheticRun({ seed: 8 });
    after.journal.versions["kernel"] = "6.19.0";
    after.journal.coverage!.coverage = 0.6;
    after.journal.experiments[0]!.definition.analysis = { marginPercent: 20 };
    const { differences } = compareRuns(syntheticRun(), after);
    assert.deepEqual(differences, [
      "another seed: 7, then 8",
      "another version of kernel: 6.18.0, then 6.19.0",
      "the definition of dbLink changed",
      "coverage went from 99 % to 60 %",
    ]);
  });

  it("compares the coverage that verdicts rest on", () => {
    const after = syntheticRun();
    Object.assign(after.journal.coverage!, { unseen: 4_000, coverageAtLeast: 9_391 / 13_482 });
    const comparison = compareRuns(syntheticRun(), after);
    assert.deepEqual(comparison.differences, ["coverage went from 99 % to 69.7 %"]);
  });

  it("prints the same for terminal and pull request", () => {
    const comparison = compareRuns(syntheticRun(), syntheticRun({ strength: 2 }));
    assert.match(renderComparison(comparison), /appCrash became worse/i);
    assert.match(
      renderComparisonMarkdown(comparison),
      /\| appCrash \| \*\*verdict\*\* \| ▲ degraded \| ✕ fail \| ▼ worse \|/,
    );
  });
});
