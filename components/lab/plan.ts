import { createHash } from "node:crypto";
import { resolve } from "node:path";

import {
  addressFamily,
  canonicalAddress,
  canonicalCidr,
  cidrContains,
  cidrsOverlap,
  firstHost,
  hostRange,
  prefixLength,
} from "../internal/cidr";
import { type Problem, didYouMean, refuse } from "../internal/problems";
import type { Machine, MachineInterface, Route, SecurityRule, Topology, TopologySubnet } from "../topology";
import { canonicalRules } from "./kernel/filters";
import type { LabFilterRule, LabInterfaceSpec, LabMachineSpec, LabNetworkSpec, LabSubnetSpec } from "./kernel/specs";

/** Everything that the kernel library needs to build one lab network, in the order in which it is built. */
export interface LabPlan {
  network: LabNetworkSpec;
  subnets: LabSubnetSpec[];
  machines: LabMachineSpec[];
}

/** Settings of {@link planNetwork}. */
export interface LabPlanSettings {
  /** Who builds it; another owner's network is never touched. Defaults to the network's name. */
  owner?: string;
  /** Folder against which relative data folders of the topology are resolved. Defaults to the working folder. */
  dataRoot?: string;
}

/**
 * Turns a topology into the specs of a lab network. A production has everything; a shadow leaves out the subnets behind
 * boundaries and the machines and interfaces in them, and what leads to a boundary leads to its gateway. Throws one
 * error that names every name the topology refers to and does not have.
 */
export function planNetwork(
  topology: Topology,
  network: string,
  role: LabNetworkSpec["role"],
  settings: LabPlanSettings = {},
): LabPlan {
  refuse(`topology ${topology.name}`, unknownNames(topology));
  const inside = new Set(subnetsOf(topology).flatMap((subnet) => (isInside(subnet, role) ? [subnet.name] : [])));
  const machines = topology.machines
    .map((machine) => ({ ...machine, interfaces: machine.interfaces.filter(({ subnet }) => inside.has(subnet)) }))
    .filter(({ interfaces }) => interfaces.length > 0);
  const context: Context = { topology, network, settings, hosts: hostsOf(topology) };
  return {
    network: { network, role, owner: settings.owner ?? network, topology: topology.name },
    subnets: planSubnets(context).filter(({ subnet }) => inside.has(subnet)),
    machines: machines.map((machine) => planMachine(context, machine)),
  };
}

/** Hardware address of an interface whose topology gives none: the same in production and in every shadow of it. */
export function derivedMac(machine: string, networkInterface: string): string {
  const digest = createHash("sha256").update(`${machine}/${networkInterface}`).digest("hex");
  return ["02", ...(digest.slice(0, 10).match(/../g) ?? [])].join(":");
}

/** The router's addresses in a subnet: the topology's, else the first host of each range. */
export function gatewayAddressesOf(subnet: TopologySubnet): string[] {
  if (subnet.gatewayAddresses !== undefined) return subnet.gatewayAddresses.map(canonicalAddress);
  return rangesOf(subnet).map(firstHost);
}

interface Context {
  topology: Topology;
  network: string;
  settings: LabPlanSettings;
  hosts: Record<string, string[]>;
}

function subnetsOf(topology: Topology): TopologySubnet[] {
  return topology.networks.flatMap(({ subnets }) => subnets);
}

function isInside(subnet: TopologySubnet, role: LabNetworkSpec["role"]): boolean {
  return role === "production" || subnet.boundary === undefined;
}

function rangesOf({ cidr, ipv6Cidr }: TopologySubnet): string[] {
  return (ipv6Cidr === undefined ? [cidr] : [cidr, ipv6Cidr]).map(canonicalCidr);
}

function planSubnets(context: Context): LabSubnetSpec[] {
  const { topology, network } = context;
  return topology.networks.flatMap(({ cidrs, subnets }) =>
    subnets.map((subnet) => {
      const [cidr = "", ipv6Cidr] = rangesOf(subnet);
      const boundary = topology.boundaries?.find(({ name }) => name === subnet.boundary);
      return {
        network,
        subnet: subnet.name,
        cidr,
        ...(ipv6Cidr === undefined ? {} : { ipv6Cidr }),
        gatewayAddresses: gatewayAddressesOf(subnet),
        routes: [...routesOf(topology, subnet), ...foreignRoutes(topology, subnet)].sort(byDestination),
        acl: topology.acls?.find(({ name }) => name === subnet.acl)?.rules.toSorted(byNumber) ?? [],
        ...(subnet.acl === undefined ? {} : { aclName: subnet.acl }),
        ...(boundary === undefined
          ? { localCidrs: localCidrsOf(cidrs.map(canonicalCidr), subnets) }
          : { localCidrs: [], boundary: boundary.name, boundaryCidrs: boundary.cidrs.map(canonicalCidr).sort() }),
      };
    }),
  );
}

/** What lies behind a boundary is not local; a range that holds such a subnet counts as its other subnets' ranges. */
function localCidrsOf(cidrs: string[], subnets: TopologySubnet[]): string[] {
  const behind = subnets.filter(({ boundary }) => boundary !== undefined).flatMap(rangesOf);
  const inside = subnets.filter(({ boundary }) => boundary === undefined).flatMap(rangesOf);
  const local = cidrs.flatMap((cidr) =>
    behind.some((range) => cidrsOverlap(cidr, range)) ? inside.filter((range) => cidrContains(cidr, range)) : [cidr],
  );
  return [...new Set(local)].sort();
}

function byNumber(a: { number: number }, b: { number: number }): number {
  return a.number - b.number;
}

function byDestination(a: Route, b: Route): number {
  return a.destination < b.destination ? -1 : a.destination > b.destination ? 1 : 0;
}

function routesOf(topology: Topology, subnet: TopologySubnet): Route[] {
  if (subnet.routeTable !== undefined) {
    const table = topology.routeTables?.find(({ name }) => name === subnet.routeTable);
    return (table?.routes ?? []).map(canonicalRoute);
  }
  const [boundary] = topology.boundaries ?? [];
  if (boundary === undefined || subnet.boundary !== undefined) return [];
  return ["0.0.0.0/0", "::/0"].map((destination) => ({ destination, boundary: boundary.name }));
}

function canonicalRoute({ destination, via, boundary, blackhole }: Route): Route {
  return {
    destination: canonicalCidr(destination),
    ...(via === undefined ? {} : { via: canonicalAddress(via) }),
    ...(boundary === undefined ? {} : { boundary }),
    ...(blackhole === undefined ? {} : { blackhole }),
  };
}

/** Networks of one topology share the lab's router, and without a route between them must not meet. */
function foreignRoutes(topology: Topology, subnet: TopologySubnet): Route[] {
  if (subnet.boundary !== undefined) return [];
  const given = new Set(routesOf(topology, subnet).map(({ destination }) => destination));
  const foreign = topology.networks.filter(
    ({ subnets }) => !subnets.includes(subnet) && subnets.some(({ boundary }) => boundary === undefined),
  );
  const cidrs = foreign.flatMap((network) => network.cidrs.map(canonicalCidr));
  return cidrs.filter((cidr) => !given.has(cidr)).map((destination) => ({ destination, blackhole: true }));
}

function planMachine(context: Context, machine: Machine): LabMachineSpec {
  const { name, role, size, workload, lab } = machine;
  const dataFolder = lab?.dataFolder;
  return {
    network: context.network,
    machine: name,
    ...(role === undefined ? {} : { role }),
    interfaces: machine.interfaces.map((card, index) => planInterface(context.topology, machine, card, index === 0)),
    forwarding: machine.forwarding ?? false,
    routes: [],
    ...(size === undefined ? {} : { size }),
    ...(workload === undefined ? {} : { workload }),
    hosts: context.hosts,
    ...(dataFolder === undefined ? {} : { dataSource: resolve(context.settings.dataRoot ?? ".", dataFolder) }),
    ...(lab?.diskMegabytes === undefined ? {} : { diskMegabytes: lab.diskMegabytes }),
  };
}

function planInterface(topology: Topology, machine: Machine, card: MachineInterface, first: boolean): LabInterfaceSpec {
  const subnet = subnetsOf(topology).find(({ name }) => name === card.subnet)!;
  const groups = card.securityGroups ?? [];
  return {
    name: card.name,
    subnet: card.subnet,
    addresses: card.addresses.map((address) => `${canonicalAddress(address)}/${lengthFor(subnet, address)}`),
    mac: card.mac?.toLowerCase() ?? derivedMac(machine.name, card.name),
    gateways: first ? gatewayAddressesOf(subnet).filter(isReachable(card)) : [],
    filtered: groups.length > 0,
    rules: canonicalRules(groups.flatMap((group) => rulesOf(topology, group))),
  };
}

/** A machine without an address of a family cannot use the router's. */
function isReachable({ addresses }: MachineInterface): (gateway: string) => boolean {
  return (gateway) => addresses.some((address) => addressFamily(address) === addressFamily(gateway));
}

function lengthFor(subnet: TopologySubnet, address: string): number {
  const range = addressFamily(address) === 6 ? subnet.ipv6Cidr : subnet.cidr;
  return range === undefined ? 128 : prefixLength(range);
}

function rulesOf(topology: Topology, group: string): LabFilterRule[] {
  const rules = topology.securityGroups?.find(({ name }) => name === group)?.rules ?? [];
  return rules.flatMap(({ direction, protocol, ports, ...peers }) => {
    const cidrs = peerRanges(topology, peers);
    const rule = { group, direction, protocol, ...(ports === undefined ? {} : { ports }) };
    if (cidrs === undefined) return [rule];
    return cidrs.length === 0 ? [] : [{ ...rule, cidrs }];
  });
}

/** The peers of a rule as ranges; undefined is everybody, and an empty list a group that nobody is in. */
function peerRanges(
  topology: Topology,
  { cidrs, securityGroups }: Pick<SecurityRule, "cidrs" | "securityGroups">,
): string[] | undefined {
  if (cidrs === undefined && securityGroups === undefined) return undefined;
  const groups = new Set(securityGroups);
  const members = topology.machines
    .flatMap(({ interfaces }) => interfaces)
    .filter((card) => card.securityGroups?.some((group) => groups.has(group)))
    .flatMap(({ addresses }) => addresses.map(hostRange));
  return [...new Set([...(cidrs ?? []), ...members].map(canonicalCidr))].sort();
}

function hostsOf(topology: Topology): Record<string, string[]> {
  const records = (topology.dnsZones ?? []).flatMap((zone) => zone.records);
  const addressesOf = (name: string, seen: string[]): string[] => {
    if (seen.includes(name)) return [];
    return records
      .filter((record) => record.name === name)
      .flatMap(({ type, values }) => {
        if (type === "A" || type === "AAAA") return values.map(canonicalAddress);
        return type === "CNAME" ? values.flatMap((value) => addressesOf(value, [...seen, name])) : [];
      });
  };
  const names = [...new Set(records.map(({ name }) => name))].sort();
  const resolved = names.map((name) => [name, addressesOf(name, [])] as const);
  return Object.fromEntries(resolved.filter(([, addresses]) => addresses.length > 0));
}

function unknownNames(topology: Topology): Problem[] {
  const problems: Problem[] = [];
  const check = (path: string, kind: string, name: string | undefined, known: { name: string }[]): void => {
    if (name === undefined || known.some((candidate) => candidate.name === name)) return;
    const near = didYouMean(
      name,
      known.map((candidate) => candidate.name),
    );
    problems.push({ path, reason: `no ${kind} "${name}"${near}` });
  };
  const { boundaries = [], routeTables = [], acls = [], securityGroups = [] } = topology;
  topology.networks.forEach(({ subnets }, n) =>
    subnets.forEach((subnet, s) => {
      const path = `networks[${n}].subnets[${s}]`;
      check(`${path}.routeTable`, "route table", subnet.routeTable, routeTables);
      check(`${path}.acl`, "ACL", subnet.acl, acls);
      check(`${path}.boundary`, "boundary", subnet.boundary, boundaries);
    }),
  );
  routeTables.forEach(({ routes }, t) =>
    routes.forEach(({ boundary }, r) =>
      check(`routeTables[${t}].routes[${r}].boundary`, "boundary", boundary, boundaries),
    ),
  );
  topology.machines.forEach(({ interfaces }, m) =>
    interfaces.forEach(({ subnet, securityGroups: groups = [] }, i) => {
      const path = `machines[${m}].interfaces[${i}]`;
      check(`${path}.subnet`, "subnet", subnet, subnetsOf(topology));
      groups.forEach((group, g) => check(`${path}.securityGroups[${g}]`, "security group", group, securityGroups));
    }),
  );
  return problems;
}
