import { mean, median, select } from "./descriptive";
import { normalQuantile, normalTwoSided } from "./distributions";

/** A robust line y = intercept + slope·x. */
export interface Line {
  slope: number;
  intercept: number;
  /** 95 % interval of the slope. */
  low: number;
  high: number;
}

/**
 * Theil-Sen line: the median of all pairwise slopes, intercept = median(y − slope·x) (Theil 1950, Sen 1968), with Sen's
 * interval from the variance of Kendall's S, inflated by `tau` for autocorrelation. Slope 0 where x does not vary.
 * Series longer than `maxPoints` (default 400) are thinned to every k-th sample: pairs grow with the square.
 */
export function theilSen(x: readonly number[], y: readonly number[], tau = 1, maxPoints = 400): Line {
  const stride = Math.ceil(x.length / maxPoints);
  const n = Math.ceil(x.length / stride);
  const all = new Float64Array((n * (n - 1)) / 2);
  let count = 0;
  for (let i = 0; i < x.length; i += stride) {
    for (let j = i + stride; j < x.length; j += stride) {
      if (x[i] !== x[j]) all[count++] = (y[j]! - y[i]!) / (x[j]! - x[i]!);
    }
  }
  if (count === 0) return { slope: 0, intercept: median(y), low: -Infinity, high: Infinity };
  const values = all.subarray(0, count);
  const at = (k: number): number => select(values, Math.min(values.length - 1, Math.max(0, k)));
  const slope = (at((values.length - 1) >> 1) + at(values.length >> 1)) / 2;
  const half = normalQuantile(0.975) * Math.sqrt((tau * n * (n - 1) * (2 * n + 5)) / 18);
  const low = at(Math.floor((values.length - half) / 2));
  const high = at(Math.ceil((values.length + half) / 2));
  return { slope, intercept: median(y.map((value, i) => value - slope * x[i]!)), low, high };
}

/** Kendall's tau-b with its two-sided normal p (Kendall 1938); `inflation` stretches the variance for autocorrelation. */
export function kendall(x: readonly number[], y: readonly number[], inflation = 1): { tau: number; p: number } {
  const n = x.length;
  let [s, pairsX, pairsY] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const [dx, dy] = [Math.sign(x[j]! - x[i]!), Math.sign(y[j]! - y[i]!)];
      s += dx * dy;
      pairsX += Math.abs(dx);
      pairsY += Math.abs(dy);
    }
  }
  if (pairsX === 0 || pairsY === 0) return { tau: 0, p: 1 };
  const z = s / Math.sqrt((inflation * n * (n - 1) * (2 * n + 5)) / 18);
  return { tau: s / Math.sqrt(pairsX * pairsY), p: normalTwoSided(z) };
}

/** How an effect grows with the strength of its fault. */
export interface DoseResponse extends Line {
  /** Kendall's tau-b between strength and effect, and its exact (up to 8 strengths) or normal two-sided p. */
  tau: number;
  p: number;
}

/** Dose-response over runs of one fault at several strengths: Theil-Sen slope and Kendall's tau (Theil 1950, Kendall 1938). */
export function doseResponse(doses: readonly number[], effects: readonly number[]): DoseResponse {
  const { tau, p } = kendall(doses, effects);
  return { ...theilSen(doses, effects), tau, p: doses.length <= 8 ? exactKendall(doses, effects) : p };
}

/** Two-sided p of Kendall's S over all orders of the effects. */
function exactKendall(x: readonly number[], y: readonly number[]): number {
  const statistic = (order: readonly number[]): number => {
    let s = 0;
    for (let i = 0; i < order.length; i++) {
      for (let j = i + 1; j < order.length; j++) s += Math.sign(x[j]! - x[i]!) * Math.sign(order[j]! - order[i]!);
    }
    return Math.abs(s);
  };
  const observed = statistic(y);
  let [extreme, total] = [0, 0];
  const permute = (order: number[], fixed: number): void => {
    if (fixed === order.length) {
      total++;
      if (statistic(order) >= observed) extreme++;
      return;
    }
    for (let i = fixed; i < order.length; i++) {
      [order[fixed], order[i]] = [order[i]!, order[fixed]!];
      permute(order, fixed + 1);
      [order[fixed], order[i]] = [order[i]!, order[fixed]];
    }
  };
  permute([...y], 0);
  return extreme / total;
}

/** Share of the variance of `y` that the line explains (R²); 0 when y does not vary. */
export function explained(x: readonly number[], y: readonly number[], line: Line): number {
  const centre = mean(y);
  let [residual, total] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    residual += (y[i]! - line.intercept - line.slope * x[i]!) ** 2;
    total += (y[i]! - centre) ** 2;
  }
  return total > 0 ? Math.max(0, 1 - residual / total) : 0;
}
