import { jStat } from "jstat";

/** Two-sided p of Student's t: the regularised incomplete beta function I(df/2, 1/2) at df/(df+t²); exact in the far tail. */
export function studentTwoSided(t: number, df: number): number {
  if (Number.isNaN(t)) return Number.NaN;
  return Number.isFinite(t) ? jStat.ibeta(df / (df + t * t), df / 2, 0.5) : 0;
}

/** Quantile of Student's t. */
export function studentQuantile(probability: number, df: number): number {
  return jStat.studentt.inv(probability, df);
}

/** Quantile of the standard normal distribution. */
export function normalQuantile(probability: number): number {
  return jStat.normal.inv(probability, 0, 1);
}

/** Two-sided p of a standard normal z. */
export function normalTwoSided(z: number): number {
  return Math.min(1, 2 * jStat.normal.cdf(-Math.abs(z), 0, 1));
}

/** Upper tail of Fisher's F: I(d2/2, d1/2) at d2/(d2 + d1·F). */
export function fUpperTail(f: number, d1: number, d2: number): number {
  return Number.isFinite(f) ? jStat.ibeta(d2 / (d2 + d1 * f), d2 / 2, d1 / 2) : 0;
}

/** Logarithm of the number of ways to choose k of n. */
export function logChoose(n: number, k: number): number {
  return jStat.gammaln(n + 1) - jStat.gammaln(k + 1) - jStat.gammaln(n - k + 1);
}

/** Wilson's interval for a proportion (Wilson 1927); `[0, 1]` when nothing was tried. */
export function wilsonInterval(hits: number, trials: number, confidence = 0.95): [number, number] {
  if (trials === 0) return [0, 1];
  const z = normalQuantile(0.5 + confidence / 2);
  const share = hits / trials;
  const centre = share + (z * z) / (2 * trials);
  const half = z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  const scale = 1 + (z * z) / trials;
  return [Math.max(0, (centre - half) / scale), Math.min(1, (centre + half) / scale)];
}
