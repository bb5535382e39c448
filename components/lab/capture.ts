import { hostname } from "node:os";

import { ExitCode, ShadownetError } from "../internal/problems";
import type { Topology } from "../topology";
import { type CapturedMachine, captureMachine, outsideMachine } from "./captureMachine";
import { captureServices } from "./captureServices";
import { type CapturedNetwork, captureSubnets } from "./captureSubnets";
import { listNetworks, machineNames, readNetwork } from "./kernel/network";
import { applianceNamespace } from "./kernel/names";
import { readNamespace } from "./kernel/read";
import { withoutGroup } from "./kernel/filters";

/** Settings of {@link captureLab}. */
export interface CaptureSettings {
  /** Takes one line for each step. Defaults to none. */
  onProgress?: (line: string) => void;
}

/**
 * Reads a lab network into a topology: what the kernel and the running machines really have, not what it was built
 * from. Machines behind boundaries are left out; what could not be read is said in `unreadable`. Throws when there is no
 * such network.
 */
export async function captureLab(network: string, settings: CaptureSettings = {}): Promise<Topology> {
  const { onProgress = () => undefined } = settings;
  const built = await readNetwork(network);
  const [router, hub] = await Promise.all([
    readNamespace(applianceNamespace(network, "router")),
    readNamespace(applianceNamespace(network, "switch")),
  ]);
  if (built === undefined || router === undefined || hub === undefined) throw await noSuchNetwork(network);
  const captured = captureSubnets(built.topology, network, router, hub);
  onProgress(`${captured.subnets.length} subnets`);
  const names = await machineNames(network);
  const machines: CapturedMachine[] = [];
  const unreadable: string[] = [];
  for (const [index, name] of names.entries()) {
    onProgress(`machine ${name} (${index + 1} of ${names.length})`);
    const machine = await captureMachine(network, name, captured);
    if (machine === outsideMachine) continue;
    if (typeof machine === "string") unreadable.push(machine);
    else {
      machines.push(machine);
      unreadable.push(...machine.unreadable);
    }
  }
  return assemble(network, captured, machines, unreadable);
}

async function noSuchNetwork(network: string): Promise<ShadownetError> {
  const known = (await listNetworks()).map((candidate) => candidate.network);
  const cure =
    known.length === 0 ? "there is none; build one with `shadownet production up`" : `there are ${known.join(", ")}`;
  return new ShadownetError("no-such-network", `no running lab network "${network}"; ${cure}`, ExitCode.BadInput);
}

function assemble(
  network: string,
  captured: CapturedNetwork,
  machines: CapturedMachine[],
  unreadable: string[],
): Topology {
  const groups = nameGroups(machines);
  return {
    version: 1,
    name: captured.topology,
    source: { backEnd: "lab", region: hostname(), id: network, capturedAt: new Date().toISOString() },
    networks: captured.networks,
    routeTables: captured.routeTables,
    securityGroups: groups.securityGroups,
    acls: captured.acls,
    machines: machines.map(({ machine }, index) => ({
      ...machine,
      interfaces: machine.interfaces.map((card, at) => {
        const own = groups.ofInterfaces[index]![at]!;
        return own.length === 0 ? card : { ...card, securityGroups: own };
      }),
    })),
    services: captureServices(machines, captured),
    dnsZones: dnsZones(captured.topology, machines),
    boundaries: captured.boundaries,
    unreadable,
  };
}

/** Name of the group of an interface on which everything is filtered and nothing allowed. */
const closedGroup = "closed";

/** Rules carry their group's name; where machines have other rules under one name, each version gets its own. */
function nameGroups(machines: CapturedMachine[]): {
  securityGroups: NonNullable<Topology["securityGroups"]>;
  ofInterfaces: string[][][];
} {
  const versions = new Map<string, { name: string; text: string }[]>();
  const securityGroups: NonNullable<Topology["securityGroups"]> = [];
  const nameOf = (group: string, rules: ReturnType<typeof withoutGroup>[]): string => {
    const known = versions.get(group) ?? [];
    const text = JSON.stringify(rules);
    const same = known.find((version) => version.text === text);
    if (same !== undefined) return same.name;
    const name = known.length === 0 ? group : `${group}-${known.length + 1}`;
    versions.set(group, [...known, { name, text }]);
    securityGroups.push({ name, rules });
    return name;
  };
  const ofInterfaces = machines.map(({ filters }) =>
    filters.map((rules) => {
      if (rules === undefined) return [];
      if (rules.length === 0) return [nameOf(closedGroup, [])];
      const groups = [...new Set(rules.map(({ group }) => group))];
      return groups.map((group) => nameOf(group, rules.filter((rule) => rule.group === group).map(withoutGroup)));
    }),
  );
  return { securityGroups, ofInterfaces };
}

function dnsZones(zone: string, machines: CapturedMachine[]): NonNullable<Topology["dnsZones"]> {
  const hosts = new Map<string, Set<string>>();
  for (const machine of machines) {
    for (const [name, addresses] of Object.entries(machine.hosts)) {
      hosts.set(name, new Set([...(hosts.get(name) ?? []), ...addresses]));
    }
  }
  const records = [...hosts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, addresses]) =>
      (["A", "AAAA"] as const).flatMap((type) => {
        const values = [...addresses].filter((address) => address.includes(":") === (type === "AAAA"));
        return values.length === 0 ? [] : [{ name, type, values }];
      }),
    );
  return records.length === 0 ? [] : [{ name: zone, records }];
}
