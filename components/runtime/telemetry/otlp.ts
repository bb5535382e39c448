import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";

import { ExitCode, ShadownetError } from "../../internal/problems";
import type { Metric } from "./metric";

/** What {@link OtlpExport} needs. */
export interface OtlpOptions {
  /** Where an OpenTelemetry collector takes OTLP over HTTP, for example `http://127.0.0.1:4318`. */
  url: string;
  version: string;
  read: () => Promise<Metric[]>;
  onProblem: (problem: string) => void;
  /** Defaults to 10. */
  intervalSeconds?: number;
}

/** Sends all metrics to an OpenTelemetry collector at an interval; a collector that is away holds nothing up. */
export class OtlpExport {
  private readonly exporter: OTLPMetricExporter;
  private readonly startedAt = Date.now();
  private timer?: NodeJS.Timeout;
  private sending: Promise<void> = Promise.resolve();
  private failing = false;

  constructor(private readonly options: OtlpOptions) {
    this.exporter = new OTLPMetricExporter({ url: metricsUrl(options.url), timeoutMillis: 5000 });
  }

  start(): void {
    const milliseconds = (this.options.intervalSeconds ?? 10) * 1000;
    this.timer = setInterval(() => {
      this.sending = this.sending.then(() => this.send());
    }, milliseconds);
  }

  /** Sends once more and ends. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.sending;
    await this.send();
    await this.exporter.shutdown();
  }

  /** Sends what is measured now; a failure is told once until it works again. */
  private async send(): Promise<void> {
    try {
      const metrics = resourceMetrics(await this.options.read(), this.options.version, this.startedAt, Date.now());
      await new Promise<void>((resolve, reject) => {
        // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the same enums by another path
        this.exporter.export(metrics, ({ error }) => (error === undefined ? resolve() : reject(error)));
      });
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.options.onProblem(`metrics cannot be sent by OTLP: ${(error as Error).message}`);
      this.failing = true;
    }
  }
}

function metricsUrl(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new ShadownetError(
      "bad-otlp",
      `--otlp ${text} is not an address such as http://127.0.0.1:4318`,
      ExitCode.BadInput,
    );
  }
  const url = new URL(text);
  if (url.pathname === "/") url.pathname = "/v1/metrics";
  return url.href;
}

function resourceMetrics(metrics: Metric[], version: string, from: number, to: number): ResourceMetrics {
  const resource = resourceFromAttributes({ "service.name": "shadownet", "service.version": version });
  const families = metrics.filter(({ samples }) => samples.length > 0);
  const scope = { name: "shadownet", version };
  return { resource, scopeMetrics: [{ scope, metrics: families.map((metric) => metricData(metric, from, to)) }] };
}

/** OpenTelemetry's `ValueType.DOUBLE`. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- its name is in a package that is not ours
const floatingPoint = 1 as MetricData["descriptor"]["valueType"];

function metricData({ name, help, kind, samples }: Metric, from: number, to: number): MetricData {
  const [startTime, endTime] = [highResolution(from), highResolution(to)];
  const common = {
    descriptor: { name, description: help, unit: "", valueType: floatingPoint },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPoints: samples.map(({ labels, value }) => ({ startTime, endTime, attributes: labels, value })),
  };
  if (kind === "gauge") return { ...common, dataPointType: DataPointType.GAUGE };
  return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true };
}

/** Seconds and nanoseconds since 1970. */
function highResolution(milliseconds: number): [number, number] {
  return [Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1e6];
}
