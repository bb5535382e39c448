import type { ExchangeSample } from "../gateway/exchange";
import type { Journal, JournalExperiment, PhaseLatency } from "../runner/journal";
import { latencyHistogram, percentiles } from "./percentiles";
import type { Window } from "./series";

type Histogram = ReturnType<typeof latencyHistogram>;

/** One stretch of an experiment and what was counted in it. */
interface Stretch {
  phase: PhaseLatency["phase"];
  windows: readonly Window[];
  live: Counted;
  shadow: Counted;
}

interface Counted {
  requests: number;
  failed: number;
  histogram: Histogram;
}

/**
 * Response times of all requests of a phase, live beside shadow, by experiment: percentiles of one HdrHistogram (Tene) per phase
 * and side, to three digits. They are what users saw; the percentiles per step that the tests use cannot be put together to these.
 * A request belongs to the phase in which live got it; one that failed has no response time.
 */
export function phaseLatencies(journal: Journal, exchanges: Iterable<ExchangeSample>): Map<string, PhaseLatency[]> {
  const stretches = new Map(
    journal.experiments.map((experiment) => [experiment.name, stretchesOf(journal, experiment)]),
  );
  const all = [...stretches.values()].flat();
  for (const { live, shadow } of exchanges) {
    for (const stretch of all) {
      if (!stretch.windows.some(({ start, end }) => live.start >= start && live.start < end)) continue;
      count(stretch.live, live);
      count(stretch.shadow, shadow);
    }
  }
  return new Map([...stretches].map(([name, own]) => [name, own.flatMap(rowsOf)]));
}

function stretchesOf(journal: Journal, { name, faults }: JournalExperiment): Stretch[] {
  const phase = (wanted: string): Window[] =>
    journal.phases
      .filter(({ name: found, experiment }) => found === wanted && (experiment === undefined || experiment === name))
      .map(({ startedAt, endedAt }) => ({ start: startedAt, end: endedAt ?? Infinity }));
  const broken = faults.flatMap(({ windows }) => windows);
  const stretch = (of: PhaseLatency["phase"], windows: Window[]): Stretch => ({
    phase: of,
    windows,
    live: nothingYet(),
    shadow: nothingYet(),
  });
  return [stretch("baseline", phase("baseline")), stretch("fault", broken), stretch("recovery", phase("recovery"))];
}

function nothingYet(): Counted {
  return { requests: 0, failed: 0, histogram: latencyHistogram() };
}

function count(side: Counted, { start, end, error, status }: ExchangeSample["live"]): void {
  if (error === undefined && end === undefined) return;
  side.requests++;
  if (error !== undefined || (status ?? 0) >= 500) side.failed++;
  else side.histogram.recordValue(Math.max(0, Math.round(1000 * (end! - start))));
}

function rowsOf({ phase, live, shadow }: Stretch): PhaseLatency[] {
  if (live.requests + shadow.requests === 0) return [];
  const row = (side: "live" | "shadow", { requests, failed, histogram }: Counted): PhaseLatency => {
    const { p50, p95, p99, max } = percentiles(histogram);
    const known = (value: number): number | null => (Number.isNaN(value) ? null : value);
    return { phase, side, requests, failed, p50: known(p50), p95: known(p95), p99: known(p99), max: known(max) };
  };
  return [row("live", live), row("shadow", shadow)];
}
