import type { SignalSide } from "../../experiment";
import type { SignalPoint } from "./driver";

/** One value of a series. */
export interface TimedValue {
  time: number;
  value: number;
}

/** Target of signals of the service as a whole. */
export const wholeService = "service";

const keepMilliseconds = 900_000;

/** The last quarter of an hour of every series, for stop conditions, alarms, probes, the fidelity gate and progress. */
export class RecentPoints {
  private readonly series = new Map<string, Map<number, number>>();
  private readonly offsets = new Map<string, number>();

  add(points: SignalPoint[]): void {
    for (const { signal, target, side, time, value } of points) {
      const key = seriesKey(signal, target, side);
      const values = this.series.get(key) ?? new Map<number, number>();
      this.series.set(key, values);
      values.set(time, value);
      const first = values.keys().next().value;
      if (first !== undefined && first < time - keepMilliseconds) values.delete(first);
    }
  }

  /** Values of one series with `from <= time < to`, in order of time; the gap where both sides have a value. */
  values(signal: string, target: string, side: SignalSide, from: number, to: number): TimedValue[] {
    if (side === "gap") return this.gap(signal, target, from, to);
    const all = this.series.get(seriesKey(signal, target, side)) ?? new Map<number, number>();
    return [...all]
      .filter(([time]) => time >= from && time < to)
      .map(([time, value]) => ({ time, value }))
      .sort((a, b) => a.time - b.time);
  }

  latest(signal: string, target: string, side: SignalSide, from: number, to: number): TimedValue | undefined {
    return this.values(signal, target, side, from, to).at(-1);
  }

  /** The newest point of every series with `from <= time < to`. */
  newest(from: number, to: number): SignalPoint[] {
    return [...this.series.keys()].flatMap((key) => {
      const [signal, target, side] = key.split("\n") as [string, string, SignalSide];
      const point = this.latest(signal, target, side, from, to);
      return point === undefined ? [] : [{ signal, target, side, ...point }];
    });
  }

  /** Takes the difference of the medians in this window as the normal gap, so that a gap means a change. */
  calibrate(from: number, to: number): void {
    for (const key of this.series.keys()) {
      const [signal, target, side] = key.split("\n") as [string, string, SignalSide];
      if (side !== "shadow") continue;
      const shadow = median(this.values(signal, target, "shadow", from, to));
      const live = median(this.values(signal, target, "live", from, to));
      if (shadow !== undefined && live !== undefined) this.offsets.set(`${signal}\n${target}`, shadow - live);
    }
  }

  private gap(signal: string, target: string, from: number, to: number): TimedValue[] {
    const offset = this.offsets.get(`${signal}\n${target}`) ?? 0;
    const live = new Map(this.values(signal, target, "live", from, to).map(({ time, value }) => [time, value]));
    return this.values(signal, target, "shadow", from, to).flatMap(({ time, value }) => {
      const other = live.get(time);
      return other === undefined ? [] : [{ time, value: value - other - offset }];
    });
  }
}

function seriesKey(signal: string, target: string, side: SignalSide): string {
  return `${signal}\n${target}\n${side}`;
}

/** Median of a series' values; undefined when it has none. */
export function median(series: TimedValue[]): number | undefined {
  if (series.length === 0) return undefined;
  const sorted = series.map(({ value }) => value).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Mean of a series' values; undefined when it has none. */
export function mean(series: TimedValue[]): number | undefined {
  if (series.length === 0) return undefined;
  return series.reduce((sum, { value }) => sum + value, 0) / series.length;
}
