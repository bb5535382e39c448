import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as fis from "@pulumi/aws/fis";
import * as iam from "@pulumi/aws/iam";
import * as ssm from "@pulumi/aws/ssm";
import * as pulumi from "@pulumi/pulumi";

import type { Experiment } from "../experiment";
import { validateExperiment } from "../experimentValidation";
import type { Problem } from "../internal/problems";
import { rejectProblems, under } from "../refusal";
import { faultId } from "../runtime/faults/faultId";
import type { Topology } from "../topology";
import { validateTopology } from "../topologySchema";
import type { AwsFaultAction } from "./experiment/awsActions";
import type { ExperimentPlan } from "./experiment/model";
import { planExperiment } from "./experiment/plan";
import { type TemplateBindings, renderTemplate } from "./experiment/render";
import { makeRepetition } from "./experiment/repetition";
import { arnOf } from "./iam/document";
import { experimentPermissions, experimentTrust } from "./iam/experimentRole";
import { placeOf } from "./iam/place";
import { alarmArgs, bindingsOf } from "./monitor/alarm";
import { notedArgs } from "./notedArgs";
import { type AwsShadowReference, actionTag, experimentTag, faultTag, roleTag, shadowTag } from "./shadow";
import { type ShadowParts, shadowParts } from "./shadowParts";

/** Arguments of {@link AwsFaultExperiment}. */
export interface AwsFaultExperimentArgs extends Experiment {
  /** The shadow: `shadow` of an AwsShadowNetwork. */
  shadow: pulumi.Input<AwsShadowReference>;
  /** The topology that the targets are looked up in. */
  topology: Topology;
  /** Name by which it is run: letters, digits and hyphens. Defaults to the component's name. */
  experimentName?: string;
  /** Faults that only AWS has, by name, beside `actions`. Defaults to none. */
  awsActions?: Record<string, AwsFaultAction>;
  /** How often a run is repeated, each time after the alarms are OK again. Defaults to once. */
  repetitions?: number;
  /** ARNs of further alarms that end a run, for example of the mirror's guards. Defaults to none. */
  guardAlarmArns?: pulumi.Input<string>[];
  /** Control group, below the root, of what runs on the machines. Defaults to `system.slice`, where systemd has services. */
  workloadGroup?: string;
  /** Account of production, where live is read in another one than the shadow's. Defaults to the shadow's. */
  productionAccountId?: pulumi.Input<string>;
  /** Dashboard that AWS's report of a run shows; reports go to the shadow's bucket. Defaults to no report. */
  reportDashboardArn?: pulumi.Input<string>;
  /** Days for which the log of runs is kept. Defaults to 90. */
  logRetentionDays?: number;
  /** Tags on everything beside the shadow's own. Defaults to none. */
  tags?: Record<string, string>;
}

/**
 * An experiment as templates of AWS's Fault Injection Service: FIS's own actions where it has them, else the compiled
 * fault as an SSM document of its own. `shadownet run`, its schedule or the console starts it.
 *
 * *Safety:* targets are chosen by the shadow's tag and VPC, the documents do nothing in another VPC, and the role may
 * do what the actions need and nothing else. *Cost:* alarms and log by the month; a run by action and minute; a report each.
 */
export class AwsFaultExperiment extends pulumi.ComponentResource {
  /** Name of the shadow and of the experiment, `shop-shadow/dbSlow`. */
  readonly experimentId: pulumi.Output<string>;
  /** Ids of the FIS templates, in the order in which they run. */
  readonly templateIds: pulumi.Output<string[]>;
  /** Names of the SSM documents. */
  readonly documentNames: pulumi.Output<string[]>;
  /** ARNs of the alarms that end a run. */
  readonly stopAlarmArns: pulumi.Output<string[]>;
  /** ARN of the state machine that runs the templates; empty when the only template is run once. */
  readonly stateMachineArn: pulumi.Output<string>;
  /** What is done otherwise than in the lab, one sentence each. */
  readonly notes: pulumi.Output<string[]>;

  constructor(name: string, args: AwsFaultExperimentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:AwsFaultExperiment", name, notedArgs(args), opts);
    const own = args.experimentName ?? name;
    const plan = checkedPlan(own, args);
    const shadow = shadowParts(args.shadow);
    const made: Made = { name, own, args, plan, shadow, tags: tagsOf(shadow, own, args.tags), parent: this };
    const alarms = makeAlarms(made);
    const documents = makeDocuments(made);
    const role = makeRole(made, documents);
    const templates = makeTemplates(made, { alarms, documents, role });
    makeSingleFaults(made, { alarms, documents, role });
    const stateMachineArn = makeRepetition({
      ...made,
      templates,
      repetitions: args.repetitions ?? 1,
      schedule: args.schedule,
      recoverySeconds: args.analysis?.recoverySeconds ?? 30,
      gateNames: plan.gates.map((key) => alarms.get(key)!.name),
    });
    this.experimentId = pulumi.interpolate`${shadow.shadowName}/${own}`;
    this.templateIds = pulumi.all(templates.map(({ id }) => id));
    this.documentNames = pulumi.all([...documents.values()].map((document) => document.name));
    this.stopAlarmArns = pulumi.all([...plan.stop.map((key) => alarms.get(key)!.arn), ...(args.guardAlarmArns ?? [])]);
    this.stateMachineArn = stateMachineArn;
    this.notes = pulumi.output(plan.notes);
    this.registerOutputs({
      experimentId: this.experimentId,
      templateIds: this.templateIds,
      documentNames: this.documentNames,
      stopAlarmArns: this.stopAlarmArns,
      stateMachineArn: this.stateMachineArn,
      notes: this.notes,
    });
  }
}

/** What the makers of children need. */
interface Made {
  name: string;
  own: string;
  args: AwsFaultExperimentArgs;
  plan: ExperimentPlan;
  shadow: ShadowParts;
  tags: pulumi.Output<Record<string, string>>;
  parent: pulumi.Resource;
}

const notOfTheExperiment = [
  "shadow",
  "topology",
  "experimentName",
  "awsActions",
  "repetitions",
  "guardAlarmArns",
  "workloadGroup",
  "productionAccountId",
  "reportDashboardArn",
  "logRetentionDays",
  "tags",
];

function definitionOf(args: AwsFaultExperimentArgs): Experiment {
  return Object.fromEntries(
    Object.entries(args).filter(([key]) => !notOfTheExperiment.includes(key)),
  ) as unknown as Experiment;
}

function checkedPlan(own: string, args: AwsFaultExperimentArgs): ExperimentPlan {
  const ofTopology = under("topology", validateTopology(args.topology));
  rejectProblems("AwsFaultExperiment", ofTopology);
  const { plan, problems } = awsExperiment(own, definitionOf(args), args);
  rejectProblems("AwsFaultExperiment", problems);
  return plan;
}

/** The plan of an experiment and everything that is wrong with it; the topology has been checked. */
export function awsExperiment(
  name: string,
  experiment: Experiment,
  args: Pick<
    AwsFaultExperimentArgs,
    "topology" | "awsActions" | "repetitions" | "guardAlarmArns" | "workloadGroup" | "logRetentionDays"
  >,
): { plan: ExperimentPlan; problems: Problem[] } {
  const { topology, awsActions = {}, repetitions = 1, guardAlarmArns = [], workloadGroup } = args;
  // An experiment may consist of what only AWS has; the form of the others is checked as everywhere.
  const onlyAws = Object.keys(experiment.actions).length === 0 && Object.keys(awsActions).length > 0;
  const counted = { ...experiment, actions: { ...standIns(awsActions), ...experiment.actions } };
  const radius = validateExperiment(name, counted, topology).filter(({ path }) => path.startsWith("blastRadius."));
  const common = validateExperiment(name, experiment, topology)
    .filter(({ path }) => !(onlyAws && path === "actions") && !path.startsWith("blastRadius."))
    .concat(radius);
  const ofArgs = argsProblems(args);
  const empty: ExperimentPlan = {
    templates: [],
    documents: [],
    alarms: [],
    stop: [],
    gates: [],
    seconds: 0,
    single: [],
    notes: [],
  };
  if (common.length > 0) return { plan: empty, problems: [...common, ...ofArgs] };
  const settings = { experimentName: name, topology, workloadGroup, repetitions, guards: guardAlarmArns.length };
  const { plan, problems } = planExperiment(experiment, awsActions, settings);
  return { plan, problems: [...problems, ...ofArgs] };
}

/** The machines that faults of AWS's own hit, as faults that every back end counts to the blast radius. */
function standIns(awsActions: Record<string, AwsFaultAction>): Experiment["actions"] {
  const aimed = Object.entries(awsActions).filter(([, { machine }]) => machine !== undefined);
  return Object.fromEntries(
    aimed.map(([key, { machine }]) => [
      key,
      { fault: "machineHang" as const, target: { machine }, durationSeconds: 1 },
    ]),
  );
}

function argsProblems({
  repetitions = 1,
  workloadGroup,
  logRetentionDays,
}: Pick<AwsFaultExperimentArgs, "repetitions" | "workloadGroup" | "logRetentionDays">): Problem[] {
  const problems: Problem[] = [];
  if (!Number.isInteger(repetitions) || repetitions < 1 || repetitions > 1000) {
    problems.push({
      path: "repetitions",
      reason: `${repetitions} is not allowed; allowed is a whole number from 1 to 1000`,
    });
  }
  if (workloadGroup !== undefined && !/^[\w.@-]+(\/[\w.@-]+)*$/.test(workloadGroup)) {
    const reason = `"${workloadGroup}" is no control group below the root such as system.slice or kubepods.slice`;
    problems.push({ path: "workloadGroup", reason });
  }
  if (logRetentionDays !== undefined && !retentionDays.includes(logRetentionDays)) {
    const reason = `${logRetentionDays} is not allowed; CloudWatch keeps logs for ${retentionDays.join(", ")} days`;
    problems.push({ path: "logRetentionDays", reason });
  }
  return problems;
}

const retentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

function tagsOf(shadow: Made["shadow"], own: string, tags: Record<string, string> = {}): Made["tags"] {
  return shadow.shadowName.apply((shadowName): Record<string, string> => ({
    ...tags,
    [shadowTag]: shadowName,
    [roleTag]: "experiment",
    [experimentTag]: own,
  }));
}

function makeAlarms({ name, args, plan, shadow, tags, parent }: Made): Map<string, cloudwatch.MetricAlarm> {
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

function makeDocuments({ name, plan, tags, parent }: Made): Map<string, ssm.Document> {
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

/** The role and what it may do; a template that comes before the permissions would be refused. */
interface ExperimentRole {
  role: iam.Role;
  permissions: iam.RolePolicy;
}

function makeRole(
  { name, args, plan, shadow, tags, parent }: Made,
  documents: Map<string, ssm.Document>,
): ExperimentRole {
  const actions = plan.templates.flatMap((template) => template.actions);
  const references = plan.templates.flatMap(({ targets }) => targets.flatMap((target) => target.references));
  const names = (kind: string): string[] => references.filter((one) => one.kind === kind).map((one) => one.name);
  const role = new iam.Role(
    `${name}-role`,
    {
      path: shadow.rolePath,
      permissionsBoundary: shadow.permissionsBoundaryArn,
      assumeRolePolicy: placeOf(shadow).apply((place) => JSON.stringify(experimentTrust(place))),
      tags,
    },
    { parent },
  );
  const documentArns = pulumi.all([...documents.values()].map(({ arn }) => arn));
  const { partition, region, accountId, shadowName, vpcId, bucketName } = shadow;
  const policy = pulumi
    .output({
      ...{ partition, region, accountId, shadowName, vpcId, documentArns },
      subnetIds: pulumi.all(names("subnet").map((subnet) => subnetId(shadow, subnet))),
      endpointIds: pulumi.all(names("endpoint").map((endpoint) => endpointId(shadow, endpoint))),
      ...(args.reportDashboardArn === undefined ? {} : { reportBucket: bucketName }),
    })
    .apply((settings) => {
      const actionIds = [...new Set(actions.map(({ actionId }) => actionId))].sort();
      return JSON.stringify(experimentPermissions({ ...settings, actionIds }));
    });
  const permissions = new iam.RolePolicy(`${name}-role-permissions`, { role: role.id, policy }, { parent });
  return { role, permissions };
}

function subnetId({ subnetIds }: ShadowParts, subnet: string): pulumi.Output<string> {
  return subnetIds.apply((ids) => ids[subnet] ?? "");
}

function endpointId({ endpointIds }: ShadowParts, endpoint: string): pulumi.Output<string> {
  return endpointIds.apply((ids) => {
    const id = ids[endpoint];
    if (id !== undefined) return id;
    throw new Error(`the shadow has no endpoint "${endpoint}"; there are ${Object.keys(ids).join(", ")}`);
  });
}

interface Children {
  alarms: Map<string, cloudwatch.MetricAlarm>;
  documents: Map<string, ssm.Document>;
  role: ExperimentRole;
}

/** One template for each fault, which the runner starts and stops by itself; the halt stops these too. */
function makeSingleFaults(made: Made, { alarms, documents, role }: Children): void {
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

function makeTemplates(made: Made, { alarms, documents, role }: Children): fis.ExperimentTemplate[] {
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
  const types = { subnet: "subnet", endpoint: "vpc-endpoint" };
  return {
    shadowName: shadow.shadowName,
    vpcId: shadow.vpcId,
    documentParameters: shadow.vpcId.apply((vpcId) => JSON.stringify({ VpcId: [vpcId] })),
    documentArn: (key) => documents.get(key)!.arn,
    alarmArns: (keys) => pulumi.all(keys.map((key) => alarms.get(key)!.arn)).apply((arns) => arns.join(",")),
    resourceArn: ({ kind, name }) =>
      pulumi
        .all([placeOf(shadow), kind === "subnet" ? subnetId(shadow, name) : endpointId(shadow, name)])
        .apply(([place, id]) => arnOf(place, "ec2", `${types[kind]}/${id}`)),
  };
}
