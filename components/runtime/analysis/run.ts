import type { AnalysisSettings } from "../../experiment";
import type { SignalPoint } from "../runner/driver";
import {
  Verdict,
  type DoseResponseEffect,
  type Effect,
  type JournalExperiment,
  type RecordedRun,
} from "../runner/journal";
import { estimate, type Estimate } from "./estimate";
import { dosesOf } from "./doses";
import { benjaminiHochberg } from "./multiplicity";
import { watchedUntil, withConfounders } from "./pair";
import { experimentVerdict, runVerdict, wholeService, type Judgement } from "./runVerdict";
import { align, type AlignedPair, type Sample, type Window } from "./series";
import { defaults, type PairSettings } from "./settings";
import { isApparatus, ruleOf } from "./signals";
import { judge, toEffect } from "./verdict";

/** Settings of the analysis of a run, beside what each experiment sets for itself. */
export interface RunSettings extends Partial<PairSettings> {
  /** Smallest share of selected requests that must have reached the shadow. Defaults to 0.8. */
  minimumCoverage?: number;
}

/** The effects, verdict and sentence of one experiment. */
export interface AnalysedExperiment extends Judgement {
  name: string;
  effects: Effect[];
  /** How effects grow with the strength of a fault that was carried out at several. */
  doses: DoseResponseEffect[];
}

/** What the statistics say about a run. */
export interface Analysis extends Judgement {
  experiments: AnalysedExperiment[];
}

/** One series pair of a run. */
interface Series {
  signal: string;
  target: string;
  live: Sample[] | undefined;
  shadow: Sample[];
}

/** An estimate with what it is about. */
interface Answer {
  experiment: JournalExperiment;
  names: { fault: string; signal: string; target: string };
  settings: PairSettings;
  estimate: Estimate;
}

/**
 * Analyses a recorded run: every fault × signal × target with a shadow series, q-values, verdicts and their sentences.
 * Pure: the same run gives the same answer. Signals about the mirror and the gateway are left out: they decide whether the run
 * may be judged. q-values are taken over the service's signals, its
 * machines' app signals and machine metrics apart, each over all faults of the run.
 */
export function analyseRun(run: RecordedRun, settings: RunSettings = {}): Analysis {
  const series = seriesOf(run.points);
  const answers = run.journal.experiments.flatMap((experiment) => answersOf(run, experiment, series, settings));
  const qs = qValues(answers, ({ p }) => p);
  const spreadQs = qValues(answers, ({ spreadP }) => spreadP);
  const experiments = run.journal.experiments.map((experiment): AnalysedExperiment => {
    const own = answers
      .map((answer, i) => ({ answer, q: qs[i]!, spreadQ: spreadQs[i]! }))
      .filter(({ answer }) => answer.experiment === experiment);
    const judged = own.map(({ answer, q, spreadQ }) => {
      const { worse } = ruleOf(answer.names.signal);
      const verdict = judge(answer.estimate, q, answer.settings, worse, spreadQ);
      return {
        effect: toEffect(answer.names, answer.estimate, q, verdict, spreadQ),
        together: together(answer, q, worse),
      };
    });
    const effects = judged.map(({ effect }) => effect);
    const verdict = experimentVerdict(run.journal, experiment, judged, settings.minimumCoverage ?? 0.8);
    return { name: experiment.name, effects, doses: dosesOf(experiment, effects), ...verdict };
  });
  return { experiments, ...runVerdict(run.journal, experiments) };
}

/** True for an effect that is confounded, but degraded if the overlapping faults are taken as one. */
function together({ estimate: answer, settings }: Answer, q: number, worse: "higher" | "lower" | "either"): boolean {
  if (answer.confounded !== true || answer.missing) return false;
  return judge({ ...answer, doubts: answer.doubts.slice(1) }, q, settings, worse).verdict === Verdict.Degraded;
}

/** The service as a whole, its parts, and machines: asked apart, so that many machine metrics hide no service metric. */
function familyOf({ signal, target }: Answer["names"]): string {
  if (!signal.startsWith("app.")) return "machine";
  return target === wholeService ? "service" : "part";
}

function qValues(answers: readonly Answer[], pOf: (estimate: Estimate) => number | null): number[] {
  const qs = answers.map(() => Number.NaN);
  for (const family of ["service", "part", "machine"]) {
    const members = [...answers.keys()].filter((i) => familyOf(answers[i]!.names) === family);
    const values = benjaminiHochberg(members.map((i) => pOf(answers[i]!.estimate) ?? Number.NaN));
    members.forEach((index, i) => (qs[index] = values[i]!));
  }
  return qs;
}

/** Pairs of series by signal and target, in seconds; those without a shadow side are left out. */
function seriesOf(points: readonly SignalPoint[]): Series[] {
  const found = new Map<string, { signal: string; target: string; live: Sample[]; shadow: Sample[] }>();
  for (const { signal, target, side, time, value } of points) {
    if (isApparatus(signal) || side === "gap") continue;
    const key = `${signal}\n${target}`;
    const entry = found.get(key) ?? { signal, target, live: [], shadow: [] };
    found.set(key, entry);
    entry[side].push({ time: time / 1000, value });
  }
  return [...found.values()]
    .filter(({ shadow }) => shadow.length > 0)
    .map((entry) => ({ ...entry, live: entry.live.length > 0 ? entry.live : undefined }))
    .sort((a, b) => a.signal.localeCompare(b.signal) || a.target.localeCompare(b.target));
}

function answersOf(
  run: RecordedRun,
  experiment: JournalExperiment,
  series: readonly Series[],
  overrides: RunSettings,
): Answer[] {
  const settings = settingsOf(experiment.definition.analysis, overrides);
  const inSeconds = (window: Window): Window => ({ start: window.start / 1000, end: window.end / 1000 });
  const everyFault = run.journal.experiments.flatMap((owner) =>
    owner.faults.map((fault) => ({ owner, name: fault.action, windows: fault.windows.map(inSeconds) })),
  );
  const allWindows = everyFault.flatMap(({ windows }) => windows);
  const own = everyFault.filter(({ owner, windows }) => owner === experiment && windows.length > 0);
  const pairs = series.map((entry) => ({ ...entry, pair: align(entry.live, entry.shadow, settings.stepSeconds) }));
  return own.flatMap((fault) =>
    pairs.map((entry): Answer => {
      const end = phaseEnd(run, experiment) ?? entry.pair.start + entry.pair.shadow.length * entry.pair.step;
      const requests = requestsOf(pairs, entry);
      const answer = estimate({
        pair: entry.pair,
        rule: ruleOf(entry.signal),
        baseline: baselineOf(
          run,
          experiment,
          own.flatMap(({ windows }) => windows),
          allWindows,
          settings,
        ),
        windows: fault.windows,
        watchUntil: watchedUntil(fault.windows, allWindows, end),
        settings,
        ...(requests && { requests }),
      });
      const others = everyFault.filter((other) => other !== fault);
      return {
        experiment,
        names: { fault: fault.name, signal: entry.signal, target: entry.target },
        settings,
        estimate: withConfounders(answer, fault.windows, others),
      };
    }),
  );
}

/** Requests of the same target on the same grid as a share of requests. */
function requestsOf(
  series: readonly (Series & { pair: AlignedPair })[],
  of: Series & { pair: AlignedPair },
): AlignedPair | undefined {
  if (ruleOf(of.signal).kind !== "ratio") return undefined;
  const requests = series.find((entry) => entry.signal === "app.requests" && entry.target === of.target);
  if (!requests) return undefined;
  const { start, step } = of.pair;
  const shift = Math.round((start - requests.pair.start) / step);
  const place = (values: readonly number[]): number[] =>
    of.pair.shadow.map((_, cell) => values[cell + shift] ?? Number.NaN);
  return {
    start,
    step,
    shadow: place(requests.pair.shadow),
    ...(requests.pair.live && { live: place(requests.pair.live) }),
  };
}

function settingsOf(asked: AnalysisSettings | undefined, overrides: RunSettings): PairSettings {
  return {
    ...defaults,
    ...(asked?.settleSeconds !== undefined && { settleSeconds: asked.settleSeconds }),
    ...(asked?.marginPercent !== undefined && { marginPercent: asked.marginPercent }),
    ...(asked?.stepSeconds !== undefined && { stepSeconds: asked.stepSeconds }),
    ...overrides,
  };
}

/** The baseline phase of the experiment up to its first fault; without a recorded phase, the asked time before that fault. */
function baselineOf(
  run: RecordedRun,
  experiment: JournalExperiment,
  own: readonly Window[],
  all: readonly Window[],
  settings: PairSettings,
): Window {
  const first = Math.min(...own.map(({ start }) => start));
  const phase = run.journal.phases
    .filter(({ name, startedAt }) => name === "baseline" && startedAt / 1000 < first)
    .filter((candidate) => candidate.experiment === undefined || candidate.experiment === experiment.name)
    .at(-1);
  if (phase) return { start: phase.startedAt / 1000, end: Math.min(first, (phase.endedAt ?? first * 1000) / 1000) };
  const asked = experiment.definition.analysis?.baselineSeconds ?? 60;
  const before = all.map(({ end }) => end).filter((end) => end <= first);
  return { start: Math.max(first - asked, ...before.map((end) => end + settings.holdSeconds)), end: first };
}

/** End of the experiment's recovery phase, in seconds. */
function phaseEnd(run: RecordedRun, experiment: JournalExperiment): number | undefined {
  const phase = run.journal.phases
    .filter(({ name, experiment: of }) => name === "recovery" && (of === undefined || of === experiment.name))
    .at(-1);
  return phase?.endedAt === undefined ? undefined : phase.endedAt / 1000;
}
