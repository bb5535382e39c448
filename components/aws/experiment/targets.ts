import type { FaultTarget } from "../../experiment";
import type { Flow } from "../../experiment";
import { matchesPattern } from "../../internal/patterns";
import type { ResolvedLink, ResolvedMachine, ResolvedTarget } from "../../runtime/faults/plan";
import type { Machine, Topology, TopologySubnet } from "../../topology";
import { applianceCidr } from "../shadow";
import { devicePlaceholder } from "./script";

/** What no fault touches: the ranges of endpoints and gateways, and the instance's metadata. */
const exempt: Flow[] = [
  { destinationCidr: applianceCidr },
  { sourceCidr: applianceCidr },
  { destinationCidr: "169.254.169.254/32" },
  { sourceCidr: "169.254.169.254/32" },
];

/** A machine with those of its interfaces that are hit. */
export interface HitMachine {
  machine: Machine;
  /** Positions among the machine's interfaces. */
  interfaces: number[];
}

/** What a target stands for. */
export interface HitResources {
  /** Machines hit as a whole, or by some of their interfaces. */
  machines: HitMachine[];
  /** Subnets whose link to the rest of the network is hit. */
  subnets: TopologySubnet[];
}

/** Looks a target up in the topology; it has been checked that it matches something. */
export function hitResources(topology: Topology, target: FaultTarget): HitResources {
  const { machine: pattern, link } = target;
  if (pattern !== undefined) {
    const machines = topology.machines.filter(({ name }) => matchesPattern(name, pattern));
    return { machines: machines.map(whole), subnets: [] };
  }
  const machines = topology.machines
    .map((machine) => ({
      machine,
      interfaces: positions(machine, (card) => matchesPattern(`${machine.name}/${card.name}`, link ?? "")),
    }))
    .filter(({ interfaces }) => interfaces.length > 0);
  const subnets = topology.networks.flatMap((network) => network.subnets);
  return { machines, subnets: subnets.filter(({ name }) => matchesPattern(name, link ?? "")) };
}

/** The machines in a subnet, by their interfaces there. */
export function machinesIn(topology: Topology, subnet: TopologySubnet): HitMachine[] {
  return topology.machines
    .map((machine) => ({ machine, interfaces: positions(machine, (card) => card.subnet === subnet.name) }))
    .filter(({ interfaces }) => interfaces.length > 0);
}

function whole(machine: Machine): HitMachine {
  return { machine, interfaces: machine.interfaces.map((_, index) => index) };
}

function positions(machine: Machine, matches: (card: Machine["interfaces"][number]) => boolean): number[] {
  return machine.interfaces.flatMap((card, index) => (matches(card) ? [index] : []));
}

/** Machines that one script can serve: all have the same number of interfaces hit. */
export interface MachineGroup {
  machines: Machine[];
  /** For each interface hit, the addresses of which a machine has one. */
  addresses: string[][];
}

/** Machines by the number of their interfaces that are hit, in order. */
export function groupsOf(hit: readonly HitMachine[]): MachineGroup[] {
  const counts = [...new Set(hit.map(({ interfaces }) => interfaces.length))].sort((a, b) => a - b);
  return counts.map((count) => {
    const members = hit.filter(({ interfaces }) => interfaces.length === count);
    return {
      machines: members.map(({ machine }) => machine),
      addresses: Array.from({ length: count }, (_, index) =>
        members.flatMap(({ machine, interfaces }) => machine.interfaces[interfaces[index]!]!.addresses),
      ),
    };
  });
}

/** How a machine's control groups are laid out on its host. */
export type GroupLayout = "unified" | "legacy";

/** Settings of {@link guestTarget}. */
export interface GuestTargetSettings {
  kind: ResolvedTarget["kind"];
  /** As the user wrote it. */
  name: string;
  flow?: Flow;
  /** Number of devices. */
  devices: number;
  /** Control group, below the root, of what the machine is there for. */
  group: string;
  /** Ranges inside which packets are let be. Defaults to none. */
  inside?: string[];
  layout: GroupLayout;
}

/** A target as the script sees it from inside any one of the machines. */
export function guestTarget(settings: GuestTargetSettings): ResolvedTarget {
  const { kind, name, flow, devices, inside = [], layout, group } = settings;
  const links = Array.from({ length: devices }, (_, index): ResolvedLink => ({
    name: `${name} link ${index + 1}`,
    device: devicePlaceholder(index),
    side: "machine",
    addresses: [],
  }));
  const machine: ResolvedMachine = {
    name,
    links,
    cgroups: groupsAt(layout, group),
    dataFolder: "/var/tmp",
    hostsFile: "/etc/hosts",
  };
  return {
    kind,
    name,
    machines: kind === "machine" ? [machine] : [],
    links,
    flow,
    exempt: [...exempt, ...inside.map((cidr) => ({ sourceCidr: cidr, destinationCidr: cidr }))],
  };
}

function groupsAt(layout: GroupLayout, group: string): ResolvedMachine["cgroups"] {
  if (layout === "unified") return { unified: `/sys/fs/cgroup/${group}` };
  const of = (controller: string): string => `/sys/fs/cgroup/${controller}/${group}`;
  return { cpu: of("cpu"), memory: of("memory"), blkio: of("blkio") };
}

/** How a target is called in descriptions. */
export function targetText({ machine, link, flow }: FaultTarget): string {
  const place = machine ?? link ?? "";
  if (flow === undefined) return place;
  const end = (cidr?: string, ports?: string): string => `${cidr ?? "any"}${ports === undefined ? "" : `:${ports}`}`;
  return `${place} (${flow.protocol ?? "any"} ${end(flow.sourceCidr, flow.sourcePorts)} > ${end(flow.destinationCidr, flow.destinationPorts)})`;
}
