import assert from "node:assert/strict";

import { type ExperimentSettings, awsExperiment } from "../../../../components/aws/experiment/checked";
import type { Experiment, ExperimentAction } from "../../../../components/experiment";
import { smallAws } from "../../../support/awsTopologies";

export type Rest = Partial<ExperimentSettings>;

/** The plan of an experiment on the small topology, with its problems. */
export function planned(experiment: Partial<Experiment>, rest: Rest = {}) {
  const whole = { blastRadius: { percent: 100, durationSeconds: 36_000 }, actions: {}, ...experiment };
  return awsExperiment("drill", whole, { topology: smallAws, ...rest });
}

/** The plan of an experiment that is right. */
export function planOf(experiment: Partial<Experiment>, rest: Rest = {}) {
  const { plan, problems } = planned(experiment, rest);
  assert.deepEqual(problems, []);
  return plan;
}

/** The problems of an experiment, one line each. */
export function refusals(experiment: Partial<Experiment>, rest: Rest = {}): string[] {
  return planned(experiment, rest).problems.map(({ path, reason }) => `${path}: ${reason}`);
}

/** An experiment of one action, `act`. */
export const one = (action: ExperimentAction): Partial<Experiment> => ({ actions: { act: action } });

/** Each action of the plan's templates, by name and FIS's id. */
export function ids(experiment: Partial<Experiment>, rest: Rest = {}): string[] {
  return planOf(experiment, rest).templates.flatMap(({ actions }) =>
    actions.map(({ name, actionId }) => `${name} ${actionId}`),
  );
}
