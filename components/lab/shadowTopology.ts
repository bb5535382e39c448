import { nextFreeAddress } from "../internal/cidr";
import { matchesPattern } from "../internal/patterns";
import { type Problem, didYouMean } from "../internal/problems";
import {
  type BoundaryOverride,
  DiskState,
  type FidelityItem,
  FidelityOutcome,
  type ScaleRule,
  type StateRule,
} from "../network";
import { BoundaryReplacement, type Machine, type Topology, type TopologySubnet } from "../topology";
import { gatewayAddressesOf } from "./plan";

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

/** What is wrong with the settings of a shadow of this topology in the lab. */
export function shadowProblems(topology: Topology, settings: ShadowSettings): Problem[] {
  const machines = topology.machines.map(({ name }) => name);
  const boundaries = (topology.boundaries ?? []).map(({ name }) => name);
  const unmatched = (path: string, pattern: string): Problem[] =>
    machines.some((name) => matchesPattern(name, pattern))
      ? []
      : [{ path, reason: `no machine matches "${pattern}"${didYouMean(pattern, machines)}` }];
  return [
    ...(settings.scale ?? []).flatMap((rule, s) => [
      ...unmatched(`scale[${s}].machines`, rule.machines),
      ...scaleProblems(`scale[${s}]`, rule),
    ]),
    ...(settings.state ?? []).flatMap((rule, s) => [
      ...unmatched(`state[${s}].machines`, rule.machines),
      ...(rule.memory === true
        ? [{ path: `state[${s}].memory`, reason: "the lab cannot copy memory; leave it out, processes start anew" }]
        : []),
    ]),
    ...(settings.boundaries ?? []).flatMap(({ name }, b) =>
      boundaries.includes(name)
        ? []
        : [{ path: `boundaries[${b}].name`, reason: `no boundary "${name}"${didYouMean(name, boundaries)}` }],
    ),
    ...(settings.boundaries ?? []).flatMap(({ restore }, b) =>
      restore === true
        ? [{ path: `boundaries[${b}].restore`, reason: "the lab has no snapshots of managed databases; leave it out" }]
        : [],
    ),
    ...stubProblems(topology, settings.boundaries ?? []),
  ];
}

function scaleProblems(path: string, { replicas, cpus, memoryMegabytes, type }: ScaleRule): Problem[] {
  const problems: Problem[] = [];
  if (replicas !== undefined && (!Number.isInteger(replicas) || replicas < 1 || replicas > 1000)) {
    problems.push({ path: `${path}.replicas`, reason: `${replicas} is not a whole number from 1 to 1000` });
  }
  for (const [field, value] of Object.entries({ cpus, memoryMegabytes })) {
    if (value === undefined || value > 0) continue;
    problems.push({ path: `${path}.${field}`, reason: `${value} is not above 0` });
  }
  if (type !== undefined) {
    problems.push({ path: `${path}.type`, reason: "the lab has no instance types; give cpus and memoryMegabytes" });
  }
  return problems;
}

function stubProblems(topology: Topology, overrides: readonly BoundaryOverride[]): Problem[] {
  const reason = "the lab has no stubs; take sink or reject, or add the stand-in to the topology as a machine";
  const stubs = replacements(topology, overrides).filter(({ replacement }) => replacement === BoundaryReplacement.Stub);
  return stubs.map(({ name }) => {
    const index = overrides.findIndex((override) => override.name === name);
    if (index >= 0) return { path: `boundaries[${index}].replacement`, reason };
    const position = (topology.boundaries ?? []).findIndex((boundary) => boundary.name === name);
    return { path: `topology.boundaries[${position}].replacement`, reason };
  });
}

function replacements(
  topology: Topology,
  overrides: readonly BoundaryOverride[],
): { name: string; replacement: BoundaryReplacement }[] {
  return (topology.boundaries ?? []).map(({ name, replacement }) => {
    const override = overrides.find((one) => one.name === name);
    return { name, replacement: override?.replacement ?? replacement ?? BoundaryReplacement.Sink };
  });
}

/** Applies valid settings to a topology. Data that machines start with is what production has when they are made. */
export function shadowTopology(topology: Topology, settings: ShadowSettings): ShadowTopology {
  const inside = withoutOutside(topology);
  const start = { topology: inside.topology, fidelity: [...inside.fidelity] };
  const scaled = (settings.scale ?? []).reduce(applyScale, start);
  const stated = (settings.state ?? []).reduce(applyState, scaled);
  return withBoundaries(withCloned(stated), settings.boundaries ?? []);
}

/** Machines and subnets behind a boundary are the outside: clients and partners are never cloned. */
function withoutOutside(topology: Topology): ShadowTopology {
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
    ...[...outside].map((name) => dropped(`subnets/${name}`, "it lies behind a boundary, so it is the outside")),
    ...gone.map(({ name }) =>
      dropped(`machines/${name}`, "it lies behind a boundary: clients are mirrored, not cloned"),
    ),
  ];
  const services = topology.services?.map((service) => ({
    ...service,
    machines: service.machines.filter((m) => kept.has(m)),
  }));
  const next = { ...topology, networks, machines, ...(services === undefined ? {} : { services }) };
  return { topology: next, fidelity };
}

function dropped(subject: string, reason: string): FidelityItem {
  return { subject, outcome: FidelityOutcome.Dropped, reason };
}

function subnetsOf(topology: Topology): TopologySubnet[] {
  return topology.networks.flatMap(({ subnets }) => subnets);
}

function applyScale(shadow: ShadowTopology, rule: ScaleRule): ShadowTopology {
  const matching = shadow.topology.machines.filter(({ name }) => matchesPattern(name, rule.machines));
  const counted = rule.replicas === undefined ? shadow : resized(shadow, matching, rule.replicas);
  if (rule.cpus === undefined && rule.memoryMegabytes === undefined) return counted;
  const size = {
    ...(rule.cpus === undefined ? {} : { cpus: rule.cpus }),
    ...(rule.memoryMegabytes === undefined ? {} : { memoryMegabytes: rule.memoryMegabytes }),
  };
  const before = new Set(shadow.topology.machines.map(({ name }) => name));
  const isMeant = ({ name }: Machine): boolean => !before.has(name) || matchesPattern(name, rule.machines);
  const machines = counted.topology.machines.map((machine) =>
    isMeant(machine) ? { ...machine, size: { ...machine.size, ...size } } : machine,
  );
  const said = Object.entries(size).map(([field, value]) => `${field} ${value}`);
  const items = matching.map(({ name }) =>
    scaledItem(`machines/${name}`, `sized to ${said.join(", ")} by a scale rule`),
  );
  return { topology: { ...counted.topology, machines }, fidelity: [...counted.fidelity, ...items] };
}

function scaledItem(subject: string, reason: string): FidelityItem {
  return { subject, outcome: FidelityOutcome.Scaled, reason };
}

function resized(shadow: ShadowTopology, matching: readonly Machine[], replicas: number): ShadowTopology {
  const surplus = matching.slice(replicas);
  const shrunk = surplus.reduce(removeMachine, shadow);
  const missing = Math.max(0, replicas - matching.length);
  return Array.from({ length: missing }, (_, index) => matching[index % matching.length]!).reduce(addCopy, shrunk);
}

function removeMachine({ topology, fidelity }: ShadowTopology, { name }: Machine): ShadowTopology {
  const without = (names: readonly string[]): string[] => names.filter((other) => other !== name);
  return {
    topology: {
      ...withMembers(topology, without),
      machines: topology.machines.filter((machine) => machine.name !== name),
    },
    fidelity: [...fidelity, scaledItem(`machines/${name}`, "left out by a scale rule")],
  };
}

/** Applies a change to the lists of machines behind services and load balancers. */
function withMembers(topology: Topology, change: (machines: readonly string[]) => string[]): Topology {
  const { services, loadBalancers } = topology;
  const changed = <T extends { machines: string[] }>(list: T[]): T[] =>
    list.map((entry) => ({ ...entry, machines: change(entry.machines) }));
  return {
    ...topology,
    ...(services === undefined ? {} : { services: changed(services) }),
    ...(loadBalancers === undefined ? {} : { loadBalancers: changed(loadBalancers) }),
  };
}

function addCopy({ topology, fidelity }: ShadowTopology, original: Machine): ShadowTopology {
  const name = freeName(topology, original.name);
  const copy: Machine = {
    ...original,
    name,
    interfaces: original.interfaces.map((card) => ({
      name: card.name,
      subnet: card.subnet,
      addresses: freeAddresses(topology, card.subnet, card.addresses),
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

function freeAddresses(topology: Topology, subnetName: string, originals: readonly string[]): string[] {
  const subnet = subnetsOf(topology).find(({ name }) => name === subnetName)!;
  const taken = topology.machines.flatMap(({ interfaces }) => interfaces.flatMap(({ addresses }) => addresses));
  const balanced = (topology.loadBalancers ?? []).flatMap(({ addresses }) => addresses);
  const used = [...taken, ...balanced, ...gatewayAddressesOf(subnet)];
  return originals.flatMap((address) => {
    const range = address.includes(":") ? subnet.ipv6Cidr : subnet.cidr;
    const free = range === undefined ? undefined : nextFreeAddress(range, used);
    if (free === undefined)
      throw new RangeError(`subnet "${subnetName}" has no free address left in ${range ?? "none"}`);
    used.push(free);
    return [free];
  });
}

function applyState(shadow: ShadowTopology, rule: StateRule): ShadowTopology {
  if (rule.disk !== DiskState.None) return shadow;
  const isMeant = ({ name, lab }: Machine): boolean =>
    matchesPattern(name, rule.machines) && lab?.dataFolder !== undefined;
  const machines = shadow.topology.machines.map((machine) => {
    if (!isMeant(machine)) return machine;
    const lab = { ...machine.lab };
    delete lab.dataFolder;
    return { ...machine, lab };
  });
  const items = shadow.topology.machines
    .filter(isMeant)
    .map(({ name }) => dropped(`machines/${name}/data`, "its disk starts empty by a state rule"));
  return { topology: { ...shadow.topology, machines }, fidelity: [...shadow.fidelity, ...items] };
}

/** Everything that no rule has touched is there as it was. */
function withCloned({ topology, fidelity }: ShadowTopology): ShadowTopology {
  const touched = new Set(fidelity.map(({ subject }) => subject));
  const subjects = [
    ...subnetsOf(topology).map(({ name }) => `subnets/${name}`),
    ...topology.machines.map(({ name }) => `machines/${name}`),
  ];
  const cloned = subjects
    .filter((subject) => !touched.has(subject))
    .map((subject) => ({ subject, outcome: FidelityOutcome.Cloned, reason: "same addresses, filters and program" }));
  const unreadable = (topology.unreadable ?? []).map((reason) => dropped("capture", reason));
  return { topology, fidelity: [...cloned, ...fidelity, ...unreadable] };
}

function withBoundaries(
  { topology, fidelity }: ShadowTopology,
  overrides: readonly BoundaryOverride[],
): ShadowTopology {
  const chosen = replacements(topology, overrides);
  const boundaries = (topology.boundaries ?? []).map((boundary, index) => ({
    ...boundary,
    replacement: chosen[index]!.replacement,
  }));
  const reasons = {
    sink: "what is sent there is swallowed",
    reject: "what is sent there is refused",
    stub: "a stand-in",
  };
  const items = boundaries.map(({ name, replacement }) => ({
    subject: `boundaries/${name}`,
    outcome: FidelityOutcome.Substituted,
    reason: `by the gateway: ${reasons[replacement]}`,
  }));
  const next = topology.boundaries === undefined ? topology : { ...topology, boundaries };
  return { topology: next, fidelity: [...fidelity, ...items] };
}
