import { DescribeAutoScalingGroupsCommand } from "@aws-sdk/client-auto-scaling";
import * as ec2 from "@aws-sdk/client-ec2";
import {
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeRulesCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  DescribeDBClusterSnapshotsCommand,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
} from "@aws-sdk/client-rds";
import { ListHostedZonesByVPCCommand, ListResourceRecordSetsCommand } from "@aws-sdk/client-route-53";

import type { AwsClients } from "./clients";
import type { CaptureAction } from "./policy";

/** What a probe needs. */
export interface ProbeContext {
  clients: AwsClients;
  vpcId: string;
  region: string;
  stop: { abortSignal?: AbortSignal };
}

/** Makes a call once; says why when there is nothing that it could be made about. */
type Probe = (context: ProbeContext) => Promise<string | undefined>;

const dryRun = { DryRun: true };

/** A prefix list and an instance of AWS's form that nobody has: a dry run decides before it looks for them. */
const noPrefixList = "pl-00000000000000000";
const noInstance = "i-00000000000000000";

/** A probe that sends one command and takes any answer. */
function sends(send: (context: ProbeContext) => Promise<unknown>): Probe {
  return async (context) => {
    await send(context);
    return undefined;
  };
}

const ofEc2 = {
  "ec2:DescribeAvailabilityZones": () => new ec2.DescribeAvailabilityZonesCommand(dryRun),
  "ec2:DescribeCarrierGateways": () => new ec2.DescribeCarrierGatewaysCommand(dryRun),
  "ec2:DescribeDhcpOptions": () => new ec2.DescribeDhcpOptionsCommand(dryRun),
  "ec2:DescribeEgressOnlyInternetGateways": () => new ec2.DescribeEgressOnlyInternetGatewaysCommand(dryRun),
  "ec2:DescribeImages": () => new ec2.DescribeImagesCommand({ ...dryRun, Owners: ["self"] }),
  "ec2:DescribeInstanceCreditSpecifications": () =>
    new ec2.DescribeInstanceCreditSpecificationsCommand({ ...dryRun, InstanceIds: [noInstance] }),
  "ec2:DescribeInstanceTypes": () => new ec2.DescribeInstanceTypesCommand(dryRun),
  "ec2:DescribeInstances": () => new ec2.DescribeInstancesCommand(dryRun),
  "ec2:DescribeInternetGateways": () => new ec2.DescribeInternetGatewaysCommand(dryRun),
  "ec2:DescribeNatGateways": () => new ec2.DescribeNatGatewaysCommand(dryRun),
  "ec2:DescribeNetworkAcls": () => new ec2.DescribeNetworkAclsCommand(dryRun),
  "ec2:DescribeNetworkInterfaces": () => new ec2.DescribeNetworkInterfacesCommand(dryRun),
  "ec2:DescribeRouteTables": () => new ec2.DescribeRouteTablesCommand(dryRun),
  "ec2:DescribeSecurityGroups": () => new ec2.DescribeSecurityGroupsCommand(dryRun),
  "ec2:DescribeSnapshots": () => new ec2.DescribeSnapshotsCommand({ ...dryRun, OwnerIds: ["self"] }),
  "ec2:DescribeSubnets": () => new ec2.DescribeSubnetsCommand(dryRun),
  "ec2:DescribeTrafficMirrorSessions": () => new ec2.DescribeTrafficMirrorSessionsCommand(dryRun),
  "ec2:DescribeTransitGatewayVpcAttachments": () => new ec2.DescribeTransitGatewayVpcAttachmentsCommand(dryRun),
  "ec2:DescribeVolumes": () => new ec2.DescribeVolumesCommand(dryRun),
  "ec2:DescribeVpcAttribute": ({ vpcId }) =>
    new ec2.DescribeVpcAttributeCommand({ ...dryRun, VpcId: vpcId, Attribute: "enableDnsSupport" }),
  "ec2:DescribeVpcEndpoints": () => new ec2.DescribeVpcEndpointsCommand(dryRun),
  "ec2:DescribeVpcPeeringConnections": () => new ec2.DescribeVpcPeeringConnectionsCommand(dryRun),
  "ec2:DescribeVpcs": () => new ec2.DescribeVpcsCommand(dryRun),
  "ec2:DescribeVpnGateways": () => new ec2.DescribeVpnGatewaysCommand(dryRun),
  "ec2:GetManagedPrefixListEntries": () =>
    new ec2.GetManagedPrefixListEntriesCommand({ ...dryRun, PrefixListId: noPrefixList }),
} satisfies Record<string, (context: ProbeContext) => object>;

type Ec2Action = keyof typeof ofEc2;

function ec2Probes(): Record<Ec2Action, Probe> {
  const probe = (make: (context: ProbeContext) => object): Probe =>
    sends((context) => context.clients.ec2.send(make(context) as ec2.DescribeVpcsCommand, context.stop));
  const entries = Object.entries(ofEc2).map(([action, make]) => [action, probe(make)]);
  return Object.fromEntries(entries) as Record<Ec2Action, Probe>;
}

async function firstBalancer({ clients, stop }: ProbeContext): Promise<string | undefined> {
  const { LoadBalancers } = await clients.balancing.send(new DescribeLoadBalancersCommand({ PageSize: 1 }), stop);
  return LoadBalancers?.[0]?.LoadBalancerArn;
}

async function firstListener(context: ProbeContext): Promise<string | undefined> {
  const LoadBalancerArn = await firstBalancer(context);
  if (LoadBalancerArn === undefined) return undefined;
  const command = new DescribeListenersCommand({ LoadBalancerArn, PageSize: 1 });
  const { Listeners } = await context.clients.balancing.send(command, context.stop);
  return Listeners?.[0]?.ListenerArn;
}

async function firstZone({ clients, vpcId, region, stop }: ProbeContext): Promise<string | undefined> {
  const VPCRegion = region as "eu-central-1";
  const command = new ListHostedZonesByVPCCommand({ VPCId: vpcId, VPCRegion, MaxItems: 1 });
  const { HostedZoneSummaries } = await clients.names.send(command, stop);
  return HostedZoneSummaries?.[0]?.HostedZoneId;
}

const balancingProbes = {
  "elasticloadbalancing:DescribeLoadBalancers": sends(firstBalancer),
  "elasticloadbalancing:DescribeListeners": async (context: ProbeContext) =>
    (await firstListener(context)) === undefined ? "the account has no load balancer with a listener" : undefined,
  "elasticloadbalancing:DescribeRules": async (context: ProbeContext) => {
    const ListenerArn = await firstListener(context);
    if (ListenerArn === undefined) return "the account has no listener";
    await context.clients.balancing.send(new DescribeRulesCommand({ ListenerArn, PageSize: 1 }), context.stop);
    return undefined;
  },
  "elasticloadbalancing:DescribeTargetGroups": sends(({ clients, stop }) =>
    clients.balancing.send(new DescribeTargetGroupsCommand({ PageSize: 1 }), stop),
  ),
  "elasticloadbalancing:DescribeTargetHealth": async ({ clients, stop }: ProbeContext) => {
    const { TargetGroups } = await clients.balancing.send(new DescribeTargetGroupsCommand({ PageSize: 1 }), stop);
    const TargetGroupArn = TargetGroups?.[0]?.TargetGroupArn;
    if (TargetGroupArn === undefined) return "the account has no target group";
    await clients.balancing.send(new DescribeTargetHealthCommand({ TargetGroupArn }), stop);
    return undefined;
  },
};

/** The fewest records that RDS gives in a page. */
const few = { MaxRecords: 20 };

const otherProbes = {
  "autoscaling:DescribeAutoScalingGroups": sends(({ clients, stop }) =>
    clients.scaling.send(new DescribeAutoScalingGroupsCommand({ MaxRecords: 1 }), stop),
  ),
  "rds:DescribeDBInstances": sends(({ clients, stop }) =>
    clients.databases.send(new DescribeDBInstancesCommand(few), stop),
  ),
  "rds:DescribeDBClusters": sends(({ clients, stop }) =>
    clients.databases.send(new DescribeDBClustersCommand(few), stop),
  ),
  "rds:DescribeDBSnapshots": sends(({ clients, stop }) =>
    clients.databases.send(new DescribeDBSnapshotsCommand(few), stop),
  ),
  "rds:DescribeDBClusterSnapshots": sends(({ clients, stop }) =>
    clients.databases.send(new DescribeDBClusterSnapshotsCommand(few), stop),
  ),
  "route53:ListHostedZonesByVPC": sends(firstZone),
  "route53:ListResourceRecordSets": async (context: ProbeContext) => {
    const HostedZoneId = await firstZone(context);
    if (HostedZoneId === undefined) return "the VPC has no private zone";
    const command = new ListResourceRecordSetsCommand({ HostedZoneId, MaxItems: 1 });
    await context.clients.names.send(command, context.stop);
    return undefined;
  },
};

/** How each call of a capture is tried without reading more than its first page. */
export const probes: Record<CaptureAction, Probe> = { ...ec2Probes(), ...balancingProbes, ...otherProbes };
