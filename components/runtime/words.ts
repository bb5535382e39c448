// How signals and their values are said: the same words in a verdict's sentence, the report and the terminal.

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
  "machine.network.packets.in": "packets in",
  "machine.network.packets.out": "packets out",
  "machine.network.drops": "packets dropped",
  "machine.disk.read": "disk reading",
  "machine.disk.write": "disk writing",
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

const scales: Record<string, Scale> = {
  ms: "milliseconds",
  ratio: "ratio",
  percent: "percent",
  "%": "percent",
  bytes: "bytes",
  "B/s": "bytesPerSecond",
};

function scaleOf(signal: string, unit = ""): Scale {
  if (signal.startsWith("app.latency") || signal === "replay.lag") return "milliseconds";
  if (["app.errors", "app.differences", "mirror.loss", "mirror.share", "replay.coverage"].includes(signal))
    return "ratio";
  if (signal === "machine.cpu") return "percent";
  if (signal === "machine.memory") return "bytes";
  if (/^machine\.(network\.(in|out)|disk\.(read|write))$/.test(signal)) return "bytesPerSecond";
  return scales[unit] ?? "count";
}

/** True for a signal that is a share of something, shown in percent. */
export function isShare(signal: string, unit?: string): boolean {
  return scaleOf(signal, unit) === "ratio";
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

/** Values of one axis, all in the unit that suits the largest: a scale from `0 ms` over `8,000 ms` to `10 s` misleads. */
export function axisFormatter(signal: string, largest: number): (value: number) => string {
  switch (scaleOf(signal)) {
    case "milliseconds":
      return largest >= 2_000 ? (value) => `${significant(value / 1000)} s` : (value) => `${significant(value)} ms`;
    case "bytes":
      return (value) => bytes(value, largest);
    case "bytesPerSecond":
      return (value) => `${bytes(value, largest)}/s`;
    default:
      return (value) => formatValue(signal, value);
  }
}

/** A number of bytes in the unit that suits it, or another one that it stands beside. */
function bytes(value: number, beside = value): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = units.findIndex((_, index) => Math.abs(beside) < 1000 ** (index + 1) || index === units.length - 1);
  return `${significant(value / 1000 ** unit)} ${units[unit]!}`;
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

/** A probability: `0.031`, or `< 0.001`. */
export function formatProbability(value: number | null): string {
  if (value === null) return "–";
  return value < 0.001 ? "< 0.001" : value.toFixed(value < 0.1 ? 3 : 2);
}
