import { formGap, type Gap } from "./calibration";
import { estimateCounts, type Events } from "./countEstimate";
import { courseOf, type Course } from "./course";
import { mean, median, rankCorrelation } from "./descriptive";
import { minimumDetectableEffect } from "./detectable";
import { cliffsDelta, effectiveDegrees, spikeRobustSampleFactor, hodgesLehmann } from "./ranks";
import { MINIMUM_PULSES, pulseDifferences, pulseEstimate } from "./pulses";
import { cellsIn, present, type AlignedPair, type Window } from "./series";
import type { PairSettings } from "./settings";
import type { SignalRule } from "./signals";
import { noSlack, slackRankP, slopeSlack, type Slack, widened } from "./slack";
import { absoluteDeviations, brownForsythe } from "./spread";
import { studentTwoSided } from "./distributions";
import { theilSen } from "./trend";
import { formatShift } from "../words";

/** One signal of one target under one fault. */
export interface Question {
  pair: AlignedPair;
  /** Requests per step of both sides, for signals that are shares of requests. */
  requests?: AlignedPair;
  rule: SignalRule;
  baseline: Window;
  /** Windows in which the fault was active; six or more make a pulse design. */
  windows: Window[];
  /** Until when recovery was watched. */
  watchUntil: number;
  settings: PairSettings;
}

/** What the data say about a question, before q-values and a verdict. */
export interface Estimate extends Course {
  method: "rank" | "pulses" | "counts";
  /** Why no estimate could be made. */
  missing?: { verdict: "noData" | "inconclusive"; why: string };
  unit: string;
  /** Median of shadow over the baseline. */
  level: number | null;
  shift: number | null;
  /** Shift in percent of what live predicts for the time of the fault; of the level where there is no such prediction. */
  relative: number | null;
  low: number | null;
  high: number | null;
  p: number | null;
  delta: number | null;
  spreadP: number | null;
  spreadRatio: number | null;
  /** Mean absolute deviation during the fault, in the unit. */
  spreadSize: number | null;
  minimumDetectable: number | null;
  effectiveSamples: number | null;
  /** Smallest difference of interest, and bound of equivalence, in the unit. */
  margin: number;
  equivalence: number;
  control: "live" | "weak" | "none";
  controlNote?: string;
  correlation: number;
  /** Reasons not to believe the estimate. */
  doubts: string[];
  /** True when another fault was active in the same seconds. */
  confounded?: boolean;
}

const nothing: Omit<Estimate, "method" | "unit" | "doubts"> = {
  level: null,
  shift: null,
  relative: null,
  low: null,
  high: null,
  p: null,
  delta: null,
  spreadP: null,
  spreadRatio: null,
  spreadSize: null,
  minimumDetectable: null,
  effectiveSamples: null,
  margin: 0,
  equivalence: 0,
  onset: null,
  timeToDetect: null,
  timeToStabilise: null,
  recovery: null,
  area: null,
  control: "none",
  correlation: 0,
};

/** Answers one question by the method that its signal and design ask for. */
export function estimate(question: Question): Estimate {
  const { rule, requests, pair, baseline, settings, windows } = question;
  if (rule.kind === "count" && pair.live) return counted(question, { events: pair, kind: "count" });
  if (rule.kind === "ratio" && requests) return counted(question, { events: pair, requests, kind: "ratio" });
  const baselineCells = cellsIn(pair, pair.shadow.length, baseline);
  const missing = tooFew(pair.shadow, baselineCells, settings.minimumBaseline, settings, "the baseline");
  if (missing) return { ...nothing, method: "rank", unit: rule.unit, doubts: [], missing };
  const gap = formGap(pair, baselineCells, rule.transform, settings.minimumCorrelation);
  const pulses =
    windows.length >= MINIMUM_PULSES ? pulseDifferences(pair, windows, settings.settleSeconds, gap.alone ?? gap) : [];
  const design =
    pulses.length >= MINIMUM_PULSES
      ? { ...nothing, ...pulseEstimate(pulses) }
      : rankEstimate(question, gap, baselineCells);
  if (windows.length >= MINIMUM_PULSES && pulses.length < MINIMUM_PULSES && design.missing) {
    design.missing.why = `only ${pulses.length} of ${windows.length} pulses have samples, at least ${MINIMUM_PULSES} are needed`;
  }
  return complete(question, gap, baselineCells, design);
}

/** A series on the scale of the test and in the unit. */
type Scales = Pick<Gap, "test" | "unit">;

type Design = Pick<
  Estimate,
  | "method"
  | "missing"
  | "shift"
  | "low"
  | "high"
  | "p"
  | "delta"
  | "spreadP"
  | "spreadRatio"
  | "spreadSize"
  | "minimumDetectable"
  | "effectiveSamples"
>;

/** Adds what does not depend on the design: level, margins, doubts, onset, recovery, area. */
function complete(question: Question, gap: Gap, baselineCells: number[], design: Design): Estimate {
  const { rule, settings, pair, windows } = question;
  const margin = Math.max(
    (settings.marginPercent / 100) * Math.abs(gap.level),
    settings.marginPercent > 0 ? rule.floor : 0,
  );
  const result: Estimate = {
    ...nothing,
    ...design,
    unit: rule.unit,
    level: gap.level,
    margin,
    equivalence:
      settings.equivalencePercent === undefined ? margin : (settings.equivalencePercent / 100) * Math.abs(gap.level),
    control: gap.control,
    ...(gap.controlNote !== undefined && { controlNote: gap.controlNote }),
    correlation: gap.correlation,
    doubts: [],
  };
  if (design.missing) return result;
  result.relative = relativeShift(question, gap, design.shift!);
  result.doubts = doubts(question, gap, baselineCells, result);
  const course = courseOf({
    gap: { start: pair.start, step: pair.step, values: gap.unit },
    baseline: present(gap.unit, baselineCells),
    windows,
    watchUntil: question.watchUntil,
    holdSeconds: settings.holdSeconds,
    margin,
    proven: (result.p ?? 1) < settings.alpha,
  });
  return { ...result, ...course };
}

/** What is measured on a logarithmic scale cannot fall by more than all of it. */
function relativeShift(question: Question, gap: Gap, shift: number): number | null {
  const { pair, rule } = question;
  const predicted = faultCells(question).map((cell) => pair.shadow[cell]! - gap.unit[cell]!);
  const known = predicted.filter((value) => !Number.isNaN(value));
  const expected = gap.control === "none" || known.length === 0 ? gap.level : median(known);
  if (!(Math.abs(expected) > 0)) return null;
  const percent = (100 * shift) / Math.abs(expected);
  return rule.transform === "log" ? Math.max(-100, percent) : percent;
}

/** Rank test and Hodges-Lehmann shift of the gap, fault against baseline, by the effective sample size of the baseline. */
function rankEstimate(question: Question, gap: Gap, baselineCells: number[]): Design {
  const { windows, settings } = question;
  const cells = faultCells(question);
  const missing =
    tooFew(gap.test, baselineCells, settings.minimumBaseline, settings, "the baseline") ??
    unanswered(question, cells) ??
    tooFew(gap.test, cells, settings.minimumFault, settings, windows.length > 1 ? "the faults" : "the fault");
  if (missing) return { ...nothing, method: "rank", missing };
  const slack = slopeSlack(gap, baselineCells, cells);
  const inUnit = { below: slack.below * gap.unitsPerStep, above: slack.above * gap.unitsPerStep };
  const against = rankComparison(gap, baselineCells, cells, { test: slack, unit: inUnit });
  return gap.alone ? surest(against, rankComparison(gap.alone, baselineCells, cells)) : against;
}

/** The comparison itself, on one form of the gap. */
function rankComparison(
  gap: Scales,
  baselineCells: number[],
  cells: number[],
  slack: { test: Slack; unit: Slack } = { test: noSlack, unit: noSlack },
): Design {
  const [a, b] = [present(gap.test, baselineCells), present(gap.test, cells)];
  const [ua, ub] = [present(gap.unit, baselineCells), present(gap.unit, cells)];
  const tau = spikeRobustSampleFactor(baselineCells.map((cell) => gap.test[cell]!));
  const unitTau = spikeRobustSampleFactor(baselineCells.map((cell) => gap.unit[cell]!));
  const interval = hodgesLehmann(a, b, { tau, df: effectiveDegrees(a.length, b.length, tau) });
  const inUnit = hodgesLehmann(ua, ub, { tau: unitTau, df: effectiveDegrees(ua.length, ub.length, unitTau) });
  const spread = brownForsythe(a, b, spikeRobustSampleFactor(absoluteDeviations(a)));
  return {
    method: "rank",
    ...widened(inUnit, slack.unit),
    p: slackRankP(a, b, { tau, interval, slack: slack.test }),
    delta: cliffsDelta(a, b),
    spreadP: spread.p,
    spreadRatio: spread.ratio,
    spreadSize: mean(absoluteDeviations(ub)),
    minimumDetectable: minimumDetectableEffect(ua, ub.length, unitTau),
    effectiveSamples: (a.length + b.length) / tau,
  };
}

/**
 * Two comparisons of which at least one is right: the larger p (intersection-union test, Berger 1982), the interval that holds
 * both, and the shift of the less certain one. Not knowing which one to trust costs power, never error rate.
 */
function surest(one: Design, other: Design): Design {
  const [unsure, sure] = one.p! >= other.p! ? [one, other] : [other, one];
  return {
    ...unsure,
    low: Math.min(one.low!, other.low!),
    high: Math.max(one.high!, other.high!),
    spreadP: Math.max(one.spreadP!, other.spreadP!),
    spreadRatio: unsure.spreadP! >= sure.spreadP! ? unsure.spreadRatio : sure.spreadRatio,
    spreadSize: Math.min(one.spreadSize!, other.spreadSize!),
    minimumDetectable: Math.max(one.minimumDetectable!, other.minimumDetectable!),
    effectiveSamples: Math.min(one.effectiveSamples!, other.effectiveSamples!),
  };
}

/** Cells of all windows after their settle time, each cell once. */
function faultCells({ pair, windows, settings }: Question): number[] {
  const cells = new Set<number>();
  for (const window of windows) {
    const settle = window.end - window.start >= 10 * pair.step ? settings.settleSeconds : 0;
    for (const cell of cellsIn(pair, pair.shadow.length, { start: window.start + settle, end: window.end }))
      cells.add(cell);
  }
  return [...cells].sort((x, y) => x - y);
}

/** Reasons not to believe a rank estimate; pulses are compared with the seconds around them, so that a trend cancels. */
function doubts(question: Question, gap: Gap, baselineCells: number[], result: Estimate): string[] {
  const trend = result.method === "rank" ? preTrend(question, gap, baselineCells) : undefined;
  return trend === undefined ? [] : [trend];
}

/** A gap that drifts over the baseline so that the drift alone could explain half of the margin or of the shift. */
function preTrend(question: Question, gap: Gap, baselineCells: number[]): string | undefined {
  const cells = baselineCells.filter((cell) => !Number.isNaN(gap.unit[cell]!));
  const values = cells.map((cell) => gap.unit[cell]!);
  const times = cells.map((cell) => cell * question.pair.step);
  const line = theilSen(times, values, 1, 150);
  const residuals = values.map((value, i) => value - line.slope * times[i]!);
  const tau = spikeRobustSampleFactor(residuals);
  // Spearman's rho of value and time, with the sample size that is left after autocorrelation.
  const rho = rankCorrelation(times, values);
  const df = Math.max(2, cells.length / tau - 2);
  const p = studentTwoSided(rho * Math.sqrt(df / Math.max(1e-12, 1 - rho * rho)), df);
  if (p >= 0.01) return undefined;
  const distance = mean(faultCells(question).map((cell) => cell * question.pair.step)) - mean(times);
  const drift = line.slope * distance;
  const matters =
    Math.abs(drift) > 0.5 * Math.max(marginOf(question, gap), Math.abs(medianShift(question, gap, values)));
  return matters
    ? `the gap drifted before the fault (${formatShift("", drift, question.rule.unit)} by its middle)`
    : undefined;
}

function marginOf({ rule, settings }: Question, gap: Gap): number {
  return Math.max((settings.marginPercent / 100) * Math.abs(gap.level), settings.marginPercent > 0 ? rule.floor : 0);
}

function medianShift(question: Question, gap: Gap, baseline: readonly number[]): number {
  return median(present(gap.unit, faultCells(question))) - median(baseline);
}

/** Response times exist only for requests that succeed: where none did, errors carry the effect, and that is said. */
function unanswered({ pair, rule, settings }: Question, cells: readonly number[]): Estimate["missing"] {
  if (rule.onlyAnswered !== true || cells.length === 0) return undefined;
  const count = present(pair.shadow, cells).length;
  if (count > 0 && count >= settings.minimumFault && 1 - count / cells.length <= settings.maximumMissing)
    return undefined;
  const when = count === 0 ? "during the fault" : `in ${cells.length - count} of the fault's ${cells.length} samples`;
  const why = `no request succeeded in the shadow ${when}, so there is no response time to compare; see the errors`;
  return cells.length === count ? undefined : { verdict: "inconclusive", why };
}

/** Why a phase has too few samples, or undefined. */
function tooFew(
  values: readonly number[],
  cells: readonly number[],
  minimum: number,
  settings: PairSettings,
  phase: string,
): Estimate["missing"] {
  const count = present(values, cells).length;
  if (count === 0 && phase === "the baseline") return { verdict: "noData", why: "no samples in the baseline" };
  if (count === 0) return { verdict: "inconclusive", why: `no samples in ${phase}: what is down gives none` };
  if (count < minimum)
    return { verdict: "inconclusive", why: `only ${count} samples in ${phase}, at least ${minimum} are needed` };
  const share = 1 - count / cells.length;
  if (share <= settings.maximumMissing) return undefined;
  return { verdict: "inconclusive", why: `${(100 * share).toFixed(0)} % of the samples of ${phase} are missing` };
}

/** Totals of events, with level and margins. */
function counted(question: Question, events: Events): Estimate {
  const { pair, baseline, rule, settings, windows, watchUntil } = question;
  const baselineCells = cellsIn(pair, pair.shadow.length, baseline);
  const cells = faultCells(question);
  const shadowBase = present(pair.shadow, baselineCells);
  const empty = { ...nothing, method: "counts" as const, unit: rule.unit, doubts: [] };
  if (shadowBase.length === 0) {
    return { ...empty, missing: { verdict: "noData", why: "no samples in the baseline" } };
  }
  const { missing, ...answer } = estimateCounts(events, baselineCells, cells);
  if (rule.versusLive === true) delete answer.controlNote;
  if (missing !== undefined) return { ...empty, missing: { verdict: "inconclusive", why: missing } };
  const margin = Math.max(
    (settings.marginPercent / 100) * Math.abs(answer.level),
    settings.marginPercent > 0 ? rule.floor : 0,
  );
  const result: Estimate = {
    ...empty,
    ...answer,
    margin,
    equivalence: margin,
    spreadP: null,
    spreadRatio: null,
    spreadSize: null,
  };
  const values = pair.shadow.map((value, cell) => value - (pair.live?.[cell] ?? 0));
  const course = courseOf({
    gap: { start: pair.start, step: pair.step, values },
    baseline: present(values, baselineCells),
    windows,
    watchUntil,
    holdSeconds: settings.holdSeconds,
    margin,
    proven: (result.p ?? 1) < settings.alpha,
  });
  return { ...result, ...course };
}
