import { mean, variance } from "./descriptive";
import { studentTwoSided } from "./distributions";

/**
 * Welch's t test of unequal variances (Welch 1947), t positive when `b` is the larger sample. The verdict does not use it: it takes
 * samples for independent and outliers for signal. It is here to compare with (docs/statistics.md).
 */
export function welchTest(a: readonly number[], b: readonly number[]): { t: number; df: number; p: number } {
  const [va, vb] = [variance(a) / a.length, variance(b) / b.length];
  const t = (mean(b) - mean(a)) / Math.sqrt(va + vb);
  const df = (va + vb) ** 2 / (va ** 2 / (a.length - 1) + vb ** 2 / (b.length - 1));
  return { t, df, p: studentTwoSided(t, df) };
}

/** Cohen's d of `b` against `a` with the pooled standard deviation (Cohen 1988); to compare with, as {@link welchTest}. */
export function cohensD(a: readonly number[], b: readonly number[]): number {
  const pooled = ((a.length - 1) * variance(a) + (b.length - 1) * variance(b)) / (a.length + b.length - 2);
  return (mean(b) - mean(a)) / Math.sqrt(pooled);
}
