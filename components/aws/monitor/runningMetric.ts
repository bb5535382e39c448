import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as pulumi from "@pulumi/pulumi";

import { iamDocument } from "../iam/document";
import type { ShadowParts } from "../shadowParts";
import type { RunningMetric } from "./dashboard";

/** What the metric of running experiments is made of. */
export interface RunningMetricSettings {
  name: string;
  shadow: ShadowParts;
  tags: pulumi.Output<Record<string, string>>;
  parent: pulumi.Resource;
  templateIds: pulumi.Input<pulumi.Input<string>[]>;
}

/** States of an experiment and what the metric says from then on. */
const values: Record<string, { statuses: string[]; value: string }> = {
  begun: { statuses: ["initiating", "running"], value: "1" },
  ended: { statuses: ["completed", "stopped", "failed"], value: "0" },
};

/**
 * A metric that becomes 1 when an experiment begins and 0 when it ends, from the events of FIS by way of a log: FIS has
 * no metric of its own, and a function that draws bands would be one more thing to keep.
 */
export function makeRunningMetric(settings: RunningMetricSettings): pulumi.Output<RunningMetric> {
  const { name, shadow, tags, parent, templateIds } = settings;
  const log = new cloudwatch.LogGroup(
    `${name}-events`,
    { name: pulumi.interpolate`/aws/events/shadownet/${shadow.shadowName}/${name}`, retentionInDays: 30, tags },
    { parent },
  );
  new cloudwatch.LogResourcePolicy(
    `${name}-events-policy`,
    {
      policyName: pulumi.interpolate`shadownet-${shadow.shadowName}-${name}-events`,
      policyDocument: log.arn.apply((arn) =>
        JSON.stringify(
          iamDocument([
            {
              Sid: "EventsOfExperiments",
              Effect: "Allow",
              Principal: { Service: ["events.amazonaws.com", "delivery.logs.amazonaws.com"] },
              Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
              Resource: [`${arn}:*`],
            },
          ]),
        ),
      ),
    },
    { parent },
  );
  const rule = new cloudwatch.EventRule(
    `${name}-events-rule`,
    {
      description: "Experiments on the shadow that begin and end",
      eventPattern: pulumi.output(templateIds).apply((ids) => JSON.stringify(eventPattern(ids))),
      tags,
    },
    { parent },
  );
  new cloudwatch.EventTarget(`${name}-events-target`, { rule: rule.name, arn: log.arn }, { parent });
  const namespace = pulumi.interpolate`Shadownet/${shadow.shadowName}`;
  for (const [key, { statuses, value }] of Object.entries(values)) {
    new cloudwatch.LogMetricFilter(
      `${name}-events-${key}`,
      {
        logGroupName: log.name,
        pattern: `{ ${statuses.map((status) => `($.detail.new-state.status = "${status}")`).join(" || ")} }`,
        metricTransformation: { namespace, name: "ExperimentRunning", value },
      },
      { parent },
    );
  }
  return namespace.apply((text) => ({ namespace: text, metricName: "ExperimentRunning" }));
}

/** Which events are meant: changes of state of experiments of these templates. */
export function eventPattern(templateIds: readonly string[]): Record<string, unknown> {
  return {
    source: ["aws.fis"],
    "detail-type": ["FIS Experiment State Change"],
    detail: { "experiment-template-id": [...templateIds] },
  };
}
