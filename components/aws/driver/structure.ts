import {
  DescribeEgressOnlyInternetGatewaysCommand,
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeTransitGatewayVpcAttachmentsCommand,
  DescribeVpcPeeringConnectionsCommand,
  DescribeVpnGatewaysCommand,
  type EC2Client,
  type Route,
  paginateDescribeNatGateways,
  paginateDescribeVpcEndpoints,
} from "@aws-sdk/client-ec2";

import type { ContainmentFinding } from "../../runtime/runner/driver";

/** Looks at the shadow's VPC as AWS knows it for anything that leads out, whoever made it. */
export async function structureFindings(ec2: EC2Client, vpcId: string): Promise<ContainmentFinding[]> {
  const looks = await Promise.all([
    internetGateways(ec2, vpcId),
    otherGateways(ec2, vpcId),
    joins(ec2, vpcId),
    routes(ec2, vpcId),
    endpoints(ec2, vpcId),
  ]);
  const found = looks.flat();
  if (found.length > 0) return found;
  const attempt = "gateways, peerings, attachments, routes and endpoints of the VPC";
  return [{ from: vpcId, attempt, reached: false, detail: "none of them leads out" }];
}

function breach(vpcId: string, attempt: string, detail: string): ContainmentFinding {
  return { from: vpcId, attempt, reached: true, detail };
}

async function internetGateways(ec2: EC2Client, vpcId: string): Promise<ContainmentFinding[]> {
  const attached = [{ Name: "attachment.vpc-id", Values: [vpcId] }];
  const { InternetGateways: gateways = [] } = await ec2.send(
    new DescribeInternetGatewaysCommand({ Filters: attached }),
  );
  // This call knows no filter by VPC.
  const { EgressOnlyInternetGateways: egress = [] } = await ec2.send(new DescribeEgressOnlyInternetGatewaysCommand({}));
  const here = egress.filter(({ Attachments }) => (Attachments ?? []).some((attachment) => attachment.VpcId === vpcId));
  return [
    ...gateways.map(({ InternetGatewayId: id }) => breach(vpcId, `internet gateway ${id}`, "it is attached")),
    ...here.map(({ EgressOnlyInternetGatewayId: id }) => breach(vpcId, `egress-only gateway ${id}`, "it is attached")),
  ];
}

async function otherGateways(ec2: EC2Client, vpcId: string): Promise<ContainmentFinding[]> {
  const found: ContainmentFinding[] = [];
  const filter = [
    { Name: "vpc-id", Values: [vpcId] },
    { Name: "state", Values: ["pending", "available"] },
  ];
  for await (const { NatGateways = [] } of paginateDescribeNatGateways({ client: ec2 }, { Filter: filter })) {
    found.push(
      ...NatGateways.map(({ NatGatewayId: id }) => breach(vpcId, `NAT gateway ${id}`, "it stands in the VPC")),
    );
  }
  const attached = [{ Name: "attachment.vpc-id", Values: [vpcId] }];
  const { VpnGateways: vpn = [] } = await ec2.send(new DescribeVpnGatewaysCommand({ Filters: attached }));
  return [...found, ...vpn.map(({ VpnGatewayId: id }) => breach(vpcId, `VPN gateway ${id}`, "it is attached"))];
}

async function joins(ec2: EC2Client, vpcId: string): Promise<ContainmentFinding[]> {
  const open = ["pending-acceptance", "provisioning", "active"];
  const sides = ["requester-vpc-info.vpc-id", "accepter-vpc-info.vpc-id"];
  const peerings = await Promise.all(
    sides.map(async (Name) => {
      const Filters = [
        { Name, Values: [vpcId] },
        { Name: "status-code", Values: open },
      ];
      return (await ec2.send(new DescribeVpcPeeringConnectionsCommand({ Filters }))).VpcPeeringConnections ?? [];
    }),
  );
  const Filters = [{ Name: "vpc-id", Values: [vpcId] }];
  const { TransitGatewayVpcAttachments: transit = [] } = await ec2.send(
    new DescribeTransitGatewayVpcAttachmentsCommand({ Filters }),
  );
  return [
    ...peerings
      .flat()
      .map(({ VpcPeeringConnectionId: id }) => breach(vpcId, `peering ${id}`, "it joins the VPC to another")),
    ...transit
      .filter(({ State }) => State !== "deleted" && State !== "deleting")
      .map(({ TransitGatewayAttachmentId: id }) =>
        breach(vpcId, `transit attachment ${id}`, "it joins the VPC to others"),
      ),
  ];
}

/** Where a route of the shadow may lead: the VPC itself, an interface in it, and the gateway endpoints. */
function isInside({ GatewayId: gateway, NetworkInterfaceId: card, ...other }: Route): boolean {
  if (gateway !== undefined) return gateway === "local" || gateway.startsWith("vpce-");
  const ways = [
    other.NatGatewayId,
    other.TransitGatewayId,
    other.VpcPeeringConnectionId,
    other.EgressOnlyInternetGatewayId,
    other.CarrierGatewayId,
    other.LocalGatewayId,
    other.CoreNetworkArn,
  ];
  return card !== undefined || ways.every((way) => way === undefined);
}

async function routes(ec2: EC2Client, vpcId: string): Promise<ContainmentFinding[]> {
  const Filters = [{ Name: "vpc-id", Values: [vpcId] }];
  const { RouteTables: tables = [] } = await ec2.send(new DescribeRouteTablesCommand({ Filters }));
  return tables.flatMap(({ RouteTableId: table, Routes: list = [], PropagatingVgws: vpn = [] }) => [
    ...list
      .filter((route) => !isInside(route))
      .map((route) => {
        const destination =
          route.DestinationCidrBlock ?? route.DestinationIpv6CidrBlock ?? route.DestinationPrefixListId;
        return breach(vpcId, `route ${destination} of ${table}`, "it leads out of the VPC");
      }),
    ...vpn.map(({ GatewayId: id }) => breach(vpcId, `propagation from ${id} to ${table}`, "a VPN writes routes")),
  ]);
}

async function endpoints(ec2: EC2Client, vpcId: string): Promise<ContainmentFinding[]> {
  const found: ContainmentFinding[] = [];
  const Filters = [{ Name: "vpc-id", Values: [vpcId] }];
  for await (const { VpcEndpoints = [] } of paginateDescribeVpcEndpoints({ client: ec2 }, { Filters })) {
    for (const { VpcEndpointId: id, VpcEndpointType: type, ServiceName: service } of VpcEndpoints) {
      if (type === "Interface" || type === "Gateway") continue;
      found.push(breach(vpcId, `endpoint ${id}`, `it is of type ${type} and leads to ${service}`));
    }
  }
  return found;
}
