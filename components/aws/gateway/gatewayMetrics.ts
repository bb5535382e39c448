import type { MetricDatum } from "@aws-sdk/client-cloudwatch";

import type { ExchangeSample, ExchangeSide } from "../../runtime/gateway/exchange";
import type { GatewayStats } from "../../runtime/gateway/stats";
import { GatewayMetric, machineDimension, metricStepSeconds, shadowDimension } from "../metrics";

const stepMilliseconds = metricStepSeconds * 1000;

/** Different values in one datum. */
const mostValues = 150;

/**
 * The data points of exchanges. Each belongs to the step in which live got its request, on both sides; CloudWatch adds
 * what comes later to what it has of that step. Machines are told apart by the server's address.
 */
export function exchangeData(
  samples: readonly ExchangeSample[],
  shadowName: string,
  machines: Readonly<Record<string, string>>,
): MetricDatum[] {
  const groups = new Map<string, { time: number; machine: string | undefined; samples: ExchangeSample[] }>();
  for (const sample of samples) {
    const time = Math.floor(sample.live.start / stepMilliseconds) * stepMilliseconds;
    for (const machine of new Set([undefined, machines[serverOf(sample.flow)]])) {
      const key = `${time} ${machine ?? ""}`;
      const group = groups.get(key) ?? { time, machine, samples: [] };
      group.samples.push(sample);
      groups.set(key, group);
    }
  }
  return [...groups.values()].flatMap(({ time, machine, samples: own }) => {
    const point = pointOf(shadowName, time, machine);
    const { Differences, LiveErrors, LiveLatency, LiveRequests, ReplayLag } = GatewayMetric;
    const { ShadowErrors, ShadowLatency, ShadowRequests } = GatewayMetric;
    const live = own.map((sample) => sample.live);
    const shadow = own.map((sample) => sample.shadow);
    const compared = own.filter(({ equal }) => equal !== undefined);
    const different = compared.filter(({ equal }) => equal === false).length;
    return [
      ...sideData(point, live, { requests: LiveRequests, errors: LiveErrors, latency: LiveLatency }),
      ...sideData(point, shadow, { requests: ShadowRequests, errors: ShadowErrors, latency: ShadowLatency }),
      ...share(point, Differences, different, compared.length),
      ...(machine === undefined
        ? distribution(
            point,
            ReplayLag,
            own.map(({ lagMilliseconds }) => lagMilliseconds),
          )
        : []),
    ];
  });
}

/** The data points of what a gateway counted between two readings; none for shares of nothing. */
export function counterData(before: GatewayStats, after: GatewayStats, shadowName: string): MetricDatum[] {
  const point = pointOf(shadowName, Math.floor(after.time / stepMilliseconds) * stepMilliseconds, undefined);
  const open: MetricDatum = { ...point, MetricName: GatewayMetric.IntakeOpen, Value: after.intake.open ? 1 : 0 };
  if (after.startedAt !== before.startedAt) return [open];
  const grown = (read: (stats: GatewayStats) => number): number => read(after) - read(before);
  const onWire = grown(({ requests }) => requests.onWire);
  const unseen = grown(({ intake }) => intake.kernelDrops ?? 0);
  const seen = grown(({ selection }) => selection.flowsSeen);
  const selected = grown(({ selection }) => selection.flowsSelected);
  const shed = grown(({ flows }) => Object.values(flows.shed).reduce((sum, count) => sum + count, 0));
  return [
    open,
    { ...point, MetricName: GatewayMetric.FlowsShed, Value: shed, Unit: "Count" },
    ...share(
      point,
      GatewayMetric.ReplayCoverage,
      grown(({ requests }) => requests.replayed),
      onWire + unseen,
    ),
    { ...point, MetricName: GatewayMetric.PacketsUnseen, Value: unseen, Unit: "Count" },
    ...share(
      point,
      GatewayMetric.MirrorLoss,
      grown(({ requests }) => requests.lostByMirror),
      onWire,
    ),
    ...share(point, GatewayMetric.MirrorShare, selected, seen, 100),
  ];
}

type Point = Pick<MetricDatum, "Dimensions" | "Timestamp" | "StorageResolution"> & { MetricName?: string };

function pointOf(shadowName: string, time: number, machine: string | undefined): Point {
  return {
    Dimensions: [
      { Name: shadowDimension, Value: shadowName },
      ...(machine === undefined ? [] : [{ Name: machineDimension, Value: machine }]),
    ],
    Timestamp: new Date(time),
    StorageResolution: 1,
  };
}

function sideData(
  point: Point,
  sides: readonly ExchangeSide[],
  names: Record<"requests" | "errors" | "latency", GatewayMetric>,
): MetricDatum[] {
  const known = sides.filter(({ error, end }) => error !== undefined || end !== undefined);
  const failed = known.filter(({ error, status }) => error !== undefined || (status ?? 0) >= 500);
  const latencies = known.filter((side) => !failed.includes(side)).map(({ start, end }) => end! - start);
  if (known.length === 0) return [];
  return [
    { ...point, MetricName: names.requests, Value: known.length, Unit: "Count" },
    ...share(point, names.errors, failed.length, known.length),
    ...distribution(point, names.latency, latencies),
  ];
}

/** A part of a whole, so that `Average` is the share over several gateways and periods too. */
function share(point: Point, name: GatewayMetric, part: number, whole: number, scale = 1): MetricDatum[] {
  if (whole <= 0) return [];
  const StatisticValues = {
    SampleCount: whole,
    Sum: part * scale,
    Minimum: part >= whole ? scale : 0,
    Maximum: part > 0 ? scale : 0,
  };
  return [{ ...point, MetricName: name, StatisticValues }];
}

/** Milliseconds to three digits, each with how often it came. */
function distribution(point: Point, name: GatewayMetric, values: readonly number[]): MetricDatum[] {
  const counts = new Map<number, number>();
  for (const value of values) {
    const rounded = Number(value.toPrecision(3));
    counts.set(rounded, (counts.get(rounded) ?? 0) + 1);
  }
  const pairs = [...counts].sort(([a], [b]) => a - b);
  return Array.from({ length: Math.ceil(pairs.length / mostValues) }, (_, part) => {
    const own = pairs.slice(part * mostValues, (part + 1) * mostValues);
    const Values = own.map(([value]) => value);
    return { ...point, MetricName: name, Unit: "Milliseconds" as const, Values, Counts: own.map(([, count]) => count) };
  });
}

/** The server's address in `tcp 203.0.113.7:40123>10.80.1.11:80`. */
function serverOf(flow: string): string {
  const server = flow.slice(flow.lastIndexOf(">") + 1);
  return server.slice(0, server.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}
