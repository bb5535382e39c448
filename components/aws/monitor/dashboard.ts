import { Signal } from "../../monitor";
import type { Topology } from "../../topology";
import { gatewayMetricOf, metricNamespace, shadowDimension } from "../metrics";
import { machineReadingOf, machineStepSeconds } from "./machineMetrics";
import { liveId } from "./queries";

/** What CloudWatch takes in one dashboard and one widget. */
export const dashboardLimits = { widgets: 500, metrics: 500 } as const;

/** A time in which an experiment ran, drawn as a band. */
export interface AwsFaultBand {
  /** What ran. */
  label: string;
  /** ISO 8601. */
  start: string;
  /** ISO 8601. */
  end: string;
}

/** A metric that is 1 while an experiment runs. */
export interface RunningMetric {
  namespace: string;
  metricName: string;
}

/** What a dashboard is made of; every id is known. */
export interface DashboardSettings {
  region: string;
  shadowName: string;
  /** Ids of the clones by the machines' names. */
  machineIds: Record<string, string>;
  topology: Topology;
  /** Signals that are drawn. */
  signals: string[];
  productionAccountId?: string;
  running?: RunningMetric;
  bands: AwsFaultBand[];
}

/** A widget of a dashboard. */
export interface Widget {
  type: "metric" | "text";
  x: number;
  y: number;
  width: number;
  height: number;
  properties: Record<string, unknown>;
}

type MetricLine = (string | Record<string, unknown>)[];

const columns = 24;
const graph = { width: 12, height: 6 };
const titleHeight = 1;
/** Widgets that are left for titles. */
const spare = 10;

/** The body of a dashboard: the service first, then each signal of the machines, live and shadow side by side. */
export function dashboardBody(settings: DashboardSettings): { widgets: Widget[] } {
  const ofService = settings.signals.filter((signal) => machineReadingOf(signal) === undefined);
  const ofMachines = settings.signals.filter((signal) => machineReadingOf(signal) !== undefined);
  const graphs = ofService.map((signal) => serviceGraph(settings, signal));
  const room = dashboardLimits.widgets - spare - graphs.length;
  const machineGraphs = ofMachines.flatMap((signal) => machineGraphsOf(settings, signal, room, ofMachines.length));
  const first = titled(`# ${settings.shadowName}\nlive and shadow, the service as a whole`, graphs, 0);
  const second = titled("## Machines", machineGraphs, first.next);
  return { widgets: [...first.widgets, ...(machineGraphs.length === 0 ? [] : second.widgets)] };
}

function titled(markdown: string, graphs: Record<string, unknown>[], y: number): { widgets: Widget[]; next: number } {
  const height = titleHeight * (markdown.includes("\n") ? 2 : 1);
  const title: Widget = { type: "text", x: 0, y, width: columns, height, properties: { markdown } };
  const perRow = columns / graph.width;
  const widgets = graphs.map((properties, index): Widget => ({
    type: "metric",
    x: (index % perRow) * graph.width,
    y: y + height + Math.floor(index / perRow) * graph.height,
    ...graph,
    properties,
  }));
  return { widgets: [title, ...widgets], next: y + height + Math.ceil(graphs.length / perRow) * graph.height };
}

function serviceGraph(settings: DashboardSettings, signal: string): Record<string, unknown> {
  const sides = (["live", "shadow"] as const).flatMap((side): MetricLine[] => {
    const reading = gatewayMetricOf(signal, side);
    if (reading === undefined) return [];
    const options = { label: side, stat: reading.statistic, color: side === "live" ? liveColour : shadowColour };
    return [[metricNamespace, reading.metricName, shadowDimension, settings.shadowName, options]];
  });
  return properties(settings, signal, sides, signal.startsWith("app.latency") ? 10 : 60);
}

const liveColour = "#1f77b4";
const shadowColour = "#d62728";

/** Machines are spread over graphs of ten, or of more where the graphs would not fit into one dashboard. */
function machineGraphsOf(
  settings: DashboardSettings,
  signal: string,
  room: number,
  signals: number,
): Record<string, unknown>[] {
  const names = settings.topology.machines.map(({ name }) => name);
  const reading = machineReadingOf(signal)!;
  const linesPerMachine = 2 * reading.metricNames.length;
  const graphsPerSignal = Math.max(1, Math.floor(room / signals));
  const size = Math.min(
    Math.floor((dashboardLimits.metrics - spare) / linesPerMachine),
    Math.max(10, Math.ceil(names.length / graphsPerSignal)),
  );
  const groups = Array.from({ length: Math.ceil(names.length / size) }, (_, index) =>
    names.slice(index * size, (index + 1) * size),
  ).slice(0, graphsPerSignal);
  return groups.map((group) => {
    const lines = group.flatMap((machine) => machineLines(settings, signal, machine));
    const title = groups.length === 1 ? signal : `${signal} ${group[0]!} … ${group.at(-1)!}`;
    return properties(settings, title, lines, machineStepSeconds);
  });
}

function machineLines(settings: DashboardSettings, signal: string, machine: string): MetricLine[] {
  const { namespace, metricNames, statistic } = machineReadingOf(signal)!;
  const live = liveId(settings.topology, machine);
  const line = (metricName: string, id: string, side: string, more: Record<string, unknown> = {}): MetricLine => [
    namespace,
    metricName,
    "InstanceId",
    id,
    { label: `${machine} ${side}`, stat: statistic, ...more },
  ];
  return metricNames.flatMap((metricName) => [
    ...(live === undefined ? [] : [line(metricName, live, "live", accountOf(settings))]),
    ...(settings.machineIds[machine] === undefined ? [] : [line(metricName, settings.machineIds[machine], "shadow")]),
  ]);
}

function accountOf({ productionAccountId }: DashboardSettings): Record<string, unknown> {
  return productionAccountId === undefined ? {} : { accountId: productionAccountId };
}

/** A graph with the times of experiments behind its lines: known ones as bands, others by the metric of what runs now. */
function properties(
  { region, running, bands }: DashboardSettings,
  title: string,
  lines: MetricLine[],
  period: number,
): Record<string, unknown> {
  const band: MetricLine[] =
    running === undefined
      ? []
      : [
          [{ expression: "FILL(running, REPEAT)", label: "experiment", yAxis: "right", color: "#ffbb78" }],
          [running.namespace, running.metricName, { id: "running", visible: false, stat: "Maximum", yAxis: "right" }],
        ];
  const vertical = bands.map(({ label, start, end }) => [
    { label, value: start, color: "#ffbb78" },
    { label: "end", value: end },
  ]);
  return {
    title,
    region,
    view: "timeSeries",
    stacked: false,
    period,
    metrics: [...lines, ...band],
    ...(vertical.length === 0 ? {} : { annotations: { vertical } }),
    ...(running === undefined ? {} : { yAxis: { right: { min: 0, max: 1, showUnits: false } } }),
  };
}

/** Every signal that can be drawn. */
export const allSignals: string[] = Object.values(Signal);
