import { createHash } from "node:crypto";

import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as sns from "@pulumi/aws/sns";
import * as pulumi from "@pulumi/pulumi";

import type { Problem } from "../internal/problems";
import type { MonitorSettings } from "../monitor";
import { validateMonitor } from "../validation/monitor";
import { rejectProblems, under } from "../refusal";
import type { Topology } from "../topology";
import { validateTopology } from "../topologySchema";
import { escapeFilters } from "./flowLog";
import { alarmArgs, bindingsOf } from "./monitor/alarm";
import { type AwsFaultBand, allSignals, dashboardBody } from "./monitor/dashboard";
import { compositeRule, plannedAlarms, ruleProblems } from "./monitor/rules";
import { makeRunningMetric } from "./monitor/runningMetric";
import { notedArgs } from "./notedArgs";
import { type AwsShadowReference, roleTag, shadowTag } from "./shadow";
import { type ShadowParts, shadowParts } from "./shadowParts";

/** Arguments of {@link AwsMonitor}. */
export interface AwsMonitorArgs extends MonitorSettings {
  /** The shadow: `shadow` of an AwsShadowNetwork. */
  shadow: pulumi.Input<AwsShadowReference>;
  /** The topology that alarms' targets are looked up in. */
  topology: Topology;
  /** Share of live traffic in the shadow, 0–100, with which live is multiplied. Defaults to the share that the gateways measure. */
  mirrorPercent?: number;
  /** Account of production, where it is another one that shares its metrics with this one. Defaults to the shadow's. */
  productionAccountId?: pulumi.Input<string>;
  /** Whether there is a dashboard. Defaults to true. */
  dashboard?: boolean;
  /** Ids of FIS templates whose runs are drawn into the dashboard as they happen. Defaults to none. */
  experimentTemplateIds?: pulumi.Input<pulumi.Input<string>[]>;
  /** Times of past experiments that are drawn as bands. Defaults to none. */
  faultBands?: AwsFaultBand[];
  /** Tags on everything beside the shadow's own. Defaults to none. */
  tags?: Record<string, string>;
}

/**
 * What is watched in a shadow and who is told: alarms on shadow, live and their gap, one composite alarm a component, a
 * dashboard with live beside shadow, and the watch over the flow log that fires on any packet that left.
 *
 * *Safety:* an alarm without data is never OK. *Cost:* each alarm, metric and dashboard by the month, alarms of less
 * than a minute more than others.
 */
export class AwsMonitor extends pulumi.ComponentResource {
  /** ARNs of all metric alarms. */
  readonly alarmArns: pulumi.Output<string[]>;
  /** ARNs of the composite alarms, one a component that has alarms. */
  readonly compositeAlarmArns: pulumi.Output<string[]>;
  /** ARN of the alarm that fires when a packet left the shadow. */
  readonly isolationAlarmArn: pulumi.Output<string>;
  /** ARN of the topic that tells mail and web receivers; empty when there are none. */
  readonly topicArn: pulumi.Output<string>;
  /** ARN of the dashboard; empty when there is none. */
  readonly dashboardArn: pulumi.Output<string>;

  constructor(name: string, args: AwsMonitorArgs, opts?: pulumi.ComponentResourceOptions) {
    // Experiments that show the dashboard in their report come after it, and the templates' ids come from them: were
    // they among the arguments that the engine is told, the component and with it the dashboard would wait for itself.
    const told = { ...args };
    delete told.experimentTemplateIds;
    super("shadownet:index:AwsMonitor", name, notedArgs(told), opts);
    const ofTopology = under("topology", validateTopology(args.topology));
    rejectProblems("AwsMonitor", ofTopology.length > 0 ? ofTopology : awsMonitorProblems(args, args.topology));
    const shadow = shadowParts(args.shadow);
    const made: Made = { name, args, shadow, tags: tagsOf(shadow, args.tags), parent: this };
    const { topic, actions } = makeReceivers(made);
    const alarms = makeAlarms(made);
    const isolation = makeIsolationAlarm(made, actions);
    const composites = makeComposites(made, alarms, actions);
    this.alarmArns = pulumi.all([...alarms.map(({ alarm }) => alarm.arn), isolation.arn]);
    this.compositeAlarmArns = pulumi.all(composites.map(({ arn }) => arn));
    this.isolationAlarmArn = isolation.arn;
    this.topicArn = topic?.arn ?? pulumi.output("");
    this.dashboardArn = args.dashboard === false ? pulumi.output("") : makeDashboard(made).dashboardArn;
    this.registerOutputs({
      alarmArns: this.alarmArns,
      compositeAlarmArns: this.compositeAlarmArns,
      isolationAlarmArn: this.isolationAlarmArn,
      topicArn: this.topicArn,
      dashboardArn: this.dashboardArn,
    });
  }
}

interface Made {
  name: string;
  args: AwsMonitorArgs;
  shadow: ShadowParts;
  tags: pulumi.Output<Record<string, string>>;
  parent: pulumi.Resource;
}

interface MadeAlarm {
  component: string;
  alarm: cloudwatch.MetricAlarm;
}

function settingsOf({ signals, alarms, notify }: MonitorSettings): MonitorSettings {
  const known = Object.entries({ signals, alarms, notify }).filter(([, value]) => value !== undefined);
  return Object.fromEntries<unknown>(known);
}

/** Everything that is wrong with the settings of a monitor on AWS; the topology has been checked. */
export function awsMonitorProblems(
  args: Omit<AwsMonitorArgs, "shadow" | "topology" | "experimentTemplateIds" | "productionAccountId">,
  topology: Topology,
): Problem[] {
  const { mirrorPercent, faultBands = [] } = args;
  const settings = settingsOf(args);
  const problems = validateMonitor(settings, topology, ["web", "mail", "topic"]);
  if (problems.length === 0) problems.push(...ruleProblems(settings, topology));
  if (mirrorPercent !== undefined && !(mirrorPercent > 0 && mirrorPercent <= 100)) {
    problems.push({
      path: "mirrorPercent",
      reason: `${mirrorPercent} is not allowed; allowed is more than 0 and at most 100`,
    });
  }
  faultBands.forEach(({ start, end }, index) => {
    const path = `faultBands[${index}]`;
    const [from, to] = [Date.parse(start), Date.parse(end)];
    if (Number.isNaN(from)) problems.push({ path: `${path}.start`, reason: `"${start}" is no time in ISO 8601` });
    if (Number.isNaN(to)) problems.push({ path: `${path}.end`, reason: `"${end}" is no time in ISO 8601` });
    if (from >= to) problems.push({ path, reason: `ends at ${end}, which is not after its start at ${start}` });
  });
  return problems;
}

function tagsOf(shadow: Made["shadow"], tags: Record<string, string> = {}): Made["tags"] {
  return shadow.shadowName.apply((shadowName): Record<string, string> => ({
    ...tags,
    [shadowTag]: shadowName,
    [roleTag]: "monitor",
  }));
}

/** Topics that are given are told themselves; mail and web addresses by one topic of the monitor's own. */
function makeReceivers({ name, args, tags, parent }: Made): { topic?: sns.Topic; actions: pulumi.Input<string>[] } {
  const notify = args.notify ?? [];
  const topics = notify.filter((receiver) => receiver.startsWith("arn:"));
  const others = notify.filter((receiver) => !receiver.startsWith("arn:"));
  if (others.length === 0) return { actions: topics };
  const topic = new sns.Topic(`${name}-topic`, { tags }, { parent });
  for (const receiver of others) {
    const protocol = receiver.startsWith("mailto:") ? "email" : new URL(receiver).protocol.replace(":", "");
    const endpoint = receiver.replace(/^mailto:/, "");
    const digest = createHash("sha256").update(receiver).digest("hex").slice(0, 8);
    new sns.TopicSubscription(`${name}-receiver-${digest}`, { topic: topic.arn, protocol, endpoint }, { parent });
  }
  return { topic, actions: [...topics, topic.arn] };
}

function makeAlarms({ name, args, shadow, tags, parent }: Made): MadeAlarm[] {
  const share = args.mirrorPercent === undefined ? undefined : args.mirrorPercent / 100;
  const bindings = bindingsOf(shadow, args.productionAccountId);
  return plannedAlarms(settingsOf(args), args.topology, share).map(({ key, component, severity, ...alarm }) => ({
    component,
    alarm: new cloudwatch.MetricAlarm(
      `${name}-alarm-${key}`,
      {
        ...alarmArgs(alarm, bindings),
        name: pulumi.interpolate`${shadow.shadowName}-${name}-${key}`,
        tags: tags.apply((known) => ({ ...known, "shadownet:severity": severity })),
      },
      { parent },
    ),
  }));
}

/** A filter with a value for lines that do not match says that the flow log itself arrives; without it nothing is OK. */
function makeIsolationAlarm(
  { name, shadow, tags, parent }: Made,
  actions: pulumi.Input<string>[],
): cloudwatch.MetricAlarm {
  const namespace = pulumi.interpolate`Shadownet/${shadow.shadowName}`;
  const filters = pulumi.all([shadow.cidrs, shadow.zones]).apply(([cidrs, zones]) =>
    escapeFilters(
      cidrs,
      zones.map(({ gatewaySubnetId }) => gatewaySubnetId),
    ),
  );
  for (const { name: kind } of escapeFilters([], [])) {
    const found = filters.apply((all) => all.find((filter) => filter.name === kind)!);
    new cloudwatch.LogMetricFilter(
      `${name}-escape-${kind}`,
      {
        logGroupName: shadow.flowLogGroupName,
        pattern: found.pattern,
        metricTransformation: { namespace, name: "Escapes", value: "1", defaultValue: "0" },
      },
      { parent },
    );
  }
  return new cloudwatch.MetricAlarm(
    `${name}-alarm-isolation`,
    {
      name: pulumi.interpolate`${shadow.shadowName}-${name}-isolation`,
      alarmDescription:
        "[critical] isolation: the flow log shows an accepted packet that left the shadow; runs since then are void",
      namespace,
      metricName: "Escapes",
      statistic: "Sum",
      period: 60,
      evaluationPeriods: 1,
      comparisonOperator: "GreaterThanThreshold",
      threshold: 0,
      treatMissingData: "missing",
      alarmActions: actions,
      okActions: actions,
      tags: tags.apply((known) => ({ ...known, "shadownet:severity": "critical" })),
    },
    { parent },
  );
}

function makeComposites(
  { name, shadow, tags, parent }: Made,
  alarms: readonly MadeAlarm[],
  actions: pulumi.Input<string>[],
): cloudwatch.CompositeAlarm[] {
  const components = [...new Set(alarms.map(({ component }) => component))];
  return components.map((component) => {
    const names = alarms.filter((one) => one.component === component).map(({ alarm }) => alarm.name);
    return new cloudwatch.CompositeAlarm(
      `${name}-component-${component}`,
      {
        alarmName: pulumi.interpolate`${shadow.shadowName}-${name}-component-${component}`,
        alarmDescription: `something about ${component} is not as it should be, or there is no data`,
        alarmRule: pulumi.all(names).apply(compositeRule),
        alarmActions: actions,
        okActions: actions,
        tags,
      },
      { parent },
    );
  });
}

function makeDashboard(made: Made): cloudwatch.Dashboard {
  const { name, args, shadow, parent } = made;
  const running =
    args.experimentTemplateIds === undefined
      ? undefined
      : makeRunningMetric({ ...made, templateIds: args.experimentTemplateIds });
  const { region, shadowName, machineIds } = shadow;
  const body = pulumi
    .all([region, shadowName, machineIds, args.productionAccountId, running])
    .apply(([inRegion, ofShadow, ids, productionAccountId, metric]) =>
      JSON.stringify(
        dashboardBody({
          region: inRegion,
          shadowName: ofShadow,
          machineIds: ids,
          topology: args.topology,
          signals: args.signals ?? allSignals,
          bands: args.faultBands ?? [],
          ...(productionAccountId === undefined ? {} : { productionAccountId }),
          ...(metric === undefined ? {} : { running: metric }),
        }),
      ),
    );
  const dashboardName = pulumi.interpolate`${shadow.shadowName}-${name}`;
  return new cloudwatch.Dashboard(`${name}-dashboard`, { dashboardName, dashboardBody: body }, { parent });
}
