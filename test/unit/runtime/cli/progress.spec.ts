import { strict as assert } from "node:assert";

import { runProgress } from "../../../../components/runtime/cli/progress";
import type { Terminal } from "../../../../components/runtime/cli/terminal";
import type { RunProgress } from "../../../../components/runtime/runner/progress";

function shown(progress: Partial<RunProgress>): { said: string[]; status: string[] } {
  const said: string[] = [];
  const status: string[] = [];
  const terminal: Terminal = {
    json: false,
    say: (text) => said.push(text),
    status: (text) => status.push(text),
    result: () => undefined,
  };
  runProgress(terminal)({
    kind: "step",
    time: 0,
    phase: "fault",
    experiment: "dbLink",
    experimentNumber: 1,
    experimentCount: 3,
    remainingSeconds: 12,
    runRemainingSeconds: 187,
    activeFaults: [],
    figures: {
      requestsLive: 80,
      requestsShadow: 79,
      p95Live: 12.34,
      p95Shadow: null,
      errorsLive: 0,
      errorsShadow: 0.25,
      coverage: 1,
    },
    ...progress,
  });
  return { said, status };
}

describe("the progress of a run", () => {
  it("shows remaining time, active faults and live figures in one status line", () => {
    const { said, status } = shown({ activeFaults: ["cut"] });
    assert.deepEqual(said, []);
    assert.match(status[0]!, /fault.*cut on.*12 s left, 3:07 min in all/);
    assert.match(status[0]!, /80 req\/s · p95 12\.3 ms live, – shadow · errors 0 % live, 25\.0 % shadow/);
  });

  it("says when a phase begins", () => {
    assert.match(
      shown({ kind: "phase", phase: "baseline", remainingSeconds: 30 }).said[0]!,
      /dbLink \(1\/3\).*baseline.*30 s/,
    );
  });

  it("says what happened", () => {
    const event = { time: 0, kind: "fault", message: "link cut" };
    assert.match(shown({ kind: "event", event }).said[0]!, /link cut/);
  });
});
