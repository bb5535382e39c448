import { populationTTest, type ChangePoint } from "./changePoints";
import { mean } from "./descriptive";

/** How {@link hunterChangePoints} searches. */
export interface HunterSettings {
  /** Samples per window. Defaults to 50. */
  window?: number;
  /** Largest p of a change point. Defaults to 0.001. */
  maxP?: number;
  /** Smallest relative change of the mean, the larger of both directions. Defaults to 0. */
  minMagnitude?: number;
}

/**
 * Change points of a long series by Hunter's procedure (Fleming et al. 2023; Apache Otava): E-divisive in windows that overlap by
 * half, with a wider limit for p, then the weakest point is removed until all are significant and large enough. Meant for one
 * value per commit or run, which are nearly independent: for seconds of a single run use `onset`.
 */
export function hunterChangePoints(series: readonly number[], settings: HunterSettings = {}): ChangePoint[] {
  const { window = 50, maxP = 0.001, minMagnitude = 0 } = settings;
  const weakP = maxP < 0.05 ? 10 * maxP : maxP < 0.5 ? 2 * maxP : maxP;
  const found = new Map<number, number>();
  for (let start = 0; start < series.length;) {
    const points = windowPoints(series.slice(start, start + window), weakP);
    for (const { index, q } of points) if (!found.has(start + index)) found.set(start + index, q);
    const last = points.at(-1);
    start = Math.max(last === undefined ? 0 : start + last.index, start + Math.floor(window / 2));
  }
  return merged(series, found, { maxP, minMagnitude });
}

/** A split point with its Q. */
type Split = Pick<ChangePoint, "index" | "q">;

/** Points of one window, ascending: the best split of any segment, as long as its p is small enough. */
function windowPoints(values: readonly number[], maxP: number): Split[] {
  const found: Split[] = [];
  for (;;) {
    const edges = [0, ...found.map(({ index }) => index), values.length];
    let best: (Split & { p: number }) | undefined;
    for (let i = 0; i + 1 < edges.length; i++) {
      const segment = values.slice(edges[i], edges[i + 1]);
      const split = openSplit(segment);
      if (split === undefined || (best !== undefined && split.q <= best.q)) continue;
      const p = populationTTest(segment.slice(0, split.index), segment.slice(split.index));
      best = { index: edges[i]! + split.index, q: split.q, p };
    }
    if (best === undefined || best.p > maxP) return found;
    found.push(best);
    found.sort((x, y) => x.index - y.index);
  }
}

/**
 * The split (τ, κ) with the largest Q of [0, τ) against [τ, κ), κ free (Matteson & James 2014, eq. 7): another change further on
 * does not blur the first. Undefined for fewer than two samples.
 */
function openSplit(values: readonly number[]): Split | undefined {
  const distance = values.map((x) => values.map((y) => Math.abs(x - y)));
  let best: Split | undefined;
  for (let end = 2; end <= values.length; end++) {
    for (let index = 1; index < end; index++) {
      const [n, m] = [index, end - index];
      const across = blockSum(distance, [0, index], [index, end]);
      const left = n > 1 ? blockSum(distance, [0, index], [0, index]) / (n * (n - 1)) : 0;
      const right = m > 1 ? blockSum(distance, [index, end], [index, end]) / (m * (m - 1)) : 0;
      const q = ((n * m) / (n + m)) * ((2 * across) / (n * m) - left - right);
      if (best === undefined || q > best.q) best = { index, q };
    }
  }
  return best;
}

function blockSum(distance: readonly number[][], rows: [number, number], columns: [number, number]): number {
  let sum = 0;
  for (let i = rows[0]; i < rows[1]; i++) for (let j = columns[0]; j < columns[1]; j++) sum += distance[i]![j]!;
  return sum;
}

/**
 * Removes the weakest point until every one is significant between its neighbours and large enough. After a removal the two points
 * that follow are measured anew, as Otava does; the one before keeps its numbers.
 */
function merged(
  series: readonly number[],
  found: ReadonlyMap<number, number>,
  { maxP, minMagnitude }: { maxP: number; minMagnitude: number },
): ChangePoint[] {
  const points: (Split & { p: number; size: number })[] = [...found]
    .sort(([a], [b]) => a - b)
    .map(([index, q]) => ({ index, q, p: 1, size: 0 }));
  const measure = (at: number): void => {
    const point = points[at];
    if (point === undefined) return;
    const left = series.slice(points[at - 1]?.index ?? 0, point.index);
    const right = series.slice(point.index, points[at + 1]?.index ?? series.length);
    points[at] = { ...point, p: populationTTest(left, right), size: magnitude(left, right) };
  };
  points.forEach((_, at) => measure(at));
  while (points.length > 0) {
    const unlikely = points.reduce((a, b) => (b.p > a.p ? b : a));
    const weakest = unlikely.p < maxP ? points.reduce((a, b) => (b.size < a.size ? b : a)) : unlikely;
    if (weakest.p < maxP && weakest.size > minMagnitude) break;
    const at = points.indexOf(weakest);
    points.splice(at, 1);
    measure(at);
    measure(at + 1);
  }
  return points.map(({ index, q, p }) => ({ index, q, p }));
}

/** Relative change of the mean, the larger of both directions. */
function magnitude(left: readonly number[], right: readonly number[]): number {
  const [a, b] = [mean(left), mean(right)];
  const relative = (to: number, from: number): number => (from === 0 ? 0 : Math.abs(to / from - 1));
  return Math.max(relative(b, a), relative(a, b));
}
