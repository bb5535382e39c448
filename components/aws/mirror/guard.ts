import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as pulumi from "@pulumi/pulumi";

import type { MirrorPlan } from "./plan";
import { type MirrorSite, mirrorTags } from "./site";

/** Alarms in one rule: even with names of 255 letters they fit into the 10,240 characters that CloudWatch takes. */
const alarmsInARule = 35;

/** The alarms on skipped copies. */
export interface MirrorGuards {
  /** One a machine that is copied from. */
  alarms: cloudwatch.MetricAlarm[];
  /** One that fires when any of them does; none where there are no such machines. */
  whole?: cloudwatch.CompositeAlarm;
}

/** Machines that have an alarm: AWS counts skipped copies by instance, so that one is enough for several interfaces. */
export function guardedMachines({ sources }: MirrorPlan): { machine: string; instanceId: string }[] {
  const instances = new Map(sources.map(({ machine, instanceId }) => [machine, instanceId]));
  return [...instances].flatMap(([machine, instanceId]) => (instanceId === undefined ? [] : [{ machine, instanceId }]));
}

/**
 * Makes an alarm for each machine whose copies are dropped: AWS drops copies before it drops production's own packets, so
 * that this is the last sign before the mirror would cost production something. It reads production's metrics; where
 * production is another account, CloudWatch's cross-account observability must be set up for that.
 */
export function makeGuards(site: MirrorSite, alarmActions: pulumi.Input<string>[]): MirrorGuards {
  const alarms = makeAlarms(site, alarmActions);
  if (alarms.length === 0) return { alarms };
  return { alarms, whole: makeWhole(site, alarms) };
}

function makeAlarms(site: MirrorSite, alarmActions: pulumi.Input<string>[]): cloudwatch.MetricAlarm[] {
  const accountId = site.shadow.accountId.apply((own) =>
    own === site.productionAccount ? undefined : site.productionAccount,
  );
  return guardedMachines(site.plan).map(({ machine, instanceId }) => {
    const skipped = (id: string, metricName: string): object => ({
      id,
      accountId,
      returnData: false,
      metric: { namespace: "AWS/EC2", metricName, dimensions: { InstanceId: instanceId }, period: 300, stat: "Sum" },
    });
    return new cloudwatch.MetricAlarm(
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
  });
}

/** One alarm over all, by way of others where they are too many for one rule; experiments stop by it. */
function makeWhole(site: MirrorSite, alarms: readonly cloudwatch.MetricAlarm[]): cloudwatch.CompositeAlarm {
  const names = alarms.map(({ name }) => name);
  if (names.length <= alarmsInARule) return makeComposite(site, "guard", names);
  const parts = Array.from({ length: Math.ceil(names.length / alarmsInARule) }, (_, index) => {
    const part = names.slice(index * alarmsInARule, (index + 1) * alarmsInARule);
    return makeComposite(site, `guard-part-${index + 1}`, part);
  });
  return makeComposite(
    site,
    "guard",
    parts.map(({ alarmName }) => alarmName),
  );
}

function makeComposite(site: MirrorSite, label: string, names: pulumi.Output<string>[]): cloudwatch.CompositeAlarm {
  return new cloudwatch.CompositeAlarm(
    `${site.name}-${label}`,
    {
      alarmName: pulumi.interpolate`${site.shadow.shadowName}-${site.name}-${label}`,
      alarmDescription: "sources have more traffic than can be copied; lower the mirror before production feels it",
      alarmRule: pulumi.all(names).apply((all) => all.map((name) => `ALARM("${name}")`).join(" OR ")),
      tags: mirrorTags(site, "monitor"),
    },
    { parent: site.parent },
  );
}
