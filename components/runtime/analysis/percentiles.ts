import { build, type Histogram } from "hdr-histogram-js";

/** Percentiles of one set of measurements. */
export interface Percentiles {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Microseconds in a millisecond: histograms hold whole numbers. */
const RESOLUTION = 1000;

/** A histogram of milliseconds with three significant digits (HdrHistogram, Tene); merge with {@link mergeLatencies}. */
export function latencyHistogram(milliseconds: Iterable<number> = []): Histogram {
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 2, autoResize: true });
  for (const value of milliseconds) histogram.recordValue(Math.max(0, Math.round(value * RESOLUTION)));
  return histogram;
}

/** All measurements of several histograms in one: percentiles may be merged this way only, never averaged. */
export function mergeLatencies(histograms: Iterable<Histogram>): Histogram {
  const total = latencyHistogram();
  for (const histogram of histograms) total.add(histogram);
  return total;
}

/** Percentiles of a {@link latencyHistogram} in milliseconds; NaN when it is empty. */
export function percentiles(histogram: Histogram): Percentiles {
  const at = (share: number): number =>
    histogram.totalCount === 0 ? Number.NaN : histogram.getValueAtPercentile(share) / RESOLUTION;
  return { count: histogram.totalCount, p50: at(50), p95: at(95), p99: at(99), max: at(100) };
}
