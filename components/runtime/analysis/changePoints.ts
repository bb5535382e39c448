import { seededRandom } from "../runner/random";
import { mean } from "./descriptive";
import { studentTwoSided } from "./distributions";

/** Energy statistics of two samples (Székely & Rizzo 2013). */
export interface EnergyStatistics {
  /** 2·E|a−b| − E|a−a'| − E|b−b'| over all pairs. */
  e: number;
  /** nm/(n+m) · e. */
  t: number;
  /** e / (2·E|a−b|), between 0 and 1. */
  h: number;
}

/** Energy distance between two samples, its test statistic and coefficient (Székely & Rizzo 2013; names as MongoDB's). */
export function energyStatistics(a: readonly number[], b: readonly number[]): EnergyStatistics {
  const across = meanDistance(a, b);
  const e = 2 * across - meanDistance(a, a) - meanDistance(b, b);
  return { e, t: ((a.length * b.length) / (a.length + b.length)) * e, h: across > 0 ? e / (2 * across) : 0 };
}

function meanDistance(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (const x of a) for (const y of b) sum += Math.abs(x - y);
  return sum / (a.length * b.length);
}

/** Where a series changes. */
export interface ChangePoint {
  /** First index of the new level. */
  index: number;
  /** E-divisive's Q. */
  q: number;
  /** Student's t test between the neighbouring segments, population standard deviation, as Otava 0.8 does; or the permutations'. */
  p: number;
}

/**
 * Best split of a series by E-divisive's Q = nm/(n+m)·(2·mean|a−b| − mean|a−a'| − mean|b−b'|), exponent 1, the within
 * means over pairs of different samples (Matteson & James 2014). Only splits in [from, to] count. Undefined when no
 * split leaves two samples on either side.
 */
export function bestSplit(
  series: readonly number[],
  from = 0,
  to = series.length,
): { index: number; q: number } | undefined {
  const size = series.length;
  const [first, last] = [Math.max(from, 1), Math.min(to, size - 1)];
  let within = 0;
  let across = 0;
  let after = 0;
  for (let i = 0; i < size; i++) for (let j = i + 1; j < size; j++) after += Math.abs(series[i]! - series[j]!);
  let best: { index: number; q: number } | undefined;
  for (let split = 1; split <= last; split++) {
    // Moving one sample to the left side moves its distances between the three sums.
    const moved = split - 1;
    let [toLeft, toRight] = [0, 0];
    for (let i = 0; i < moved; i++) toLeft += Math.abs(series[moved]! - series[i]!);
    for (let i = split; i < size; i++) toRight += Math.abs(series[moved]! - series[i]!);
    within += toLeft;
    after -= toRight;
    across += toRight - toLeft;
    if (split < first) continue;
    const [n, m] = [split, size - split];
    const left = n > 1 ? (2 * within) / (n * (n - 1)) : 0;
    const right = m > 1 ? (2 * after) / (m * (m - 1)) : 0;
    const q = ((n * m) / (n + m)) * ((2 * across) / (n * m) - left - right);
    if (best === undefined || q > best.q) best = { index: split, q };
  }
  return best;
}

/**
 * E-divisive change points with Otava's significance test in place of permutations (Matteson & James 2014; Fleming et al.
 * 2023): split where Q is largest while the t test between neighbouring segments gives p < `maxP`. With `permutations` given,
 * p is the share of so many seeded shuffles of the segment whose best Q is as large, as in the original and in MongoDB's library;
 * it needs more of them than 1/`maxP`. Meant for nearly independent samples; autocorrelated seconds give many points too many, so
 * onset uses one constrained split.
 */
export function eDivisive(
  series: readonly number[],
  maxP = 0.001,
  permutations?: { count: number; seed: number },
): ChangePoint[] {
  const random = permutations && seededRandom(permutations.seed);
  const found: ChangePoint[] = [];
  for (;;) {
    const edges = [0, ...found.map(({ index }) => index), series.length];
    let best: ChangePoint | undefined;
    for (let i = 0; i + 1 < edges.length; i++) {
      const segment = series.slice(edges[i], edges[i + 1]);
      const split = bestSplit(segment);
      if (split && (best === undefined || split.q > best.q)) {
        const p =
          random === undefined
            ? populationTTest(segment.slice(0, split.index), segment.slice(split.index))
            : permutationP(segment, split.q, permutations!.count, random);
        best = { index: edges[i]! + split.index, q: split.q, p };
      }
    }
    if (best === undefined || best.p >= maxP) return found;
    found.push(best);
    found.sort((x, y) => x.index - y.index);
  }
}

/** Share of shuffles whose best Q is at least as large, the data's own order among them (Matteson & James 2014, section 2.4). */
function permutationP(segment: readonly number[], q: number, count: number, random: () => number): number {
  const values = [...segment];
  let asLarge = 1;
  for (let round = 0; round < count; round++) {
    for (let i = values.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [values[i], values[j]] = [values[j]!, values[i]!];
    }
    if (bestSplit(values)!.q >= q - 1e-9) asLarge++;
  }
  return asLarge / (count + 1);
}

/** Two-sided p of Student's t test with the population standard deviation, as Apache Otava 0.8 computes it. */
export function populationTTest(a: readonly number[], b: readonly number[]): number {
  const squares = (values: readonly number[], centre: number): number =>
    values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const [ma, mb] = [mean(a), mean(b)];
  if (a.length + b.length < 3) return 1;
  const [va, vb] = [squares(a, ma) / a.length, squares(b, mb) / b.length];
  const df = a.length + b.length - 2;
  const pooled = ((a.length - 1) * va + (b.length - 1) * vb) / df;
  if (pooled === 0) return ma === mb ? 1 : 0;
  return studentTwoSided((mb - ma) / Math.sqrt(pooled * (1 / a.length + 1 / b.length)), df);
}
