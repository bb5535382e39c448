import type { ExperimentAction } from "../../experiment";
import type { Problem } from "../../internal/problems";
import type { Capabilities } from "../../runtime/faults/plan";
import { type PulseWindow, faultWindows } from "../../runtime/runner/pulse";
import type { Topology } from "../../topology";
import type { PlannedAction, PlannedAlarm, PlannedDocument, PlannedTarget } from "./model";
import { fisLimits } from "./model";

/** What planning an experiment needs to know beside it. */
export interface PlanSettings {
  experimentName: string;
  topology: Topology;
  /** Control group of what runs on the machines, below the root of control groups. Defaults to `system.slice`. */
  workloadGroup?: string;
  /** What the guests' kernels can do. Defaults to what current distributions have. */
  capabilities?: Capabilities;
  /** How often a run is repeated. Defaults to 1. */
  repetitions?: number;
  /** Number of alarms of others that end a run. Defaults to 0. */
  guards?: number;
}

/** What one action of an experiment becomes. */
export interface ActionParts {
  /** Those without a `startAfter` begin when the whole action begins. */
  actions: PlannedAction[];
  targets: PlannedTarget[];
  documents: PlannedDocument[];
  alarms: PlannedAlarm[];
  notes: string[];
}

/** Parts of several things that happen at the same time. */
export function together(parts: readonly ActionParts[]): ActionParts {
  return {
    actions: parts.flatMap(({ actions }) => actions),
    targets: parts.flatMap(({ targets }) => targets),
    documents: parts.flatMap(({ documents }) => documents),
    alarms: parts.flatMap(({ alarms }) => alarms),
    notes: [...new Set(parts.flatMap(({ notes }) => notes))],
  };
}

/** Nothing at all. */
export const noParts: ActionParts = { actions: [], targets: [], documents: [], alarms: [], notes: [] };

/** Takes note of a problem. */
export type Report = (problem: Problem) => void;

/** A duration as FIS takes it, rounded up to whole seconds. */
export function isoDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole % 60 === 0 ? `PT${whole / 60}M` : `PT${whole}S`;
}

/** When an action's fault is active; random waits are drawn from the action's own seed, as no run is known yet. */
export function windowsOf(name: string, action: ExperimentAction): PulseWindow[] {
  return faultWindows(name, action, 0);
}

/** Quiet seconds before each stretch. */
export function quietBefore(windows: readonly PulseWindow[]): number[] {
  return windows.map(({ start }, index) => {
    const before = windows[index - 1];
    return before === undefined ? start : start - before.start - before.seconds;
  });
}

/** The last seconds of the last stretch. */
export function totalSeconds(windows: readonly PulseWindow[]): number {
  const last = windows.at(-1);
  return last === undefined ? 0 : last.start + last.seconds;
}

/** What is wrong with a length that FIS itself keeps. */
export function lengthProblems(path: string, what: string, seconds: number, shortest: number): Problem[] {
  if (seconds < shortest) {
    const reason = `${what} takes at least ${shortest} s, given are ${seconds} s; FIS's own actions cannot be shorter`;
    return [{ path, reason }];
  }
  if (seconds > fisLimits.longestSeconds) {
    const reason = `${what} takes at most ${fisLimits.longestSeconds} s (12 hours), given are ${seconds} s`;
    return [{ path, reason }];
  }
  return [];
}
