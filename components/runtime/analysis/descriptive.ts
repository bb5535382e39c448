/** Sorted copy. */
export function sorted(values: readonly number[]): Float64Array {
  return Float64Array.from(values).sort();
}

/** Arithmetic mean; NaN for nothing. */
export function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Quantile with linear interpolation (type 7: R, numpy); NaN for nothing. */
export function quantile(values: readonly number[], probability: number): number {
  return quantileSorted(sorted(values), probability);
}

/** {@link quantile} of values that are sorted already. */
export function quantileSorted(ascending: ArrayLike<number>, probability: number): number {
  if (ascending.length === 0) return Number.NaN;
  const position = (ascending.length - 1) * probability;
  const below = Math.floor(position);
  const low = ascending[below]!;
  return below + 1 < ascending.length ? low + (position - below) * (ascending[below + 1]! - low) : low;
}

/** Median; NaN for nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Factor that makes the median absolute deviation of normal data its standard deviation. */
export const MAD_TO_SD = 1.482602218505602;

/** Median absolute deviation from the median, unscaled (multiply by 1.4826 for a robust standard deviation). */
export function mad(values: readonly number[]): number {
  const centre = median(values);
  return median(values.map((value) => Math.abs(value - centre)));
}

/** Robust standard deviation: scaled MAD, or the plain one where more than half of the values are equal. */
export function robustSd(values: readonly number[]): number {
  const scaled = MAD_TO_SD * mad(values);
  return scaled > 0 ? scaled : Math.sqrt(variance(values));
}

/** Sample variance; 0 for fewer than two values. */
export function variance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  let sum = 0;
  for (const value of values) sum += (value - centre) ** 2;
  return sum / (values.length - 1);
}

/** Ranks from 1 with ties sharing their mean, and the sum of t³−t over the groups of ties. */
export function midranks(values: readonly number[]): { ranks: number[]; ties: number } {
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!);
  const ranks = new Array<number>(values.length);
  let ties = 0;
  for (let first = 0; first < order.length;) {
    let next = first + 1;
    while (next < order.length && values[order[next]!] === values[order[first]!]) next++;
    for (let i = first; i < next; i++) ranks[order[i]!] = (first + next + 1) / 2;
    const size = next - first;
    ties += size ** 3 - size;
    first = next;
  }
  return { ranks, ties };
}

/** Pearson's correlation; 0 when one side does not vary. */
export function correlation(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [mean(x), mean(y)];
  let [sxy, sxx, syy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - mx, y[i]! - my];
    sxy += dx * dy;
    sxx += dx * dx;
    syy += dy * dy;
  }
  return sxx > 0 && syy > 0 ? sxy / Math.sqrt(sxx * syy) : 0;
}

/** Spearman's rank correlation; 0 when one side does not vary. */
export function rankCorrelation(x: readonly number[], y: readonly number[]): number {
  return correlation(midranks(x).ranks, midranks(y).ranks);
}

/** The k-th smallest (from 0) by Hoare's quickselect; reorders the array. */
export function select(values: Float64Array, k: number): number {
  let [left, right] = [0, values.length - 1];
  while (left < right) {
    const pivot = values[(left + right) >> 1]!;
    let [i, j] = [left, right];
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i <= j) {
        [values[i], values[j]] = [values[j]!, values[i]!];
        i++;
        j--;
      }
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else break;
  }
  return values[k]!;
}
