import type { ExperimentAction, Pulse } from "../../experiment";
import { derivedSeed, seededRandom } from "./random";

/** One stretch in which a fault is active, in seconds after its action's start. */
export interface PulseWindow {
  start: number;
  seconds: number;
}

/** When an action's fault is active; one window for a continuous fault. The same seed gives the same windows. */
export function faultWindows(name: string, action: ExperimentAction, seed: number): PulseWindow[] {
  if (action.pulse === undefined) return [{ start: 0, seconds: action.durationSeconds ?? 0 }];
  return pulseWindows(action.pulse, derivedSeed(action.seed ?? seed, name));
}

/**
 * A pulse's windows. With `randomise` each dormant time is varied by up to half, which makes the run a switchback
 * experiment; the mean stays as asked. After the last window follows no dormant time: the recovery phase is one.
 */
export function pulseWindows(pulse: Pulse, seed: number): PulseWindow[] {
  const random = seededRandom(seed);
  const windows: PulseWindow[] = [];
  let start = pulse.initialDelaySeconds ?? 0;
  for (let index = 0; index < pulse.repeat; index++) {
    windows.push({ start, seconds: pulse.activeSeconds });
    const factor = pulse.randomise === true ? 0.5 + random() : 1;
    start += pulse.activeSeconds + pulse.dormantSeconds * factor;
  }
  return windows;
}

/** Seconds from an action's start to its end, as far as the definition tells. */
export function actionSeconds(name: string, action: ExperimentAction, seed: number): number {
  if (action.fault !== undefined) {
    const last = faultWindows(name, action, seed).at(-1);
    return last === undefined ? 0 : last.start + last.seconds;
  }
  if (action.change !== undefined) return action.durationSeconds ?? defaultChangeSeconds;
  return action.waitSeconds ?? 0;
}

/** How long a rehearsed change is watched when its action gives no duration. */
export const defaultChangeSeconds = 60;
