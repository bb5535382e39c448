import type { Probe, Tolerance } from "../../experiment";
import type { JournalExperiment } from "./journal";
import { type RecentPoints, mean, median, wholeService } from "./recent";

/** What a probe found. */
export type ProbeResult = JournalExperiment["probes"][number];

/**
 * Checks a probe against the shadow's samples in some windows: their mean for ratios and rates, whose every part counts,
 * and their median for everything else, so that one odd sample decides nothing. No sample means not ok.
 */
export function checkProbe(
  recent: RecentPoints,
  { name, signal, target = wholeService, tolerance }: Probe,
  when: ProbeResult["when"],
  windows: { from: number; to: number }[],
): ProbeResult {
  const values = windows.flatMap(({ from, to }) => recent.values(signal, target, "shadow", from, to));
  const averaged = ["app.errors", "app.requests", "app.differences"].includes(signal);
  const value = averaged ? mean(values) : median(values);
  const subject = `${averaged ? "mean" : "median"} of ${signal} of ${target}`;
  if (value === undefined) return { name, when, ok: false, why: `${subject}: nothing was measured` };
  const ok = isTolerated(value, tolerance);
  const shown = `${subject} was ${value.toPrecision(4)}`;
  return { name, when, value, ok, why: `${shown}, ${ok ? "within" : "outside"} ${describeTolerance(tolerance)}` };
}

function isTolerated(value: number, { minimum, maximum }: Tolerance): boolean {
  return (minimum === undefined || value >= minimum) && (maximum === undefined || value <= maximum);
}

function describeTolerance({ minimum, maximum }: Tolerance): string {
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  if (minimum !== undefined) return `at least ${minimum}`;
  return maximum === undefined ? "anything" : `at most ${maximum}`;
}
