import type * as autoscaling from "@pulumi/aws/autoscaling";
import type * as ec2 from "@pulumi/aws/ec2";
import type * as iam from "@pulumi/aws/iam";
import type * as lb from "@pulumi/aws/lb";
import type * as pulumi from "@pulumi/pulumi";

import { shadowRolePath } from "../../iam/network";
import type { AwsShadowReference } from "../../shadow";
import { joinShadow } from "../../shadowParts";
import type { Containment, Foundation } from "./containment";
import { volumeIdsOf } from "./machines";
import { type Site, made } from "./site";
import type { MadeVpc } from "./vpc";

/** Everything that was made and that others refer to. */
export interface MadeParts {
  network: MadeVpc;
  gateways: ReadonlyMap<string, ec2.NetworkInterface>;
  instances: ReadonlyMap<string, ec2.Instance>;
  interfaces: ReadonlyMap<string, ec2.NetworkInterface>;
  endpoints: ReadonlyMap<string, ec2.VpcEndpoint>;
  balancers: ReadonlyMap<string, lb.LoadBalancer>;
  scalingGroups: ReadonlyMap<string, autoscaling.Group>;
  machineRole: iam.Role;
  gatewayGroup: ec2.SecurityGroup;
  foundation: Foundation;
  containment: Containment;
}

/** What mirror, experiments and monitor need to know of a shadow. */
export function referenceTo(site: Site, parts: MadeParts): pulumi.Output<AwsShadowReference> {
  const { network, gateways, foundation, containment } = parts;
  const { plan, shadowName, place } = site;
  return joinShadow({
    shadowName,
    region: plan.region,
    accountId: place.accountId,
    partition: place.partition,
    vpcId: network.vpc.id,
    cidrs: plan.ranges,
    subnetIds: identities(network.subnets),
    machineIds: identities(parts.instances),
    interfaceIds: identities(parts.interfaces),
    volumeIds: volumeIdsOf(site, parts.instances),
    endpointIds: identities(parts.endpoints),
    autoScalingGroupArns: Object.fromEntries([...parts.scalingGroups].map(([name, { arn }]) => [name, arn])),
    loadBalancerSuffixes: Object.fromEntries([...parts.balancers].map(([name, { arnSuffix }]) => [name, arnSuffix])),
    zones: plan.appliances.zones.map(({ zoneId, loadBalancerCidr, gatewayAddress }) => {
      const gatewaySubnet = made(network.gatewaySubnets, zoneId);
      return {
        zoneId,
        zoneName: gatewaySubnet.availabilityZone,
        gatewaySubnetId: gatewaySubnet.id,
        loadBalancerSubnetId: made(network.loadBalancerSubnets, zoneId).id,
        loadBalancerCidr,
        gatewayInterfaceId: made(gateways, zoneId).id,
        gatewayAddress,
      };
    }),
    gatewaySecurityGroupId: parts.gatewayGroup.id,
    flowLogGroupName: containment.logGroup.name,
    permissionsBoundaryArn: foundation.boundary.arn,
    machineRoleArn: parts.machineRole.arn,
    rolePath: shadowRolePath(shadowName),
    bucketName: place.bucketName,
    kmsKeyArn: foundation.key.arn,
  });
}

function identities(resources: ReadonlyMap<string, pulumi.CustomResource>): Record<string, pulumi.Output<string>> {
  return Object.fromEntries([...resources].map(([name, { id }]) => [name, id]));
}
