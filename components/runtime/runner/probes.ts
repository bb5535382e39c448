import type { Probe, Tolerance } from "../../experiment";
import type { JournalExperiment } from "./journal";
import { formatValue, seriesName } from "../words";
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
  const subject = seriesName(signal, target);
  if (value === undefined) return { name, when, ok: false, why: `${subject}: nothing was measured` };
  const how = averaged ? "on average" : "in the middle of the samples";
  const why = `${subject}: ${formatValue(signal, value)} ${how}, allowed is ${describeTolerance(signal, tolerance)}`;
  return { name, when, value, ok: isTolerated(value, tolerance), why };
}

function isTolerated(value: number, { minimum, maximum }: Tolerance): boolean {
  return (minimum === undefined || value >= minimum) && (maximum === undefined || value <= maximum);
}

function describeTolerance(signal: string, { minimum, maximum }: Tolerance): string {
  const shown = (value: number): string => formatValue(signal, value);
  if (minimum !== undefined && maximum !== undefined) return `${shown(minimum)} to ${shown(maximum)}`;
  if (minimum !== undefined) return `at least ${shown(minimum)}`;
  return maximum === undefined ? "anything" : `at most ${shown(maximum)}`;
}
