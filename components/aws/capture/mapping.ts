import type { Instance, RouteTable as Ec2RouteTable, Route as Ec2Route } from "@aws-sdk/client-ec2";

import type { Boundary, Machine, NetworkAcl, Route, SecurityGroup, Topology, TopologySubnet } from "../../topology";
import { shadowTag } from "../shadow";
import type { AwsRouteExtras, AwsTopologyExtras } from "../../topologyAws";
import { mapBalancers } from "./balancers";
import { destinations, filled, mapBoundaries, targetId } from "./boundaries";
import { definedOnly } from "./databases";
import { chooseInstances, mapMachines } from "./machines";
import { classicBalancer } from "./managedInterfaces";
import { nameTag, plainName, tagValue, uniqueNames } from "./names";
import { mapPrivateZone } from "./privateZones";
import type { AwsReading } from "./reading";
import { cidrText, mapAclEntries, mapGroup, present, rulesOfPeers } from "./rules";
import { mapServices } from "./services";

/** A reading in the topology's words. Pure: the same reading gives the same topology. */
export function mapTopology(reading: AwsReading): Topology {
  const notes: string[] = [];
  const names = namesOf(reading);
  const subnets = mapSubnets(reading, names, notes);
  const { chosen, left } = chooseInstances(reading, subnets);
  notes.push(...left);
  const machineNames = uniqueNames(chosen.map(({ InstanceId, Tags }) => ({ id: InstanceId!, wanted: nameTag(Tags) })));
  const machines = mapMachines(reading, chosen, { machines: machineNames, groups: names.groups, subnets }, notes);
  const { boundaries, names: boundaryNames } = mapBoundaries(reading, names);
  const routeTables = reading.routeTables.map((table) => ({
    name: names.routeTables.get(table.RouteTableId!)!,
    routes: mapRoutes(table, reading, boundaryNames, machines, notes),
  }));
  const acls: NetworkAcl[] = reading.acls.map(({ NetworkAclId = "", Entries = [] }) => ({
    name: names.acls.get(NetworkAclId)!,
    rules: mapAclEntries(Entries),
  }));
  const peers = { groups: names.groups, prefixLists: reading.prefixLists };
  const securityGroups = reading.groups.map((group) => mapGroup(group, names.groups.get(group.GroupId!)!, peers));
  const loadBalancers = mapBalancers(reading, machines, names, notes);
  const networks = [{ name: names.network, cidrs: networkCidrs(reading), subnets: [...subnets.values()] }];
  const parts = { networks, routeTables, securityGroups, acls, machines };
  const scalingGroups = mapScalingGroups(reading, machineNames);
  const tiers = tiersOf(chosen, scalingGroups, machineNames);
  const reaching = withPeers(securityGroups, reading, boundaries);
  const services = mapServices({ ...parts, securityGroups: reaching, loadBalancers, boundaries, tiers }, notes);
  const classic = new Set(present(reading.interfaces.map(classicBalancer)));
  notes.push(...[...classic].map((name) => `load balancer ${name} is a classic one, which is not captured`));
  return {
    version: 1,
    name: names.network,
    source: {
      backEnd: "aws",
      ...definedOnly({ account: reading.account }),
      region: reading.region,
      id: reading.vpc.VpcId!,
      capturedAt: reading.capturedAt,
    },
    ...parts,
    services,
    loadBalancers,
    dnsZones: reading.privateZones.map((zone) => mapPrivateZone(zone, loadBalancers)),
    boundaries,
    unreadable: [...new Set([...reading.unreadable, ...notes])],
    aws: mapExtras(reading, names.subnets, scalingGroups),
  };
}

/**
 * The groups as they count for who reaches a service: a group of a peered network, which has no word in a topology, stands
 * for the ranges of its peering.
 */
function withPeers(
  groups: readonly SecurityGroup[],
  reading: AwsReading,
  boundaries: readonly Boundary[],
): SecurityGroup[] {
  const peered = new Map(boundaries.map(({ aws, cidrs }) => [aws?.id ?? "", cidrs]));
  return groups.map((group, index) => ({
    ...group,
    rules: [...group.rules, ...rulesOfPeers(reading.groups[index]!, peered)],
  }));
}

interface Names {
  network: string;
  subnets: Map<string, string>;
  routeTables: Map<string, string>;
  acls: Map<string, string>;
  groups: Map<string, string>;
  balancers: Map<string, string>;
}

function namesOf({ vpc, subnets, routeTables, acls, groups, balancers }: AwsReading): Names {
  const vpcId = vpc.VpcId!;
  return {
    network: uniqueNames([{ id: vpcId, wanted: nameTag(vpc.Tags) }]).get(vpcId)!,
    subnets: uniqueNames(subnets.map(({ SubnetId, Tags }) => ({ id: SubnetId!, wanted: nameTag(Tags) }))),
    routeTables: uniqueNames(
      routeTables.map(({ RouteTableId, Tags }) => ({ id: RouteTableId!, wanted: nameTag(Tags) })),
    ),
    acls: uniqueNames(acls.map(({ NetworkAclId, Tags }) => ({ id: NetworkAclId!, wanted: nameTag(Tags) }))),
    groups: uniqueNames(
      groups.map(({ GroupId, GroupName, Tags }) => ({ id: GroupId!, wanted: nameTag(Tags) ?? GroupName })),
    ),
    balancers: uniqueNames(
      balancers.map(({ balancer }) => ({ id: balancer.LoadBalancerArn!, wanted: balancer.LoadBalancerName })),
    ),
  };
}

const isAssociated = (state: { State?: string } | undefined): boolean =>
  state?.State === undefined || state.State === "associated";

function networkCidrs({ vpc }: AwsReading): string[] {
  const four = (vpc.CidrBlockAssociationSet ?? []).filter(({ CidrBlockState }) => isAssociated(CidrBlockState));
  const six = (vpc.Ipv6CidrBlockAssociationSet ?? []).filter(({ Ipv6CidrBlockState }) =>
    isAssociated(Ipv6CidrBlockState),
  );
  const all = [
    vpc.CidrBlock,
    ...four.map(({ CidrBlock }) => CidrBlock),
    ...six.map(({ Ipv6CidrBlock }) => Ipv6CidrBlock),
  ];
  return [...new Set(present(all.map(cidrText)))];
}

/** The subnets by id; one without IPv4 has no words and is said in `notes`. */
function mapSubnets(reading: AwsReading, names: Names, notes: string[]): Map<string, TopologySubnet> {
  const mainTable = reading.routeTables.find(({ Associations }) => Associations?.some(({ Main }) => Main === true));
  const found = new Map<string, TopologySubnet>();
  for (const subnet of reading.subnets) {
    const { SubnetId = "", CidrBlock, AvailabilityZone, MapPublicIpOnLaunch } = subnet;
    const cidr = cidrText(CidrBlock);
    if (cidr === undefined) {
      notes.push(`subnet ${SubnetId} has no IPv4 range and is left out`);
      continue;
    }
    const own = reading.routeTables.find(({ Associations }) => Associations?.some((one) => one.SubnetId === SubnetId));
    const acl = reading.acls.find(({ Associations }) => Associations?.some((one) => one.SubnetId === SubnetId));
    const six = (subnet.Ipv6CidrBlockAssociationSet ?? []).find(({ Ipv6CidrBlockState }) =>
      isAssociated(Ipv6CidrBlockState),
    );
    const zone = reading.zones.find(({ ZoneName }) => ZoneName === AvailabilityZone);
    found.set(SubnetId, {
      name: names.subnets.get(SubnetId)!,
      cidr,
      ...definedOnly({
        ipv6Cidr: cidrText(six?.Ipv6CidrBlock),
        zone: AvailabilityZone,
        routeTable: names.routeTables.get((own ?? mainTable)?.RouteTableId ?? ""),
        acl: names.acls.get(acl?.NetworkAclId ?? ""),
      }),
      aws: {
        id: SubnetId,
        zoneId: subnet.AvailabilityZoneId ?? zone?.ZoneId ?? AvailabilityZone ?? "unknown",
        ...definedOnly({ mapPublicIpOnLaunch: MapPublicIpOnLaunch }),
      },
    });
  }
  return found;
}

function mapRoutes(
  table: Ec2RouteTable,
  reading: AwsReading,
  boundaries: ReadonlyMap<string, string>,
  machines: readonly Machine[],
  notes: string[],
): Route[] {
  return (table.Routes ?? []).flatMap((route) => {
    if (route.GatewayId === "local") return [];
    const { DestinationPrefixListId: list, State, Origin } = route;
    const ranges = destinations(route, reading.prefixLists);
    if (ranges.length === 0) {
      notes.push(
        `a route of ${table.RouteTableId ?? "a route table"} to prefix list ${list ?? "?"} is left out: its ranges are not known`,
      );
    }
    const target = targetId(route) ?? route.NetworkInterfaceId ?? route.InstanceId;
    const aws: AwsRouteExtras = definedOnly({ target, origin: Origin, prefixListId: list });
    return ranges.map((destination) => ({
      destination,
      ...nextHop(route, destination, State === "blackhole", boundaries, machines),
      aws,
    }));
  });
}

/** Where a route leads: over a boundary, to a machine that forwards, or nowhere. */
function nextHop(
  route: Ec2Route,
  destination: string,
  isBlackhole: boolean,
  boundaries: ReadonlyMap<string, string>,
  machines: readonly Machine[],
): Pick<Route, "via" | "boundary" | "blackhole"> {
  const boundary = boundaries.get(targetId(route) ?? "");
  if (isBlackhole) return { blackhole: true };
  if (boundary !== undefined) return { boundary };
  const machine = machines.find(({ interfaces }) => interfaces.some(({ aws }) => aws?.id === route.NetworkInterfaceId));
  const card = machine?.interfaces.find(({ aws }) => aws?.id === route.NetworkInterfaceId);
  const via = card?.addresses.find((address) => address.includes(":") === destination.includes(":"));
  // An interface that checks source and destination drops what is not for itself.
  return via === undefined || machine?.forwarding !== true ? { blackhole: true } : { via };
}

/** Names of groups of like machines: the Auto Scaling group, else the Name tag without its number. */
function tiersOf(
  instances: readonly Instance[],
  scalingGroups: ScalingGroups,
  machineNames: ReadonlyMap<string, string>,
): Map<string, string> {
  const named = instances.map(({ InstanceId = "", Tags }): [string, string] => {
    const name = machineNames.get(InstanceId)!;
    const tag = plainName(nameTag(Tags) ?? "");
    return [name, tag.replace(/-?\d+$/, "") || tag || name];
  });
  const scaled = scalingGroups.flatMap(({ name, machines }) =>
    machines.map((machine): [string, string] => [machine, plainName(name) || machine]),
  );
  return new Map([...named, ...scaled]);
}

type ScalingGroups = NonNullable<AwsTopologyExtras["autoScalingGroups"]>;

function mapScalingGroups(reading: AwsReading, machineNames: ReadonlyMap<string, string>): ScalingGroups {
  const groups = reading.scalingGroups.map(
    ({ AutoScalingGroupName = "", Instances = [], MinSize, MaxSize, DesiredCapacity }) => ({
      name: AutoScalingGroupName,
      machines: present(Instances.map(({ InstanceId = "" }) => machineNames.get(InstanceId))),
      ...definedOnly({ minimum: MinSize, maximum: MaxSize, desired: DesiredCapacity }),
    }),
  );
  return groups.filter(({ machines }) => machines.length > 0);
}

function mapExtras(
  reading: AwsReading,
  subnets: ReadonlyMap<string, string>,
  scalingGroups: ScalingGroups,
): AwsTopologyExtras {
  const used = new Set(reading.subnets.map(({ AvailabilityZone }) => AvailabilityZone));
  const zones = reading.zones.flatMap(({ ZoneId, ZoneName }) =>
    ZoneId === undefined || ZoneName === undefined || !used.has(ZoneName) ? [] : [{ id: ZoneId, name: ZoneName }],
  );
  const endpoints = reading.endpoints.map(
    ({ VpcEndpointId, ServiceName, VpcEndpointType, SubnetIds = [], PrivateDnsEnabled }) => ({
      id: VpcEndpointId!,
      serviceName: ServiceName ?? "unknown",
      type: VpcEndpointType ?? "Interface",
      ...filled({ subnets: present(SubnetIds.map((id) => subnets.get(id))) }),
      ...definedOnly({ privateDns: PrivateDnsEnabled }),
    }),
  );
  const mirrorSessions = reading.mirrorSessions.map((session) => ({
    id: session.TrafficMirrorSessionId!,
    interfaceId: session.NetworkInterfaceId!,
    sessionNumber: session.SessionNumber ?? 1,
    ...definedOnly({
      filterId: session.TrafficMirrorFilterId,
      targetId: session.TrafficMirrorTargetId,
      owner: session.OwnerId,
      shadow: tagValue(session.Tags, shadowTag),
    }),
  }));
  return {
    vpcId: reading.vpc.VpcId!,
    zones: zones.length > 0 ? zones : zonesOfSubnets(reading),
    ...definedOnly({ dnsSupport: reading.dnsSupport, dnsHostnames: reading.dnsHostnames, dhcp: mapDhcp(reading.dhcp) }),
    ...filled({
      endpoints,
      mirrorSessions,
      instanceTypes: mapInstanceTypes(reading),
      autoScalingGroups: scalingGroups,
    }),
  };
}

/** The zones as the subnets tell them, where the list of zones may not be read. */
function zonesOfSubnets({ subnets }: AwsReading): AwsTopologyExtras["zones"] {
  const zones = new Map(
    subnets.map(({ AvailabilityZone = "unknown", AvailabilityZoneId }) => [AvailabilityZone, AvailabilityZoneId]),
  );
  return [...zones].map(([name, id]) => ({ id: id ?? name, name }));
}

function mapDhcp(options: AwsReading["dhcp"]): AwsTopologyExtras["dhcp"] {
  if (options === undefined) return undefined;
  const values = (key: string): string[] | undefined =>
    options.DhcpConfigurations?.find(({ Key }) => Key === key)?.Values?.flatMap(({ Value }) => Value ?? []);
  return definedOnly({
    domainName: values("domain-name")?.[0],
    domainNameServers: values("domain-name-servers"),
    ntpServers: values("ntp-servers"),
  });
}

function mapInstanceTypes({ instanceTypes }: AwsReading): NonNullable<AwsTopologyExtras["instanceTypes"]> {
  return instanceTypes.flatMap((info) =>
    info.InstanceType === undefined
      ? []
      : [
          {
            type: info.InstanceType,
            ...definedOnly({
              cpus: info.VCpuInfo?.DefaultVCpus,
              memoryMegabytes: info.MemoryInfo?.SizeInMiB,
              architecture: info.ProcessorInfo?.SupportedArchitectures?.find((name) => name !== "i386"),
              hypervisor: info.Hypervisor || undefined,
              maximumInterfaces: info.NetworkInfo?.MaximumNetworkInterfaces,
              addressesPerInterface: info.NetworkInfo?.Ipv4AddressesPerInterface,
            }),
          },
        ],
  );
}
