import assert from "node:assert/strict";

import { type RepeaterSettings, repeaterDefinition } from "../../../../components/aws/experiment/stateMachine";
import { statesProblems, walkStates } from "../../../support/statesLanguage";

const settings: RepeaterSettings = {
  partition: "aws",
  templates: [
    { id: "EXT1", seconds: 600 },
    { id: "EXT2", seconds: 120 },
  ],
  repetitions: 3,
  gates: ["errors", "latency"],
  recoverySeconds: 60,
};
const walk = (part: Partial<RepeaterSettings>, status = "completed", alarmsOk: () => number = () => 2) =>
  walkStates(repeaterDefinition({ ...settings, ...part }), { status: () => status, alarmsOk });

describe("the state machine that repeats an experiment", () => {
  it("is well-formed for any number of templates, with and without alarms", () => {
    for (const part of [{}, { gates: [] }, { templates: settings.templates.slice(0, 1), repetitions: 1000 }]) {
      const text = JSON.stringify(repeaterDefinition({ ...settings, ...part }));
      assert.deepEqual(statesProblems(text), []);
    }
  });

  it("runs all templates in order, exactly as often as asked", () => {
    const { started, end } = walk({});
    assert.deepEqual(started, ["EXT1", "EXT2", "EXT1", "EXT2", "EXT1", "EXT2"]);
    assert.equal(end, "Done");
  });

  it("begins no further run after one that failed or was stopped", () => {
    for (const status of ["failed", "stopped", "cancelled"]) {
      assert.deepEqual(walk({}, status), { started: ["EXT1"], end: "NotCompleted", waited: 600 });
    }
  });

  it("waits for the alarms before the next run, and gives up when they do not become OK", () => {
    let looks = 0;
    const slow = walk({ repetitions: 2 }, "completed", () => (looks++ % 4 === 3 ? 2 : 1));
    assert.equal(slow.end, "Done");
    assert.equal(slow.waited, 2 * (600 + 120 + 60 + 3 * 30));
    const never = walk({}, "completed", () => 0);
    assert.deepEqual([never.started, never.end], [["EXT1", "EXT2"], "NotRecovered"]);
  });

  it("looks again while an experiment is still running", () => {
    let looks = 0;
    const definition = repeaterDefinition({ ...settings, repetitions: 1, gates: [] });
    const { end, waited } = walkStates(definition, {
      status: () => (looks++ < 2 ? "running" : "completed"),
      alarmsOk: () => 0,
    });
    assert.deepEqual([end, waited], ["Done", 600 + 2 * 30 + 120 + 60]);
  });
});
