import { join } from "node:path";

import type { FaultTarget, Flow } from "../experiment";
import { type Problem, didYouMean, refuse } from "../internal/problems";
import { matchesPattern } from "../internal/patterns";
import type { ResolvedLink, ResolvedMachine, ResolvedTarget } from "../runtime/faults/plan";
import type { Machine, Topology } from "../topology";
import { machineCgroups } from "./kernel/cgroups";
import {
  applianceNamespace,
  machineFolder,
  machineNamespace,
  machinePort,
  routerDevice,
  routerPort,
} from "./kernel/names";
import { gatewayAddressesOf } from "./plan";

/** Management traffic that no fault may touch: the mirror's tunnel. */
const exempt: Flow[] = [{ destinationCidr: "100.64.0.0/10" }, { sourceCidr: "100.64.0.0/10" }];

/**
 * Resolves a target to namespaces and devices of one shadow. Names are looked up in the shadow's own topology and
 * every device lies in one of its namespaces, so that nothing outside can be hit.
 */
export function resolveTarget(network: string, topology: Topology, target: FaultTarget): ResolvedTarget {
  refuse("target", targetProblems(topology, target));
  const machines = target.machine === undefined ? [] : machinesMatching(topology, target.machine);
  const links =
    target.link === undefined
      ? machines.flatMap((machine) => machineLinks(network, topology, machine))
      : linksNamed(network, topology, target.link);
  const kind = target.flow !== undefined ? "flow" : target.link !== undefined ? "link" : "machine";
  return {
    kind,
    name: targetName(target),
    machines: kind === "machine" ? machines.map((machine) => resolvedMachine(network, topology, machine)) : [],
    links,
    flow: target.flow,
    exempt,
  };
}

/** All links of a topology by name: `machine/interface`, and subnets for their attachment to the router. */
export function linkNames(topology: Topology): string[] {
  const ofMachines = topology.machines.flatMap(({ name, interfaces }) =>
    interfaces.map((card) => `${name}/${card.name}`),
  );
  const ofSubnets = topology.networks.flatMap(({ subnets }) => subnets.map(({ name }) => name));
  return [...ofMachines, ...ofSubnets];
}

function targetProblems(topology: Topology, target: FaultTarget): Problem[] {
  const problems: Problem[] = [];
  const machineNames = topology.machines.map(({ name }) => name);
  if (target.machine === undefined && target.link === undefined) {
    const cure = "give `machine` or `link`, and `flow` beside it to narrow it down";
    problems.push({ path: "target", reason: `aimed at nothing; ${cure}` });
  }
  if (target.machine !== undefined && target.link !== undefined) {
    problems.push({ path: "target", reason: "`machine` and `link` exclude each other; give one of them" });
  }
  if (target.machine !== undefined && machinesMatching(topology, target.machine).length === 0) {
    const cure = didYouMean(target.machine, machineNames);
    const reason = `no machine of the shadow matches "${target.machine}"; there are ${machineNames.join(", ")}${cure}`;
    problems.push({ path: "target.machine", reason });
  }
  if (target.link !== undefined && !linkNames(topology).some((name) => matchesPattern(name, target.link!))) {
    const names = linkNames(topology);
    const reason = `no link of the shadow matches "${target.link}"; there are ${names.join(", ")}`;
    problems.push({ path: "target.link", reason: reason + didYouMean(target.link, names) });
  }
  return problems;
}

function machinesMatching(topology: Topology, pattern: string): Machine[] {
  return topology.machines.filter(({ name }) => matchesPattern(name, pattern));
}

function linksNamed(network: string, topology: Topology, pattern: string): ResolvedLink[] {
  const ofMachines = topology.machines.flatMap((machine) => machineLinks(network, topology, machine));
  return [...ofMachines, ...subnetLinks(network, topology)].filter(({ name }) => matchesPattern(name, pattern));
}

function machineLinks(network: string, topology: Topology, machine: Machine): ResolvedLink[] {
  const subnets = topology.networks.flatMap((one) => one.subnets);
  return machine.interfaces.map((card) => ({
    name: `${machine.name}/${card.name}`,
    device: machinePort(machine.name, card.name),
    side: "network",
    namespace: applianceNamespace(network, "switch"),
    addresses: card.addresses,
    probeAddresses: subnets.filter(({ name }) => name === card.subnet).flatMap(gatewayAddressesOf),
    peer: { device: card.name, namespace: machineNamespace(network, machine.name) },
  }));
}

function subnetLinks(network: string, topology: Topology): ResolvedLink[] {
  return topology.networks.flatMap(({ subnets }) =>
    subnets.map((subnet) => ({
      name: subnet.name,
      device: routerPort(subnet.name),
      side: "network" as const,
      namespace: applianceNamespace(network, "switch"),
      addresses: gatewayAddressesOf(subnet),
      probeAddresses: firstMachineIn(subnet.name, topology),
      peer: { device: routerDevice(subnet.name), namespace: applianceNamespace(network, "router") },
    })),
  );
}

/** Addresses of the first machine in a subnet; none when it is empty. */
function firstMachineIn(subnet: string, { machines }: Topology): string[] {
  const cards = machines.flatMap(({ interfaces }) => interfaces.filter((card) => card.subnet === subnet));
  return cards[0]?.addresses ?? [];
}

function resolvedMachine(network: string, topology: Topology, machine: Machine): ResolvedMachine {
  const folder = machineFolder(network, machine.name);
  const namespace = machineNamespace(network, machine.name);
  const script = (name: string): string[] | undefined =>
    machine.workload === undefined ? undefined : ["sh", join(folder, name)];
  return {
    name: machine.name,
    links: machineLinks(network, topology, machine),
    namespace,
    cgroups: machineCgroups(network, machine.name),
    dataFolder: join(folder, "data"),
    hostsFile: join(folder, "hosts"),
    crashCommand: script("crash.sh"),
    restartCommand: script("start.sh"),
    restartsPlainly: true,
    aliveCommand: script("alive.sh"),
    execPrefix: ["ip", "netns", "exec", namespace],
  };
}

function targetName(target: FaultTarget): string {
  const place = target.machine ?? target.link ?? "";
  if (target.flow === undefined) return place;
  const { protocol, sourceCidr, sourcePorts, destinationCidr, destinationPorts, state } = target.flow;
  const end = (cidr?: string, ports?: string): string => `${cidr ?? "any"}${ports === undefined ? "" : `:${ports}`}`;
  const tuple = `${protocol ?? "any"} ${end(sourceCidr, sourcePorts)} > ${end(destinationCidr, destinationPorts)}`;
  return `${place} (${tuple}${state === undefined ? "" : `, ${state}`})`;
}
