import type { Experiment, ExperimentAction, FaultParameters } from "../../experiment";
import { experimentShape } from "../../validation/experimentShape";
import { type Problem, ProblemsError, refuse } from "../../internal/problems";
import { shapeProblems } from "../../validation/shape";
import { compile } from "../faults/compile";
import { faultId } from "../faults/faultId";
import type { Capabilities, Fault, FaultPlan, PlanCommand } from "../faults/plan";
import { actionProblems, expectedSeconds } from "./actions";
import { blastRadiusProblems, defaultBlastSeconds } from "./blastRadius";
import type { Driver, ShadowDescription } from "./driver";
import type { JournalExperiment, JournalFault } from "./journal";
import { actionSeconds, faultWindows } from "./pulse";
import { derivedSeed } from "./random";
import { analysisSettings } from "./settings";

/** An experiment whose targets were found and whose faults were compiled. */
export interface PlannedExperiment {
  name: string;
  definition: Experiment;
  /** Plan by action; only for actions that are faults. */
  plans: Map<string, FaultPlan>;
}

/** What compiling needs. */
export interface PlanningContext {
  driver: Driver;
  capabilities: Capabilities;
  seed: number;
}

/** Resolves and compiles everything without touching anything; throws one ProblemsError with all that is wrong. */
export async function planExperiments(
  experiments: Record<string, Experiment>,
  context: PlanningContext,
  shadow: ShadowDescription,
): Promise<PlannedExperiment[]> {
  const problems: Problem[] = experimentsProblems(experiments);
  refuse("experiments", problems);
  const planned: PlannedExperiment[] = [];
  for (const [name, definition] of Object.entries(experiments)) {
    const plans = new Map<string, FaultPlan>();
    for (const [actionName, action] of Object.entries(definition.actions)) {
      const path = `${name}.actions.${actionName}`;
      problems.push(...supportProblems(action, context.driver, path));
      problems.push(...machineProblems(action, shadow, path));
      if (action.fault === undefined) continue;
      try {
        plans.set(actionName, await planFault(name, actionName, definition, context));
      } catch (error) {
        problems.push(...underPath(error, path));
      }
    }
    problems.push(...limitProblems(name, definition, [...plans.values()], context.seed, shadow));
    planned.push({ name, definition, plans });
  }
  refuse("experiments", problems);
  return planned;
}

/** What is wrong with experiments before any target is looked up. */
export function experimentsProblems(experiments: Record<string, Experiment>): Problem[] {
  const names = Object.keys(experiments);
  if (names.length === 0) return [{ path: "experiments", reason: "there is none; name at least one" }];
  return names.flatMap((name) => {
    const form = shapeProblems(experimentShape, experiments[name]);
    if (form.length > 0) return form.map(({ path, reason }) => ({ path: `${name}.${path}`, reason }));
    return actionProblems(experiments[name]!, name);
  });
}

/**
 * Compiles one fault for what its target is now. `staysDown` keeps it until the experiment ends, so its hard limit
 * covers the recovery phase too.
 */
export async function planFault(
  experiment: string,
  actionName: string,
  definition: Experiment,
  { driver, capabilities, seed }: PlanningContext,
): Promise<FaultPlan> {
  const action = definition.actions[actionName]!;
  const longest = Math.max(...faultWindows(actionName, action, seed).map(({ seconds }) => seconds));
  const { recoverySeconds } = analysisSettings(definition);
  const wholeExperiment = expectedSeconds(definition, seed) + recoverySeconds + 60;
  const fault: Fault = {
    ...parametersOf(action),
    kind: action.fault!,
    id: faultId(experiment, actionName),
    durationSeconds: action.staysDown === true ? wholeExperiment : longest,
    seed: action.seed ?? derivedSeed(seed, `${experiment}/${actionName}`),
  };
  return compile(fault, await driver.resolve(action.target!), capabilities);
}

/** The journal's entry of a fault before it has happened. */
export function journalFault(actionName: string, plan: FaultPlan): JournalFault {
  const { fault, target, mechanism, touches, notes } = plan;
  const commands = planCommands(plan);
  return { action: actionName, kind: fault.kind, target, mechanism, touches, windows: [], notes: [...notes], commands };
}

/** The journal's entry of an experiment before it has happened. */
export function journalExperiment({ name, definition }: PlannedExperiment): JournalExperiment {
  return { name, definition, faults: [], probes: [], commands: [], effects: [], deviated: false };
}

/** The exact commands of a plan, one line each, with what they read from standard input. */
function planCommands(plan: FaultPlan): string[] {
  const lines = (step: string, commands: PlanCommand[]): string[] =>
    commands.map(({ argv, stdin }) => {
      const input = stdin === undefined ? "" : ` <<< ${shellQuoted(stdin)}`;
      return `${step}: ${argv.map(shellQuoted).join(" ")}${input}`;
    });
  return [...lines("apply", plan.apply), ...lines("verify", plan.verify), ...lines("undo", plan.undo)];
}

function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Everything of an action that is about its timing or that makes it another kind of step. */
const notParameters = new Set<keyof ExperimentAction>([
  ...(["fault", "target", "durationSeconds", "pulse", "startAfter"] as const),
  ...(["waitSeconds", "probe", "command", "objectiveSeconds", "change"] as const),
]);

function parametersOf(action: ExperimentAction): FaultParameters {
  const entries = Object.entries(action) as [keyof ExperimentAction, unknown][];
  return Object.fromEntries(entries.filter(([name]) => !notParameters.has(name)));
}

function supportProblems(action: ExperimentAction, driver: Driver, path: string): Problem[] {
  if (action.command !== undefined && driver.command === undefined) {
    return [{ path: `${path}.command`, reason: "this back end cannot run commands inside a shadow machine" }];
  }
  if (action.change !== undefined && (driver.change === undefined || driver.revertChange === undefined)) {
    return [{ path: `${path}.change`, reason: "this back end cannot rehearse changes; the lab can" }];
  }
  return [];
}

function machineProblems(action: ExperimentAction, shadow: ShadowDescription, path: string): Problem[] {
  const names = shadow.machines.map(({ name }) => name);
  const known = (machine: string | undefined, at: string): Problem[] =>
    machine === undefined || names.includes(machine)
      ? []
      : [{ path: `${path}.${at}`, reason: `no machine "${machine}" in the shadow; there are ${names.join(", ")}` }];
  if (action.command !== undefined) return known(action.target?.machine, "target.machine");
  return known(action.change?.machine, "change.machine");
}

function limitProblems(
  name: string,
  definition: Experiment,
  plans: FaultPlan[],
  seed: number,
  shadow: ShadowDescription,
): Problem[] {
  const problems = blastRadiusProblems(definition.blastRadius, plans, shadow);
  const limit = definition.blastRadius?.durationSeconds ?? defaultBlastSeconds;
  const actions = Object.entries(definition.actions);
  const seconds = actions.some(([, { fault }]) => fault !== undefined) ? expectedSeconds(definition, seed) : 0;
  const longest = Math.max(seconds, ...actions.map(([action, value]) => actionSeconds(action, value, seed)));
  if (plans.length > 0 && longest > limit) problems.push(`faults would last ${longest} seconds; ${limit} are allowed`);
  return problems.map((reason) => ({ path: `${name}.blastRadius`, reason }));
}

function underPath(error: unknown, path: string): Problem[] {
  if (!(error instanceof ProblemsError)) throw error;
  return error.problems.map((problem) => ({ path: `${path}.${problem.path}`, reason: problem.reason }));
}
