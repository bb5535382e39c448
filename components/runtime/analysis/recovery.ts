import { bestSplit } from "./changePoints";
import { MAD_TO_SD, mad, mean, median } from "./descriptive";

/** A series on an even grid; NaN marks a missing sample. */
export interface EvenSeries {
  /** Time of the first sample, seconds. */
  start: number;
  /** Seconds between samples. */
  step: number;
  values: readonly number[];
}

/** Most samples before and after the fault's start that onset looks at: the split costs their square. */
const ONSET_SAMPLES = 240;

/**
 * Seconds from the fault's start to the first change of the gap: the E-divisive split (Matteson & James 2014) among the samples
 * that touch the fault. 0 for the sample in which the fault began: nothing can come before its cause, and nothing finer than a
 * step is known. Null when too few samples are there. Call it only for effects that are proven: the best split of noise means
 * nothing.
 */
export function onset(gap: EvenSeries, fault: { start: number; end: number }): number | null {
  const at = (time: number): number => Math.round((time - gap.start) / gap.step);
  const begin = Math.max(0, at(fault.start) - ONSET_SAMPLES / 2);
  const end = Math.min(gap.values.length, at(fault.end), at(fault.start) + ONSET_SAMPLES / 2);
  const indices: number[] = [];
  for (let i = begin; i < end; i++) if (!Number.isNaN(gap.values[i]!)) indices.push(i);
  const from = indices.findIndex((index) => index >= firstCell(gap, fault.start));
  if (from < 0 || indices.length < 4) return null;
  const split = bestSplit(
    indices.map((index) => gap.values[index]!),
    from,
    indices.length,
  );
  return split ? Math.max(0, gap.start + indices[split.index]! * gap.step - fault.start) : null;
}

/**
 * The same for pulses: the onset in the mean over all pulses, laid over one another at their starts. One pulse of a few noisy
 * samples says little; the mean of k of them has a k-th of the variance.
 */
export function pulseOnset(gap: EvenSeries, pulses: readonly { start: number; end: number }[]): number | null {
  const cells = pulses.map(({ start }) => firstCell(gap, start));
  const quiet = pulses.slice(1).map(({ start }, i) => start - pulses[i]!.end);
  const before = Math.max(2, Math.floor(Math.min(...quiet) / gap.step));
  const active = Math.min(...pulses.map(({ start, end }) => end - start));
  const size = before + Math.max(1, Math.floor(active / gap.step + 1e-9));
  const values = Array.from({ length: size }, (_, k) => {
    const own = cells.map((cell) => gap.values[cell - before + k]).filter((value) => value !== undefined);
    const known = own.filter((value) => !Number.isNaN(value));
    return known.length > 0 ? mean(known) : Number.NaN;
  });
  // The fault begins somewhere inside the first cell; on the folded clock at the mean of those places.
  const within = mean(pulses.map(({ start }, i) => start - gap.start - cells[i]! * gap.step));
  return onset({ start: -before * gap.step - within, step: gap.step, values }, { start: 0, end: size * gap.step });
}

/** First cell that the time touches. */
function firstCell(gap: EvenSeries, time: number): number {
  return Math.floor((time - gap.start) / gap.step + 1e-6);
}

/** Samples in a row outside the band that count as noticed: one alone is noise. */
const NOTICED_SAMPLES = 3;

/**
 * Seconds from the fault's start until somebody who watches could know: the end of the third sample in a row outside the
 * baseline's median ± `band`. Missing samples are passed over. Null when that did not happen during the fault.
 */
export function timeToDetect(
  gap: EvenSeries,
  centre: number,
  band: number,
  fault: { start: number; end: number },
): number | null {
  let outside = 0;
  for (let i = Math.max(0, firstCell(gap, fault.start)); i < gap.values.length; i++) {
    const end = gap.start + (i + 1) * gap.step;
    if (end > fault.end + gap.step / 2) return null;
    const value = gap.values[i]!;
    if (Number.isNaN(value)) continue;
    outside = Math.abs(value - centre) > band ? outside + 1 : 0;
    if (outside === NOTICED_SAMPLES) return end - fault.start;
  }
  return null;
}

/** Fewest samples of a fault that can show a level of its own. */
const LEVEL_SAMPLES = 8;

/**
 * Seconds from the fault's start until the gap has reached the level that the fault leads to: from then to the fault's end the
 * 5-point running median stays within ± `band` of the median of the fault's second half. Null when it never settles, or
 * with fewer than eight samples.
 */
export function timeToStabilise(gap: EvenSeries, band: number, fault: { start: number; end: number }): number | null {
  const first = Math.max(0, firstCell(gap, fault.start));
  const last = Math.min(gap.values.length, Math.floor((fault.end - gap.start) / gap.step + 0.5));
  const late = gap.values.slice(Math.floor((first + last) / 2), last).filter((value) => !Number.isNaN(value));
  if (last - first < LEVEL_SAMPLES || late.length < LEVEL_SAMPLES / 2) return null;
  const level = median(late);
  let settled = last;
  while (settled > first && Math.abs(runningMedian(gap.values, settled - 1, first, last) - level) <= band) settled--;
  return settled === last ? null : Math.max(0, gap.start + settled * gap.step - fault.start);
}

/** When a gap came back after a fault. */
export interface Recovery {
  /** Seconds from the fault's end; null when it did not come back while watched, or nothing was watched. */
  recovered: number | null;
  /** True when watching ended before it was back. */
  censored: boolean;
  /** Half-width of the band around the baseline's median that counts as back. */
  band: number;
  /** Seconds watched after the fault. */
  watched: number;
}

/**
 * Time to recover: the first time after the fault's end at which the 5-point running median of the gap enters the
 * baseline's median ± 3·1.4826·MAD, or ± `tolerance` where that is wider, and stays for `hold` seconds (or until watching
 * ends, if at least half of `hold` was seen). A missing sample counts as outside: what does not answer has not recovered.
 */
export function recovery(
  gap: EvenSeries,
  baseline: readonly number[],
  fault: { end: number; watchUntil: number },
  options: { hold?: number; tolerance?: number } = {},
): Recovery {
  const { hold = 10, tolerance = 0 } = options;
  const centre = median(baseline);
  const band = usualBand(baseline, tolerance);
  const first = Math.max(0, Math.ceil((fault.end - gap.start) / gap.step - 1e-9));
  const last = Math.min(gap.values.length, Math.ceil((fault.watchUntil - gap.start) / gap.step - 1e-9));
  const watched = Math.max(0, (last - first) * gap.step);
  const needed = Math.max(1, Math.round(hold / gap.step));
  const enough = Math.max(1, Math.ceil(needed / 2));
  let inside = 0;
  for (let i = first; i < last; i++) {
    inside = Math.abs(runningMedian(gap.values, i, first, last) - centre) <= band ? inside + 1 : 0;
    const done = inside >= needed || (i === last - 1 && inside >= enough);
    if (done) return { recovered: Math.max(0, (i - inside + 1 - first) * gap.step), censored: false, band, watched };
  }
  return { recovered: null, censored: watched > 0, band, watched };
}

/** Half-width around the baseline's median that counts as usual: 3·1.4826·MAD, or `tolerance` where that is wider. */
export function usualBand(baseline: readonly number[], tolerance = 0): number {
  return Math.max(3 * MAD_TO_SD * mad(baseline), tolerance);
}

/** Median of up to five samples around `i` inside [first, last); NaN when most of them are missing. */
function runningMedian(values: readonly number[], i: number, first: number, last: number): number {
  const around = values.slice(Math.max(first, i - 2), Math.min(last, i + 3));
  const present = around.filter((value) => !Number.isNaN(value));
  return 2 * present.length > around.length ? median(present) : Number.NaN;
}

/** Impact × time: the sum of (gap − baseline's median)·step over [from, to), missing samples left out; unit·seconds. */
export function area(gap: EvenSeries, centre: number, from: number, to: number): number {
  let sum = 0;
  for (let i = 0; i < gap.values.length; i++) {
    const time = gap.start + i * gap.step;
    if (time >= from && time < to && !Number.isNaN(gap.values[i]!)) sum += (gap.values[i]! - centre) * gap.step;
  }
  return sum;
}
