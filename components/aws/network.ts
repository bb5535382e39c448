import * as pulumi from "@pulumi/pulumi";
import { getCallerIdentityOutput } from "@pulumi/aws/getCallerIdentity";

import type { Problem } from "../internal/problems";
import type { BoundaryOverride, FidelityItem, ScaleRule, StateRule } from "../network";
import { rejectProblems } from "../refusal";
import type { Topology } from "../topology";
import { gatewayBucketName } from "./gateway/names";
import { partitionOf } from "./iam/document";
import { makeBalancers } from "./network/make/balancers";
import { makeContainment, makeFoundation } from "./network/make/containment";
import { makeDatabases } from "./network/make/databases";
import { makeInterfaceEndpoints, makeS3Endpoint } from "./network/make/endpoints";
import { makeGroups, makeRules } from "./network/make/filters";
import { makeScalingGroups } from "./network/make/groups";
import {
  copySnapshots,
  makeImages,
  makeInstances,
  makeInterfaces,
  makeMachineRole,
  makeProfile,
} from "./network/make/machines";
import { type MadeParts, referenceTo } from "./network/make/reference";
import { type Site, idsOf, linkNames, shortened } from "./network/make/site";
import { makeAcls, makeRoutes, makeStandingInterfaces, makeVpc } from "./network/make/vpc";
import { makeZones } from "./network/make/zones";
import { saySharing } from "./network/make/sharing";
import type { FirstBootRule } from "./network/firstBoot";
import { fidelitySummary } from "./network/summary";
import { planAwsNetwork } from "./network/plan";
import type { AwsNetworkPlan, AwsNetworkSettings } from "./network/planTypes";
import { awsNetworkProblems } from "./network/problems";
import { notedArgs } from "./notedArgs";
import type { AwsShadowReference } from "./shadow";
import { withShortStacks } from "./shortStacks";

/** Arguments of {@link AwsShadowNetwork}. */
export interface AwsShadowNetworkArgs {
  /** Production as data, for example from `readTopology("topology.json")`; it must have been captured from AWS. */
  topology: Topology;
  /**
   * Name of the shadow, at most 40 letters, digits, hyphens and underscores; the value of its tags, unique in its
   * account. Defaults to the component's name and the stack's.
   */
  shadowName?: string;
  /** Machines with another number or instance type than in production. Defaults to none. */
  scale?: ScaleRule[];
  /** Machines whose disks start in another state than the newest that exists. Memory is refused. Defaults to none. */
  state?: StateRule[];
  /**
   * What clones do before they believe that they are production: units that must not run (cron, mail, consumers of queues),
   * scripts. Linux with cloud-init only; a change reboots the machines that it is about. Defaults to nothing.
   */
  firstBoot?: FirstBootRule[];
  /** Databases to restore from their newest snapshot. Everything else behind a boundary is a sink. Defaults to none. */
  boundaries?: BoundaryOverride[];
  /** Range of the project's own appliances, /16 to /23 out of 100.64.0.0/10. Defaults to 100.64.0.0/20. */
  applianceCidr?: string;
  /** IPv4 ranges that the account's quota allows a VPC. Defaults to 5, which is AWS's own default. */
  rangeQuota?: number;
  /** Production's Auto Scaling groups that are groups here too, not machines at production's addresses. Defaults to none. */
  autoScalingGroups?: string[];
  /** Certificate in the shadow's account for listeners that end TLS. Defaults to none: they are plain. */
  certificateArn?: pulumi.Input<string>;
  /**
   * Copy the snapshots of volumes and of restored clusters under the shadow's key first, which another account than
   * production's needs; production must have shared them (`shadownet share aws`). Defaults to false: volumes start from
   * production's own.
   */
  copySnapshots?: boolean;
  /** Buckets that machines may read beside those of AWS. Defaults to none. */
  buckets?: string[];
  /** Tags on everything. Defaults to none but the project's own. */
  tags?: Record<string, string>;
}

/**
 * A shadow of a VPC in a VPC of its own: the same ranges, zones, addresses, filters, machines, load balancers and names.
 *
 * *Safety:* no gateway of any kind, no peering, no public address; names outside the shadow do not resolve; production is
 * only read, except that `disk: snapshot` takes images of its machines, without a reboot. None of it is an option.
 * *Cost:* instances, volumes and load balancers as in production, and endpoints, logs and keys; the environment's `cost`
 * has the formula.
 */
export class AwsShadowNetwork extends pulumi.ComponentResource {
  /** Id of the VPC. */
  readonly networkId: pulumi.Output<string>;
  /** Ids of the subnets, in the topology's order; the appliances' own are not among them. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** Ids of the instances, in the topology's order; copies by scaling come last. */
  readonly machineIds: pulumi.Output<string[]>;
  /** Names of the links: `machine/interface`, and subnets for their attachment to the router. */
  readonly linkIds: pulumi.Output<string[]>;
  /** Address that the first zone's default routes lead to. */
  readonly gatewayAddress: pulumi.Output<string>;
  /** Every way in which the shadow differs from production. */
  readonly fidelity: pulumi.Output<FidelityItem[]>;
  /** What mirror, experiments and monitor need to know of the shadow. */
  readonly reference: pulumi.Output<AwsShadowReference>;

  constructor(name: string, args: AwsShadowNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:AwsShadowNetwork", name, notedArgs(args), opts);
    rejectProblems("AwsShadowNetwork", networkProblems(args));
    const plan = planShadow(args);
    const site = siteOf(name, args, plan, this);
    const made = withShortStacks(() => makeNetwork(site, args));
    void pulumi.log.info(fidelitySummary(plan.fidelity), this);
    saySharing(site, args.topology);
    this.networkId = made.network.vpc.id;
    this.subnetIds = pulumi.all(idsOf(made.network.subnets));
    this.machineIds = pulumi.all(idsOf(made.instances));
    this.linkIds = pulumi.output(linkNames(plan));
    this.gatewayAddress = pulumi.output(plan.appliances.zones[0]?.gatewayAddress ?? "");
    this.fidelity = pulumi.output(plan.fidelity);
    this.reference = referenceTo(site, made);
    this.registerOutputs({
      networkId: this.networkId,
      subnetIds: this.subnetIds,
      machineIds: this.machineIds,
      linkIds: this.linkIds,
      gatewayAddress: this.gatewayAddress,
      fidelity: this.fidelity,
      reference: this.reference,
    });
  }
}

/** Makes everything, each part before those that need it. */
function makeNetwork(site: Site, args: AwsShadowNetworkArgs): MadeParts {
  const foundation = makeFoundation(site);
  const network = makeVpc(site);
  const groups = makeGroups(site, network.vpc);
  const gateways = makeStandingInterfaces(site, network, groups.gateways);
  const interfaces = makeInterfaces(site, network.subnets, groups.groups);
  const tables = makeRoutes(site, network, gateways, interfaces);
  makeAcls(site, network);
  const s3 = makeS3Endpoint(site, network.vpc, tables, args.buckets ?? []);
  const endpoints = makeInterfaceEndpoints(site, network, groups.endpoints);
  makeRules(site, groups, s3);
  const containment = makeContainment(site, network.vpc, foundation);
  const machineRole = makeMachineRole(site, foundation);
  const profile = makeProfile(site, machineRole);
  const snapshots = copySnapshots(site, foundation);
  const parts = { images: makeImages(site, snapshots), snapshots, interfaces, profile, foundation, containment };
  const instances = makeInstances(site, parts);
  const shared = { vpc: network.vpc, subnets: network.subnets, groups: groups.groups, interfaces, foundation };
  const certificate = args.certificateArn === undefined ? {} : { certificateArn: args.certificateArn };
  const balanced = makeBalancers(site, { ...shared, ...certificate, instances });
  const scalingGroups = makeScalingGroups(site, { ...parts, ...shared, targetGroups: balanced.targetGroups });
  const databases = makeDatabases(site, shared);
  makeZones(site, network.vpc, balanced.balancers, databases);
  return {
    network,
    gateways,
    instances,
    interfaces,
    endpoints: new Map([...endpoints, ["s3", s3]]),
    balancers: balanced.balancers,
    scalingGroups,
    machineRole,
    gatewayGroup: groups.gateways,
    foundation,
    containment,
  };
}

/** Everything that is wrong with the arguments of an {@link AwsShadowNetwork}. */
export function networkProblems(args: AwsShadowNetworkArgs): Problem[] {
  return awsNetworkProblems(args.topology, { ...args, ...settingsOf(args) });
}

/** The plan of a shadow's network; its arguments must be right. */
export function planShadow(args: AwsShadowNetworkArgs): AwsNetworkPlan {
  return planAwsNetwork(args.topology, settingsOf(args));
}

function settingsOf(args: AwsShadowNetworkArgs): AwsNetworkSettings {
  const { scale, state, firstBoot, boundaries, applianceCidr, autoScalingGroups, certificateArn, copySnapshots } = args;
  return {
    ...(scale === undefined ? {} : { scale }),
    ...(state === undefined ? {} : { state }),
    ...(firstBoot === undefined ? {} : { firstBoot }),
    ...(boundaries === undefined ? {} : { boundaries }),
    ...(applianceCidr === undefined ? {} : { applianceCidr }),
    ...(autoScalingGroups === undefined ? {} : { autoScalingGroups }),
    ...(copySnapshots === undefined ? {} : { copySnapshots }),
    hasCertificate: certificateArn !== undefined,
  };
}

function siteOf(name: string, args: AwsShadowNetworkArgs, plan: AwsNetworkPlan, parent: pulumi.Resource): Site {
  const shadowName = args.shadowName ?? defaultShadowName(name);
  const { region } = plan;
  const partition = partitionOf(region);
  const account = args.topology.source?.account;
  return {
    name,
    plan,
    shadowName,
    place: getCallerIdentityOutput({}, { parent }).apply(({ accountId }) => ({
      partition,
      region,
      accountId,
      shadowName,
      bucketName: gatewayBucketName(shadowName, accountId, region),
    })),
    ...(account === undefined ? {} : { productionAccount: account }),
    tags: args.tags ?? {},
    parent,
  };
}

/** The component's name and the stack's, in the letters that a shadow's name may have. */
export function defaultShadowName(name: string): string {
  const wanted = `${name}-${pulumi.getStack()}`.replaceAll(/[^\w-]+/g, "-").replace(/^[^a-zA-Z0-9]+/, "");
  return shortened(wanted, 40);
}
