import type { Rule } from "../rule";
import { objects } from "../values";

const targets = [
  /^arn:aws[a-z-]*:scheduler:::aws-sdk:fis:startExperiment$/,
  /^arn:aws[a-z-]*:scheduler:::aws-sdk:sfn:startExecution$/,
  /^arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:stateMachine:[\w-]+$/,
];

export const rule: Rule = {
  description: "Schedules of a shadow start experiments and nothing else.",
  types: ["aws:scheduler/schedule:Schedule"],
  checks: [
    ({ target }) => {
      const [{ arn } = {}] = objects(target);
      if (targets.some((pattern) => pattern.test(String(arn)))) return [];
      const cure = "start an experiment of FIS, or the state machine that repeats it";
      return [{ property: "target.arn", value: arn, reason: "it would do something else at that time", cure }];
    },
  ],
};
