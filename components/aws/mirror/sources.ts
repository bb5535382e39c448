import * as ec2 from "@pulumi/aws/ec2";
import * as pulumi from "@pulumi/pulumi";

import { productionRole } from "../shadow";
import type { FilterRule, PortSpan } from "./filterRules";
import { type MirrorSite, mirrorTags } from "./site";

/** What production's side of a mirror is made with. */
export interface MirrorSourcesParts {
  site: MirrorSite;
  /** Name of the service that the endpoints lead to; left out where the target is a network interface. */
  serviceName?: pulumi.Input<string>;
  /** Accepts an endpoint on the shadow's side; what carries copies waits for it. */
  accept: (zoneId: string, endpointId: pulumi.Input<string>) => pulumi.Resource;
  /** Id of the gateway's interface in a zone, where the target is one. */
  interfaceOf: (zoneId: string) => pulumi.Input<string>;
}

/**
 * Everything that a shadow makes on production's side: one endpoint a zone, the mirror's target, filter, rules and
 * sessions, and nothing else. Its provider is production's.
 */
export class AwsMirrorSources extends pulumi.ComponentResource {
  /** Ids of the sessions, in the order of the plan's sources. */
  readonly sessionIds: pulumi.Output<string[]>;

  constructor(name: string, parts: MirrorSourcesParts, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:AwsMirrorSources", name, {}, opts);
    const { site } = parts;
    const tags = mirrorTags(site, productionRole);
    const targets = new Map(site.plan.zones.map(({ zoneId }) => [zoneId, makeTarget(this, parts, zoneId, tags)]));
    const filter = makeFilter(this, site, tags);
    const sessions = site.plan.sources.map(
      ({ link, interfaceId, sessionNumber, vni, zoneId }) =>
        new ec2.TrafficMirrorSession(
          `${site.name}-session-${link}`,
          {
            networkInterfaceId: interfaceId,
            trafficMirrorFilterId: filter.id,
            trafficMirrorTargetId: targets.get(zoneId)!.id,
            sessionNumber,
            virtualNetworkId: vni,
            ...(site.plan.packetLength === undefined ? {} : { packetLength: site.plan.packetLength }),
            description: `${link} to its shadow`,
            tags,
          },
          { parent: this },
        ),
    );
    this.sessionIds = pulumi.all(sessions.map(({ id }) => id));
    this.registerOutputs({ sessionIds: this.sessionIds });
  }
}

type Tags = Record<string, pulumi.Input<string>>;

function makeTarget(
  parent: pulumi.Resource,
  { site, serviceName, accept, interfaceOf }: MirrorSourcesParts,
  zoneId: string,
  tags: Tags,
): ec2.TrafficMirrorTarget {
  const { name, plan } = site;
  const args = { description: `gateways of ${zoneId}`, tags };
  if (serviceName === undefined) {
    const networkInterfaceId = interfaceOf(zoneId);
    return new ec2.TrafficMirrorTarget(`${name}-target-${zoneId}`, { ...args, networkInterfaceId }, { parent });
  }
  const endpoint = new ec2.VpcEndpoint(
    `${name}-endpoint-${zoneId}`,
    {
      vpcId: plan.vpcId,
      vpcEndpointType: "GatewayLoadBalancer",
      serviceName,
      subnetIds: [plan.zones.find((zone) => zone.zoneId === zoneId)!.subnetId],
      tags,
    },
    { parent },
  );
  return new ec2.TrafficMirrorTarget(
    `${name}-target-${zoneId}`,
    { ...args, gatewayLoadBalancerEndpointId: endpoint.id },
    { parent, dependsOn: [accept(zoneId, endpoint.id)] },
  );
}

function makeFilter(parent: pulumi.Resource, { name, plan }: MirrorSite, tags: Tags): ec2.TrafficMirrorFilter {
  const filter = new ec2.TrafficMirrorFilter(`${name}-filter`, { description: "what a shadow gets", tags }, { parent });
  for (const rule of plan.filter.rules) {
    new ec2.TrafficMirrorFilterRule(
      `${name}-rule-${rule.slot}`,
      { trafficMirrorFilterId: filter.id, ...ruleArgs(rule) },
      { parent },
    );
  }
  return filter;
}

function ruleArgs(rule: FilterRule): Omit<ec2.TrafficMirrorFilterRuleArgs, "trafficMirrorFilterId"> {
  const { direction, action, number, protocol, sourceCidr, destinationCidr, sourcePorts, destinationPorts } = rule;
  const span = ({ first, last }: PortSpan): { fromPort: number; toPort: number } => ({ fromPort: first, toPort: last });
  return {
    trafficDirection: direction,
    ruleAction: action,
    ruleNumber: number,
    ...(protocol === undefined ? {} : { protocol }),
    sourceCidrBlock: sourceCidr,
    destinationCidrBlock: destinationCidr,
    ...(sourcePorts === undefined ? {} : { sourcePortRange: span(sourcePorts) }),
    ...(destinationPorts === undefined ? {} : { destinationPortRange: span(destinationPorts) }),
  };
}
