import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as fis from "@pulumi/aws/fis";
import * as ssm from "@pulumi/aws/ssm";
import * as pulumi from "@pulumi/pulumi";

import { faultId } from "../../runtime/faults/faultId";
import { alarmArgs, bindingsOf } from "../monitor/alarm";
import { actionTag, experimentTag, faultTag, roleTag, shadowTag } from "../shadow";
import type { Made } from "./made";
import { referencedArn } from "./references";
import { type TemplateBindings, renderTemplate } from "./render";
import type { ExperimentRole } from "./role";

/** Tags of everything that an experiment is made of. */
export function tagsOf(shadow: Made["shadow"], own: string, tags: Record<string, string> = {}): Made["tags"] {
  return shadow.shadowName.apply((shadowName): Record<string, string> => ({
    ...tags,
    [shadowTag]: shadowName,
    [roleTag]: "experiment",
    [experimentTag]: own,
  }));
}

export function makeAlarms({ name, args, plan, shadow, tags, parent }: Made): Map<string, cloudwatch.MetricAlarm> {
  const bindings = bindingsOf(shadow, args.productionAccountId);
  return new Map(
    plan.alarms.map((alarm) => [
      alarm.key,
      new cloudwatch.MetricAlarm(
        `${name}-alarm-${alarm.key}`,
        { ...alarmArgs(alarm, bindings), name: pulumi.interpolate`${shadow.shadowName}-${name}-${alarm.key}`, tags },
        { parent },
      ),
    ]),
  );
}

export function makeDocuments({ name, plan, tags, parent }: Made): Map<string, ssm.Document> {
  return new Map(
    [...plan.documents, ...plan.single.flatMap((fault) => fault.documents)].map(({ key, content }) => [
      key,
      new ssm.Document(
        `${name}-document-${key}`,
        {
          documentType: "Command",
          documentFormat: "JSON",
          targetType: "/AWS::EC2::Instance",
          content: JSON.stringify(content),
          tags,
        },
        { parent },
      ),
    ]),
  );
}

interface Children {
  alarms: Map<string, cloudwatch.MetricAlarm>;
  documents: Map<string, ssm.Document>;
  role: ExperimentRole;
}

/** One template for each fault, which the runner starts and stops by itself; the halt stops these too. */
export function makeSingleFaults(made: Made, { alarms, documents, role }: Children): void {
  const { name, own, plan, shadow, args, tags, parent } = made;
  const bindings = templateBindings(shadow, alarms, documents);
  const stops = [...plan.stop.map((key) => alarms.get(key)!.arn), ...(args.guardAlarmArns ?? [])];
  for (const { action, template } of plan.single) {
    new fis.ExperimentTemplate(
      `${name}-fault-${action}`,
      {
        description: `${action} of ${own} alone, for the runner`.slice(0, 512),
        roleArn: role.role.arn,
        ...renderTemplate(template, bindings),
        stopConditions: stops.map((value) => ({ source: "aws:cloudwatch:alarm", value })),
        experimentOptions: { accountTargeting: "single-account", emptyTargetResolutionMode: "fail" },
        tags: tags.apply((known) => ({ ...known, [faultTag]: faultId(own, action), [actionTag]: action })),
      },
      { parent, dependsOn: [role.permissions] },
    );
  }
}

export function makeTemplates(made: Made, { alarms, documents, role }: Children): fis.ExperimentTemplate[] {
  const { name, own, args, plan, shadow, tags, parent } = made;
  const log = new cloudwatch.LogGroup(
    `${name}-log`,
    { retentionInDays: args.logRetentionDays ?? 90, tags },
    { parent },
  );
  const bindings = templateBindings(shadow, alarms, documents);
  const stops = [...plan.stop.map((key) => alarms.get(key)!.arn), ...(args.guardAlarmArns ?? [])];
  const several = plan.templates.length > 1;
  return plan.templates.map((template) => {
    const part = several ? ` (part ${template.key} of ${plan.templates.length})` : "";
    return new fis.ExperimentTemplate(
      several ? `${name}-template-${template.key}` : `${name}-template`,
      {
        description: `${args.title ?? own}${part}`.slice(0, 512),
        roleArn: role.role.arn,
        ...renderTemplate(template, bindings),
        stopConditions: stops.map((value) => ({ source: "aws:cloudwatch:alarm", value })),
        experimentOptions: { accountTargeting: "single-account", emptyTargetResolutionMode: "fail" },
        logConfiguration: {
          logSchemaVersion: 2,
          cloudwatchLogsConfiguration: { logGroupArn: pulumi.interpolate`${log.arn}:*` },
        },
        ...(args.reportDashboardArn === undefined ? {} : reportOf(shadow, own, args.reportDashboardArn)),
        tags,
      },
      { parent, dependsOn: [role.permissions] },
    );
  });
}

function reportOf(
  shadow: Made["shadow"],
  own: string,
  dashboardArn: pulumi.Input<string>,
): Pick<fis.ExperimentTemplateArgs, "experimentReportConfiguration"> {
  return {
    experimentReportConfiguration: {
      dataSources: { cloudwatchDashboards: [{ dashboardArn }] },
      outputs: { s3Configuration: { bucketName: shadow.bucketName, prefix: `experiments/${own}` } },
      preExperimentDuration: "PT20M",
      postExperimentDuration: "PT20M",
    },
  };
}

function templateBindings(
  shadow: Made["shadow"],
  alarms: Map<string, cloudwatch.MetricAlarm>,
  documents: Map<string, ssm.Document>,
): TemplateBindings {
  return {
    shadowName: shadow.shadowName,
    vpcId: shadow.vpcId,
    documentParameters: shadow.vpcId.apply((vpcId) => JSON.stringify({ VpcId: [vpcId] })),
    documentArn: (key) => documents.get(key)!.arn,
    alarmArns: (keys) => pulumi.all(keys.map((key) => alarms.get(key)!.arn)).apply((arns) => arns.join(",")),
    resourceArn: (reference) => referencedArn(shadow, reference),
  };
}
