import { midranks, sorted } from "./descriptive";
import { normalTwoSided, studentQuantile, studentTwoSided } from "./distributions";

/** What a rank comparison of two samples says. */
export interface RankTest {
  /** Mann-Whitney U of the second sample. */
  u: number;
  /** Two-sided p. */
  p: number;
  /** Common-language effect size: the chance that a value of the second sample is the larger one. */
  cles: number;
}

/** How far independent-sample formulas must be stretched for autocorrelated data, and the degrees of freedom left. */
export interface SampleFactor {
  /** Variance inflation tau, 1 for independent samples. */
  tau: number;
  /** Degrees of freedom of the t reference distribution. */
  df: number;
}

/** U of `b` against `a`: sum of the midranks of `b` less m(m+1)/2 (Mann & Whitney 1947), with its tie-corrected variance. */
function uStatistic(a: readonly number[], b: readonly number[]): { u: number; variance: number } {
  const [n, m] = [a.length, b.length];
  const { ranks, ties } = midranks([...a, ...b]);
  let sum = 0;
  for (let i = n; i < n + m; i++) sum += ranks[i]!;
  const total = n + m;
  return { u: sum - (m * (m + 1)) / 2, variance: ((n * m) / 12) * (total + 1 - ties / (total * (total - 1))) };
}

/**
 * Mann-Whitney test of `b` against `a` with midranks for ties (Mann & Whitney 1947). `method` is `exact` (no ties: the
 * distribution of U by counting), `continuity` (normal with continuity correction: what R and scipy print) or `normal`
 * (without). Assumes independent samples: for time series use {@link autocorrelatedRankTest}.
 */
export function mannWhitney(
  a: readonly number[],
  b: readonly number[],
  method: "exact" | "continuity" | "normal" = "normal",
): RankTest {
  const { u, variance } = uStatistic(a, b);
  const pairs = a.length * b.length;
  const cles = u / pairs;
  if (method === "exact") return { u, p: exactU(a.length, b.length, u), cles };
  const distance = Math.max(0, Math.abs(u - pairs / 2) - (method === "continuity" ? 0.5 : 0));
  return { u, p: variance > 0 ? normalTwoSided(distance / Math.sqrt(variance)) : 1, cles };
}

/** Two-sided exact p of U: twice the upper tail of the number of arrangements that give each U (Mann & Whitney 1947). */
function exactU(n: number, m: number, u: number): number {
  const size = n * m;
  const counts = new Float64Array(size + 1);
  counts[0] = 1;
  for (let i = 1; i <= m; i++) {
    // The Gaussian binomial coefficient, one factor (1 - x^(n+i)) / (1 - x^i) at a time.
    for (let k = size; k >= n + i; k--) counts[k]! -= counts[k - n - i]!;
    for (let k = i; k <= size; k++) counts[k]! += counts[k - i]!;
  }
  const extreme = Math.max(u, size - u);
  let [tail, total] = [0, 0];
  for (let k = 0; k <= size; k++) {
    total += counts[k]!;
    if (k >= extreme) tail += counts[k]!;
  }
  return Math.min(1, (2 * tail) / total);
}

/** Cliff's delta, 2·CLES − 1 (Cliff 1993): −1 … 1, positive when `b` is the larger sample. */
export function cliffsDelta(a: readonly number[], b: readonly number[]): number {
  return 2 * (uStatistic(a, b).u / (a.length * b.length)) - 1;
}

/** Band of a Cliff's delta: bounds 0.147, 0.33 and 0.474 (Romano et al. 2006). */
export function deltaBand(delta: number): "negligible" | "small" | "medium" | "large" {
  const size = Math.abs(delta);
  return size < 0.147 ? "negligible" : size < 0.33 ? "small" : size < 0.474 ? "medium" : "large";
}

/**
 * Autocorrelation of a series' midranks at a lag (ranks, because spikes hide the autocorrelation of raw values), with its bias
 * correction r + (1+3r)/n (Marriott & Pope 1954, Kendall 1954). NaN marks a missing sample: it forms no pair.
 */
function rankAutocorrelations(series: readonly number[], lags: readonly number[]): number[] {
  const present = series.filter((value) => !Number.isNaN(value));
  const ranks = midranks(present).ranks;
  let position = 0;
  const centred = series.map((value) => (Number.isNaN(value) ? value : ranks[position++]! - (present.length + 1) / 2));
  const squares = centred.reduce((sum, value) => (Number.isNaN(value) ? sum : sum + value * value), 0);
  return lags.map((lag) => {
    let products = 0;
    for (let i = lag; i < centred.length; i++) {
      const product = centred[i]! * centred[i - lag]!;
      if (!Number.isNaN(product)) products += product;
    }
    const r = squares > 0 ? products / squares : 0;
    return r === 0 ? 0 : r + (1 + 3 * r) / present.length;
  });
}

const clamp = (value: number, low: number): number => Math.min(0.97, Math.max(low, value));

/**
 * Variance inflation tau = (1+r)/(1−r) of an AR(1) series, r the bias-corrected lag-1 autocorrelation of its midranks,
 * clamped to [0, 0.97] (Zwiers & von Storch 1995). 1 where nothing varies.
 */
export function effectiveSampleFactor(series: readonly number[]): number {
  const r = clamp(rankAutocorrelations(series, [1])[0]!, 0);
  return (1 + r) / (1 - r);
}

/**
 * Variance inflation of an AR(1) series under independent spikes: these shrink every autocorrelation by one factor, so that
 * r_k = c·φ^k and tau = 1 + 2·r_1/(1−φ), φ = r_2/r_1 (the sum over an ARMA(1,1); Box & Jenkins 1970), φ clamped to [r_1, 0.97].
 * Where r_1 is within its own noise (2/sqrt(n)) this is {@link effectiveSampleFactor}. It brings false alarms under heavy-tailed
 * spikes from 8–10 % to 5 % and costs a few points of power without them (docs/statistics.md).
 */
export function spikeRobustSampleFactor(series: readonly number[]): number {
  const [first, second] = rankAutocorrelations(series, [1, 2]) as [number, number];
  const r = clamp(first, 0);
  const size = series.filter((value) => !Number.isNaN(value)).length;
  if (r < 2 / Math.sqrt(size)) return (1 + r) / (1 - r);
  return 1 + (2 * r) / (1 - clamp(second / r, r));
}

/** Degrees of freedom max(2, n/tau) + max(2, m/tau) − 2 (Zwiers & von Storch 1995, for effective sample sizes). */
export function effectiveDegrees(n: number, m: number, tau: number): number {
  return Math.max(2, n / tau) + Math.max(2, m / tau) - 2;
}

/**
 * Mann-Whitney test for autocorrelated series: z = (U − nm/2) / sqrt(Var(U)·tau) against Student's t with the effective
 * degrees of freedom. Take `tau` from the baseline by {@link effectiveSampleFactor}.
 */
export function autocorrelatedRankTest(
  a: readonly number[],
  b: readonly number[],
  tau: number,
): RankTest & SampleFactor {
  const { u, variance } = uStatistic(a, b);
  const pairs = a.length * b.length;
  const df = effectiveDegrees(a.length, b.length, tau);
  const p = variance > 0 ? studentTwoSided((u - pairs / 2) / Math.sqrt(variance * tau), df) : 1;
  return { u, p, cles: u / pairs, tau, df };
}

/** A Hodges-Lehmann shift with its interval. */
export interface ShiftInterval {
  shift: number;
  low: number;
  high: number;
}

/**
 * Hodges-Lehmann shift of `b` against `a`, the median of all differences b_j − a_i (Hodges & Lehmann 1963), with the
 * interval that inverts the Mann-Whitney test: [D_k, D_{nm−1−k}], k = max(0, floor(nm/2 − t·sqrt(tau·nm(N+1)/12))).
 * `continuity` takes another half from nm/2, as R's and Kayenta's intervals do.
 * Order statistics of the differences are found without forming them, in O((n+m) log(1/precision)).
 */
export function hodgesLehmann(
  a: readonly number[],
  b: readonly number[],
  options: { confidence?: number; tau?: number; df?: number; continuity?: boolean } = {},
): ShiftInterval {
  const { confidence = 0.95, tau = 1, df = 1e9, continuity = false } = options;
  const [sa, sb] = [sorted(a), sorted(b)];
  const pairs = sa.length * sb.length;
  const spread = Math.sqrt((tau * pairs * (sa.length + sb.length + 1)) / 12);
  const k = Math.max(
    0,
    Math.floor((continuity ? pairs - 1 : pairs) / 2 - studentQuantile(0.5 + confidence / 2, df) * spread),
  );
  const middle = kthDifference(sa, sb, (pairs - 1) >> 1);
  const shift = pairs % 2 === 1 ? middle : (middle + kthDifference(sa, sb, pairs >> 1)) / 2;
  return { shift, low: kthDifference(sa, sb, k), high: kthDifference(sa, sb, pairs - 1 - k) };
}

/** The k-th smallest (from 0) of all b_j − a_i, both ascending: bisection on the value, counting with two pointers. */
export function kthDifference(a: Float64Array, b: Float64Array, k: number): number {
  let low = b[0]! - a[a.length - 1]!;
  let high = b[b.length - 1]! - a[0]!;
  if (countUpTo(a, b, low) > k) return low;
  const precision = 1e-15 * Math.max(Math.abs(low), Math.abs(high));
  while (high - low > precision) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    if (countUpTo(a, b, middle) > k) high = middle;
    else low = middle;
  }
  return largestUpTo(a, b, high);
}

/** How many differences are at most `limit`. */
function countUpTo(a: Float64Array, b: Float64Array, limit: number): number {
  let [count, i] = [0, 0];
  for (const value of b) {
    while (i < a.length && value - a[i]! > limit) i++;
    count += a.length - i;
  }
  return count;
}

/** Largest difference that is at most `limit`. */
function largestUpTo(a: Float64Array, b: Float64Array, limit: number): number {
  let [best, i] = [-Infinity, 0];
  for (const value of b) {
    while (i < a.length && value - a[i]! > limit) i++;
    if (i < a.length) best = Math.max(best, value - a[i]!);
  }
  return best;
}
