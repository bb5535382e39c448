import type { Route, VpcEndpoint } from "@aws-sdk/client-ec2";

import type { Boundary, BoundaryKind } from "../../topology";
import type { AwsBoundaryExtras } from "../../topologyAws";
import { databaseBoundaries } from "./databases";
import { managedThing } from "./managedInterfaces";
import { type Wanted, nameTag, uniqueNames } from "./names";
import type { AwsReading } from "./reading";
import { cidrText, present } from "./rules";

/** A boundary before it has its name. */
export interface BoundaryDraft extends Wanted {
  kind: BoundaryKind;
  cidrs: string[];
  aws: AwsBoundaryExtras;
}

/** Names of subnets and security groups by id, which boundaries refer to. */
export interface PlaceNames {
  subnets: ReadonlyMap<string, string>;
  groups: ReadonlyMap<string, string>;
}

/** Every place where the VPC touches what is not cloned, and the names by the ids that routes have. */
export function mapBoundaries(
  reading: AwsReading,
  places: PlaceNames,
): { boundaries: Boundary[]; names: Map<string, string> } {
  const drafts = [
    ...gatewayDrafts(reading),
    ...endpointDrafts(reading, places),
    ...databaseBoundaries(reading, places),
    ...managedDrafts(reading, places),
  ];
  const known = new Set(drafts.map(({ id }) => id));
  const all = [...drafts, ...unknownTargets(reading, known)];
  const names = uniqueNames(all);
  const boundaries = all.map(({ id, kind, cidrs, aws }) => ({ name: names.get(id)!, kind, cidrs, aws }));
  return { boundaries, names };
}

const everything = ["0.0.0.0/0", "::/0"];

function gatewayDrafts(reading: AwsReading): BoundaryDraft[] {
  const { internet, egressOnly, nat, vpn, carrier, transit, peerings } = reading.gateways;
  const draft = (
    kind: BoundaryKind,
    word: string,
    id: string,
    wanted: string | undefined,
    cidrs: string[],
  ): BoundaryDraft => ({
    id,
    ...(wanted === undefined ? {} : { wanted }),
    kind,
    cidrs,
    aws: { kind: word, id },
  });
  const zoneOf = (subnetId: string | undefined): string => {
    const zone = reading.subnets.find(({ SubnetId }) => SubnetId === subnetId)?.AvailabilityZone ?? "";
    return /([a-z])$/.exec(zone)?.[1] ?? "nat";
  };
  const vpcId = reading.vpc.VpcId;
  return [
    ...internet.map(({ InternetGatewayId }) =>
      draft("internet", "internetGateway", InternetGatewayId!, "internet", everything),
    ),
    ...egressOnly.map(({ EgressOnlyInternetGatewayId }) =>
      draft("nat", "egressOnlyInternetGateway", EgressOnlyInternetGatewayId!, "internet-egress-only", ["::/0"]),
    ),
    ...nat.map(({ NatGatewayId, SubnetId, Tags }) =>
      draft("nat", "natGateway", NatGatewayId!, nameTag(Tags) ?? `nat-${zoneOf(SubnetId)}`, ["0.0.0.0/0"]),
    ),
    ...vpn.map(({ VpnGatewayId, Tags }) =>
      draft("vpn", "vpnGateway", VpnGatewayId!, nameTag(Tags) ?? "vpn", routed(reading, VpnGatewayId!)),
    ),
    ...carrier.map(({ CarrierGatewayId, Tags }) =>
      draft(
        "internet",
        "carrierGateway",
        CarrierGatewayId!,
        nameTag(Tags) ?? "carrier",
        routed(reading, CarrierGatewayId!),
      ),
    ),
    ...transit.map(({ TransitGatewayId, Tags }) =>
      draft("vpn", "transitGateway", TransitGatewayId!, nameTag(Tags), routed(reading, TransitGatewayId!)),
    ),
    ...peerings.map(({ VpcPeeringConnectionId, Tags, AccepterVpcInfo, RequesterVpcInfo }) => {
      const other = AccepterVpcInfo?.VpcId === vpcId ? RequesterVpcInfo : AccepterVpcInfo;
      const ranges = present((other?.CidrBlockSet ?? []).map(({ CidrBlock }) => cidrText(CidrBlock)));
      const cidrs = [...new Set([...ranges, ...routed(reading, VpcPeeringConnectionId!)])];
      return draft("peering", "peering", VpcPeeringConnectionId!, nameTag(Tags), cidrs);
    }),
  ].filter(({ id }, index, list) => list.findIndex((other) => other.id === id) === index);
}

/** Id of what a route leads to; undefined for a route inside the VPC and for one that leads to an interface. */
export function targetId(route: Route): string | undefined {
  const { GatewayId, NatGatewayId, TransitGatewayId, VpcPeeringConnectionId, EgressOnlyInternetGatewayId } = route;
  const { CarrierGatewayId, LocalGatewayId, CoreNetworkArn, OdbNetworkArn } = route;
  const ids = [GatewayId, NatGatewayId, TransitGatewayId, VpcPeeringConnectionId, EgressOnlyInternetGatewayId];
  const id = [...ids, CarrierGatewayId, LocalGatewayId, CoreNetworkArn, OdbNetworkArn].find(
    (given) => given !== undefined,
  );
  return id === "local" ? undefined : id;
}

/** Destinations of a route: one range, or those of its prefix list. */
export function destinations(route: Route, prefixLists: ReadonlyMap<string, string[]>): string[] {
  const { DestinationCidrBlock, DestinationIpv6CidrBlock, DestinationPrefixListId } = route;
  const listed = DestinationPrefixListId === undefined ? [] : (prefixLists.get(DestinationPrefixListId) ?? []);
  return present([DestinationCidrBlock, DestinationIpv6CidrBlock, ...listed].map(cidrText));
}

/** Ranges that the VPC's routes send to a target. */
function routed({ routeTables, prefixLists }: AwsReading, id: string): string[] {
  const routes = routeTables.flatMap(({ Routes = [] }) => Routes.filter((route) => targetId(route) === id));
  return [...new Set(routes.flatMap((route) => destinations(route, prefixLists)))];
}

function endpointDrafts(reading: AwsReading, places: PlaceNames): BoundaryDraft[] {
  return reading.endpoints.map((endpoint) => {
    const id = endpoint.VpcEndpointId!;
    const subnets = present((endpoint.SubnetIds ?? []).map((subnet) => places.subnets.get(subnet)));
    const securityGroups = present((endpoint.Groups ?? []).map(({ GroupId = "" }) => places.groups.get(GroupId)));
    const names = present((endpoint.DnsEntries ?? []).map(({ DnsName }) => DnsName));
    const addresses = addressesOf(reading, endpoint);
    const aws = { kind: "vpcEndpoint", id, ...filled({ names, subnets, securityGroups }) };
    const wanted = nameTag(endpoint.Tags) ?? shortService(endpoint.ServiceName ?? id);
    return { id, wanted, kind: "managedService", cidrs: [...routed(reading, id), ...addresses], aws };
  });
}

/** `s3` of `com.amazonaws.eu-central-1.s3`, `ecr-dkr` of one with more parts. */
function shortService(service: string): string {
  return service.replace(/^(com|cn\.com|aws)\.(amazonaws|api)\.(vpce\.)?[a-z0-9-]+\./, "");
}

function addressesOf(reading: AwsReading, { NetworkInterfaceIds = [] }: VpcEndpoint): string[] {
  const cards = reading.interfaces.filter(({ NetworkInterfaceId = "" }) =>
    NetworkInterfaceIds.includes(NetworkInterfaceId),
  );
  return present(cards.map(({ PrivateIpAddress }) => hostRange(PrivateIpAddress)));
}

const hostRange = (address: string | undefined): string | undefined =>
  address === undefined ? undefined : cidrText(`${address}/32`);

/** A record without the lists that are empty. */
export function filled<T extends Record<string, readonly unknown[]>>(lists: T): Partial<T> {
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)) as Partial<T>;
}

/** One boundary for each managed thing that has interfaces in the VPC. */
function managedDrafts(reading: AwsReading, places: PlaceNames): BoundaryDraft[] {
  const drafts = new Map<string, BoundaryDraft>();
  const areDatabasesKnown = reading.databases.length + reading.clusters.length > 0;
  for (const card of reading.interfaces) {
    const thing = managedThing(card, reading.region);
    if (thing === undefined || (thing.kind === "rds" && areDatabasesKnown)) continue;
    const id = `${thing.kind}/${thing.id}`;
    const { kind, names = [], port } = thing;
    const fresh: BoundaryDraft = {
      id,
      wanted: thing.id,
      kind: "managedService",
      cidrs: [],
      aws: { kind, id: thing.id, ...filled({ names }), ...(port === undefined ? {} : { port }) },
    };
    const draft = drafts.get(id) ?? fresh;
    drafts.set(id, draft);
    draft.cidrs = [...new Set([...draft.cidrs, ...present([hostRange(card.PrivateIpAddress)])])];
    addPlaces(draft.aws, places, card.SubnetId, card.Groups ?? []);
  }
  return [...drafts.values()];
}

function addPlaces(
  aws: AwsBoundaryExtras,
  { subnets, groups }: PlaceNames,
  subnetId: string | undefined,
  groupIds: readonly { GroupId?: string }[],
): void {
  const inSubnets = present([...(aws.subnets ?? []), subnets.get(subnetId ?? "")]);
  const inGroups = present([...(aws.securityGroups ?? []), ...groupIds.map(({ GroupId = "" }) => groups.get(GroupId))]);
  Object.assign(aws, filled({ subnets: [...new Set(inSubnets)], securityGroups: [...new Set(inGroups)] }));
}

/** Targets of routes that no other call told of: what may not be read, core networks, local gateways. */
function unknownTargets(reading: AwsReading, known: ReadonlySet<string>): BoundaryDraft[] {
  const active = reading.routeTables.flatMap(({ Routes = [] }) => Routes.filter(({ State }) => State !== "blackhole"));
  const ids = new Set(present(active.map(targetId)).filter((id) => !known.has(id)));
  return [...ids].map((id) => {
    const [prefix = ""] = id.split("-");
    const [kind, word] = unknownKinds[prefix] ?? ["vpn", "other"];
    return {
      id,
      ...(id.startsWith("arn:") ? { wanted: id.split("/").at(-1)! } : {}),
      kind,
      cidrs: routed(reading, id),
      aws: { kind: word, id },
    };
  });
}

const unknownKinds: Record<string, [BoundaryKind, string]> = {
  igw: ["internet", "internetGateway"],
  eigw: ["nat", "egressOnlyInternetGateway"],
  nat: ["nat", "natGateway"],
  tgw: ["vpn", "transitGateway"],
  vgw: ["vpn", "vpnGateway"],
  pcx: ["peering", "peering"],
  vpce: ["managedService", "vpcEndpoint"],
  cagw: ["internet", "carrierGateway"],
  lgw: ["vpn", "localGateway"],
};
