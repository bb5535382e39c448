import { bestSplit } from "./changePoints";
import { MAD_TO_SD, mad, median } from "./descriptive";

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
 * Seconds from the fault's start to the first change of the gap: the E-divisive split (Matteson & James 2014) constrained
 * to [start − 3 s, end]. Negative when the change shows before the nominal start (clock or step); null when too few samples are there.
 * Call it only for effects that are proven: the best split of noise means nothing.
 */
export function onset(gap: EvenSeries, fault: { start: number; end: number }): number | null {
  const at = (time: number): number => Math.round((time - gap.start) / gap.step);
  const begin = Math.max(0, at(fault.start) - ONSET_SAMPLES / 2);
  const end = Math.min(gap.values.length, at(fault.end), at(fault.start) + ONSET_SAMPLES / 2);
  const indices: number[] = [];
  for (let i = begin; i < end; i++) if (!Number.isNaN(gap.values[i]!)) indices.push(i);
  const from = indices.findIndex((index) => gap.start + index * gap.step >= fault.start - 3);
  if (from < 0 || indices.length < 4) return null;
  const split = bestSplit(
    indices.map((index) => gap.values[index]!),
    from,
    indices.length,
  );
  return split ? gap.start + indices[split.index]! * gap.step - fault.start : null;
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
  const band = Math.max(3 * MAD_TO_SD * mad(baseline), tolerance);
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
