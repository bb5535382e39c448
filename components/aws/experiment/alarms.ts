import type { Probe, StopCondition } from "../../experiment";
import type { Problem } from "../../internal/problems";
import type { Topology } from "../../topology";
import { haltMetric, metricNamespace, shadowDimension } from "../metrics";
import { periodFor, seriesProblems, seriesQueries } from "../monitor/queries";
import type { PlannedAlarm } from "./model";

/** Key of the alarm that every experiment stops by. */
export const haltKey = "halt";

/** Ends every run of the shadow while experiments are halted. */
export function haltAlarm(): PlannedAlarm {
  return {
    key: haltKey,
    description: "ends the experiments of this shadow while they are halted",
    queries: [
      {
        id: "result",
        label: "halted",
        metric: {
          namespace: metricNamespace,
          metricName: haltMetric,
          statistic: "Maximum",
          periodSeconds: 10,
          dimensions: [{ name: shadowDimension, ofShadow: true }],
        },
      },
    ],
    comparison: "GreaterThanThreshold",
    threshold: 0,
    evaluationPeriods: 1,
  };
}

/** What is wrong with a threshold as an alarm. */
export function conditionProblems(path: string, condition: StopCondition, topology: Topology): Problem[] {
  return seriesProblems(path, { ...condition, side: condition.side ?? "shadow" }, topology);
}

/** The alarm of a stop condition. */
export function stopAlarm(key: string, condition: StopCondition, topology: Topology): PlannedAlarm {
  const { signal, target, side = "shadow", above, below, forSeconds = 5 } = condition;
  const periodSeconds = periodFor(signal, forSeconds);
  return {
    key,
    description: `ends a run: ${signal} of ${target ?? "the service"} (${side}) ${above === undefined ? `below ${below ?? 0}` : `above ${above}`} for ${forSeconds} s`,
    queries: seriesQueries(topology, {
      signal,
      target,
      side,
      pick: above === undefined ? "MIN" : "MAX",
      periodSeconds,
    }),
    comparison: above === undefined ? "LessThanThreshold" : "GreaterThanThreshold",
    threshold: above ?? below ?? 0,
    evaluationPeriods: Math.max(1, Math.ceil(forSeconds / periodSeconds)),
  };
}

/** What is wrong with a probe as an alarm. */
export function probeAlarmProblems(path: string, probe: Probe, topology: Topology): Problem[] {
  return seriesProblems(path, { ...probe, side: "shadow" }, topology);
}

/** The alarm of a probe: it fires outside the accepted range. */
export function probeAlarm(key: string, { name, signal, target, tolerance }: Probe, topology: Topology): PlannedAlarm {
  const { minimum, maximum } = tolerance;
  const common = { signal, target, side: "shadow" as const, periodSeconds: periodFor(signal, 60) };
  const description = `${name}: ${signal} of ${target ?? "the service"} outside ${minimum ?? "-∞"} to ${maximum ?? "∞"}`;
  const base = { key, description: description.replaceAll("∞", "any"), evaluationPeriods: 1 };
  if (minimum === undefined || maximum === undefined) {
    return {
      ...base,
      queries: seriesQueries(topology, { ...common, pick: minimum === undefined ? "MAX" : "MIN" }),
      comparison: minimum === undefined ? "GreaterThanThreshold" : "LessThanThreshold",
      threshold: maximum ?? minimum ?? 0,
    };
  }
  // Of several machines the one that is farthest from the middle counts, so that one alarm serves both ends.
  const queries = rangeQueries(seriesQueries(topology, { ...common, pick: "MAX" }), { minimum, maximum });
  return { ...base, queries, comparison: "GreaterThanThreshold", threshold: (maximum - minimum) / 2 };
}

function rangeQueries(
  queries: PlannedAlarm["queries"],
  { minimum, maximum }: { minimum: number; maximum: number },
): PlannedAlarm["queries"] {
  const middle = (minimum + maximum) / 2;
  const result = queries.at(-1)!;
  const members = /^MAX\(\[(.*)\]\)$/.exec(result.expression ?? "")?.[1]?.split(", ");
  if (members !== undefined) {
    const distances = members.map((id): PlannedAlarm["queries"][number] => ({
      id: `d${id.slice(1)}`,
      expression: `ABS(${id}-${middle})`,
    }));
    const expression = `MAX([${distances.map(({ id }) => id).join(", ")}])`;
    return [...queries.slice(0, -1), ...distances, { ...result, expression }];
  }
  if (result.expression !== undefined) {
    return [...queries.slice(0, -1), { ...result, expression: `ABS(${result.expression}-${middle})` }];
  }
  return [
    { ...result, id: "value" },
    { id: "result", expression: `ABS(value-${middle})`, label: result.label },
  ];
}
