import type { Effect } from "../runner/journal";
import { estimate, type Estimate } from "./estimate";
import { benjaminiHochberg } from "./multiplicity";
import { align, type Sample, type Window } from "./series";
import { defaults, type PairSettings } from "./settings";
import { ruleOf, type SignalRule } from "./signals";
import { judge, toEffect } from "./verdict";

/** A live and a shadow series and the faults in them. */
export interface PairInput {
  /** Undefined when there is no live side. */
  live: readonly Sample[] | undefined;
  shadow: readonly Sample[];
  /** Name and windows of every fault, seconds on the series' clock; six or more windows of one fault make a pulse design. */
  faults: { name: string; windows: Window[] }[];
  /** Name of the signal, which sets unit, transform and direction. Defaults to a plain level. */
  signal?: string;
  /** What is known better than the name tells. Defaults to what the signal's name says. */
  rule?: Partial<SignalRule>;
  settings?: Partial<PairSettings>;
}

/** Effects of faults on one pair of series: the analysis of a run in small. Baseline is all before the first fault. */
export function analysePair(input: PairInput): Effect[] {
  const settings = { ...defaults, ...input.settings };
  const signal = input.signal ?? "value";
  const rule = { ...ruleOf(signal), ...input.rule };
  const pair = align(input.live, input.shadow, settings.stepSeconds);
  const end = pair.start + pair.shadow.length * pair.step;
  const windows = input.faults.flatMap((fault) => fault.windows);
  const baseline = { start: pair.start, end: Math.min(...windows.map(({ start }) => start)) };
  const estimates = input.faults.map((fault) => {
    const others = input.faults.filter((other) => other !== fault);
    const answer = estimate({
      pair,
      rule: rule.kind === "ratio" ? { ...rule, kind: "rank" } : rule,
      baseline,
      windows: fault.windows,
      watchUntil: watchedUntil(fault.windows, windows, end),
      settings,
    });
    return withConfounders(answer, fault.windows, others);
  });
  const qs = benjaminiHochberg(estimates.map(({ p }) => p ?? Number.NaN));
  const spreadQs = benjaminiHochberg(estimates.map(({ spreadP }) => spreadP ?? Number.NaN));
  return estimates.map((answer, i) =>
    toEffect(
      { fault: input.faults[i]!.name, signal, target: "service" },
      answer,
      qs[i]!,
      judge(answer, qs[i]!, settings, rule.worse, spreadQs[i]),
      spreadQs[i],
    ),
  );
}

/** The start of the next window of another fault, or the end of the data. */
export function watchedUntil(own: readonly Window[], all: readonly Window[], end: number): number {
  const last = Math.max(...own.map((window) => window.end));
  return Math.min(end, ...all.map(({ start }) => start).filter((start) => start >= last));
}

/** Adds a doubt when another fault was active in the same seconds. */
export function withConfounders(
  answer: Estimate,
  own: readonly Window[],
  others: readonly { name: string; windows: readonly Window[] }[],
): Estimate {
  const overlapping = others.filter(({ windows }) =>
    windows.some((other) => own.some((window) => other.start < window.end && window.start < other.end)),
  );
  if (overlapping.length === 0) return answer;
  const names = overlapping.map(({ name }) => `"${name}"`).join(", ");
  return {
    ...answer,
    confounded: true,
    doubts: [`confounded with ${names}, active at the same time`, ...answer.doubts],
  };
}
