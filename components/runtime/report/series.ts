import type { SignalSide } from "../../experiment";
import type { SignalPoint } from "../runner/driver";
import type { Journal, JournalExperiment, RecordedRun } from "../runner/journal";
import { endOf } from "./format";

/** A moment and a value. */
export type Sample = [time: number, value: number];

/** A stretch of time, milliseconds since 1970. */
export interface Span {
  start: number;
  end: number;
}

/** All series of a run, by signal, target and side. */
export type SeriesIndex = Map<string, Sample[]>;

function keyOf(signal: string, target: string, side: SignalSide): string {
  return JSON.stringify([signal, target, side]);
}

/** Groups points into series, each in order of time. */
export function indexPoints(points: readonly SignalPoint[]): SeriesIndex {
  const index: SeriesIndex = new Map();
  for (const { signal, target, side, time, value } of points) {
    const key = keyOf(signal, target, side);
    const series = index.get(key);
    if (series === undefined) index.set(key, [[time, value]]);
    else series.push([time, value]);
  }
  for (const series of index.values()) series.sort(([a], [b]) => a - b);
  return index;
}

/** The samples of one series inside a span; empty when there are none. */
export function samplesOf(index: SeriesIndex, signal: string, target: string, side: SignalSide, span?: Span): Sample[] {
  const series = index.get(keyOf(signal, target, side)) ?? [];
  return span === undefined ? series : series.filter(([time]) => time >= span.start && time < span.end);
}

/**
 * The recorded gap; where none was recorded, shadow minus live minus the median of that difference over the baseline.
 */
export function gapOf(
  index: SeriesIndex,
  signal: string,
  target: string,
  baselines: readonly Span[],
  span?: Span,
): Sample[] {
  const recorded = samplesOf(index, signal, target, "gap", span);
  if (recorded.length > 0) return recorded;
  const live = new Map(samplesOf(index, signal, target, "live"));
  const differences = samplesOf(index, signal, target, "shadow").flatMap(([time, value]): Sample[] => {
    const other = live.get(time);
    return other === undefined ? [] : [[time, value - other]];
  });
  const usual = medianWithin(differences, baselines) ?? 0;
  const inSpan = differences.filter(([time]) => span === undefined || (time >= span.start && time < span.end));
  return inSpan.map(([time, value]) => [time, value - usual]);
}

/** Median of the samples that lie in any of the spans; undefined when none does. */
export function medianWithin(samples: readonly Sample[], spans: readonly Span[]): number | undefined {
  const values = samples
    .filter(([time]) => spans.some(({ start, end }) => time >= start && time < end))
    .map(([, value]) => value)
    .sort((a, b) => a - b);
  if (values.length === 0) return undefined;
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle] : (values[middle - 1]! + values[middle]!) / 2;
}

/**
 * At most `limit` samples: every bucket keeps its smallest and its largest, so that no spike disappears. A hole (no
 * sample for more than three usual steps) becomes a sample without value, so that a line breaks there.
 */
export function thinned(samples: readonly Sample[], limit: number): [number, number | null][] {
  const usual = usualStep(samples);
  const kept = samples.length <= limit ? samples : extremes(samples, Math.max(1, Math.floor(limit / 2)));
  const longest = 3 * Math.max(usual, usualStep(kept));
  return kept.flatMap(([time, value], index): [number, number | null][] => {
    const previous = kept[index - 1]?.[0];
    const hole = previous !== undefined && longest > 0 && time - previous > longest;
    return hole
      ? [
          [previous + usual, null],
          [time, value],
        ]
      : [[time, value]];
  });
}

function extremes(samples: readonly Sample[], buckets: number): Sample[] {
  const kept: Sample[] = [];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * samples.length) / buckets);
    const to = Math.floor(((bucket + 1) * samples.length) / buckets);
    let [low, high] = [from, from];
    for (let index = from; index < to; index++) {
      if (samples[index]![1] < samples[low]![1]) low = index;
      if (samples[index]![1] > samples[high]![1]) high = index;
    }
    for (const index of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) kept.push(samples[index]!);
  }
  return kept;
}

/** Median time between two samples; 0 when there are fewer than two. */
export function usualStep(samples: readonly Sample[]): number {
  const steps = samples.slice(1).map(([time], index) => time - samples[index]![0]);
  return steps.sort((a, b) => a - b)[steps.length >> 1] ?? 0;
}

/** Baselines of one experiment, or of all. */
export function baselinesOf({ phases }: Journal, experiment?: string): Span[] {
  return phases
    .filter(
      (phase) =>
        phase.name === "baseline" && (experiment === undefined || (phase.experiment ?? experiment) === experiment),
    )
    .map(({ startedAt, endedAt }) => ({ start: startedAt, end: endedAt ?? startedAt }));
}

/** From the first measurement to the last one; the whole run where nothing was measured. */
export function measuredSpan({ journal, points }: RecordedRun): Span {
  let [start, end] = [Infinity, -Infinity];
  for (const { time } of points) [start, end] = [Math.min(start, time), Math.max(end, time)];
  return start < end ? { start, end: end + 1 } : { start: Date.parse(journal.startedAt), end: endOf(journal) };
}

/** From an experiment's first phase to its last; its fault windows where phases do not name it. */
export function experimentSpan(journal: Journal, { name, faults }: JournalExperiment): Span | undefined {
  const phases = journal.phases
    .filter(({ experiment }) => experiment === name)
    .map(({ startedAt, endedAt }) => ({ start: startedAt, end: endedAt ?? endOf(journal) }));
  const spans = phases.length > 0 ? phases : faults.flatMap(({ windows }) => windows);
  if (spans.length === 0) return undefined;
  return { start: Math.min(...spans.map(({ start }) => start)), end: Math.max(...spans.map(({ end }) => end)) };
}
