import type { PhaseLatency } from "../runner/journal";
import { formatValue } from "../words";

const phaseWords = { baseline: "before", fault: "fault active", recovery: "after" };

/** One row of the table of whole-phase response times. */
interface LatencyRow {
  phase: string;
  side: string;
  cells: { label: string; text: string }[];
}

/** Rows of the table of whole-phase response times, live above shadow. */
export function latencyRows(latencies: readonly PhaseLatency[] = []): LatencyRow[] {
  return latencies.map(({ phase, side, requests, failed, p50, p95, p99, max }) => {
    const time = (value: number | null): string => (value === null ? "–" : formatValue("app.latency.p50", value));
    const share = requests === 0 ? "–" : formatValue("app.errors", failed / requests);
    const cells = [
      { label: "requests", text: requests.toLocaleString("en") },
      { label: "failed", text: share },
      { label: "median", text: time(p50) },
      { label: "95th percentile", text: time(p95) },
      { label: "99th percentile", text: time(p99) },
      { label: "slowest", text: time(max) },
    ];
    return { phase: phaseWords[phase], side, cells };
  });
}
