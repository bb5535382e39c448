import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as pulumi from "@pulumi/pulumi";

import { type MirrorSite, mirrorTags } from "./site";

/**
 * Makes an alarm for each machine whose copies are dropped: AWS drops copies before it drops production's own packets, so
 * that this is the last sign before the mirror would cost production something. It reads production's metrics; where
 * production is another account, CloudWatch's cross-account observability must be set up for that.
 */
export function makeGuards(site: MirrorSite, alarmActions: pulumi.Input<string>[]): void {
  const accountId = site.shadow.accountId.apply((own) =>
    own === site.productionAccount ? undefined : site.productionAccount,
  );
  // The metrics are the instance's, so that several interfaces of one are watched by one alarm.
  const instances = new Map(site.plan.sources.map(({ machine, instanceId }) => [machine, instanceId]));
  for (const [machine, instanceId] of instances) {
    if (instanceId === undefined) continue;
    const skipped = (id: string, metricName: string): object => ({
      id,
      accountId,
      returnData: false,
      metric: { namespace: "AWS/EC2", metricName, dimensions: { InstanceId: instanceId }, period: 300, stat: "Sum" },
    });
    new cloudwatch.MetricAlarm(
      `${site.name}-guard-${machine}`,
      {
        alarmDescription: `${machine} has more traffic than can be copied; lower the mirror before production feels it`,
        comparisonOperator: "GreaterThanThreshold",
        threshold: 0,
        evaluationPeriods: 1,
        treatMissingData: "notBreaching",
        metricQueries: [
          skipped("arriving", "NetworkPacketsSkipMirrorIn"),
          skipped("leaving", "NetworkPacketsSkipMirrorOut"),
          {
            id: "skipped",
            expression: "FILL(arriving, 0) + FILL(leaving, 0)",
            label: "copies skipped",
            returnData: true,
          },
        ] as { id: string }[],
        alarmActions,
        tags: mirrorTags(site, "monitor"),
      },
      { parent: site.parent },
    );
  }
}
