import { z } from "zod";

import type {
  AwsAclRuleExtras,
  AwsBoundaryExtras,
  AwsDnsZoneExtras,
  AwsInterfaceExtras,
  AwsLoadBalancerExtras,
  AwsMachineExtras,
  AwsRouteExtras,
  AwsSecurityGroupExtras,
  AwsSubnetExtras,
  AwsTopologyExtras,
} from "../topologyAws";

const text = z.string().optional();
const flag = z.boolean().optional();
const count = z.int().nonnegative().optional();
const texts = z.array(z.string()).optional();
const port = z.int().min(0).max(65535);

/** The form of the `aws` key of a topology. */
export const awsTopologyShape: z.ZodType<AwsTopologyExtras> = z.strictObject({
  vpcId: z.string(),
  zones: z.array(z.strictObject({ id: z.string(), name: z.string() })),
  dnsSupport: flag,
  dnsHostnames: flag,
  dhcp: z.strictObject({ domainName: text, domainNameServers: texts, ntpServers: texts }).optional(),
  endpoints: z
    .array(
      z.strictObject({
        id: z.string(),
        serviceName: z.string(),
        type: z.string(),
        subnets: texts,
        privateDns: flag,
      }),
    )
    .optional(),
  mirrorSessions: z
    .array(
      z.strictObject({
        id: z.string(),
        interfaceId: z.string(),
        sessionNumber: z.int(),
        filterId: text,
        targetId: text,
        owner: text,
        shadow: text,
      }),
    )
    .optional(),
  instanceTypes: z
    .array(
      z.strictObject({
        type: z.string(),
        cpus: count,
        memoryMegabytes: count,
        architecture: text,
        hypervisor: text,
        maximumInterfaces: count,
        addressesPerInterface: count,
      }),
    )
    .optional(),
  autoScalingGroups: z
    .array(
      z.strictObject({
        name: z.string(),
        machines: z.array(z.string()),
        minimum: count,
        maximum: count,
        desired: count,
      }),
    )
    .optional(),
});

/** The form of the `aws` key of a subnet. */
export const awsSubnetShape: z.ZodType<AwsSubnetExtras> = z.strictObject({
  id: z.string(),
  zoneId: z.string(),
  mapPublicIpOnLaunch: flag,
});

/** The form of the `aws` key of a machine. */
export const awsMachineShape: z.ZodType<AwsMachineExtras> = z.strictObject({
  id: z.string(),
  architecture: text,
  platform: text,
  imageId: text,
  imageAvailable: flag,
  imageOwner: text,
  newestImageId: text,
  rootDevice: text,
  volumes: z
    .array(
      z.strictObject({
        id: z.string(),
        device: z.string(),
        sizeGigabytes: z.int().positive(),
        type: text,
        iops: count,
        throughputMegabytes: count,
        encrypted: flag,
        kmsKeyId: text,
        deleteOnTermination: flag,
        snapshotId: text,
        snapshotAt: text,
      }),
    )
    .optional(),
  hasUserData: flag,
  instanceProfile: text,
  cpuCredits: text,
  ebsOptimized: flag,
  bootMode: text,
  managedBy: text,
  tags: z.record(z.string(), z.string()).optional(),
});

/** The form of the `aws` key of an interface. */
export const awsInterfaceShape: z.ZodType<AwsInterfaceExtras> = z.strictObject({
  id: z.string(),
  deviceIndex: count,
  sourceDestCheck: flag,
  publicAddress: text,
  prefixes: texts,
});

/** The form of the `aws` key of a security group. */
export const awsSecurityGroupShape: z.ZodType<AwsSecurityGroupExtras> = z.strictObject({
  id: z.string(),
  description: text,
  dropped: texts,
});

/** The form of the `aws` key of an ACL's rule. */
export const awsAclRuleShape: z.ZodType<AwsAclRuleExtras> = z.strictObject({
  protocolNumber: count,
  icmpType: z.int().optional(),
  icmpCode: z.int().optional(),
});

/** The form of the `aws` key of a route. */
export const awsRouteShape: z.ZodType<AwsRouteExtras> = z.strictObject({
  target: text,
  origin: text,
  prefixListId: text,
});

/** The form of the `aws` key of a load balancer. */
export const awsLoadBalancerShape: z.ZodType<AwsLoadBalancerExtras> = z.strictObject({
  arn: z.string(),
  type: z.string(),
  scheme: text,
  dnsName: text,
  subnets: texts,
  securityGroups: texts,
  listeners: z
    .array(
      z.strictObject({
        port,
        protocol: z.string(),
        targetGroup: text,
        rules: z.array(z.strictObject({ priority: z.int(), paths: texts, hosts: texts, targetGroup: text })).optional(),
        dropped: texts,
      }),
    )
    .optional(),
  targetGroups: z
    .array(
      z.strictObject({
        name: z.string(),
        port,
        protocol: z.string(),
        protocolVersion: text,
        targetType: z.string(),
        healthCheckPath: text,
        healthCheckProtocol: text,
        healthCheckPort: text,
        targets: z.array(z.strictObject({ machine: z.string(), port: port.optional(), health: text })),
      }),
    )
    .optional(),
});

/** The form of the `aws` key of a private zone. */
export const awsDnsZoneShape: z.ZodType<AwsDnsZoneExtras> = z.strictObject({ id: z.string(), dropped: texts });

/** The form of the `aws` key of a boundary. */
export const awsBoundaryShape: z.ZodType<AwsBoundaryExtras> = z.strictObject({
  kind: z.string(),
  id: z.string(),
  names: texts,
  port: port.optional(),
  engine: text,
  engineVersion: text,
  instanceClass: text,
  snapshotId: text,
  snapshotAt: text,
  encrypted: flag,
  kmsKeyId: text,
  subnets: texts,
  securityGroups: texts,
  members: count,
});
