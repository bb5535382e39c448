import { Verdict, type Effect } from "../runner/journal";
import { wilsonInterval } from "./distributions";

/** How often an analysis cries wolf where nothing was broken. */
export interface FalseAlarmRate {
  /** Effects that were judged at all. */
  judged: number;
  alarms: number;
  rate: number;
  /** Wilson's 95 % interval of the rate. */
  low: number;
  high: number;
}

/**
 * Observed false-alarm rate over effects of runs in which no fault happened, with Wilson's interval (Wilson 1927). `by` p counts
 * p < alpha, the rate that the test promises; `verdict` counts verdicts of degraded, what a user sees. Rate NaN when nothing could be judged.
 */
export function falseAlarmRate(
  effects: readonly Effect[],
  by: "p" | "verdict" = "verdict",
  alpha = 0.05,
): FalseAlarmRate {
  const tested = effects.filter(({ p }) => p !== null);
  const alarms = tested.filter(({ p, verdict }) => (by === "p" ? p! < alpha : verdict === Verdict.Degraded)).length;
  return rateOf(alarms, tested.length);
}

/** Alarms out of what was judged, with Wilson's 95 % interval. */
export function rateOf(alarms: number, judged: number): FalseAlarmRate {
  const [low, high] = wilsonInterval(alarms, judged);
  return { judged, alarms, rate: alarms / judged, low, high };
}
