import assert from "node:assert/strict";

import { planExperiment } from "../../../../components/aws/experiment/plan";
import type { Experiment } from "../../../../components/experiment";
import { smallAws } from "../../../support/awsTopologies";

const latency = {
  fault: "latency" as const,
  target: { machine: "web-1" },
  direction: "egress" as const,
  delayMilliseconds: 100,
};

function planned(actions: Experiment["actions"]) {
  const { plan, problems } = planExperiment({ actions }, {}, { experimentName: "slow", topology: smallAws });
  assert.deepEqual(problems, []);
  return plan;
}

describe("the faults of an experiment on AWS, one by one", () => {
  it("use the documents of the whole experiment and wait for nothing", () => {
    const plan = planned({
      first: { ...latency, durationSeconds: 120 },
      second: { ...latency, target: { machine: "web-2" }, durationSeconds: 120, startAfter: ["first"] },
    });
    assert.deepEqual(
      plan.single.map(({ action, documents }) => [action, documents.length]),
      [
        ["first", 0],
        ["second", 0],
      ],
    );
    for (const { template } of plan.single) {
      assert.deepEqual(
        template.actions.flatMap(({ startAfter }) => startAfter),
        [],
      );
    }
  });

  it("carry a pulse out once, by a document of their own", () => {
    const plan = planned({
      delay: { ...latency, pulse: { activeSeconds: 20, dormantSeconds: 30, repeat: 8 } },
    });
    const [single] = plan.single;
    assert.equal(single?.action, "delay");
    assert.deepEqual(
      single.documents.map(({ key }) => key),
      ["delay-once"],
    );
    const whole = plan.documents[0]!.content.mainSteps[0]!.inputs.runCommand.join("\n");
    const once = single.documents[0]!.content.mainSteps[0]!.inputs.runCommand.join("\n");
    const stretches = (text: string): number => /QUIET='([^']*)'/.exec(text)![1]!.split(" ").length;
    assert.equal(stretches(whole), 8);
    assert.equal(stretches(once), 1);
  });

  it("are only faults", () => {
    assert.deepEqual(planned({ pause: { waitSeconds: 60 } }).single, []);
  });
});
