import { Signal } from "../monitor";

/** CloudWatch namespace of everything that gateways publish. */
export const metricNamespace = "Shadownet";

/** Dimension with the shadow's name; every metric has it. */
export const shadowDimension = "Shadow";

/** Second dimension of the `app.*` metrics that speak of one machine behind an edge service. */
export const machineDimension = "Machine";

/** Seconds between two data points; they are of high resolution. */
export const metricStepSeconds = 10;

/**
 * Metrics that a gateway publishes. Shares are statistic sets whose sample count is what they are a share of, so that
 * `Average` is the share over any number of gateways and any period. Latencies are distributions, so that percentiles
 * are exact over all of them too.
 */
export const GatewayMetric = {
  LiveRequests: "LiveRequests",
  ShadowRequests: "ShadowRequests",
  LiveErrors: "LiveErrors",
  ShadowErrors: "ShadowErrors",
  LiveLatency: "LiveLatency",
  ShadowLatency: "ShadowLatency",
  Differences: "Differences",
  ReplayLag: "ReplayLag",
  ReplayCoverage: "ReplayCoverage",
  MirrorLoss: "MirrorLoss",
  /** Packets that the gateways' kernels dropped unseen; `ReplayCoverage` takes each for a request. */
  PacketsUnseen: "PacketsUnseen",
  MirrorShare: "MirrorShare",
  /** Flows given up whole because a bound was reached. */
  FlowsShed: "FlowsShed",
  /** 1 while the intake is open, else 0; its sample count is the gateways' sign of life. */
  IntakeOpen: "IntakeOpen",
} as const;
export type GatewayMetric = (typeof GatewayMetric)[keyof typeof GatewayMetric];

/** Metric that is 1 while experiments are halted; `halt` publishes it. */
export const haltMetric = "ExperimentsHalted";

/** How a signal is read from CloudWatch. */
export interface MetricReading {
  metricName: GatewayMetric;
  /** `Sum`, `Average`, or a percentile such as `p95`. */
  statistic: string;
}

const readings: Partial<Record<string, { live?: MetricReading; shadow?: MetricReading }>> = {
  [Signal.Requests]: sides(GatewayMetric.LiveRequests, GatewayMetric.ShadowRequests, "Sum"),
  [Signal.Errors]: sides(GatewayMetric.LiveErrors, GatewayMetric.ShadowErrors, "Average"),
  [Signal.LatencyP50]: sides(GatewayMetric.LiveLatency, GatewayMetric.ShadowLatency, "p50"),
  [Signal.LatencyP95]: sides(GatewayMetric.LiveLatency, GatewayMetric.ShadowLatency, "p95"),
  [Signal.LatencyP99]: sides(GatewayMetric.LiveLatency, GatewayMetric.ShadowLatency, "p99"),
  [Signal.Differences]: { shadow: { metricName: GatewayMetric.Differences, statistic: "Average" } },
  [Signal.ReplayLag]: { shadow: { metricName: GatewayMetric.ReplayLag, statistic: "p50" } },
  [Signal.ReplayCoverage]: { shadow: { metricName: GatewayMetric.ReplayCoverage, statistic: "Average" } },
  [Signal.MirrorLoss]: { shadow: { metricName: GatewayMetric.MirrorLoss, statistic: "Average" } },
  [Signal.MirrorShare]: { shadow: { metricName: GatewayMetric.MirrorShare, statistic: "Average" } },
};

/** How a gateway's signal is read of one side; undefined for signals of machines, and where only the shadow has it. */
export function gatewayMetricOf(signal: string, side: "live" | "shadow"): MetricReading | undefined {
  return readings[signal]?.[side];
}

function sides(
  live: GatewayMetric,
  shadow: GatewayMetric,
  statistic: string,
): { live: MetricReading; shadow: MetricReading } {
  return { live: { metricName: live, statistic }, shadow: { metricName: shadow, statistic } };
}
