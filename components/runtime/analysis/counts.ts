import { logChoose, normalQuantile } from "./distributions";

/**
 * Fisher's exact test that two samples have the same proportion (Fisher 1922): two-sided p, the sum of the probabilities
 * of all tables with the same margins that are no likelier than the observed one.
 */
export function fisherExact(hitsA: number, trialsA: number, hitsB: number, trialsB: number): number {
  const hits = hitsA + hitsB;
  const trials = trialsA + trialsB;
  const denominator = logChoose(trials, hits);
  const logProbability = (k: number): number => logChoose(trialsA, k) + logChoose(trialsB, hits - k) - denominator;
  const observed = logProbability(hitsA) + 1e-7;
  let p = 0;
  for (let k = Math.max(0, hits - trialsB); k <= Math.min(hits, trialsA); k++) {
    const log = logProbability(k);
    if (log <= observed) p += Math.exp(log);
  }
  return Math.min(1, p);
}

/** A ratio of two rates with its interval. */
export interface RateRatio {
  ratio: number;
  low: number;
  high: number;
  p: number;
}

/**
 * Ratio of two Poisson rates, b over a, by exposure. p is exact by conditioning on the total (Przyborowski & Wilenski
 * 1940: binomial with share exposureB/(exposureA+exposureB)), summed over outcomes no likelier than the observed one; the interval is
 * Wald's on the logarithm with half an event added to each count. `dispersion` > 1 (variance over mean, from the baseline) divides the counts.
 */
export function poissonRatio(
  countA: number,
  exposureA: number,
  countB: number,
  exposureB: number,
  options: { confidence?: number; dispersion?: number } = {},
): RateRatio {
  const { confidence = 0.95, dispersion = 1 } = options;
  const [a, b] = [Math.round(countA / dispersion), Math.round(countB / dispersion)];
  const log = Math.log((countB + 0.5) / exposureB) - Math.log((countA + 0.5) / exposureA);
  const half = normalQuantile(0.5 + confidence / 2) * Math.sqrt(dispersion * (1 / (countA + 0.5) + 1 / (countB + 0.5)));
  return {
    ratio: Math.exp(log),
    low: Math.exp(log - half),
    high: Math.exp(log + half),
    p: binomialTwoSided(b, a + b, exposureB / (exposureA + exposureB)),
  };
}

/** Exact two-sided binomial p: the sum over outcomes no likelier than the observed one. */
export function binomialTwoSided(hits: number, trials: number, share: number): number {
  const log = (k: number): number =>
    logChoose(trials, k) + (k > 0 ? k * Math.log(share) : 0) + (trials > k ? (trials - k) * Math.log1p(-share) : 0);
  const observed = log(hits) + 1e-7;
  let p = 0;
  for (let k = 0; k <= trials; k++) {
    const value = log(k);
    if (value <= observed) p += Math.exp(value);
  }
  return Math.min(1, p);
}

/** Events out of trials. */
export interface Tally {
  hits: number;
  trials: number;
}

/** A difference of proportions with its interval. */
export interface RiskDifference {
  difference: number;
  low: number;
  high: number;
  /** Standard error. */
  error: number;
}

/** Share of events with one hit and one miss added, so that 0 of n still has a variance (Agresti & Caffo 2000). */
function adjusted({ hits, trials }: Tally, dispersion: number): { share: number; variance: number } {
  const share = (hits + 1) / (trials + 2);
  return { share, variance: (dispersion * share * (1 - share)) / (trials + 2) };
}

/**
 * Difference of proportions, b − a, less the same difference in a control where one is given (difference in differences
 * on totals); interval of Agresti & Caffo 2000 for every term, variance times `dispersion`.
 */
export function riskDifference(
  before: Tally,
  during: Tally,
  control?: { before: Tally; during: Tally },
  options: { confidence?: number; dispersion?: number } = {},
): RiskDifference {
  const { confidence = 0.95, dispersion = 1 } = options;
  const plain = (a: Tally, b: Tally): number => b.hits / b.trials - a.hits / a.trials;
  const smooth = (a: Tally, b: Tally): number => adjusted(b, 1).share - adjusted(a, 1).share;
  const tallies = [before, during, ...(control ? [control.before, control.during] : [])];
  const error = Math.sqrt(tallies.reduce((sum, tally) => sum + adjusted(tally, dispersion).variance, 0));
  const half = normalQuantile(0.5 + confidence / 2) * error;
  const centre = smooth(before, during) - (control ? smooth(control.before, control.during) : 0);
  const difference = plain(before, during) - (control ? plain(control.before, control.during) : 0);
  return { difference, low: Math.max(-1, centre - half), high: Math.min(1, centre + half), error };
}

/** Pearson's dispersion of counts per step around their expected values, at least 1; 1 for fewer than five events. */
export function dispersionFactor(observed: readonly number[], expected: readonly number[], share = 0): number {
  let [sum, steps, events] = [0, 0, 0];
  for (let i = 0; i < observed.length; i++) {
    if (!(expected[i]! > 0)) continue;
    sum += (observed[i]! - expected[i]!) ** 2 / (expected[i]! * (1 - share));
    events += observed[i]!;
    steps++;
  }
  return steps > 1 && events >= 5 ? Math.max(1, sum / (steps - 1)) : 1;
}
