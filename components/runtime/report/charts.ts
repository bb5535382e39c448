import { type SeriesOption, init } from "echarts";

import { formatOffset } from "./format";
import { axisFormatter, formatValue } from "../words";
import { type Sample, type Span, thinned, usualStep } from "./series";

/** What one chart shows: live and shadow above, their gap below, on one clock. */
export interface ChartSpec {
  /** Makes the ids inside the drawing unique on the page; letters and digits. */
  id: string;
  signal: string;
  /** What the chart says in words, for people who do not see it. */
  description: string;
  live: Sample[];
  shadow: Sample[];
  gap: Sample[];
  span: Span;
  /** Start of the run: the axis counts from here. */
  startedAt: number;
  /** When faults were active: the letter that names each, and what is written above the shade. */
  windows: (Span & { letter: string; label: string })[];
  /** Half the width of the band in which a gap does not matter, in the signal's unit. */
  margin?: number;
  /** Bounds that the hypothesis sets on the shadow. */
  bounds: number[];
  /** Width and height in units of the drawing. Defaults to 480 × 300. */
  size?: { width: number; height: number };
  /** Most samples per line. Defaults to 240. */
  samples?: number;
}

/** Colours as placeholders: after drawing each becomes a variable of the page, so that light and dark are one drawing. */
const colours = {
  live: "#0000a1",
  shadow: "#0000a2",
  gap: "#0000a3",
  fault: "#0000a4",
  band: "#0000a5",
  bound: "#0000a6",
  text: "#0000a7",
  rule: "#0000a8",
} as const;

const fontFamily = "system-ui, sans-serif";

/** Draws a chart as SVG text. The same input gives the same text. */
export function renderChart(spec: ChartSpec): string {
  const { width, height } = spec.size ?? { width: 480, height: 300 };
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption(chartOption(spec, width, height));
    return finish(chart.renderToSVGString(), spec);
  } finally {
    chart.dispose();
  }
}

function chartOption(
  spec: ChartSpec,
  width: number,
  height: number,
): Parameters<ReturnType<typeof init>["setOption"]>[0] {
  const [left, right] = [76, 10];
  const upper = Math.round((height - 76) * 0.62);
  const lower = height - 76 - upper;
  return {
    animation: false,
    backgroundColor: "transparent",
    textStyle: { fontFamily, fontSize: 12, color: colours.text },
    grid: [
      { left, right, top: 20, height: upper },
      { left, right, top: 20 + upper + 28, height: lower },
    ],
    xAxis: [timeAxis(spec, 0, width), timeAxis(spec, 1, width)],
    yAxis: [
      valueAxis(spec.signal, 0, largestOf([...spec.live, ...spec.shadow])),
      valueAxis(spec.signal, 1, largestOf(spec.gap)),
    ],
    series: [...upperSeries(spec), ...lowerSeries(spec)],
  };
}

function timeAxis({ span, startedAt }: ChartSpec, grid: number, width: number): object {
  const [min, max] = [span.start - startedAt, span.end - startedAt];
  const wanted = (max - min) / 1000 / Math.max(3, Math.floor(width / 90));
  const interval = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].find((step) => step >= wanted) ?? 7200;
  const first = Math.ceil(min / 1000 / interval) * interval * 1000;
  const ticks: number[] = [];
  for (let tick = first; tick <= max; tick += interval * 1000) ticks.push(tick);
  return {
    type: "value",
    gridIndex: grid,
    min,
    max,
    axisLine: { show: true, onZero: false, lineStyle: { color: colours.rule } },
    axisTick: { show: true, customValues: ticks, lineStyle: { color: colours.rule } },
    axisLabel: { show: grid === 1, customValues: ticks, formatter: formatOffset, color: colours.text, fontSize: 12 },
    splitLine: { show: false },
  };
}

function largestOf(samples: Sample[]): number {
  return samples.reduce((largest, [, value]) => Math.max(largest, Math.abs(value)), 0);
}

function valueAxis(signal: string, grid: number, largest: number): object {
  return {
    type: "value",
    gridIndex: grid,
    name: grid === 0 ? "" : "gap",
    nameGap: 7,
    nameTextStyle: { color: colours.text, fontSize: 12, fontWeight: "bold", align: "right", padding: [0, 8, 0, 0] },
    splitNumber: grid === 0 ? 4 : 2,
    scale: grid === 1 || signal === "machine.memory" || signal === "replay.coverage",
    axisLabel: { formatter: axisFormatter(signal, largest), color: colours.text, fontSize: 12 },
    splitLine: { lineStyle: { color: colours.rule, opacity: 0.5 } },
  };
}

function upperSeries(spec: ChartSpec): SeriesOption[] {
  const shades = spec.windows.map(({ start, end, label }) => shade(spec, start, end, label));
  const bounds = spec.bounds.map((bound) => ({
    yAxis: bound,
    label: {
      formatter: `allowed ${formatValue(spec.signal, bound)}`,
      position: "insideStartTop",
      color: colours.bound,
      fontSize: 11,
    },
  }));
  return [
    { ...line(spec, spec.live, colours.live, 0), lineStyle: { color: colours.live, width: 1.6, type: [5, 3] }, z: 4 },
    {
      ...line(spec, spec.shadow, colours.shadow, 0),
      z: 3,
      markArea: { silent: true, itemStyle: { color: colours.fault, opacity: 0.16 }, data: shades },
      markLine: {
        silent: true,
        symbol: "none",
        lineStyle: { color: colours.bound, type: "dotted", width: 1.5 },
        data: bounds,
      },
    },
  ] as SeriesOption[];
}

function lowerSeries(spec: ChartSpec): SeriesOption[] {
  const { margin } = spec;
  const shades = spec.windows.map(({ start, end }) => shade(spec, start, end, ""));
  const areas: object[][] = shades.map(([from, to]) => [
    { ...from, itemStyle: { color: colours.fault, opacity: 0.16 } },
    to!,
  ]);
  if (margin !== undefined) {
    areas.push([{ yAxis: -margin, itemStyle: { color: colours.band, opacity: 0.22 } }, { yAxis: margin }]);
  }
  const edges = margin === undefined ? [] : [{ yAxis: -margin }, { yAxis: margin }];
  return [
    {
      ...line(spec, spec.gap, colours.gap, 1),
      markArea: { silent: true, data: areas },
      markLine: {
        silent: true,
        symbol: "none",
        label: { show: false },
        lineStyle: { color: colours.band, type: "dashed", width: 1 },
        data: edges,
      },
    },
  ] as SeriesOption[];
}

function line(spec: ChartSpec, samples: Sample[], colour: string, grid: number): object {
  const inSpan = samples.filter(([time]) => time >= spec.span.start && time <= spec.span.end);
  // A sample stands for the step that begins at its time: it is drawn in the middle of it.
  const half = usualStep(samples) / 2;
  return {
    type: "line",
    xAxisIndex: grid,
    yAxisIndex: grid,
    silent: true,
    // A lone sample between two holes is a dot, otherwise it could not be seen.
    showSymbol: inSpan.length === 1,
    symbolSize: 3,
    connectNulls: false,
    lineStyle: { color: colour, width: 1.6 },
    itemStyle: { color: colour },
    data: thinned(inSpan, spec.samples ?? 240).map(([time, value]) => [time + half - spec.startedAt, value]),
  };
}

function shade({ startedAt }: ChartSpec, start: number, end: number, label: string): object[] {
  return [
    {
      xAxis: start - startedAt,
      name: label,
      label: { position: "top", distance: 3, color: colours.text, fontSize: 12, fontWeight: "bold" },
    },
    { xAxis: end - startedAt },
  ];
}

/** Makes the drawing part of the page: variables for colours, own ids, a description, short numbers, its own width. */
function finish(svg: string, { id, description }: ChartSpec): string {
  let text = svg.replace(/zr\d+-/g, `${id}-`);
  for (const [name, placeholder] of Object.entries(colours)) {
    text = text.replaceAll(placeholder, `var(--chart-${name})`);
  }
  text = text
    .replace(/<style[\s\S]*?<\/style>/g, "")
    .replace(/ (?:pointer-events|class|ecmeta_\w+|xml:space)="[^"]*"/g, "");
  text = text.replace(/\d+\.\d{2,}/g, (number) => String(Math.round(Number(number) * 10) / 10));
  const label = description.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
  return text.replace(/^<svg width="(\d+)" height="(\d+)"/, `<svg role="img" aria-label="${label}"`);
}
