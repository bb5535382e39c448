/** One value with its labels. */
export interface MetricSample {
  labels: Record<string, string>;
  value: number;
}

/** A family of values under one name, in base units (seconds, bytes, ratios). */
export interface Metric {
  /** Without the suffix `_total` that counters get where the format asks for it. */
  name: string;
  help: string;
  kind: "gauge" | "counter";
  samples: MetricSample[];
}

/** A family of values that go up and down. */
export function gauge(name: string, help: string, samples: MetricSample[]): Metric {
  return { name, help, kind: "gauge", samples };
}

/** A family of values that only go up. */
export function counter(name: string, help: string, samples: MetricSample[]): Metric {
  return { name, help, kind: "counter", samples };
}
