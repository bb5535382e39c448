import { midranks, sorted } from "./descriptive";

/** What the signed-rank test says. */
export interface SignedRankTest {
  /** The smaller of the two rank sums. */
  w: number;
  p: number;
  /** Differences that are not zero. */
  used: number;
}

/** How many of the 2^n sign patterns give each doubled sum of positive (mid)ranks. */
function signPatterns(doubledRanks: readonly number[]): Float64Array {
  const total = doubledRanks.reduce((sum, rank) => sum + rank, 0);
  const counts = new Float64Array(total + 1);
  counts[0] = 1;
  for (const rank of doubledRanks) for (let sum = total; sum >= rank; sum--) counts[sum]! += counts[sum - rank]!;
  return counts;
}

/**
 * Wilcoxon's signed-rank test (Wilcoxon 1945), exact: zeros are dropped, ties share midranks, and p counts the sign
 * patterns whose rank sum is at least as extreme. Fewer than 6 differences can never reach p < 0.05.
 */
export function wilcoxonSignedRank(differences: readonly number[]): SignedRankTest {
  const used = differences.filter((difference) => difference !== 0);
  if (used.length === 0) return { w: 0, p: 1, used: 0 };
  const { ranks } = midranks(used.map(Math.abs));
  const doubled = ranks.map((rank) => Math.round(2 * rank));
  const positive = doubled.reduce((sum, rank, i) => sum + (used[i]! > 0 ? rank : 0), 0);
  const counts = signPatterns(doubled);
  const smaller = Math.min(positive, counts.length - 1 - positive);
  let tail = 0;
  for (let sum = 0; sum <= smaller; sum++) tail += counts[sum]!;
  return { w: smaller / 2, p: Math.min(1, (2 * tail) / 2 ** used.length), used: used.length };
}

/**
 * Median of the pairwise (Walsh) averages, with the interval that inverts the signed-rank test (Hodges & Lehmann 1963,
 * Tukey 1949). `confidence` is what the interval really has: at least the asked one where that many differences allow it, else all they allow.
 */
export function walshInterval(
  differences: readonly number[],
  confidence = 0.95,
): { shift: number; low: number; high: number; confidence: number } {
  const averages: number[] = [];
  for (let i = 0; i < differences.length; i++) {
    for (let j = i; j < differences.length; j++) averages.push((differences[i]! + differences[j]!) / 2);
  }
  const walsh = sorted(averages);
  const counts = signPatterns(Array.from(differences.keys(), (i) => 2 * (i + 1)));
  const patterns = 2 ** differences.length;
  let [k, tail] = [0, counts[0]! / patterns];
  // Dropping k averages at each end costs the probability of a rank sum of at most k at each end.
  while (2 * (k + 1) < counts.length && 2 * (tail + counts[2 * (k + 1)]! / patterns) <= 1 - confidence) {
    k++;
    tail += counts[2 * k]! / patterns;
  }
  const middle = (walsh[(walsh.length - 1) >> 1]! + walsh[walsh.length >> 1]!) / 2;
  return { shift: middle, low: walsh[k]!, high: walsh[walsh.length - 1 - k]!, confidence: 1 - 2 * tail };
}
