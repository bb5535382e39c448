import * as ec2 from "@pulumi/aws/ec2";
import * as pulumi from "@pulumi/pulumi";

import type { Problem } from "../internal/problems";
import type { FidelityItem } from "../network";
import { rejectProblems, under } from "../refusal";
import type { Topology } from "../topology";
import { validateTopology } from "../topologySchema";
import { type MadeParameters, makeGateways, makeParameters } from "./gateway/instances";
import { makeBalancer, makeDiode, makeIntakeRules } from "./mirror/balancer";
import { type MirrorGuards, makeGuards } from "./mirror/guard";
import { planMirror, type PlannedMirror } from "./mirror/plan";
import { AwsMirrorTargetMode, type AwsMirrorSettings } from "./mirror/settings";
import { type MirrorSite, zoneOf } from "./mirror/site";
import { AwsMirrorSources } from "./mirror/sources";
import { zonesOf } from "./network/layout";
import { notedArgs } from "./notedArgs";
import type { AwsShadowReference } from "./shadow";
import { shadowParts } from "./shadowParts";
import { withShortStacks } from "./shortStacks";

/** Arguments of {@link AwsTrafficMirror}. */
export interface AwsTrafficMirrorArgs extends AwsMirrorSettings {
  /** The shadow: `reference` of an AwsShadowNetwork of the same topology. */
  shadow: pulumi.Input<AwsShadowReference>;
  /** Production as data, the same as the shadow's. */
  topology: Topology;
  /** Image of the gateways: Amazon Linux 2023. Defaults to the newest one at each start. */
  imageId?: pulumi.Input<string>;
  /** ARNs that are told when copies are dropped at a source. Defaults to none: the alarms are only seen. */
  guardActions?: pulumi.Input<string>[];
  /** Tags on everything. Defaults to none but the project's own. */
  tags?: Record<string, string>;
}

/** Options of {@link AwsTrafficMirror}. */
export interface AwsTrafficMirrorOptions extends pulumi.ComponentResourceOptions {
  /** Provider of production's account, where that is not the shadow's. Defaults to the shadow's. */
  productionProvider?: pulumi.ProviderResource;
}

/**
 * Copies production's traffic by VPC Traffic Mirroring to gateways in the shadow, which choose the share, whole flows in
 * both directions, and replay it. The copies go through a Gateway Load Balancer endpoint, so that the two networks need
 * no route between them. Changing the share or a selector replaces nothing: the gateways follow a parameter.
 *
 * *Safety:* production gains one endpoint a zone and the mirror's target, filter, rules and sessions. The gateways'
 * subnets send no copy back; their intake starts closed and opens when a run has tried to leave the shadow and failed.
 * Copies take bandwidth of production's instances; an alarm for each tells when copies are dropped.
 * *Cost:* each session, endpoint and gateway by the hour, the copies by the gigabyte; the environment's `cost` has the formula.
 */
export class AwsTrafficMirror extends pulumi.ComponentResource {
  /** Ids of the mirror sessions, in the order of the topology's machines. */
  readonly sessionIds: pulumi.Output<string[]>;
  /** Where the gateways are steered: `ssm://REGION/PATH`, the path of their parameters `settings` and `intake`. */
  readonly gatewayUrl: pulumi.Output<string>;
  /** Name of the parameter that opens and closes the gateways' intake. */
  readonly intakeParameter: pulumi.Output<string>;
  /** ARNs of the alarms that fire when copies are dropped, one a machine. */
  readonly guardAlarmArns: pulumi.Output<string[]>;
  /** ARN of the one alarm that fires when any of them does; empty where AWS counts for no machine. */
  readonly guardAlarmArn: pulumi.Output<string>;
  /** Every way in which what the shadow gets differs from what production gets. */
  readonly fidelity: pulumi.Output<FidelityItem[]>;

  constructor(name: string, args: AwsTrafficMirrorArgs, opts?: AwsTrafficMirrorOptions) {
    const { productionProvider, ...own } = opts ?? {};
    super("shadownet:index:AwsTrafficMirror", name, notedArgs(args), own);
    const { plan, problems } = plannedMirror(args);
    rejectProblems("AwsTrafficMirror", problems);
    const site: MirrorSite = {
      name,
      plan: plan!,
      settings: mirrorSettings(args),
      shadow: shadowParts(args.shadow),
      productionAccount: args.productionAccountId ?? args.topology.source!.account!,
      tags: args.tags ?? {},
      shadowZones: zonesOf(args.topology),
      parent: this,
    };
    const production = productionProvider === undefined ? {} : { providers: [productionProvider] };
    const { sources, parameters, guards } = withShortStacks(() => makeMirror(site, args, production));
    for (const { subject, reason } of plan!.fidelity) void pulumi.log.info(`${subject}: ${reason}`, this);
    this.sessionIds = sources.sessionIds;
    this.intakeParameter = parameters.intake.name;
    this.gatewayUrl = pulumi
      .all([site.shadow.region, parameters.intake.name])
      .apply(([region, parameter]) => `ssm://${region}${parameter.slice(0, parameter.lastIndexOf("/"))}`);
    this.guardAlarmArns = pulumi.all(guards.alarms.map(({ arn }) => arn));
    this.guardAlarmArn = guards.whole?.arn ?? pulumi.output("");
    this.fidelity = pulumi.output(plan!.fidelity);
    this.registerOutputs({
      sessionIds: this.sessionIds,
      gatewayUrl: this.gatewayUrl,
      intakeParameter: this.intakeParameter,
      guardAlarmArns: this.guardAlarmArns,
      guardAlarmArn: this.guardAlarmArn,
      fidelity: this.fidelity,
    });
  }
}

/** Makes the gateways, what leads to them, and production's side, which comes after what accepts its copies. */
function makeMirror(
  site: MirrorSite,
  { imageId, guardActions = [] }: AwsTrafficMirrorArgs,
  production: pulumi.ComponentResourceOptions,
): { sources: AwsMirrorSources; parameters: MadeParameters; guards: MirrorGuards } {
  const { name, plan, parent } = site;
  const parameters = makeParameters(site);
  const diode = makeDiode(site);
  const balancer = plan.targetMode === AwsMirrorTargetMode.GatewayLoadBalancer ? makeBalancer(site) : undefined;
  if (balancer === undefined) makeIntakeRules(site);
  const image = imageId === undefined ? {} : { imageId };
  makeGateways(site, { parameters, diode, ...image, ...(balancer === undefined ? {} : { balancer }) });
  const sources = new AwsMirrorSources(
    `${name}-sources`,
    {
      site,
      ...(balancer === undefined ? {} : { serviceName: balancer.service.serviceName }),
      accept: (zoneId, vpcEndpointId) =>
        new ec2.VpcEndpointConnectionAccepter(
          `${name}-accepter-${zoneId}`,
          { vpcEndpointServiceId: balancer!.service.id, vpcEndpointId },
          { parent },
        ),
      interfaceOf: (zoneId) => zoneOf(site, zoneId).gatewayInterfaceId,
    },
    { parent, ...production },
  );
  return { sources, parameters, guards: makeGuards(site, guardActions) };
}

/** Everything that is wrong with the arguments of an {@link AwsTrafficMirror}. */
export function mirrorProblems(args: Omit<AwsTrafficMirrorArgs, "shadow">): Problem[] {
  return plannedMirror(args).problems;
}

/** What a mirror with these arguments will be, or what is wrong with them. */
export function plannedMirror(args: Omit<AwsTrafficMirrorArgs, "shadow">): PlannedMirror {
  const problems = under("topology", validateTopology(args.topology));
  return problems.length > 0 ? { plan: undefined, problems } : planMirror(args.topology, mirrorSettings(args));
}

const otherArguments = new Set(["shadow", "topology", "imageId", "guardActions", "tags"]);

function mirrorSettings(args: Omit<AwsTrafficMirrorArgs, "shadow">): AwsMirrorSettings {
  return Object.fromEntries(Object.entries(args).filter(([key]) => !otherArguments.has(key)));
}
