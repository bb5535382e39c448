import {
  type DescribeVpcsCommandOutput,
  type Filter,
  type RouteTable,
  type SecurityGroup,
  type Vpc,
  DescribeAvailabilityZonesCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  DescribeVpnGatewaysCommand,
  paginateDescribeCarrierGateways,
  paginateDescribeDhcpOptions,
  paginateDescribeEgressOnlyInternetGateways,
  paginateDescribeInternetGateways,
  paginateDescribeNatGateways,
  paginateDescribeNetworkAcls,
  paginateDescribeNetworkInterfaces,
  paginateDescribeRouteTables,
  paginateDescribeSecurityGroups,
  paginateDescribeSubnets,
  paginateDescribeTrafficMirrorSessions,
  paginateDescribeTransitGatewayVpcAttachments,
  paginateDescribeVpcEndpoints,
  paginateDescribeVpcPeeringConnections,
  paginateGetManagedPrefixListEntries,
} from "@aws-sdk/client-ec2";

import { ExitCode, ShadownetError } from "../../internal/problems";
import type { AwsClients } from "./clients";
import { accessFailure, errorName, isRefused } from "./failures";
import { leanInterface } from "./lean";
import type { Reader } from "./reader";
import type { AwsGateways, AwsReading } from "./reading";

const pageSize = 100;

/** The VPC itself; throws when there is none with this id or when it may not be read. */
export async function readVpc({ ec2 }: AwsClients, vpcId: string, abortSignal?: AbortSignal): Promise<Vpc> {
  let answer: DescribeVpcsCommandOutput;
  try {
    answer = await ec2.send(new DescribeVpcsCommand({ VpcIds: [vpcId] }), { abortSignal });
  } catch (error) {
    if (errorName(error) === "InvalidVpcID.NotFound") throw await noSuchVpc(ec2, vpcId);
    if (!isRefused(error)) throw accessFailure(error);
    const cure = "the policy that `shadownet capture aws --print-policy` prints is enough";
    throw new ShadownetError("not-permitted", `not permitted to read VPCs; ${cure}`, ExitCode.NotPossibleHere);
  }
  const [vpc] = answer.Vpcs ?? [];
  if (vpc === undefined) throw await noSuchVpc(ec2, vpcId);
  return vpc;
}

async function noSuchVpc(ec2: AwsClients["ec2"], vpcId: string): Promise<ShadownetError> {
  const region = await ec2.config.region();
  const { Vpcs = [] } = await ec2.send(new DescribeVpcsCommand({}));
  const known = Vpcs.slice(0, 20).map(({ VpcId = "", Tags }) => {
    const name = Tags?.find(({ Key }) => Key === "Name")?.Value;
    return name === undefined ? VpcId : `${VpcId} (${name})`;
  });
  const cure =
    known.length === 0 ? "there is none; is it the right region and account?" : `there are ${known.join(", ")}`;
  return new ShadownetError("no-such-vpc", `no VPC ${vpcId} in ${region}; ${cure}`, ExitCode.BadInput);
}

/** The parts of a reading that describe the network without machines. */
export type NetworkReading = Pick<
  AwsReading,
  | "vpc"
  | "zones"
  | "subnets"
  | "routeTables"
  | "acls"
  | "groups"
  | "interfaces"
  | "gateways"
  | "endpoints"
  | "mirrorSessions"
> &
  Pick<AwsReading, "dnsSupport" | "dnsHostnames" | "dhcp">;

/** Reads the network without its machines: each kind in one series of pages, all of the VPC at once. */
export async function readNetwork(clients: AwsClients, reader: Reader, vpc: Vpc): Promise<NetworkReading> {
  const { ec2 } = clients;
  const ofVpc: Filter[] = [{ Name: "vpc-id", Values: [vpc.VpcId!] }];
  const config = { client: ec2, pageSize };
  const stop = { abortSignal: reader.signal };
  const input = { Filters: ofVpc };
  const [subnets, routeTables, acls, groups, interfaces, gateways, endpoints, mirrorSessions, settings] =
    await Promise.all([
      reader.all(
        "subnets",
        () => paginateDescribeSubnets(config, input, stop),
        (page) => page.Subnets,
      ),
      reader.all(
        "route tables",
        () => paginateDescribeRouteTables(config, input, stop),
        (page) => page.RouteTables,
      ),
      reader.all(
        "network ACLs",
        () => paginateDescribeNetworkAcls(config, input, stop),
        (page) => page.NetworkAcls,
      ),
      reader.all(
        "security groups",
        () => paginateDescribeSecurityGroups(config, input, stop),
        (page) => page.SecurityGroups,
      ),
      reader.all(
        "network interfaces",
        () => paginateDescribeNetworkInterfaces(config, input, stop),
        (page) => page.NetworkInterfaces?.map(leanInterface),
      ),
      readGateways(clients, reader, vpc.VpcId!),
      reader.all(
        "VPC endpoints",
        () => paginateDescribeVpcEndpoints(config, input, stop),
        (page) => page.VpcEndpoints,
      ),
      reader.all(
        "mirror sessions",
        () => paginateDescribeTrafficMirrorSessions(config, {}, stop),
        (page) => page.TrafficMirrorSessions,
      ),
      readSettings(clients, reader, vpc),
    ]);
  const own = new Set(interfaces.map(({ NetworkInterfaceId }) => NetworkInterfaceId));
  const sessions = mirrorSessions.filter(({ NetworkInterfaceId }) => own.has(NetworkInterfaceId));
  return {
    vpc,
    subnets,
    routeTables,
    acls,
    groups,
    interfaces,
    gateways,
    endpoints,
    mirrorSessions: sessions,
    ...settings,
  };
}

type Settings = Pick<AwsReading, "zones" | "dnsSupport" | "dnsHostnames" | "dhcp">;

async function readSettings({ ec2 }: AwsClients, reader: Reader, vpc: Vpc): Promise<Settings> {
  const stop = { abortSignal: reader.signal };
  const VpcId = vpc.VpcId!;
  const attribute = (Attribute: "enableDnsSupport" | "enableDnsHostnames") =>
    reader.one(`the VPC's ${Attribute}`, () => ec2.send(new DescribeVpcAttributeCommand({ VpcId, Attribute }), stop));
  const dhcpId = vpc.DhcpOptionsId ?? "default";
  const [support, hostnames, zones, dhcp] = await Promise.all([
    attribute("enableDnsSupport"),
    attribute("enableDnsHostnames"),
    reader.one("availability zones", () => ec2.send(new DescribeAvailabilityZonesCommand({}), stop)),
    dhcpId === "default"
      ? []
      : reader.all(
          "DHCP options",
          () => paginateDescribeDhcpOptions({ client: ec2 }, { DhcpOptionsIds: [dhcpId] }, stop),
          (page) => page.DhcpOptions,
        ),
  ]);
  return {
    zones: zones?.AvailabilityZones ?? [],
    dnsSupport: support?.EnableDnsSupport?.Value,
    dnsHostnames: hostnames?.EnableDnsHostnames?.Value,
    dhcp: dhcp[0],
  };
}

async function readGateways({ ec2 }: AwsClients, reader: Reader, vpcId: string): Promise<AwsGateways> {
  const config = { client: ec2, pageSize };
  const stop = { abortSignal: reader.signal };
  const by = (Name: string) => ({ Filters: [{ Name, Values: [vpcId] }] });
  const natInput = { Filter: [{ Name: "vpc-id", Values: [vpcId] }] };
  const peerings = (side: string) =>
    reader.all(
      "peerings",
      () => paginateDescribeVpcPeeringConnections(config, by(`${side}-vpc-info.vpc-id`), stop),
      (page) => page.VpcPeeringConnections,
    );
  const [internet, egressOnly, nat, vpn, carrier, transit, asked, accepted] = await Promise.all([
    reader.all(
      "internet gateways",
      () => paginateDescribeInternetGateways(config, by("attachment.vpc-id"), stop),
      (page) => page.InternetGateways,
    ),
    reader.all(
      "egress-only internet gateways",
      () => paginateDescribeEgressOnlyInternetGateways(config, {}, stop),
      (page) => page.EgressOnlyInternetGateways,
    ),
    reader.all(
      "NAT gateways",
      () => paginateDescribeNatGateways(config, natInput, stop),
      (page) => page.NatGateways,
    ),
    reader.one("VPN gateways", () => ec2.send(new DescribeVpnGatewaysCommand(by("attachment.vpc-id")), stop)),
    reader.all(
      "carrier gateways",
      () => paginateDescribeCarrierGateways(config, by("vpc-id"), stop),
      (page) => page.CarrierGateways,
    ),
    reader.all(
      "transit gateway attachments",
      () => paginateDescribeTransitGatewayVpcAttachments(config, by("vpc-id"), stop),
      (page) => page.TransitGatewayVpcAttachments,
    ),
    peerings("requester"),
    peerings("accepter"),
  ]);
  return {
    internet,
    // This call knows no filter by VPC.
    egressOnly: egressOnly.filter(({ Attachments }) => Attachments?.some(({ VpcId }) => VpcId === vpcId)),
    nat: nat.filter(({ State }) => State !== "deleted" && State !== "failed"),
    vpn: vpn?.VpnGateways ?? [],
    carrier,
    transit,
    peerings: [...asked, ...accepted].filter(({ Status }) => Status?.Code === "active"),
  };
}

/** Ranges of the prefix lists that routes and rules use. */
export async function readPrefixLists(
  { ec2 }: AwsClients,
  reader: Reader,
  { routeTables, groups }: Pick<NetworkReading, "routeTables" | "groups">,
): Promise<Map<string, string[]>> {
  const ids = [...new Set([...routeTables.flatMap(listsOfRoutes), ...groups.flatMap(listsOfRules)])];
  const stop = { abortSignal: reader.signal };
  const lists = await Promise.all(
    ids.map(async (id): Promise<[string, string[]]> => {
      const entries = await reader.all(
        `prefix list ${id}`,
        () => paginateGetManagedPrefixListEntries({ client: ec2, pageSize: 100 }, { PrefixListId: id }, stop),
        (page) => page.Entries,
      );
      return [id, entries.flatMap(({ Cidr }) => (Cidr === undefined ? [] : [Cidr]))];
    }),
  );
  return new Map(lists.filter(([, cidrs]) => cidrs.length > 0));
}

const isSet = (id: string | undefined): id is string => id !== undefined;

function listsOfRoutes({ Routes = [] }: RouteTable): string[] {
  return Routes.map(({ DestinationPrefixListId }) => DestinationPrefixListId).filter(isSet);
}

function listsOfRules({ IpPermissions = [], IpPermissionsEgress = [] }: SecurityGroup): string[] {
  return [...IpPermissions, ...IpPermissionsEgress]
    .flatMap(({ PrefixListIds = [] }) => PrefixListIds.map(({ PrefixListId }) => PrefixListId))
    .filter(isSet);
}
