import type { Experiment } from "../../experiment";
import { validateExperiment } from "../../validation/experiment";
import type { Problem } from "../../internal/problems";
import { rejectProblems, under } from "../../refusal";
import type { Topology } from "../../topology";
import { validateTopology } from "../../topologySchema";
import type { AwsFaultExperimentArgs } from "../experiment";
import { type AwsFaultAction, machinesHitBy } from "./awsActions";
import type { ExperimentPlan } from "./model";
import { planExperiment } from "./plan";

const notOfTheExperiment = [
  "shadow",
  "topology",
  "experimentName",
  "awsActions",
  "repetitions",
  "guardAlarmArns",
  "workloadGroup",
  "productionAccountId",
  "reportDashboardArn",
  "logRetentionDays",
  "tags",
];

function definitionOf(args: AwsFaultExperimentArgs): Experiment {
  return Object.fromEntries(
    Object.entries(args).filter(([key]) => !notOfTheExperiment.includes(key)),
  ) as unknown as Experiment;
}

/** The plan of an experiment whose arguments are right; throws everything that is wrong with them. */
export function checkedPlan(own: string, args: AwsFaultExperimentArgs): ExperimentPlan {
  const ofTopology = under("topology", validateTopology(args.topology));
  rejectProblems("AwsFaultExperiment", ofTopology);
  const { plan, problems } = awsExperiment(own, definitionOf(args), {
    ...args,
    guards: args.guardAlarmArns?.length ?? 0,
  });
  rejectProblems("AwsFaultExperiment", problems);
  return plan;
}

/** What an experiment is planned with beside itself. */
export type ExperimentSettings = Pick<
  AwsFaultExperimentArgs,
  "topology" | "awsActions" | "repetitions" | "workloadGroup" | "logRetentionDays"
> & {
  /** Number of alarms of others that end a run. Defaults to none. */
  guards?: number;
};

/** The plan of an experiment and everything that is wrong with it; the topology has been checked. */
export function awsExperiment(
  name: string,
  experiment: Experiment,
  args: ExperimentSettings,
): { plan: ExperimentPlan; problems: Problem[] } {
  const { topology, awsActions = {}, repetitions = 1, guards = 0, workloadGroup } = args;
  // An experiment may consist of what only AWS has; the form of the others is checked as everywhere.
  const onlyAws = Object.keys(experiment.actions).length === 0 && Object.keys(awsActions).length > 0;
  const counted = { ...experiment, actions: { ...standIns(awsActions, topology), ...experiment.actions } };
  const radius = validateExperiment(name, counted, topology).filter(({ path }) => path.startsWith("blastRadius."));
  const common = validateExperiment(name, experiment, topology)
    .filter(({ path }) => !(onlyAws && path === "actions") && !path.startsWith("blastRadius."))
    .concat(radius);
  const ofArgs = argsProblems(args);
  const empty: ExperimentPlan = {
    templates: [],
    documents: [],
    alarms: [],
    stop: [],
    gates: [],
    seconds: 0,
    single: [],
    notes: [],
  };
  if (common.length > 0) return { plan: empty, problems: [...common, ...ofArgs] };
  const settings = { experimentName: name, topology, workloadGroup, repetitions, guards };
  const { plan, problems } = planExperiment(experiment, awsActions, settings);
  return { plan, problems: [...problems, ...ofArgs] };
}

/** The machines that faults of AWS's own hit, as faults that every back end counts to the blast radius. */
function standIns(awsActions: Record<string, AwsFaultAction>, topology: Topology): Experiment["actions"] {
  return Object.fromEntries(
    Object.entries(awsActions).flatMap(([key, action]) =>
      machinesHitBy(action, topology).map((machine) => [
        `${key}-${machine}`,
        { fault: "machineHang" as const, target: { machine }, durationSeconds: 1 },
      ]),
    ),
  );
}

function argsProblems({
  repetitions = 1,
  workloadGroup,
  logRetentionDays,
}: Pick<AwsFaultExperimentArgs, "repetitions" | "workloadGroup" | "logRetentionDays">): Problem[] {
  const problems: Problem[] = [];
  if (!Number.isInteger(repetitions) || repetitions < 1 || repetitions > 1000) {
    problems.push({
      path: "repetitions",
      reason: `${repetitions} is not allowed; allowed is a whole number from 1 to 1000`,
    });
  }
  if (workloadGroup !== undefined && !/^[\w.@-]+(\/[\w.@-]+)*$/.test(workloadGroup)) {
    const reason = `"${workloadGroup}" is no control group below the root such as system.slice or kubepods.slice`;
    problems.push({ path: "workloadGroup", reason });
  }
  if (logRetentionDays !== undefined && !retentionDays.includes(logRetentionDays)) {
    const reason = `${logRetentionDays} is not allowed; CloudWatch keeps logs for ${retentionDays.join(", ")} days`;
    problems.push({ path: "logRetentionDays", reason });
  }
  return problems;
}

const retentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
