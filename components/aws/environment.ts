import * as pulumi from "@pulumi/pulumi";

import type { Experiment } from "../experiment";
import type { Problem } from "../internal/problems";
import type { MonitorSettings } from "../monitor";
import type { FidelityItem } from "../network";
import { rejectProblems, under } from "../refusal";
import { experimentCost, mirrorCost, monitorCost } from "./cost";
import { AwsFaultExperiment, type AwsFaultExperimentArgs } from "./experiment";
import type { AwsFaultAction } from "./experiment/awsActions";
import { awsExperiment } from "./experiment/checked";
import { fisLimits } from "./experiment/model";
import { AwsTrafficMirror, mirrorProblems, plannedMirror } from "./mirror";
import { guardedMachines } from "./mirror/guard";
import { groupedSourceProblems } from "./mirror/groupedSources";
import type { MirrorPlan } from "./mirror/plan";
import type { AwsMirrorSettings } from "./mirror/settings";
import { AwsMonitor, awsMonitorProblems } from "./monitor";
import { AwsShadowNetwork, type AwsShadowNetworkArgs, defaultShadowName, networkProblems, planShadow } from "./network";
import { networkCost } from "./network/cost";
import { withOwnGroups } from "./network/groups";
import type { AwsNetworkPlan } from "./network/planTypes";
import { awsShadowTopology } from "./network/shadowTopology";
import { makeRecord } from "./record";

/** An experiment of an environment on AWS. */
export interface AwsExperimentDefinition extends Experiment {
  /** Faults that only AWS has, by name, beside `actions`. Defaults to none. */
  awsActions?: Record<string, AwsFaultAction>;
  /** How often a run is repeated, each time after the alarms are OK again. Defaults to once. */
  repetitions?: number;
  /** Control group, below the root, of what runs on the machines. Defaults to `system.slice`, where systemd has services. */
  workloadGroup?: string;
}

/** Arguments of {@link AwsShadowEnvironment}: those of the network, and the other parts. */
export interface AwsShadowEnvironmentArgs extends AwsShadowNetworkArgs {
  /** Which share of live traffic is copied. Defaults to no mirror at all. */
  mirror?: AwsMirrorSettings;
  /** Experiments by name. Defaults to none. */
  experiments?: Record<string, AwsExperimentDefinition>;
  /** What is watched and who is told. Defaults to no monitor. */
  monitor?: MonitorSettings;
}

/** Options of {@link AwsShadowEnvironment}. */
export interface AwsShadowEnvironmentOptions extends pulumi.ComponentResourceOptions {
  /** Provider of production's account, where that is not the shadow's. Defaults to the shadow's. */
  productionProvider?: pulumi.ProviderResource;
}

/**
 * A shadow of a VPC with everything: the network, then the mirror with its gateways, then experiments and the monitor. The
 * mirror is laid when the whole network stands, and replays nothing until a run has proven that there is no way out.
 *
 * *Safety:* production gains the mirror and nothing else; nothing leads out of the shadow. *Cost:* the output `cost` is a
 * formula with the quantities that drive it.
 */
export class AwsShadowEnvironment extends pulumi.ComponentResource {
  /** Id of the VPC. */
  readonly networkId: pulumi.Output<string>;
  /** Ids of the subnets. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** Ids of the instances. */
  readonly machineIds: pulumi.Output<string[]>;
  /** Names of the links. */
  readonly linkIds: pulumi.Output<string[]>;
  /** Address that the first zone's default routes lead to. */
  readonly gatewayAddress: pulumi.Output<string>;
  /** Every way in which the shadow, and what it gets, differs from production. */
  readonly fidelity: pulumi.Output<FidelityItem[]>;
  /** Ids of the mirror's sessions; none without a mirror. */
  readonly sessionIds: pulumi.Output<string[]>;
  /** Where the gateways are steered; empty without a mirror. */
  readonly gatewayUrl: pulumi.Output<string>;
  /** Ids of the experiments. */
  readonly experimentIds: pulumi.Output<string[]>;
  /** What it costs: a formula, one line for each kind of thing that AWS bills, with its quantities. */
  readonly cost: pulumi.Output<string[]>;

  constructor(name: string, args: AwsShadowEnvironmentArgs, opts?: AwsShadowEnvironmentOptions) {
    const { productionProvider, ...own } = opts ?? {};
    super("shadownet:index:AwsShadowEnvironment", name, args, own);
    rejectProblems("AwsShadowEnvironment", environmentProblems(args));
    const { mirror: traffic, experiments = {}, monitor: watched, ...rest } = args;
    const child = { parent: this };
    const shadowName = args.shadowName ?? defaultShadowName(name);
    const network = new AwsShadowNetwork(`${name}-network`, { ...rest, shadowName }, child);
    const afterNetwork = { ...child, dependsOn: [network] };
    const plan = planShadow(args);
    const mirrored = traffic === undefined ? undefined : plannedMirror({ ...traffic, topology: args.topology }).plan;
    const tags = args.tags === undefined ? {} : { tags: args.tags };
    const common = { shadow: network.reference, topology: plan.topology, ...tags };
    const production = productionProvider === undefined ? {} : { productionProvider };
    const live = productionProvider === undefined ? {} : { productionAccountId: productionAccountOf(args) };
    const guardActions = (watched?.notify ?? []).filter((receiver) => receiver.startsWith("arn:"));
    const mirror =
      traffic === undefined
        ? undefined
        : new AwsTrafficMirror(
            `${name}-mirror`,
            { ...traffic, ...common, topology: args.topology, guardActions },
            { ...afterNetwork, ...production },
          );
    // The report of an experiment shows the monitor's dashboard, and the dashboard when experiments run.
    const [experimentTemplateIds, know] = pulumi.deferredOutput<string[]>();
    // A rule for the events of no experiment at all would be refused.
    const drawn = Object.keys(experiments).length === 0 ? {} : { experimentTemplateIds };
    const monitor =
      watched === undefined
        ? undefined
        : new AwsMonitor(`${name}-monitor`, { ...watched, ...common, ...live, ...drawn }, afterNetwork);
    const defined = Object.entries(experiments).map(
      ([key, experiment]) =>
        new AwsFaultExperiment(
          `${name}-experiment-${key}`,
          {
            ...experiment,
            ...common,
            ...live,
            experimentName: key,
            ...mirrorParts(experiment, mirrored, mirror, monitor),
          },
          mirror === undefined ? afterNetwork : { ...child, dependsOn: [network, mirror] },
        ),
    );
    know(pulumi.all(defined.map(({ templateIds }) => templateIds)).apply((ids) => ids.flat()));
    const cost = costOf(args, plan);
    void pulumi.log.info(["cost, by AWS's prices:", ...cost].join("\n  "), this);
    this.networkId = network.networkId;
    this.subnetIds = network.subnetIds;
    this.machineIds = network.machineIds;
    this.linkIds = network.linkIds;
    this.gatewayAddress = network.gatewayAddress;
    this.fidelity = pulumi.all([network.fidelity, mirror?.fidelity ?? []]).apply((items) => items.flat());
    this.sessionIds = mirror?.sessionIds ?? pulumi.output([]);
    this.gatewayUrl = mirror?.gatewayUrl ?? pulumi.output("");
    this.experimentIds = pulumi.all(defined.map(({ experimentId }) => experimentId));
    if (mirror !== undefined) {
      const { intakeParameter } = mirror;
      const { fidelity } = this;
      const { topology } = plan;
      const settings = { topology, fidelity, shadow: network.reference, intakeParameter, ...recorded(args) };
      makeRecord(name, settings, { ...child, dependsOn: [mirror] });
    }
    this.cost = pulumi.output(cost);
    this.registerOutputs({
      networkId: this.networkId,
      subnetIds: this.subnetIds,
      machineIds: this.machineIds,
      linkIds: this.linkIds,
      gatewayAddress: this.gatewayAddress,
      fidelity: this.fidelity,
      sessionIds: this.sessionIds,
      gatewayUrl: this.gatewayUrl,
      experimentIds: this.experimentIds,
      cost: this.cost,
    });
  }
}

/** What an experiment has of the mirror: the alarms that end it, and the bucket for a report with the monitor's dashboard. */
function mirrorParts(
  experiment: Experiment,
  mirrored: MirrorPlan | undefined,
  mirror: AwsTrafficMirror | undefined,
  monitor: AwsMonitor | undefined,
): Pick<AwsFaultExperimentArgs, "guardAlarmArns" | "reportDashboardArn"> {
  if (mirrored === undefined || mirror === undefined) return {};
  const count = guardsOf(experiment, mirrored);
  const each = Array.from({ length: count }, (_, index) => mirror.guardAlarmArns.apply((arns) => arns[index]!));
  return {
    guardAlarmArns: count < guardedMachines(mirrored).length ? [mirror.guardAlarmArn] : each,
    ...(monitor === undefined ? {} : { reportDashboardArn: monitor.dashboardArn }),
  };
}

/** Account whose metrics are the live side, where it is another one than the shadow's. */
function productionAccountOf({ mirror, topology }: AwsShadowEnvironmentArgs): string {
  return mirror?.productionAccountId ?? topology.source?.account ?? "";
}

/** What the runner is told of the arguments: of an experiment it carries out all or nothing. */
function recorded({ experiments = {}, monitor = {}, mirror, topology }: AwsShadowEnvironmentArgs) {
  const ofFis = ["awsActions", "repetitions", "workloadGroup"];
  const faults = Object.entries(experiments).map(
    ([key, { awsActions = {} }]) => [key, Object.keys(awsActions)] as const,
  );
  const onlyFis = Object.fromEntries(faults.filter(([, names]) => names.length > 0));
  const common = Object.entries(experiments).filter(([key]) => onlyFis[key] === undefined);
  const definitions = common.map(([key, definition]): [string, Experiment] => {
    const fields = Object.entries(definition).filter(([field]) => !ofFis.includes(field));
    return [key, Object.fromEntries(fields) as unknown as Experiment];
  });
  const accountId = mirror?.productionAccountId ?? topology.source?.account;
  const region = topology.source?.region;
  return {
    experiments: Object.fromEntries(definitions),
    onlyFis,
    monitor,
    percent: mirror?.percent ?? 100,
    production: {
      ...(accountId === undefined ? {} : { accountId }),
      ...(region === undefined ? {} : { region }),
    },
  };
}

/** Everything that is wrong with the arguments of an {@link AwsShadowEnvironment}, all parts at once. */
export function environmentProblems(args: AwsShadowEnvironmentArgs): Problem[] {
  const { mirror, experiments = {}, monitor, ...rest } = args;
  const ofNetwork = networkProblems(rest);
  // Without a network there are no targets that the other parts could be checked against.
  if (ofNetwork.some(({ path }) => path.startsWith("topology") || path.startsWith("scale"))) return ofNetwork;
  const mirrored = mirror === undefined ? undefined : plannedMirror({ ...mirror, topology: args.topology }).plan;
  const topology = withOwnGroups(awsShadowTopology(args.topology, rest).topology, args.autoScalingGroups);
  return [
    ...ofNetwork,
    ...(mirror === undefined ? [] : under("mirror", mirrorProblems({ ...mirror, topology: args.topology }))),
    ...(mirror === undefined ? [] : groupedSourceProblems(args.topology, mirror, args.autoScalingGroups ?? [])),
    ...Object.entries(experiments).flatMap(([name, experiment]) =>
      under(`experiments.${name}`, planOf(name, experiment, topology, guardsOf(experiment, mirrored)).problems),
    ),
    ...(monitor === undefined ? [] : under("monitor", awsMonitorProblems(monitor, topology))),
  ];
}

/** Number of alarms of the mirror by which an experiment stops: one a machine where FIS takes as many, else one for all. */
function guardsOf({ stopConditions = [] }: Experiment, mirrored: MirrorPlan | undefined): number {
  const machines = mirrored === undefined ? 0 : guardedMachines(mirrored).length;
  const free = fisLimits.stopConditions - 1 - stopConditions.length;
  return machines <= free ? machines : Math.min(1, machines);
}

function planOf(
  name: string,
  definition: AwsExperimentDefinition,
  topology: AwsNetworkPlan["topology"],
  guards: number,
): ReturnType<typeof awsExperiment> {
  const { awsActions, repetitions, workloadGroup, ...experiment } = definition;
  return awsExperiment(name, experiment, {
    topology,
    guards,
    ...(awsActions === undefined ? {} : { awsActions }),
    ...(repetitions === undefined ? {} : { repetitions }),
    ...(workloadGroup === undefined ? {} : { workloadGroup }),
  });
}

function costOf(args: AwsShadowEnvironmentArgs, plan: AwsNetworkPlan): string[] {
  const { mirror, experiments = {}, monitor, topology } = args;
  const mirrored = mirror === undefined ? undefined : plannedMirror({ ...mirror, topology }).plan;
  return [
    ...networkCost(plan),
    ...(mirror === undefined || mirrored === undefined ? [] : mirrorCost(mirrored, mirror)),
    ...Object.entries(experiments).map(([name, definition]) =>
      experimentCost(name, planOf(name, definition, plan.topology, guardsOf(definition, mirrored)).plan, {
        repetitions: definition.repetitions ?? 1,
        reported: mirrored !== undefined && monitor !== undefined,
      }),
    ),
    ...(monitor === undefined ? [] : [monitorCost(monitor)]),
  ];
}
