import { Verdict, type Effect } from "../runner/journal";
import type { Estimate } from "./estimate";
import type { PairSettings } from "./settings";
import { deltaBand } from "./ranks";

/** Largest p of the spread test that counts as a change of spread, and the ratio it must reach. */
const SPREAD = { p: 0.01, ratio: 2 };

/** Number with three significant digits and no exponent for everyday sizes. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(2);
  return String(Number(value.toPrecision(3)));
}

/** A difference in its unit; shares of requests as percentage points. */
function amount(value: number, unit: string): string {
  if (unit === "ratio") return `${figure(100 * value)} points`;
  return unit === "" ? figure(value) : `${figure(value)} ${unit}`;
}

function signed(value: number, unit: string): string {
  return `${value > 0 ? "+" : ""}${amount(value, unit)}`;
}

/** Verdict and sentence of one effect, by the rules of docs/statistics.md ("Verdict"). */
export function judge(
  estimate: Estimate,
  q: number,
  settings: PairSettings,
  worse: "higher" | "lower" | "either",
): { verdict: Verdict; why: string } {
  if (estimate.missing) return { verdict: estimate.missing.verdict, why: estimate.missing.why };
  const { low, high, margin, equivalence } = { ...estimate, low: estimate.low!, high: estimate.high! };
  const control =
    estimate.control === "none"
      ? `; compared without control: ${estimate.controlNote ?? "none"}`
      : estimate.control === "weak"
        ? `; weak control: ${estimate.controlNote!}`
        : "";
  const found = describe(estimate, q) + control;
  const doubt = estimate.doubts[0];
  if (doubt !== undefined) return { verdict: Verdict.Inconclusive, why: `${doubt}; measured ${found}` };
  const beyond = low > margin ? "higher" : high < -margin ? "lower" : undefined;
  if (q < settings.alpha && beyond !== undefined) {
    if (worse === "either" || beyond === worse) return { verdict: Verdict.Degraded, why: `changed by ${found}` };
    return { verdict: Verdict.Pass, why: `changed for the better: ${found}` };
  }
  if (estimate.spreadP !== null && estimate.spreadP < SPREAD.p) {
    const ratio = estimate.spreadRatio!;
    const text = `level ${found}, but its spread is ${figure(ratio)} times the baseline's (p ${figure(estimate.spreadP)})`;
    if (ratio >= SPREAD.ratio) return { verdict: Verdict.Degraded, why: text };
  }
  if (low > -equivalence && high < equivalence) {
    return {
      verdict: Verdict.Pass,
      why: `no effect of interest: ${found}, wholly within ±${amount(equivalence, estimate.unit)}`,
    };
  }
  return { verdict: Verdict.Inconclusive, why: uncertain(estimate, q, settings, found) };
}

function describe(estimate: Estimate, q: number): string {
  const { shift, low, high, unit, delta, method } = estimate;
  const size = method === "rank" ? `, ${deltaBand(delta!)} effect` : "";
  const over = method === "pulses" ? ` over ${estimate.effectiveSamples} pulses` : "";
  return `${signed(shift!, unit)} (95 % interval ${amount(low!, unit)} to ${amount(high!, unit)}, q ${figure(q)}${size})${over}`;
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
): Effect {
  const { shift, level } = estimate;
  return {
    ...names,
    unit: estimate.unit,
    shift,
    shiftPercent: shift !== null && level !== null && level !== 0 ? (100 * shift) / Math.abs(level) : null,
    low: estimate.low,
    high: estimate.high,
    p: estimate.p,
    q: Number.isNaN(q) ? null : q,
    delta: estimate.delta,
    spreadP: estimate.spreadP,
    minimumDetectable: estimate.minimumDetectable,
    effectiveSamples: estimate.effectiveSamples,
    onset: estimate.onset,
    recovered: estimate.recovery?.recovered ?? null,
    censored: estimate.recovery?.censored ?? false,
    area: estimate.area,
    ...judged,
  };
}
