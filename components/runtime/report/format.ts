import type { Effect, Journal, JournalExperiment, JournalFault, Verdict } from "../runner/journal";

/** How a verdict is shown: a mark, a word and a sentence, so that nothing depends on colour. */
export interface VerdictStyle {
  /** `cut` is what a run without a verdict shows. */
  key: Verdict | "cut";
  mark: string;
  word: string;
  meaning: string;
}

const verdictStyles: Record<VerdictStyle["key"], VerdictStyle> = {
  pass: {
    key: "pass",
    mark: "✓",
    word: "pass",
    meaning: "the effect lies inside the margin and the fault is proven to have happened",
  },
  degraded: {
    key: "degraded",
    mark: "▲",
    word: "degraded",
    meaning: "the whole interval of an effect lies beyond the margin",
  },
  fail: { key: "fail", mark: "✕", word: "fail", meaning: "the hypothesis is broken or a stop condition fired" },
  inconclusive: {
    key: "inconclusive",
    mark: "?",
    word: "inconclusive",
    meaning: "the measurements do not carry a verdict",
  },
  noData: { key: "noData", mark: "∅", word: "no data", meaning: "a series that the verdict needs is missing" },
  cut: { key: "cut", mark: "…", word: "no verdict", meaning: "nothing was analysed" },
};

/** Mark, word and meaning of a verdict; of a missing one, that there is none. */
export function verdictStyle(verdict: Verdict | undefined): VerdictStyle {
  return verdictStyles[verdict ?? "cut"];
}

const severities: (Verdict | undefined)[] = ["fail", "degraded", "inconclusive", "noData", undefined, "pass"];

/** Order of verdicts for sorting: the smaller, the more it needs attention. */
export function verdictRank(verdict: Verdict | undefined): number {
  return severities.indexOf(verdict);
}

const signalNames: Record<string, string> = {
  "app.latency.p50": "response time, median",
  "app.latency.p95": "response time, 95th percentile",
  "app.latency.p99": "response time, 99th percentile",
  "app.errors": "failed requests",
  "app.requests": "requests",
  "app.differences": "answers that differ from live",
  "machine.cpu": "processor",
  "machine.memory": "memory",
  "machine.network.in": "network in",
  "machine.network.out": "network out",
  "mirror.share": "mirrored share",
  "mirror.loss": "lost by the mirror",
  "replay.lag": "replay lag",
  "replay.coverage": "replay coverage",
};

/** What a signal is called for people; its own name when it is not one of ours. */
export function signalName(signal: string): string {
  return signalNames[signal] ?? signal;
}

/** `response time, median of app-1`; the service as a whole is not named. */
export function seriesName(signal: string, target: string): string {
  return target === "service" || target === "" ? signalName(signal) : `${signalName(signal)} of ${target}`;
}

type Scale = "milliseconds" | "seconds" | "ratio" | "percent" | "bytes" | "bytesPerSecond" | "count";

function scaleOf(signal: string, unit = ""): Scale {
  if (signal.startsWith("app.latency") || signal === "replay.lag" || unit === "ms") return "milliseconds";
  if (["app.errors", "app.differences", "mirror.loss", "mirror.share", "replay.coverage"].includes(signal))
    return "ratio";
  if (signal === "machine.cpu") return "percent";
  if (signal === "machine.memory") return "bytes";
  if (signal.startsWith("machine.network")) return "bytesPerSecond";
  return unit === "ratio" || unit === "percent" || unit === "bytes" ? unit : "count";
}

/** Value of a signal with its unit, for example `12.4 ms`, `97 %`, `61 MB`. Ratios are shown in percent. */
export function formatValue(signal: string, value: number, unit?: string): string {
  switch (scaleOf(signal, unit)) {
    case "milliseconds":
      return Math.abs(value) >= 10_000 ? `${significant(value / 1000)} s` : `${significant(value)} ms`;
    case "seconds":
      return `${significant(value)} s`;
    case "ratio":
      return `${significant(100 * value)} %`;
    case "percent":
      return `${significant(value)} %`;
    case "bytes":
      return bytes(value);
    case "bytesPerSecond":
      return `${bytes(value)}/s`;
    case "count":
      return unit === undefined || unit === "" || unit === "count"
        ? significant(value)
        : `${significant(value)} ${unit}`;
  }
}

function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1000 && unit < units.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${significant(size)} ${units[unit]!}`;
}

/** Three significant digits without an exponent, thousands apart, a real minus sign. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size > 0 && size < 0.001) return value < 0 ? "> −0.001" : "< 0.001";
  const digits = size === 0 ? 0 : Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(size))));
  const fixed = Number(size.toFixed(digits)).toLocaleString("en-US", { maximumFractionDigits: 3 });
  return value < 0 && fixed !== "0" ? `−${fixed}` : fixed;
}

/** A difference of two values, with its sign; differences of percentages are in percentage points, `pp`. */
export function formatShift(signal: string, value: number, unit?: string): string {
  const text = formatValue(signal, value, unit).replace(/ %$/, " pp");
  return value > 0 ? `+${text}` : text;
}

/** `+92.1 ms (+94 %)`, or a dash when it could not be estimated. */
export function effectSize({ signal, shift, shiftPercent, unit }: Effect): string {
  if (shift === null) return "–";
  if (shiftPercent === null || scaleOf(signal, unit) === "ratio" || Math.abs(shiftPercent) > 100_000)
    return formatShift(signal, shift, unit);
  return `${formatShift(signal, shift, unit)} (${shiftPercent > 0 ? "+" : ""}${significant(shiftPercent)} %)`;
}

/** `+90 … +94 ms`, or a dash. */
export function effectInterval({ signal, low, high, unit }: Effect): string {
  return low === null || high === null ? "–" : `${formatShift(signal, low, unit)} … ${formatShift(signal, high, unit)}`;
}

/** A probability: `0.031`, or `< 0.001`. */
export function formatProbability(value: number | null): string {
  if (value === null) return "–";
  return value < 0.001 ? "< 0.001" : value.toFixed(value < 0.1 ? 3 : 2);
}

/** `1.3 s`, `not within the time watched`, or a dash when it was never away. */
export function effectRecovery({ recovered, censored }: Effect): string {
  if (censored) return "not while watched";
  return recovered === null ? "–" : formatSeconds(recovered);
}

/** Seconds as people say them: `1.3 s`, `4 min 5 s`, `1 h 2 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${significant(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return minutes === 0 ? `${hours} h` : `${hours} h ${minutes} min`;
  return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
}

/** `2026-11-23 10:15:00 UTC`. */
export function formatInstant(time: number | string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** `10:15:00`, in UTC. */
export function formatClock(time: number): string {
  return new Date(time).toISOString().slice(11, 19);
}

/** Time since the run started, `1:05`, `1:02:05`. */
export function formatOffset(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const tail = String(rest).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** Milliseconds since 1970 at which the run ended, as far as is known. */
export function endOf({ endedAt, startedAt, phases, events }: Journal): number {
  if (endedAt !== undefined) return Date.parse(endedAt);
  const known = [...phases.map((phase) => phase.endedAt ?? phase.startedAt), ...events.map(({ time }) => time)];
  return Math.max(Date.parse(startedAt), ...known);
}

/** True when the run did not come to its own end. */
export function wasCut({ status }: Journal): boolean {
  return status !== "completed";
}

/** The run's sentence; where there is none, why. */
export function runSentence(journal: Journal): string {
  if (journal.sentence !== undefined) return journal.sentence;
  if (journal.status === "running") return "The run is still going on; it has no verdict yet.";
  return `There is no verdict${journal.statusReason === undefined ? "" : `: ${journal.statusReason}`}.`;
}

/** `link down` for `linkDown`. */
export function spaced(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`);
}

/** What an experiment is called for people. */
export function experimentTitle({ name, definition }: JournalExperiment): string {
  const { title } = definition;
  return title === undefined ? name : `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
}

/** `asked 80 ms, measured 80.4 ms`, or what the counters say where a fault has no strength. */
export function faultProof({ effect }: JournalFault): string {
  if (effect === undefined) return "not measured";
  const strength = faultStrength(effect);
  return strength === undefined ? effect.why : `${strength}; ${effect.why}`;
}

function faultStrength({ asked, measured, unit }: NonNullable<JournalFault["effect"]>): string | undefined {
  if (asked === undefined) return undefined;
  const suffix = unit === undefined ? "" : ` ${unit}`;
  const found = measured === undefined ? "not measured" : `measured ${significant(measured)}${suffix}`;
  return `asked ${significant(asked)}${suffix}, ${found}`;
}

/** `0:40–0:58`, or `6 pulses, 1:48–2:21`, as time since the run started. */
export function faultWindows({ windows }: JournalFault, startedAt: number): string {
  const [first, last] = [windows[0], windows.at(-1)];
  if (first === undefined || last === undefined) return "never active";
  const span = `${formatOffset(first.start - startedAt)}–${formatOffset(last.end - startedAt)}`;
  return windows.length === 1 ? span : `${windows.length} pulses, ${span}`;
}
