import { median } from "./descriptive";

/** One sample: seconds and value. */
export interface Sample {
  time: number;
  value: number;
}

/** A stretch of time in seconds, start included, end not. */
export interface Window {
  start: number;
  end: number;
}

/** Live and shadow on one clock and one step; NaN marks a missing sample, never a filled one. */
export interface AlignedPair {
  start: number;
  step: number;
  /** Undefined where the signal has no live side. */
  live?: number[];
  shadow: number[];
}

/** The usual distance between samples: the median of the positive differences of the times; 1 when there are none. */
export function usualStep(samples: readonly Sample[]): number {
  const times = samples.map(({ time }) => time).sort((a, b) => a - b);
  const distances = times.slice(1).map((time, i) => time - times[i]!);
  const positive = distances.filter((distance) => distance > 1e-9);
  return positive.length > 0 ? median(positive) : 1;
}

/** Puts both series on one grid: a cell holds the mean of the samples nearest to it and stays NaN where there are none. */
export function align(live: readonly Sample[] | undefined, shadow: readonly Sample[], step?: number): AlignedPair {
  const width = step ?? Math.max(usualStep(shadow), live && live.length > 1 ? usualStep(live) : 0);
  let [start, end] = [Infinity, -Infinity];
  for (const { time } of [...(live ?? []), ...shadow]) {
    start = Math.min(start, time);
    end = Math.max(end, time);
  }
  const size = Number.isFinite(start) ? Math.round((end - start) / width) + 1 : 0;
  const pair: AlignedPair = { start, step: width, shadow: grid(shadow, start, width, size) };
  if (live) pair.live = grid(live, start, width, size);
  return pair;
}

function grid(samples: readonly Sample[], start: number, step: number, size: number): number[] {
  const sums = new Array<number>(size).fill(0);
  const counts = new Array<number>(size).fill(0);
  for (const { time, value } of samples) {
    if (!Number.isFinite(value)) continue;
    const cell = Math.round((time - start) / step);
    sums[cell]! += value;
    counts[cell]!++;
  }
  return sums.map((sum, cell) => (counts[cell]! > 0 ? sum / counts[cell]! : Number.NaN));
}

/** Cells whose whole step lies inside the window, give or take half a step at its end. */
export function cellsIn(series: { start: number; step: number }, size: number, window: Window): number[] {
  const first = Math.max(0, Math.ceil((window.start - series.start) / series.step - 1e-6));
  const cells: number[] = [];
  for (let cell = first; cell < size; cell++) {
    if (series.start + (cell + 1) * series.step > window.end + series.step / 2 + 1e-9) break;
    cells.push(cell);
  }
  return cells;
}

/** Values of the cells that are not missing. */
export function present(values: readonly number[], cells: readonly number[]): number[] {
  return cells.map((cell) => values[cell]!).filter((value) => !Number.isNaN(value));
}
