import * as ec2 from "@pulumi/aws/ec2";
import * as vpc from "@pulumi/aws/vpc";

import { TrafficDirection } from "../../../topology";
import { gatewayPorts } from "../../gateway/names";
import type { PlannedRule } from "../planTypes";
import { type Site, child, made, tagsOf } from "./site";

/** The groups of the topology by name, and those of the project's own appliances. */
export interface MadeGroups {
  groups: Map<string, ec2.SecurityGroup>;
  gateways: ec2.SecurityGroup;
  endpoints: ec2.SecurityGroup;
}

/** Makes the security groups, without rules: groups may name each other in a circle. */
export function makeGroups(site: Site, network: ec2.Vpc): MadeGroups {
  const group = (label: string, description: string, role: string): ec2.SecurityGroup =>
    new ec2.SecurityGroup(
      `${site.name}-${label}`,
      // Rules that others add are taken away first, so that groups which name each other can go.
      { vpcId: network.id, description, revokeRulesOnDelete: true, tags: tagsOf(site, label, role) },
      child(site),
    );
  return {
    groups: new Map(
      site.plan.securityGroups.map(({ name, description }) => [name, group(`group-${name}`, description, "network")]),
    ),
    gateways: group(
      "gateway-group",
      "Gateways: in from the load balancer and in answer only, out to the inside of the shadow",
      "gateway",
    ),
    endpoints: group("endpoints-group", "Endpoints: TLS from inside the shadow", "network"),
  };
}

/** Gives the groups their rules. */
export function makeRules(site: Site, { groups, gateways, endpoints }: MadeGroups, s3: ec2.VpcEndpoint): void {
  for (const { name, rules } of site.plan.securityGroups) {
    for (const rule of rules) makeRule(site, made(groups, name), rule, groups, s3);
  }
  const range = (key: string, direction: TrafficDirection, cidr: string, port?: number): PlannedRule => ({
    key: `${key}/${direction}/${cidr}`,
    direction,
    ...(port === undefined ? { protocol: "-1" } : { protocol: "tcp", fromPort: port, toPort: port }),
    cidr,
  });
  // What machines send outside arrives at the gateways too: without a rule it meets silence, and only answers come in.
  for (const { loadBalancerCidr } of site.plan.appliances.zones) {
    const health = range("shadownet-gateways", TrafficDirection.Ingress, loadBalancerCidr, gatewayPorts.health);
    const copies = { protocol: "udp", fromPort: gatewayPorts.geneve, toPort: gatewayPorts.geneve };
    makeRule(site, gateways, { ...health, key: `${health.key}/health` }, groups, s3);
    makeRule(site, gateways, { ...health, ...copies, key: `${health.key}/copies` }, groups, s3);
  }
  for (const cidr of site.plan.ranges) {
    makeRule(site, gateways, range("shadownet-gateways", TrafficDirection.Egress, cidr), groups, s3);
    makeRule(site, endpoints, range("shadownet-endpoints", TrafficDirection.Ingress, cidr, 443), groups, s3);
  }
  const archive: PlannedRule = {
    key: "shadownet-gateways/egress/endpoint:s3",
    direction: TrafficDirection.Egress,
    protocol: "tcp",
    fromPort: 443,
    toPort: 443,
    endpoint: "s3",
  };
  makeRule(site, gateways, archive, groups, s3);
}

function makeRule(
  site: Site,
  own: ec2.SecurityGroup,
  rule: PlannedRule,
  groups: ReadonlyMap<string, ec2.SecurityGroup>,
  s3: ec2.VpcEndpoint,
): void {
  const { key, direction, protocol, fromPort, toPort, cidr, group, endpoint } = rule;
  const args = {
    securityGroupId: own.id,
    ipProtocol: protocol,
    ...(fromPort === undefined ? {} : { fromPort }),
    ...(toPort === undefined ? {} : { toPort }),
    ...(cidr === undefined ? {} : { cidrIpv4: cidr }),
    ...(group === undefined ? {} : { referencedSecurityGroupId: made(groups, group).id }),
    ...(endpoint === undefined ? {} : { prefixListId: s3.prefixListId }),
    tags: tagsOf(site, key),
  };
  if (direction === TrafficDirection.Egress) {
    new vpc.SecurityGroupEgressRule(`${site.name}-rule-${key}`, args, child(site));
  } else {
    new vpc.SecurityGroupIngressRule(`${site.name}-rule-${key}`, args, child(site));
  }
}
