import * as ec2 from "@pulumi/aws/ec2";
import * as lb from "@pulumi/aws/lb";
import * as vpc from "@pulumi/aws/vpc";
import * as pulumi from "@pulumi/pulumi";

import { gatewayPorts } from "../gateway/names";
import { hostRange } from "../../internal/cidr";
import { type MirrorSite, mirrorTags, shortName, zoneOf } from "./site";

/** The load balancer of the gateways, and the service by which production's endpoints reach it. */
export interface MadeBalancer {
  targets: lb.TargetGroup;
  listener: lb.Listener;
  service: ec2.VpcEndpointService;
}

/**
 * Makes the Gateway Load Balancer. Zones stay apart, so that a flow is replayed in its own zone, where answers to clients
 * come back to the same gateway. Copies of one interface stay on one gateway: production's mirror gives the two directions
 * of a flow different outer ports, so that the 5-tuple would tear them apart.
 */
export function makeBalancer(site: MirrorSite): MadeBalancer {
  const { name, plan, shadow, parent } = site;
  const tags = mirrorTags(site, "gateway");
  const balancer = new lb.LoadBalancer(
    `${name}-balancer`,
    {
      name: shortName(site, "gateways"),
      loadBalancerType: "gateway",
      subnets: plan.zones.map(({ zoneId }) => zoneOf(site, zoneId).loadBalancerSubnetId),
      enableCrossZoneLoadBalancing: false,
      tags,
    },
    { parent },
  );
  const targets = new lb.TargetGroup(
    `${name}-targets`,
    {
      name: shortName(site, "targets"),
      vpcId: shadow.vpcId,
      port: gatewayPorts.geneve,
      protocol: "GENEVE",
      targetType: "instance",
      deregistrationDelay: 30,
      // Alive is enough: a gateway whose intake is closed must not be replaced for it.
      healthCheck: {
        protocol: "HTTP",
        port: String(gatewayPorts.health),
        path: "/metrics",
        matcher: "200",
        interval: 10,
        healthyThreshold: 2,
        unhealthyThreshold: 3,
      },
      stickiness: { enabled: true, type: "source_ip_dest_ip" },
      targetFailovers: [{ onDeregistration: "rebalance", onUnhealthy: "rebalance" }],
      tags,
    },
    { parent },
  );
  const listener = new lb.Listener(
    `${name}-listener`,
    { loadBalancerArn: balancer.arn, defaultActions: [{ type: "forward", targetGroupArn: targets.arn }], tags },
    { parent },
  );
  const service = new ec2.VpcEndpointService(
    `${name}-service`,
    {
      acceptanceRequired: true,
      allowedPrincipals: [pulumi.interpolate`arn:${shadow.partition}:iam::${site.productionAccount}:root`],
      gatewayLoadBalancerArns: [balancer.arn],
      tags,
    },
    { parent },
  );
  return { targets, listener, service };
}

/**
 * Makes the gateways' subnets one-way for copies: no datagram of GENEVE or VXLAN leaves them. A network ACL looks at every
 * packet, while a security group would let the answer to a copy out.
 */
export function makeDiode(site: MirrorSite): ec2.NetworkAcl {
  const everywhere = { cidrBlock: "0.0.0.0/0" };
  const deny = (ruleNo: number, port: number): object => ({
    ruleNo,
    action: "deny",
    protocol: "17",
    fromPort: port,
    toPort: port,
    ...everywhere,
  });
  const allow = { ruleNo: 100, action: "allow", protocol: "-1", fromPort: 0, toPort: 0, ...everywhere };
  return new ec2.NetworkAcl(
    `${site.name}-diode`,
    {
      vpcId: site.shadow.vpcId,
      subnetIds: site.shadowZones.map((zoneId) => zoneOf(site, zoneId).gatewaySubnetId),
      ingress: [allow],
      egress: [deny(10, gatewayPorts.geneve), deny(20, gatewayPorts.vxlan), allow] as (typeof allow)[],
      tags: mirrorTags(site, "gateway"),
    },
    { parent: site.parent },
  );
}

/** Lets the sources reach the gateway itself, where no load balancer stands between. */
export function makeIntakeRules(site: MirrorSite): void {
  for (const { link, addresses } of site.plan.sources) {
    new vpc.SecurityGroupIngressRule(
      `${site.name}-intake-${link}`,
      {
        securityGroupId: site.shadow.gatewaySecurityGroupId,
        ipProtocol: "udp",
        fromPort: gatewayPorts.vxlan,
        toPort: gatewayPorts.vxlan,
        cidrIpv4: hostRange(addresses[0]!),
        tags: mirrorTags(site, "gateway"),
      },
      { parent: site.parent },
    );
  }
}
