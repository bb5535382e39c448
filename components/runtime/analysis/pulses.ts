import type { Gap } from "./calibration";
import { minimumDetectablePulse } from "./detectable";
import type { AlignedPair, Window } from "./series";
import { walshInterval, wilcoxonSignedRank } from "./signedRank";

/** Fewest pulses whose exact test can reach p < 0.05. */
export const MINIMUM_PULSES = 6;

/** A series on the scale of the test and in the unit. */
type Scales = Pick<Gap, "test" | "unit">;

/** One pulse: on less off, on the scale of the test and in the unit. */
export interface PulseDifference {
  test: number;
  unit: number;
}

/**
 * Per pulse the mean of the gap while on, less its mean as long before and after: samples count as on by the share of
 * their step that lies inside the pulse; off are those wholly outside every pulse, within one pulse's length but at least two
 * steps, each counted for the nearest pulse alone: shared ones would make neighbouring pulses dependent.
 */
export function pulseDifferences(
  pair: AlignedPair,
  windows: readonly Window[],
  settleSeconds: number,
  gap: Scales,
): PulseDifference[] {
  const size = pair.shadow.length;
  const inside = new Array<number>(size).fill(0);
  for (const window of windows) {
    const [from, to] = reach(pair, window, 0);
    for (let cell = from; cell < to; cell++) inside[cell]! += overlap(pair, cell, window);
  }
  const differences: PulseDifference[] = [];
  for (const window of windows) {
    const settle = window.end - window.start >= 10 * pair.step ? settleSeconds : 0;
    const active = { start: window.start + settle, end: window.end };
    const around = Math.max(window.end - window.start, 2 * pair.step);
    const [from, to] = reach(pair, window, around);
    const on = { weight: 0, test: 0, unit: 0 };
    const off = { weight: 0, test: 0, unit: 0 };
    for (let cell = from; cell < to; cell++) {
      if (Number.isNaN(gap.test[cell]!)) continue;
      const share = overlap(pair, cell, active);
      if (share >= 0.5) add(on, share, gap, cell);
      else if (inside[cell]! < 1e-6 && nearest(pair, cell, windows) === window) add(off, 1, gap, cell);
    }
    if (on.weight === 0 || off.weight === 0) continue;
    differences.push({
      test: on.test / on.weight - off.test / off.weight,
      unit: on.unit / on.weight - off.unit / off.weight,
    });
  }
  return differences;
}

/** The window that is nearest to the middle of a cell; of two at the same distance the later one. */
function nearest(pair: AlignedPair, cell: number, windows: readonly Window[]): Window | undefined {
  const middle = pair.start + (cell + 0.5) * pair.step;
  let best: { window: Window; distance: number } | undefined;
  for (const window of windows) {
    const distance = Math.max(window.start - middle, middle - window.end, 0);
    if (best === undefined || distance <= best.distance + 1e-6) best = { window, distance };
  }
  return best?.window;
}

function add(sum: { weight: number; test: number; unit: number }, weight: number, gap: Scales, cell: number): void {
  sum.weight += weight;
  sum.test += weight * gap.test[cell]!;
  sum.unit += weight * gap.unit[cell]!;
}

/** Cells that touch the window widened by `around` seconds on both sides. */
function reach(pair: AlignedPair, window: Window, around: number): [number, number] {
  const from = Math.max(0, Math.floor((window.start - around - pair.start) / pair.step + 1e-6));
  const to = Math.min(pair.shadow.length, Math.ceil((window.end + around - pair.start) / pair.step - 1e-6));
  return [from, to];
}

/** Share of a cell's step that lies inside the window. */
function overlap(pair: AlignedPair, cell: number, window: Window): number {
  const start = pair.start + cell * pair.step;
  return Math.max(0, Math.min(start + pair.step, window.end) - Math.max(start, window.start)) / pair.step;
}

/** What the pulses say together. */
interface PulseEstimate {
  method: "pulses";
  shift: number;
  low: number;
  high: number;
  p: number;
  delta: number;
  minimumDetectable: number;
  effectiveSamples: number;
}

/** Exact signed-rank test over the pulses, each of which is one sample. */
export function pulseEstimate(pulses: readonly PulseDifference[]): PulseEstimate {
  const test = pulses.map((pulse) => pulse.test);
  const unit = pulses.map((pulse) => pulse.unit);
  const positive = test.filter((value) => value > 0).length;
  const negative = test.filter((value) => value < 0).length;
  const { shift, low, high } = walshInterval(unit);
  return {
    method: "pulses",
    shift,
    low,
    high,
    p: wilcoxonSignedRank(test).p,
    delta: (positive - negative) / test.length,
    minimumDetectable: minimumDetectablePulse(unit),
    effectiveSamples: pulses.length,
  };
}
