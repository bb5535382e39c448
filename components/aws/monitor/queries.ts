import type { SignalSide } from "../../experiment";
import type { Problem } from "../../internal/problems";
import { matchesPattern } from "../../internal/patterns";
import type { Topology } from "../../topology";
import {
  GatewayMetric,
  gatewayMetricOf,
  machineDimension,
  metricNamespace,
  metricStepSeconds,
  shadowDimension,
} from "../metrics";
import { machineReadingOf, machineStepSeconds } from "./machineMetrics";

/** Most metrics that CloudWatch takes in one alarm. */
export const mostMetricsPerAlarm = 10;

/** One dimension of a metric; ids that only AWS knows are put in later. */
export interface SeriesDimension {
  name: string;
  /** The value itself. */
  value?: string;
  /** True when the value is the shadow's name. */
  ofShadow?: boolean;
  /** The value is the id of the clone of this machine. */
  machine?: string;
}

/** A metric of CloudWatch. */
export interface SeriesMetric {
  namespace: string;
  metricName: string;
  statistic: string;
  periodSeconds: number;
  dimensions: SeriesDimension[];
}

/** A metric, or an expression over the others; the one called `result` is what is looked at. */
export interface SeriesQuery {
  id: string;
  metric?: SeriesMetric;
  expression?: string;
  label?: string;
  /** True for metrics of production, which may lie in another account. */
  ofProduction?: boolean;
}

/** A signal of one side, over one machine, several or the service as a whole. */
export interface SeriesSettings {
  signal: string;
  side: SignalSide;
  /** Machine or pattern. Defaults to the service as a whole. */
  target?: string;
  /** Of several machines the highest or the lowest value counts. */
  pick: "MAX" | "MIN";
  periodSeconds: number;
  /** Share of live traffic in the shadow, 0–1. Defaults to what the gateways measure. */
  share?: number;
}

/** Seconds of one data point: fine enough for how long a threshold is to hold, as fine as the metric is. */
export function periodFor(signal: string, forSeconds: number): number {
  if (machineReadingOf(signal) !== undefined) return machineStepSeconds;
  return forSeconds < 60 ? metricStepSeconds : 60;
}

/** Names of the machines that a target stands for; undefined for the service as a whole. */
export function machinesOf(topology: Topology, target: string | undefined): string[] | undefined {
  if (target === undefined || target === "service") return undefined;
  return topology.machines.map(({ name }) => name).filter((name) => matchesPattern(name, target));
}

/** What is wrong with reading a signal on AWS; form and names have been checked. */
export function seriesProblems(
  path: string,
  { signal, side, target }: Pick<SeriesSettings, "signal" | "side" | "target">,
  topology: Topology,
): Problem[] {
  const machines = machinesOf(topology, target);
  if (machineReadingOf(signal) === undefined) return gatewayProblems(path, signal, side, machines);
  if (machines === undefined) {
    return [{ path: `${path}.target`, reason: `${signal} is read of machines; name one, or a pattern such as app-*` }];
  }
  const problems: Problem[] = [];
  const lost = side === "shadow" ? [] : machines.filter((name) => liveId(topology, name) === undefined);
  if (lost.length > 0) {
    const reason = `the topology has no instance id of ${lost.join(", ")}, so live cannot be read; capture it again`;
    problems.push({ path: `${path}.side`, reason });
  }
  const count = machines.length * metricsPerMachine(signal, side) + (needsShare(signal, side) ? 1 : 0);
  if (count > mostMetricsPerAlarm) {
    const reason = `needs ${count} metrics of ${machines.length} machines, and an alarm takes ${mostMetricsPerAlarm}; name fewer machines`;
    problems.push({ path: `${path}.target`, reason });
  }
  return problems;
}

function gatewayProblems(path: string, signal: string, side: SignalSide, machines: string[] | undefined): Problem[] {
  const problems: Problem[] = [];
  if (side !== "shadow" && gatewayMetricOf(signal, "live") === undefined) {
    problems.push({ path: `${path}.side`, reason: `${signal} has no ${side} side; leave \`side\` out` });
  }
  if (machines === undefined) return problems;
  if (!signal.startsWith("app.")) {
    problems.push({ path: `${path}.target`, reason: `${signal} is of the shadow as a whole; leave \`target\` out` });
  } else if (machines.length * (side === "gap" ? 2 : 1) > mostMetricsPerAlarm) {
    const reason = `stands for ${machines.length} machines, and an alarm takes ${mostMetricsPerAlarm} metrics; name fewer`;
    problems.push({ path: `${path}.target`, reason });
  }
  return problems;
}

function metricsPerMachine(signal: string, side: SignalSide): number {
  return machineReadingOf(signal)!.metricNames.length * (side === "gap" ? 2 : 1);
}

function needsShare(signal: string, side: SignalSide): boolean {
  return side === "gap" && machineReadingOf(signal)?.growsWithTraffic === true;
}

/** Id of a machine in production. */
export function liveId(topology: Topology, name: string): string | undefined {
  const machine = topology.machines.find((candidate) => candidate.name === name);
  return machine?.aws?.id ?? machine?.sourceId;
}

/** The queries of a signal, the last of which is called `result`; its problems have been refused before. */
export function seriesQueries(topology: Topology, settings: SeriesSettings): SeriesQuery[] {
  const machines = machinesOf(topology, settings.target) ?? [undefined];
  const builder = new QueryBuilder(topology, settings);
  return builder.finish(machines.map((machine) => builder.value(machine)));
}

/** Gathers metrics under short ids and makes the expression over them. */
class QueryBuilder {
  private readonly queries: SeriesQuery[] = [];
  private share: string | undefined;

  constructor(
    private readonly topology: Topology,
    private readonly settings: SeriesSettings,
  ) {}

  /** The expression of one machine, or of the service. */
  value(machine: string | undefined): string {
    const { side, signal } = this.settings;
    if (side !== "gap") return this.oneSide(machine, side);
    const shadow = this.oneSide(machine, "shadow");
    const live = this.oneSide(machine, "live");
    const expected = needsShare(signal, side) ? `${this.shareTerm()}*${live}` : live;
    return `(${shadow}-${expected})/(${expected})`;
  }

  /** All queries; several values become one by the highest or the lowest. */
  finish(values: string[]): SeriesQuery[] {
    const label = this.label();
    const only = values.length === 1 ? values[0]! : undefined;
    const plain = this.queries.find(({ id }) => id === only);
    if (plain !== undefined) {
      Object.assign(plain, { id: "result", label });
      return this.queries;
    }
    if (only !== undefined) return [...this.queries, { id: "result", expression: only, label }];
    const parts = values.map((expression, index): SeriesQuery => ({ id: `e${index + 1}`, expression }));
    const expression = `${this.settings.pick}([${parts.map(({ id }) => id).join(", ")}])`;
    return [...this.queries, ...parts, { id: "result", expression, label }];
  }

  private label(): string {
    const { signal, side, target } = this.settings;
    return `${signal} ${target === undefined ? "" : `${target} `}${side}`;
  }

  private shareTerm(): string {
    if (this.settings.share !== undefined) return `${this.settings.share}`;
    this.share ??= this.add({
      namespace: metricNamespace,
      metricName: GatewayMetric.MirrorShare,
      statistic: "Average",
      periodSeconds: this.settings.periodSeconds,
      dimensions: [{ name: shadowDimension, ofShadow: true }],
    });
    return this.share;
  }

  private oneSide(machine: string | undefined, side: "live" | "shadow"): string {
    const { signal, periodSeconds } = this.settings;
    const reading = machineReadingOf(signal);
    if (reading === undefined) return this.ofGateway(machine, side);
    const dimension: SeriesDimension =
      side === "shadow"
        ? { name: "InstanceId", machine }
        : { name: "InstanceId", value: liveId(this.topology, machine!) };
    const ids = reading.metricNames.map((metricName) =>
      this.add(
        {
          namespace: reading.namespace,
          metricName,
          statistic: reading.statistic,
          periodSeconds,
          dimensions: [dimension],
        },
        side === "live",
      ),
    );
    const sum = ids.length === 1 ? ids[0]! : `(${ids.join("+")})`;
    return reading.perSecond ? `${sum}/PERIOD(${ids[0]!})` : sum;
  }

  private ofGateway(machine: string | undefined, side: "live" | "shadow"): string {
    const { signal, periodSeconds } = this.settings;
    const { metricName, statistic } = gatewayMetricOf(signal, side)!;
    const dimensions: SeriesDimension[] = [{ name: shadowDimension, ofShadow: true }];
    if (machine !== undefined) dimensions.push({ name: machineDimension, value: machine });
    const id = this.add({ namespace: metricNamespace, metricName, statistic, periodSeconds, dimensions });
    return statistic === "Sum" ? `${id}/PERIOD(${id})` : id;
  }

  private add(metric: SeriesMetric, ofProduction = false): string {
    const id = `m${this.queries.length + 1}`;
    this.queries.push({ id, metric, ...(ofProduction ? { ofProduction } : {}) });
    return id;
  }
}
