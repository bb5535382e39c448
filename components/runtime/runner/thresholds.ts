import type { SignalSide } from "../../experiment";
import { type RecentPoints, wholeService } from "./recent";

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
}

/** A series without a sample for so long has no data. */
const staleMilliseconds = 15_000;

/**
 * Checks a threshold against the newest samples. Up to a fifth of the samples of the window may be missing; one sample
 * on the right side of the threshold ends a breach.
 */
export function checkThreshold(
  recent: RecentPoints,
  threshold: Threshold,
  forSeconds: number,
  stepSeconds: number,
  now: number,
): ThresholdState {
  const { signal, target = wholeService, side = "shadow" } = threshold;
  const values = recent.values(signal, target, side, now - forSeconds * 1000 - staleMilliseconds, now + 1);
  const newest = values.at(-1);
  if (newest === undefined || newest.time < now - staleMilliseconds) return { state: "noData" };
  const window = values.filter(({ time }) => time > newest.time - forSeconds * 1000 || time === newest.time);
  const needed = Math.max(1, Math.floor((0.8 * forSeconds) / stepSeconds));
  const oldest = window[0]!.time;
  const long = window.length >= needed && oldest <= newest.time - (forSeconds - 1.5 * stepSeconds) * 1000;
  const beyond = long && window.every(({ value }) => isBeyond(threshold, value));
  return { state: beyond ? "breached" : "kept", value: newest.value };
}

function isBeyond({ above, below }: Threshold, value: number): boolean {
  return (above !== undefined && value > above) || (below !== undefined && value < below);
}

/** `shadow app.errors of service above 0.2`. */
export function describeThreshold({ signal, target, side, above, below }: Threshold): string {
  const limits = [above === undefined ? "" : `above ${above}`, below === undefined ? "" : `below ${below}`];
  return `${side ?? "shadow"} ${signal} of ${target ?? wholeService} ${limits.filter((text) => text !== "").join(" or ")}`;
}
