import { addressFamily, hostRange, parseCidr } from "../../internal/cidr";
import { type FidelityItem, FidelityOutcome, type ScaleRule } from "../../network";
import {
  type ShadowSettings,
  type ShadowTopology,
  droppedItem,
  replacements,
  scaled,
  withoutMachines,
  withoutOutside,
} from "../../shadowScaling";
import type { DnsRecord, Machine, SecurityGroup, Topology, TopologySubnet } from "../../topology";

/**
 * The topology of a shadow on AWS: without the outside, IPv6 and machines that EKS or ECS manage, scaled, and with the
 * boundaries as they are replaced. Its settings must be valid. Throws a RangeError when a subnet is too small.
 */
export function awsShadowTopology(topology: Topology, settings: ShadowSettings): ShadowTopology {
  const steps = [withoutIpv6, withoutManaged].reduce(
    (before, step) => chain(before, step(before.topology)),
    withoutOutside(topology),
  );
  const grown = scaled(steps, settings.scale ?? [], { reserved: reservedAddresses, resize });
  const chosen = replacements(topology, settings.boundaries ?? []);
  const boundaries = topology.boundaries?.map((boundary, index) => ({
    ...boundary,
    replacement: chosen[index]!.replacement,
  }));
  return { ...grown, topology: { ...grown.topology, ...(boundaries === undefined ? {} : { boundaries }) } };
}

function chain(before: ShadowTopology, { topology, fidelity }: ShadowTopology): ShadowTopology {
  return { topology, fidelity: [...before.fidelity, ...fidelity] };
}

function resize(machine: Machine, { type }: ScaleRule): Machine {
  return type === undefined ? machine : { ...machine, size: { ...machine.size, type } };
}

/** AWS keeps the first four addresses of a subnet and the last one for itself; the last is the broadcast address. */
export function reservedAddresses({ cidr }: TopologySubnet): string[] {
  return [0n, 1n, 2n, 3n].map((offset) => addressAt(cidr, offset));
}

/** The address at a distance from the start of an IPv4 range. */
export function addressAt(cidr: string, offset: bigint): string {
  const value = parseCidr(cidr)!.base + offset;
  return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join(".");
}

function isIpv4(addressOrCidr: string): boolean {
  return addressFamily(addressOrCidr.split("/")[0]!) === 4;
}

/** AWS chooses IPv6 ranges itself and gives none twice, so a shadow has none. */
function withoutIpv6(topology: Topology): ShadowTopology {
  const networks = topology.networks.map((network) => ({
    ...network,
    cidrs: network.cidrs.filter(isIpv4),
    subnets: network.subnets.map(subnetWithoutIpv6),
  }));
  const machines = topology.machines
    .map((machine) => ({
      ...machine,
      interfaces: machine.interfaces
        .map((card) => ({ ...card, addresses: card.addresses.filter(isIpv4) }))
        .filter(({ addresses }) => addresses.length > 0),
    }))
    .filter(({ interfaces }) => interfaces.length > 0);
  const alone = topology.machines.filter(({ name }) => machines.every((machine) => machine.name !== name));
  const kept = withoutMachines(topology, new Set(alone.map(({ name }) => name)));
  return {
    topology: { ...kept, networks, machines, ...withoutIpv6Lists(kept) },
    fidelity: [
      ...ipv6Item(topology),
      ...alone.map(({ name }) => droppedItem(`machines/${name}`, "it has IPv6 addresses only, which AWS gives once")),
    ],
  };
}

function subnetWithoutIpv6({ gatewayAddresses, ...subnet }: TopologySubnet): TopologySubnet {
  const left = {
    ...subnet,
    ...(gatewayAddresses === undefined ? {} : { gatewayAddresses: gatewayAddresses.filter(isIpv4) }),
  };
  delete left.ipv6Cidr;
  return left;
}

function withoutIpv6Lists(topology: Topology): Partial<Topology> {
  const { routeTables, securityGroups, acls, dnsZones, loadBalancers, boundaries } = topology;
  const isOld = ({ destination }: { destination: string }): boolean => isIpv4(destination);
  const isNamed = ({ type }: DnsRecord): boolean => type !== "AAAA";
  return {
    ...(routeTables === undefined
      ? {}
      : { routeTables: routeTables.map((table) => ({ ...table, routes: table.routes.filter(isOld) })) }),
    ...(securityGroups === undefined ? {} : { securityGroups: securityGroups.map(groupWithoutIpv6) }),
    ...(acls === undefined
      ? {}
      : {
          acls: acls.map((acl) => ({
            ...acl,
            rules: acl.rules.filter(({ cidr }) => cidr === undefined || isIpv4(cidr)),
          })),
        }),
    ...(dnsZones === undefined
      ? {}
      : { dnsZones: dnsZones.map((zone) => ({ ...zone, records: zone.records.filter(isNamed) })) }),
    ...(loadBalancers === undefined
      ? {}
      : {
          loadBalancers: loadBalancers.map((balancer) => ({
            ...balancer,
            addresses: balancer.addresses.filter(isIpv4),
          })),
        }),
    ...(boundaries === undefined
      ? {}
      : { boundaries: boundaries.map((boundary) => ({ ...boundary, cidrs: boundary.cidrs.filter(isIpv4) })) }),
  };
}

/** A rule that had only IPv6 peers goes altogether: without peers it would mean everybody. */
function groupWithoutIpv6(group: SecurityGroup): SecurityGroup {
  const rules = group.rules
    .map((rule) => (rule.cidrs === undefined ? rule : { ...rule, cidrs: rule.cidrs.filter(isIpv4) }))
    .filter(({ cidrs, securityGroups }) => cidrs?.length !== 0 || (securityGroups ?? []).length > 0);
  return { ...group, rules };
}

function ipv6Item(topology: Topology): FidelityItem[] {
  const ranges = topology.networks.flatMap(({ cidrs, subnets }) => [
    ...cidrs.filter((cidr) => !isIpv4(cidr)),
    ...subnets.flatMap(({ ipv6Cidr }) => (ipv6Cidr === undefined ? [] : [ipv6Cidr])),
  ]);
  if (ranges.length === 0) return [];
  const reason = `AWS gives no IPv6 range twice: ${ranges.length} ranges and what refers to them are left out`;
  return [droppedItem("networks/ipv6", reason)];
}

function withoutManaged(topology: Topology): ShadowTopology {
  const managed = topology.machines.filter(({ aws }) => aws?.managedBy !== undefined);
  const fidelity = managed.map(({ name, aws }) =>
    droppedItem(
      `machines/${name}`,
      `its containers are managed by ${aws!.managedBy!.toUpperCase()} from outside the VPC, so a copy of the machine would be no copy of them`,
    ),
  );
  return { topology: withoutMachines(topology, new Set(managed.map(({ name }) => name))), fidelity };
}

/** The machine and interface that have an address, by the interface's link name. */
export function linkAt(topology: Topology, address: string): string | undefined {
  const wanted = hostRange(address);
  for (const { name, interfaces } of topology.machines) {
    const card = interfaces.find(({ addresses }) => addresses.some((own) => hostRange(own) === wanted));
    if (card !== undefined) return `${name}/${card.name}`;
  }
  return undefined;
}

/** The line of the report on what a boundary has become. */
export function boundaryItem(name: string, restored: string | undefined): FidelityItem {
  const subject = `boundaries/${name}`;
  if (restored !== undefined) return { subject, outcome: FidelityOutcome.Cloned, reason: restored };
  const reason = "a sink: nothing that a machine sends there leaves the shadow, and nothing answers";
  return { subject, outcome: FidelityOutcome.Substituted, reason };
}
