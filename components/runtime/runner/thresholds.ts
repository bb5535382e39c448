import type { SignalSide } from "../../experiment";
import { type RecentPoints, type TimedValue, wholeService } from "./recent";

/** A threshold on one series, as stop conditions and alarms have it. */
export interface Threshold {
  signal: string;
  target?: string;
  side?: SignalSide;
  above?: number;
  below?: number;
}

/** What a threshold says now. */
export interface ThresholdState {
  /** `breached` when every sample of the last `forSeconds` is beyond; `noData` is never the same as `kept`. */
  state: "kept" | "breached" | "noData";
  value?: number;
  /** Time of the newest sample beyond it, where `kept`; milliseconds since 1970. */
  lastBeyond?: number;
}

/**
 * A series without a sample for so long has no data, and a breach counts for so long after it was seen. A request that
 * times out is known to have failed only when its time is up; until then the newest steps look better than they are,
 * and must not hide what is already known of those before.
 */
const memoryMilliseconds = 15_000;

/**
 * Checks a threshold against the newest samples. It is breached when within the last seconds every sample of a stretch of
 * `forSeconds` was beyond it; up to a fifth of the stretch's samples may be missing.
 */
export function checkThreshold(
  recent: RecentPoints,
  threshold: Threshold,
  forSeconds: number,
  stepSeconds: number,
  now: number,
): ThresholdState {
  const { signal, target = wholeService, side = "shadow" } = threshold;
  const values = recent.values(signal, target, side, now - forSeconds * 1000 - memoryMilliseconds, now + 1);
  const newest = values.at(-1);
  if (newest === undefined || newest.time < now - memoryMilliseconds) return { state: "noData" };
  const needed = Math.max(1, Math.floor((0.8 * forSeconds) / stepSeconds));
  let stretch: TimedValue[] = [];
  for (const sample of values) {
    stretch = isBeyond(threshold, sample.value) ? [...stretch, sample] : [];
    const seconds = (sample.time - (stretch[0]?.time ?? sample.time)) / 1000 + 1.5 * stepSeconds;
    const holds = stretch.length >= needed && seconds >= forSeconds && sample.time >= now - memoryMilliseconds;
    if (holds) return { state: "breached", value: sample.value };
  }
  const lastBeyond = values.findLast(({ value }) => isBeyond(threshold, value))?.time;
  return { state: "kept", value: newest.value, lastBeyond };
}

function isBeyond({ above, below }: Threshold, value: number): boolean {
  return (above !== undefined && value > above) || (below !== undefined && value < below);
}

/** `shadow app.errors of service above 0.2`. */
export function describeThreshold({ signal, target, side, above, below }: Threshold): string {
  const limits = [above === undefined ? "" : `above ${above}`, below === undefined ? "" : `below ${below}`];
  return `${side ?? "shadow"} ${signal} of ${target ?? wholeService} ${limits.filter((text) => text !== "").join(" or ")}`;
}
