import { type CloudWatchClient, type MetricDataQuery, paginateGetMetricData } from "@aws-sdk/client-cloudwatch";

import type { SeriesQuery } from "../monitor/queries";
import type { AwsShadowRecord } from "./recordFormat";

/** One value of a series. */
export interface DataPoint {
  /** Start of the period, milliseconds since 1970. */
  time: number;
  value: number;
}

/** Most queries in one call. */
const mostQueries = 500;

/** A question: the series that its `result` query gives. */
export interface Question {
  queries: SeriesQuery[];
  /** True when every metric is production's, so that production's client is asked. */
  ofProduction: boolean;
}

/** Reads several series at once; the answers stand in the order of the questions. */
export async function readSeries(
  clients: { shadow: CloudWatchClient; production: CloudWatchClient },
  record: AwsShadowRecord,
  questions: readonly Question[],
  from: number,
  to: number,
): Promise<DataPoint[][]> {
  const answers = questions.map((): DataPoint[] => []);
  for (const side of ["shadow", "production"] as const) {
    const own = [...questions.entries()].filter(([, { ofProduction }]) => ofProduction === (side === "production"));
    for (const batch of batches(own)) {
      const queries = batch.flatMap(([index, { queries: list }]) =>
        list.map((query) => asQuery(query, `q${index}`, record)),
      );
      const input = { StartTime: new Date(from), EndTime: new Date(to), MetricDataQueries: queries };
      for await (const page of paginateGetMetricData({ client: clients[side] }, input)) {
        for (const { Id: id = "", Timestamps: times = [], Values: values = [] } of page.MetricDataResults ?? []) {
          const index = Number(/^q(\d+)_result$/.exec(id)?.[1] ?? "-1");
          answers[index]?.push(...times.map((time, t) => ({ time: time.getTime(), value: values[t]! })));
        }
      }
    }
  }
  return answers.map((points) => points.sort((a, b) => a.time - b.time));
}

function batches(questions: readonly [number, Question][]): [number, Question][][] {
  const result: [number, Question][][] = [[]];
  let size = 0;
  for (const entry of questions) {
    const count = entry[1].queries.length;
    if (size + count > mostQueries) {
      result.push([]);
      size = 0;
    }
    result.at(-1)!.push(entry);
    size += count;
  }
  return result.filter((batch) => batch.length > 0);
}

/** A query as the API takes it; ids are made unique over all questions. */
function asQuery(query: SeriesQuery, prefix: string, record: AwsShadowRecord): MetricDataQuery {
  const { id, metric, expression, ofProduction } = query;
  const common = { Id: `${prefix}_${id}`, ReturnData: id === "result" };
  if (metric === undefined) {
    return { ...common, Expression: expression!.replaceAll(/\b([me]\d+)\b/g, (word) => `${prefix}_${word}`) };
  }
  const { namespace, metricName, statistic, periodSeconds, dimensions } = metric;
  const foreign = ofProduction === true && record.production.accountId !== record.shadow.accountId;
  return {
    ...common,
    ...(foreign ? { AccountId: record.production.accountId } : {}),
    MetricStat: {
      Metric: {
        Namespace: namespace,
        MetricName: metricName,
        Dimensions: dimensions.map(({ name, value, ofShadow, machine }) => ({
          Name: name,
          Value: ofShadow === true ? record.shadow.shadowName : (value ?? record.shadow.machineIds[machine!] ?? "none"),
        })),
      },
      Period: periodSeconds,
      Stat: statistic,
    },
  };
}
