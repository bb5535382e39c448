import type { Metric, MetricSample } from "./metric";

/** Media type of {@link openMetricsText}. */
export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Metrics in the OpenMetrics text format 1.0; families without samples are left out. */
export function openMetricsText(metrics: Metric[]): string {
  const families = metrics.filter(({ samples }) => samples.length > 0);
  const lines = families.flatMap(({ name, help, kind, samples }) => [
    `# TYPE ${name} ${kind}`,
    `# HELP ${name} ${escapeText(help)}`,
    ...samples.map((sample) => sampleLine(kind === "counter" ? `${name}_total` : name, sample)),
  ]);
  return `${[...lines, "# EOF"].join("\n")}\n`;
}

function sampleLine(name: string, { labels, value }: MetricSample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeText(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${numberText(value)}`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
