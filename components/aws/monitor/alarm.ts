import type * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as pulumi from "@pulumi/pulumi";

import type { ShadowParts } from "../shadowParts";
import type { SeriesDimension, SeriesQuery } from "./queries";

/** What only AWS knows, for the places of an alarm or a widget that need it. */
export interface SeriesBindings {
  shadowName: pulumi.Input<string>;
  /** Id of a machine's clone. */
  machineId: (machine: string) => pulumi.Input<string>;
  /** Account of production, where it is another one. */
  productionAccountId?: pulumi.Input<string>;
}

/** The places that a shadow's reference fills. */
export function bindingsOf(shadow: ShadowParts, productionAccountId?: pulumi.Input<string>): SeriesBindings {
  return {
    shadowName: shadow.shadowName,
    machineId: (machine) => shadow.machineIds.apply((machineIds) => machineIds[machine] ?? unknownMachine(machine)),
    ...(productionAccountId === undefined ? {} : { productionAccountId }),
  };
}

function unknownMachine(machine: string): never {
  throw new Error(`the shadow has no machine "${machine}"; give the topology that the shadow was made of`);
}

/** Value of a dimension. */
export function dimensionValue({ value, ofShadow, machine }: SeriesDimension, bindings: SeriesBindings) {
  if (ofShadow === true) return bindings.shadowName;
  return machine === undefined ? (value ?? "") : bindings.machineId(machine);
}

/** What an alarm is made of. */
export interface AlarmSettings {
  description: string;
  queries: SeriesQuery[];
  comparison: string;
  threshold: number;
  evaluationPeriods: number;
}

/** Arguments of a metric alarm, but for its name and tags. Where there is no data there is no OK. */
export function alarmArgs(
  { description, queries, comparison, threshold, evaluationPeriods }: AlarmSettings,
  bindings: SeriesBindings,
): Omit<cloudwatch.MetricAlarmArgs, "name" | "tags"> {
  return {
    alarmDescription: description,
    comparisonOperator: comparison,
    threshold,
    evaluationPeriods,
    datapointsToAlarm: evaluationPeriods,
    treatMissingData: "missing",
    metricQueries: queries.map(({ id, metric, expression, label, ofProduction }) => ({
      id,
      returnData: id === "result",
      ...(label === undefined ? {} : { label }),
      ...(expression === undefined ? {} : { expression }),
      ...(ofProduction === true && bindings.productionAccountId !== undefined
        ? { accountId: bindings.productionAccountId }
        : {}),
      ...(metric === undefined
        ? {}
        : {
            metric: {
              namespace: metric.namespace,
              metricName: metric.metricName,
              period: metric.periodSeconds,
              stat: metric.statistic,
              dimensions: Object.fromEntries(
                metric.dimensions.map((dimension) => [dimension.name, dimensionValue(dimension, bindings)]),
              ),
            },
          }),
    })),
  };
}
