import type { Experiment, ExperimentAction } from "../../experiment";
import { type Problem, didYouMean } from "../../internal/problems";
import { actionSeconds } from "./pulse";

const kinds = ["fault", "waitSeconds", "probe", "command", "change"] as const;

/** What is wrong with an experiment's actions as a graph in time; an empty list when nothing is. */
export function actionProblems(experiment: Experiment, path: string): Problem[] {
  const names = Object.keys(experiment.actions);
  if (names.length === 0) return [{ path: `${path}.actions`, reason: "there is none; give at least one action" }];
  const problems = Object.entries(experiment.actions).flatMap(([name, action]) => [
    ...kindProblems(action, `${path}.actions.${name}`),
    ...timeProblems(action, `${path}.actions.${name}`),
    ...(action.startAfter ?? []).flatMap((before, index) =>
      names.includes(before)
        ? []
        : [
            {
              path: `${path}.actions.${name}.startAfter[${index}]`,
              reason: `no action "${before}"; there are ${names.join(", ")}${didYouMean(before, names)}`,
            },
          ],
    ),
  ]);
  if (problems.length > 0) return problems;
  const cycle = findCycle(experiment.actions);
  if (cycle === undefined) return [];
  return [{ path: `${path}.actions`, reason: `actions wait for each other in a circle: ${cycle.join(" → ")}` }];
}

function kindProblems(action: ExperimentAction, path: string): Problem[] {
  const given = kinds.filter((kind) => action[kind] !== undefined);
  if (given.length !== 1) {
    const what = given.length === 0 ? "does nothing" : `sets ${given.join(" and ")}`;
    return [{ path, reason: `${what}; exactly one of ${kinds.join(", ")} is allowed` }];
  }
  const needsTarget = action.fault !== undefined || action.command !== undefined;
  if (needsTarget && action.target === undefined) {
    return [{ path: `${path}.target`, reason: `aimed at nothing; say which machine${action.fault ? " or link" : ""}` }];
  }
  if (action.command !== undefined && action.target?.machine === undefined) {
    return [{ path: `${path}.target.machine`, reason: "a command runs on a machine; name one" }];
  }
  return [];
}

function timeProblems(action: ExperimentAction, path: string): Problem[] {
  if (action.fault !== undefined && action.pulse === undefined && action.durationSeconds === undefined) {
    return [{ path: `${path}.durationSeconds`, reason: "a fault needs an end; give durationSeconds or a pulse" }];
  }
  if (action.pulse !== undefined && action.durationSeconds !== undefined) {
    return [{ path: `${path}.durationSeconds`, reason: "a pulse has its own times; leave durationSeconds out" }];
  }
  return [];
}

function findCycle(actions: Record<string, ExperimentAction>): string[] | undefined {
  const done = new Set<string>();
  const visit = (name: string, trail: string[]): string[] | undefined => {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name];
    if (done.has(name)) return undefined;
    for (const before of actions[name]?.startAfter ?? []) {
      const cycle = visit(before, [...trail, name]);
      if (cycle !== undefined) return cycle;
    }
    done.add(name);
    return undefined;
  };
  for (const name of Object.keys(actions)) {
    const cycle = visit(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Seconds of the longest chain of actions: how long the fault phase takes, as far as the definition tells. */
export function expectedSeconds(experiment: Experiment, seed: number): number {
  const ends = new Map<string, number>();
  const end = (name: string): number => {
    const known = ends.get(name);
    if (known !== undefined) return known;
    const action = experiment.actions[name]!;
    const start = Math.max(0, ...(action.startAfter ?? []).map(end));
    const value = start + actionSeconds(name, action, seed);
    ends.set(name, value);
    return value;
  };
  return Math.max(0, ...Object.keys(experiment.actions).map(end));
}

/**
 * Carries out actions, each as soon as those it waits for have ended. When one throws, those that have not begun never
 * do; it returns, or throws the first error, only when every action that began has ended.
 */
export async function runGraph(
  actions: Record<string, ExperimentAction>,
  carryOut: (name: string, action: ExperimentAction) => Promise<void>,
): Promise<void> {
  const started = new Map<string, Promise<void>>();
  const start = (name: string): Promise<void> => {
    const known = started.get(name);
    if (known !== undefined) return known;
    const action = actions[name]!;
    const before = (action.startAfter ?? []).map(start);
    const running = Promise.all(before).then(() => carryOut(name, action));
    started.set(name, running);
    return running;
  };
  const results = await Promise.allSettled(Object.keys(actions).map(start));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
