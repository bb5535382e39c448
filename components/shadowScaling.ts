import { nextFreeAddress } from "./internal/cidr";
import { matchesPattern } from "./internal/patterns";
import { type Problem, didYouMean } from "./internal/problems";
import { type BoundaryOverride, type FidelityItem, FidelityOutcome, type ScaleRule, type StateRule } from "./network";
import { BoundaryReplacement, type LoadBalancer, type Machine, type Topology, type TopologySubnet } from "./topology";

/** How a shadow is to differ from production. */
export interface ShadowSettings {
  scale?: ScaleRule[];
  state?: StateRule[];
  boundaries?: BoundaryOverride[];
}

/** The topology of the shadow, and every way in which it differs from production's. */
export interface ShadowTopology {
  topology: Topology;
  fidelity: FidelityItem[];
}

/** What a back end says about scaling. */
export interface ScalingRules {
  /** Addresses of a subnet that no machine may have, for example the router's. */
  reserved: (subnet: TopologySubnet) => readonly string[];
  /** The machine in the size that the rule asks for. */
  resize: (machine: Machine, rule: ScaleRule) => Machine;
}

/** Selectors that name no machine, and replicas out of range: what is wrong on every back end. */
export function selectorProblems(topology: Topology, settings: ShadowSettings): Problem[] {
  const machines = topology.machines.map(({ name }) => name);
  const unmatched = (path: string, pattern: string): Problem[] =>
    machines.some((name) => matchesPattern(name, pattern))
      ? []
      : [{ path, reason: `no machine matches "${pattern}"${didYouMean(pattern, machines)}` }];
  return [
    ...(settings.scale ?? []).flatMap(({ machines: pattern, replicas }, s) => [
      ...unmatched(`scale[${s}].machines`, pattern),
      ...replicaProblems(`scale[${s}].replicas`, replicas),
    ]),
    ...(settings.state ?? []).flatMap((rule, s) => unmatched(`state[${s}].machines`, rule.machines)),
  ];
}

function replicaProblems(path: string, replicas: number | undefined): Problem[] {
  if (replicas === undefined || (Number.isInteger(replicas) && replicas >= 1 && replicas <= 1000)) return [];
  return [{ path, reason: `${replicas} is not a whole number from 1 to 1000` }];
}

/** Overrides of boundaries that the topology does not have. */
export function boundaryProblems(topology: Topology, overrides: readonly BoundaryOverride[]): Problem[] {
  const known = (topology.boundaries ?? []).map(({ name }) => name);
  return overrides.flatMap(({ name }, b) =>
    known.includes(name)
      ? []
      : [{ path: `boundaries[${b}].name`, reason: `no boundary "${name}"${didYouMean(name, known)}` }],
  );
}

/** Boundaries whose replacement the back end does not have, each at the place where it was asked for. */
export function replacementProblems(
  topology: Topology,
  overrides: readonly BoundaryOverride[],
  refused: (replacement: BoundaryReplacement) => string | undefined,
): Problem[] {
  return replacements(topology, overrides).flatMap(({ name, replacement }) => {
    const reason = refused(replacement);
    if (reason === undefined) return [];
    const index = overrides.findIndex((override) => override.name === name);
    if (index >= 0 && overrides[index]!.replacement !== undefined) {
      return [{ path: `boundaries[${index}].replacement`, reason }];
    }
    const position = (topology.boundaries ?? []).findIndex((boundary) => boundary.name === name);
    return [{ path: `topology.boundaries[${position}].replacement`, reason }];
  });
}

/** What takes each boundary's place: the override's word, else the topology's, else a sink. */
export function replacements(
  topology: Topology,
  overrides: readonly BoundaryOverride[],
): { name: string; replacement: BoundaryReplacement }[] {
  return (topology.boundaries ?? []).map(({ name, replacement }) => {
    const override = overrides.find((one) => one.name === name);
    return { name, replacement: override?.replacement ?? replacement ?? BoundaryReplacement.Sink };
  });
}

/** A line of the fidelity report on something that is not there. */
export function droppedItem(subject: string, reason: string): FidelityItem {
  return { subject, outcome: FidelityOutcome.Dropped, reason };
}

/** A line of the fidelity report on something that has another number or size. */
export function scaledItem(subject: string, reason: string): FidelityItem {
  return { subject, outcome: FidelityOutcome.Scaled, reason };
}

/** All subnets of a topology. */
export function subnetsOf(topology: Topology): TopologySubnet[] {
  return topology.networks.flatMap(({ subnets }) => subnets);
}

/** Machines and subnets behind a boundary are the outside: clients and partners are never cloned. */
export function withoutOutside(topology: Topology): ShadowTopology {
  const outside = new Set(subnetsOf(topology).flatMap(({ name, boundary }) => (boundary === undefined ? [] : [name])));
  const networks = topology.networks.map((network) => ({
    ...network,
    subnets: network.subnets.filter(({ name }) => !outside.has(name)),
  }));
  const machines = topology.machines
    .map((machine) => ({ ...machine, interfaces: machine.interfaces.filter(({ subnet }) => !outside.has(subnet)) }))
    .filter(({ interfaces }) => interfaces.length > 0);
  const kept = new Set(machines.map(({ name }) => name));
  const gone = topology.machines.filter(({ name }) => !kept.has(name));
  const fidelity = [
    ...[...outside].map((name) => droppedItem(`subnets/${name}`, "it lies behind a boundary, so it is the outside")),
    ...gone.map(({ name }) =>
      droppedItem(`machines/${name}`, "it lies behind a boundary: clients are mirrored, not cloned"),
    ),
  ];
  const services = topology.services?.map((service) => ({
    ...service,
    machines: service.machines.filter((m) => kept.has(m)),
  }));
  const next = { ...topology, networks, machines, ...(services === undefined ? {} : { services }) };
  return { topology: next, fidelity };
}

/** Applies scale rules in their order. Throws a RangeError when a subnet has no address left for a copy. */
export function scaled(shadow: ShadowTopology, scale: readonly ScaleRule[], rules: ScalingRules): ShadowTopology {
  return scale.reduce((before, rule) => applyScale(before, rule, rules), shadow);
}

function applyScale(shadow: ShadowTopology, rule: ScaleRule, rules: ScalingRules): ShadowTopology {
  const matching = shadow.topology.machines.filter(({ name }) => matchesPattern(name, rule.machines));
  const counted = rule.replicas === undefined ? shadow : resized(shadow, matching, rule.replicas, rules);
  const { cpus, memoryMegabytes, type } = rule;
  const size = Object.entries({ cpus, memoryMegabytes, type }).filter(([, value]) => value !== undefined);
  if (size.length === 0) return counted;
  const before = new Set(shadow.topology.machines.map(({ name }) => name));
  const isMeant = ({ name }: Machine): boolean => !before.has(name) || matchesPattern(name, rule.machines);
  const machines = counted.topology.machines.map((machine) =>
    isMeant(machine) ? rules.resize(machine, rule) : machine,
  );
  const said = size.map(([field, value]) => `${field} ${value ?? ""}`).join(", ");
  const items = matching.map(({ name }) => scaledItem(`machines/${name}`, `sized to ${said} by a scale rule`));
  return { topology: { ...counted.topology, machines }, fidelity: [...counted.fidelity, ...items] };
}

function resized(
  shadow: ShadowTopology,
  matching: readonly Machine[],
  replicas: number,
  rules: ScalingRules,
): ShadowTopology {
  const shrunk = matching.slice(replicas).reduce(removeMachine, shadow);
  const missing = matching.length === 0 ? 0 : Math.max(0, replicas - matching.length);
  const originals = Array.from({ length: missing }, (_, index) => matching[index % matching.length]!);
  return originals.reduce((before, original) => addCopy(before, original, rules), shrunk);
}

function removeMachine({ topology, fidelity }: ShadowTopology, { name }: Machine): ShadowTopology {
  return {
    topology: withoutMachines(topology, new Set([name])),
    fidelity: [...fidelity, scaledItem(`machines/${name}`, "left out by a scale rule")],
  };
}

/** The topology without some machines, in all lists that name them. */
export function withoutMachines(topology: Topology, gone: ReadonlySet<string>): Topology {
  const without = (names: readonly string[]): string[] => names.filter((name) => !gone.has(name));
  return { ...withMembers(topology, without), machines: topology.machines.filter(({ name }) => !gone.has(name)) };
}

/** Applies a change to the lists of machines behind services, load balancers and their target groups. */
function withMembers(topology: Topology, change: (machines: readonly string[]) => string[]): Topology {
  const { services, loadBalancers, aws } = topology;
  const changed = <T extends { machines: string[] }>(list: T[]): T[] =>
    list.map((entry) => ({ ...entry, machines: change(entry.machines) }));
  const groups = aws?.autoScalingGroups;
  return {
    ...topology,
    ...(services === undefined ? {} : { services: changed(services) }),
    ...(loadBalancers === undefined ? {} : { loadBalancers: changed(loadBalancers).map(withTargets(change)) }),
    ...(groups === undefined ? {} : { aws: { ...aws!, autoScalingGroups: changed(groups) } }),
  };
}

/** A copy listens where its original does, so a target group's new member has the port of the one before it. */
function withTargets(change: (machines: readonly string[]) => string[]): (balancer: LoadBalancer) => LoadBalancer {
  return (balancer) => {
    const groups = balancer.aws?.targetGroups;
    if (groups === undefined) return balancer;
    const targetGroups = groups.map((group) => ({
      ...group,
      targets: group.targets.flatMap((target) => change([target.machine]).map((machine) => ({ ...target, machine }))),
    }));
    return { ...balancer, aws: { ...balancer.aws!, targetGroups } };
  };
}

function addCopy({ topology, fidelity }: ShadowTopology, original: Machine, rules: ScalingRules): ShadowTopology {
  const name = freeName(topology, original.name);
  const copy: Machine = {
    ...original,
    name,
    interfaces: original.interfaces.map((card) => ({
      name: card.name,
      subnet: card.subnet,
      addresses: freeAddresses(topology, card.subnet, card.addresses, rules),
      ...(card.securityGroups === undefined ? {} : { securityGroups: card.securityGroups }),
    })),
  };
  delete copy.sourceId;
  const joined = (machines: readonly string[]): string[] =>
    machines.includes(original.name) ? [...machines, name] : [...machines];
  const reason = `a copy of ${original.name} by a scale rule, at ${copy.interfaces.flatMap(({ addresses }) => addresses).join(", ")}`;
  return {
    topology: { ...withMembers(topology, joined), machines: [...topology.machines, copy] },
    fidelity: [...fidelity, scaledItem(`machines/${name}`, reason)],
  };
}

/** `app-3` for a copy of `app-1` beside `app-2`. */
function freeName(topology: Topology, original: string): string {
  const taken = new Set(topology.machines.map(({ name }) => name));
  const base = original.replace(/-\d+$/, "").slice(0, 58);
  let number = 2;
  while (taken.has(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

function freeAddresses(
  topology: Topology,
  subnetName: string,
  originals: readonly string[],
  { reserved }: ScalingRules,
): string[] {
  const subnet = subnetsOf(topology).find(({ name }) => name === subnetName)!;
  const taken = topology.machines.flatMap(({ interfaces }) => interfaces.flatMap(({ addresses }) => addresses));
  const balanced = (topology.loadBalancers ?? []).flatMap(({ addresses }) => addresses);
  const used = [...taken, ...balanced, ...reserved(subnet)];
  return originals.flatMap((address) => {
    const range = address.includes(":") ? subnet.ipv6Cidr : subnet.cidr;
    const free = range === undefined ? undefined : nextFreeAddress(range, used);
    if (free === undefined)
      throw new RangeError(`subnet "${subnetName}" has no free address left in ${range ?? "none"}`);
    used.push(free);
    return [free];
  });
}
