import { LagHistogram } from "../lagHistogram";
import { noteProcess } from "../processFigures";
import { newStats, sumRequests, type GatewayStats } from "../stats";
import { now } from "../time";
import type { WorkerReport } from "./messages";

/** Adds every number of `from` to `to`, also those that `to` does not have yet; `null` is "not known" and counts as nothing. */
function addAll(to: Record<string, unknown>, from: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(from)) {
    const have = to[name];
    if (typeof value === "number") to[name] = (typeof have === "number" ? have : 0) + value;
    else if (typeof value === "object" && value !== null) {
      if (typeof have !== "object" || have === null) to[name] = {};
      addAll(to[name] as Record<string, unknown>, value as Record<string, unknown>);
    } else if (have === undefined) to[name] = value;
  }
}

/** The counters of all threads as those of one gateway. */
export function mergeStats(startedAt: number, open: boolean, reports: readonly WorkerReport[]): GatewayStats {
  const stats = newStats(0);
  const lag = new LagHistogram();
  for (const report of reports) {
    addAll(stats, report.stats);
    lag.add(report.lag);
  }
  stats.time = now();
  stats.startedAt = startedAt;
  stats.intake.open = open;
  sumRequests(stats);
  stats.replay.lagMilliseconds = { p50: lag.quantile(0.5), p99: lag.quantile(0.99) };
  noteProcess(stats);
  return stats;
}
