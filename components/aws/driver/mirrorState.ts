import type { MirrorState } from "../../runtime/runner/driver";
import { GatewayMetric, metricNamespace, metricStepSeconds, shadowDimension } from "../metrics";
import type { SeriesQuery } from "../monitor/queries";
import type { DataPoint, Question } from "./metrics";
import type { AwsShadowRecord } from "./recordFormat";

/** A gateway that has published nothing for so long is taken for dead. */
const silentMilliseconds = 3 * 60_000;

function question(metricName: GatewayMetric, statistic: string): Question {
  const metric = {
    namespace: metricNamespace,
    metricName,
    statistic,
    periodSeconds: metricStepSeconds,
    dimensions: [{ name: shadowDimension, ofShadow: true }],
  };
  const query: SeriesQuery = { id: "result", metric };
  return { queries: [query], ofProduction: false };
}

/** What is asked of CloudWatch for {@link mirrorStateFrom}, in its order. */
export const mirrorQuestions: readonly Question[] = [
  question(GatewayMetric.LiveRequests, "Sum"),
  question(GatewayMetric.ShadowRequests, "Sum"),
  question(GatewayMetric.ReplayCoverage, "Average"),
  question(GatewayMetric.IntakeOpen, "Maximum"),
  question(GatewayMetric.MirrorLoss, "Average"),
  question(GatewayMetric.PacketsUnseen, "Sum"),
];

/**
 * State of the mirror from what its gateways published since `from`. Requests are counted from then on: the gateways'
 * own counters are not summed up by anybody.
 */
export function mirrorStateFrom(
  { percent }: Pick<AwsShadowRecord, "percent">,
  answers: readonly DataPoint[][],
  intakeOpen: boolean,
  now: number,
): MirrorState {
  const [live = [], answered = [], coverage = [], intake = [], loss = [], unseen = []] = answers;
  const total = (points: readonly DataPoint[]): number => points.reduce((sum, { value }) => sum + value, 0);
  const at = (points: readonly DataPoint[], time: number): number =>
    points.find((point) => point.time === time)?.value ?? 0;
  const onWire = total(live);
  const weighted = coverage.reduce((sum, { time, value }) => sum + value * (at(live, time) + at(unseen, time)), 0);
  const replayed = Math.min(onWire, Math.round(weighted));
  const last = intake.at(-1)?.time;
  const problems: string[] = [];
  if (last === undefined || now - last > silentMilliseconds) {
    const cure = "look at the gateways' Auto Scaling groups and at their log in the Systems Manager";
    problems.push(`the gateways have published nothing for ${silentMilliseconds / 60_000} minutes; ${cure}`);
  }
  return {
    percent,
    intakeOpen,
    problems,
    onWire,
    replayed,
    answered: total(answered),
    coverage: onWire === 0 ? 0 : replayed / onWire,
    lostByMirror: Math.round(loss.reduce((sum, { time, value }) => sum + value * at(live, time), 0)),
    unseen: total(unseen),
  };
}
