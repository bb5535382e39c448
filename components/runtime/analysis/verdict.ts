import { Verdict, type Effect } from "../runner/journal";
import type { Estimate } from "./estimate";
import type { PairSettings } from "./settings";
import { formatProbability, formatShift, significant } from "../words";
import { deltaBand } from "./ranks";

/** Largest p and q of the spread test that count as a change of spread, and the ratio it must reach. */
const SPREAD = { p: 0.01, q: 0.05, ratio: 2 };

/** A size without direction: a margin, the smallest effect that would be found. */
function amount(value: number, unit: string): string {
  return formatShift("", Math.abs(value), unit).replace("+", "");
}

function signed(value: number, unit: string): string {
  return formatShift("", value, unit);
}

/** `q 0.03`, or `q < 0.001`. */
function probability(name: string, value: number): string {
  return `${name} ${formatProbability(value)}`;
}

/** Verdict and sentence of one effect, by the rules of docs/statistics.md ("Verdict"). `spreadQ` defaults to the p of the spread. */
export function judge(
  estimate: Estimate,
  q: number,
  settings: PairSettings,
  worse: "higher" | "lower" | "either",
  spreadQ = estimate.spreadP ?? 1,
): { verdict: Verdict; why: string } {
  if (estimate.missing) return { verdict: estimate.missing.verdict, why: estimate.missing.why };
  const { low, high, margin, equivalence } = { ...estimate, low: estimate.low!, high: estimate.high! };
  const control = controlSentence(estimate);
  const found = describe(estimate, q);
  const doubt = estimate.doubts[0];
  if (doubt !== undefined) return { verdict: Verdict.Inconclusive, why: `${doubt}; measured ${found}${control}` };
  const beyond = low > margin ? "higher" : high < -margin ? "lower" : undefined;
  if (q < settings.alpha && beyond !== undefined) {
    if (worse === "either" || beyond === worse)
      return { verdict: Verdict.Degraded, why: `changed by ${found}${control}` };
    return { verdict: Verdict.Pass, why: `changed for the better: ${found}${control}` };
  }
  if (spreadGrew(estimate, spreadQ)) {
    const times = significant(estimate.spreadRatio!);
    const text = `it swings ${times} times as widely as before (${probability("q", spreadQ)}), level ${found}${control}`;
    return { verdict: Verdict.Degraded, why: text };
  }
  if (low > -equivalence && high < equivalence) {
    return {
      verdict: Verdict.Pass,
      why: `no effect of interest: ${describe(estimate, q, false)}, wholly within ±${amount(equivalence, estimate.unit)}${control}`,
    };
  }
  return { verdict: Verdict.Inconclusive, why: `${uncertain(estimate, q, settings, found)}${control}` };
}

/**
 * A change of spread counts when it is proven alone and among all that were tested, is large against what was usual, and
 * swings beyond the smallest difference of interest: three times next to nothing is still next to nothing.
 */
function spreadGrew({ spreadP, spreadRatio, spreadSize, margin }: Estimate, spreadQ: number): boolean {
  const proven = spreadP !== null && spreadP < SPREAD.p && spreadQ < SPREAD.q;
  return proven && spreadRatio! >= SPREAD.ratio && (spreadSize ?? 0) >= margin;
}

/** How large the effect is in ranks is left unsaid where it is too small to matter: a large effect of no interest confuses. */
function describe(estimate: Estimate, q: number, ofInterest = true): string {
  const { shift, low, high, unit, delta, method } = estimate;
  const size = ofInterest && method === "rank" ? `, ${deltaBand(delta!)} effect` : "";
  const over = method === "pulses" ? ` over ${estimate.effectiveSamples} pulses` : "";
  const interval = `95 % interval ${signed(low!, unit)} to ${signed(high!, unit)}`;
  return `${signed(shift!, unit)} (${interval}, ${probability("q", q)}${size})${over}`;
}

/** What it was compared with, where that is not live. */
function controlSentence({ control, controlNote }: Estimate): string {
  if (control === "none" && controlNote !== undefined) return `; compared with its own baseline only: ${controlNote}`;
  return control === "weak" ? `; weak control: ${controlNote!}` : "";
}

function uncertain(estimate: Estimate, q: number, settings: PairSettings, found: string): string {
  const { minimumDetectable, margin, equivalence, unit } = estimate;
  if (q < settings.alpha) {
    return margin > 0
      ? `changed by ${found}, but the interval reaches into ±${amount(margin, unit)}, the smallest difference of interest`
      : `changed by ${found}, but the interval reaches 0`;
  }
  const seen = `a change of ${amount(minimumDetectable!, unit)} is the smallest that 80 % of such runs would find`;
  return minimumDetectable! > equivalence && equivalence > 0
    ? `no change proven: ${found}; ${seen}, more than the ${amount(equivalence, unit)} of interest: watch longer or use more pulses`
    : `no change proven, none excluded: ${found}; ${seen}`;
}

/** The published form of an effect. */
export function toEffect(
  names: { fault: string; signal: string; target: string },
  estimate: Estimate,
  q: number,
  judged: { verdict: Verdict; why: string },
  spreadQ: number = Number.NaN,
): Effect {
  const { shift, level, relative } = estimate;
  return {
    ...names,
    unit: estimate.unit,
    shift,
    shiftPercent:
      relative ?? (shift !== null && level !== null && level !== 0 ? (100 * shift) / Math.abs(level) : null),
    low: estimate.low,
    high: estimate.high,
    p: estimate.p,
    q: Number.isNaN(q) ? null : q,
    delta: estimate.delta,
    spreadP: estimate.spreadP,
    spreadQ: Number.isNaN(spreadQ) ? null : spreadQ,
    minimumDetectable: estimate.minimumDetectable,
    effectiveSamples: estimate.effectiveSamples,
    onset: estimate.onset,
    timeToDetect: estimate.timeToDetect,
    timeToStabilise: estimate.timeToStabilise,
    recovered: estimate.recovery?.recovered ?? null,
    censored: estimate.recovery?.censored ?? false,
    area: estimate.area,
    ...judged,
  };
}
