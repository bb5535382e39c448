import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { addressFamily } from "../../internal/cidr";
import { tryRun } from "../../internal/exec";
import { readRecord, writeAtomically } from "../../internal/files";
import { ExitCode, ShadownetError } from "../../internal/problems";
import { applyCgroups, machineCgroups, readSize, removeCgroups, thaw } from "./cgroups";
import { createData, deleteData, readDisk, releaseDisk } from "./disk";
import { parseSecurityGroups, renderDenied, renderSecurityGroups, securityTable } from "./filters";
import { applianceNamespace, bridgeName, machineFolder, machineNamespace, machinePort } from "./names";
import { feed, ipBatchForced, killProcessesIn, namespaceExists, removeNamespaces, runScript } from "./namespaces";
import { quietIpv6, sysctls } from "./network";
import {
  crashProcess,
  deleteImageLayers,
  initProcess,
  readHosts,
  readWorkload,
  removeScripts,
  startAndProve,
  startProcess,
  stopProcess,
  writeHosts,
  writeMachineFiles,
} from "./process";
import { type NamespaceState, defaultRoute, mainTable, readNamespace } from "./read";
import type { LabInterfaceSpec, LabMachineSpec } from "./specs";
import { plugIn } from "./wiring";

/** Whether a machine runs. */
export interface MachineStatus {
  /** True while its workload's first process lives; a bare machine runs as long as it exists. */
  running: boolean;
  /** Id on the host of its first process; none for a bare machine. */
  pid?: number;
}

/**
 * Makes a machine: namespace, links, filters, control groups, data folder, processes. What was left half-made under its
 * name is removed first. When its workload dies within a second, the error holds the end of its log and nothing is left.
 */
export async function createMachine(spec: LabMachineSpec): Promise<void> {
  const { network, machine } = spec;
  checkName(machine);
  await deleteMachine(network, machine);
  const folder = machineFolder(network, machine);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await writeAtomically(join(folder, "machine.json"), `${JSON.stringify(spec, undefined, 2)}\n`);
  try {
    await Promise.all([createData(spec), applyCgroups(machineCgroups(network, machine), spec.size)]);
    await plugIn(spec, spec.interfaces, true);
    await runScript(machineNamespace(network, machine), insideScript(spec));
    await writeMachineFiles(spec);
    if (spec.workload !== undefined) await startAndProve(network, machine);
  } catch (error) {
    await deleteMachine(network, machine);
    throw error;
  }
}

function checkName(machine: string): void {
  if (/^[a-z0-9][a-z0-9-]*$/.test(machine) && machine.length <= 63) return;
  const allowed = "lower-case letters, digits and hyphens, at most 63, starting with a letter or digit";
  throw new ShadownetError("bad-input", `machine name "${machine}": allowed are ${allowed}`, ExitCode.BadInput);
}

/** A machine's ports by their aliases, where its own record is lost. */
async function portsOf(hub: string, machine: string): Promise<string[]> {
  const { code, stdout } = await tryRun(["ip", "-n", hub, "-j", "link", "show"]);
  if (code !== 0) return [];
  const links = JSON.parse(stdout) as { ifname: string; ifalias?: string }[];
  return links.filter(({ ifalias }) => ifalias?.startsWith(`${machine}/`) === true).map(({ ifname }) => ifname);
}

/** The spec that a machine was last made or changed with; undefined when there is none. */
export function writtenMachine(network: string, machine: string): Promise<LabMachineSpec | undefined> {
  return readRecord<LabMachineSpec>(join(machineFolder(network, machine), "machine.json"));
}

/** Everything in the machine's own namespace: addresses, routes, forwarding, filters. */
function insideScript(spec: LabMachineSpec): string {
  // The devices came before these settings, so the defaults for new ones do not reach them.
  const devices = spec.interfaces.flatMap(({ name }) => [
    [`net/ipv6/conf/${name}/accept_dad`, 0],
    [`net/ipv6/conf/${name}/accept_ra`, 0],
    [`net/ipv4/conf/${name}/rp_filter`, 0],
  ]);
  const settings = sysctls({
    ...quietIpv6,
    "net/ipv4/conf/all/rp_filter": 0,
    ...(Object.fromEntries(devices) as Record<string, number>),
    ...forwardingSettings(spec),
  });
  const parts = [
    settings,
    feed("ip -batch -", ["link set lo up", ...spec.interfaces.flatMap(upLines), ...routeLines(spec)].join("\n")),
  ];
  if (spec.interfaces.some(({ filtered }) => filtered)) parts.push(filterCommand(spec));
  return `set -e\n${parts.join("\n")}`;
}

function filterCommand({ interfaces }: LabMachineSpec): string {
  return feed("nft -f -", renderSecurityGroups(interfaces));
}

function forwardingSettings({ forwarding }: LabMachineSpec): Record<string, number> {
  const value = forwarding ? 1 : 0;
  return { "net/ipv4/ip_forward": value, "net/ipv6/conf/all/forwarding": value };
}

function upLines({ name, addresses }: LabInterfaceSpec): string[] {
  return [...addresses.map((address) => addressLine(address, name)), `link set ${name} up`];
}

function addressLine(address: string, device: string): string {
  return `addr replace ${address} dev ${device}${address.includes(":") ? " nodad" : ""}`;
}

function routeLines({ interfaces, routes }: LabMachineSpec): string[] {
  const defaults = interfaces.flatMap(({ name, gateways }) =>
    gateways.map((gateway) => `route replace ${defaultRoute(addressFamily(gateway) ?? 4)} via ${gateway} dev ${name}`),
  );
  const own = routes.map(({ destination, via, blackhole }) =>
    blackhole === true ? `route replace blackhole ${destination}` : `route replace ${destination} via ${via ?? ""}`,
  );
  return [...defaults, ...own];
}

/**
 * Changes a machine in place, and only what differs: a workload or its environment restarts the process alone, a size
 * changes limits, rules are replaced in one transaction, addresses change on the interface. A workload that should run
 * and does not is started.
 */
export async function updateMachine(old: LabMachineSpec, spec: LabMachineSpec): Promise<void> {
  const { network, machine } = spec;
  const differs = (key: keyof LabMachineSpec): boolean => !isDeepStrictEqual(old[key], spec[key]);
  await writeAtomically(
    join(machineFolder(network, machine), "machine.json"),
    `${JSON.stringify(spec, undefined, 2)}\n`,
  );
  if (differs("size")) await applyCgroups(machineCgroups(network, machine), spec.size);
  if ((["interfaces", "routes", "forwarding", "denied"] as const).some(differs)) await updateInside(old, spec);
  if (differs("hosts") || differs("interfaces")) await writeHosts(spec);
  const newData = differs("dataSource") || differs("diskMegabytes");
  const restart = differs("workload") || differs("image") || newData;
  if (restart) await stopProcess(network, machine);
  if (differs("image")) await deleteImageLayers(network, machine);
  if (newData) {
    await deleteData(spec);
    await createData(spec);
  }
  if (spec.workload === undefined) await removeScripts(network, machine);
  else {
    await writeMachineFiles(spec);
    await (restart ? startAndProve : startProcess)(network, machine);
  }
}

async function updateInside(old: LabMachineSpec, spec: LabMachineSpec): Promise<void> {
  const { network, machine } = spec;
  const namespace = machineNamespace(network, machine);
  const isKept = (card: LabInterfaceSpec): boolean =>
    old.interfaces.some(({ name, subnet }) => name === card.name && subnet === card.subnet);
  const unplugged = old.interfaces.filter(
    (card) => !spec.interfaces.some(({ name, subnet }) => name === card.name && subnet === card.subnet),
  );
  await ipBatchForced(
    applianceNamespace(network, "switch"),
    unplugged.map(({ name }) => `link del ${machinePort(machine, name)}`),
  );
  const plugged = spec.interfaces.filter((card) => !isKept(card));
  if (plugged.length > 0) await plugIn(spec, plugged, false);
  const gone = old.interfaces.filter(isKeptIn(spec)).flatMap((card) => {
    const now = spec.interfaces.find(({ name }) => name === card.name)!;
    return [
      ...card.addresses
        .filter((address) => !now.addresses.includes(address))
        .map((address) => `addr del ${address} dev ${card.name}`),
      ...(card.mac === now.mac ? [] : [`link set ${card.name} address ${now.mac}`]),
    ];
  });
  const kept = routeLines(spec);
  const goneRoutes = routeLines(old)
    .filter((line) => !kept.includes(line))
    .map((line) => line.replace("route replace", "route del"));
  await ipBatchForced(namespace, [...gone, ...goneRoutes]);
  const denied = isDeepStrictEqual(old.denied, spec.denied) ? [] : [feed("nft -f -", renderDenied(spec.denied ?? []))];
  const filters = [...(isDeepStrictEqual(filterOf(old), filterOf(spec)) ? [] : [filterCommand(spec)]), ...denied];
  const lines = [...spec.interfaces.flatMap(upLines), ...kept];
  await runScript(
    namespace,
    ["set -e", sysctls(forwardingSettings(spec)), feed("ip -batch -", lines.join("\n")), ...filters].join("\n"),
  );
}

function isKeptIn(spec: LabMachineSpec): (card: LabInterfaceSpec) => boolean {
  return (card) => spec.interfaces.some(({ name, subnet }) => name === card.name && subnet === card.subnet);
}

function filterOf({ interfaces }: LabMachineSpec): unknown {
  return interfaces.map(({ name, filtered, rules }) => ({ name, filtered, rules }));
}

/** Removes a machine with its processes, links, control groups and files; succeeds when parts or all of it are gone. */
export async function deleteMachine(network: string, machine: string): Promise<void> {
  checkName(machine);
  const namespace = machineNamespace(network, machine);
  const cgroups = machineCgroups(network, machine);
  const folder = machineFolder(network, machine);
  const written = await writtenMachine(network, machine);
  const hub = applianceNamespace(network, "switch");
  const stands = await namespaceExists(namespace);
  // The kernel takes a namespace's cables away some time after it: they are pulled out at the switch at once.
  const ports =
    written?.interfaces.map(({ name }) => machinePort(machine, name)) ?? (stands ? await portsOf(hub, machine) : []);
  if (stands) {
    await thaw(cgroups);
    await killProcessesIn([namespace]);
    await removeNamespaces([namespace]);
  }
  if (ports.length > 0 && (await namespaceExists(hub))) {
    await ipBatchForced(
      hub,
      ports.map((port) => `link del ${port}`),
    );
  }
  await removeCgroups(cgroups);
  await releaseDisk({ network, machine });
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * A machine as the kernel has it now; undefined when its namespace is gone. A workload that does not run is left out,
 * and so is an interface whose cable to the switch is gone, so that comparing shows what has changed.
 */
export async function readMachine(network: string, machine: string): Promise<LabMachineSpec | undefined> {
  const [inside, hub, written] = await Promise.all([
    readNamespace(machineNamespace(network, machine)),
    readNamespace(applianceNamespace(network, "switch")),
    writtenMachine(network, machine),
  ]);
  if (inside === undefined || hub === undefined || written === undefined) return undefined;
  const subnetOfBridge = new Map(written.interfaces.map(({ subnet }) => [bridgeName(subnet), subnet]));
  const interfaces = written.interfaces.flatMap((card) => {
    const port = hub.links.find(({ name }) => name === machinePort(machine, card.name));
    const subnet = subnetOfBridge.get(port?.master ?? "");
    return subnet === undefined ? [] : interfaceOf(inside, card.name, subnet);
  });
  const pid = await initProcess(network, machine);
  const workload = pid === undefined ? undefined : await readWorkload(pid);
  const size = await readSize(machineCgroups(network, machine));
  const diskMegabytes = written.diskMegabytes === undefined ? undefined : await readDisk(written);
  return {
    network,
    machine,
    ...(written.role === undefined ? {} : { role: written.role }),
    interfaces,
    forwarding: inside.forwarding,
    routes: ownRoutes(inside, interfaces),
    ...(size === undefined
      ? {}
      : { size: written.size?.type === undefined ? size : { type: written.size.type, ...size } }),
    ...(workload === undefined ? {} : { workload }),
    hosts: (await readHosts(network, machine)) ?? written.hosts,
    ...(written.dataSource === undefined ? {} : { dataSource: written.dataSource }),
    ...(diskMegabytes === undefined ? {} : { diskMegabytes }),
  };
}

/** One interface as the kernel has it; empty when the machine has none of this name. */
export function interfaceOf(state: NamespaceState, name: string, subnet: string): LabInterfaceSpec[] {
  const link = state.links.find((candidate) => candidate.name === name);
  if (link === undefined) return [];
  const rules = parseSecurityGroups(state.tables.get(`inet ${securityTable}`) ?? [], name);
  return [
    {
      name,
      subnet,
      addresses: link.addresses,
      mac: link.mac,
      gateways: defaultGateways(state, name),
      filtered: rules !== undefined,
      rules: rules ?? [],
    },
  ];
}

function defaultGateways(state: NamespaceState, device: string): string[] {
  return state.routes
    .filter(({ table, destination, device: by }) => table === mainTable && destination.endsWith("/0") && by === device)
    .flatMap(({ via }) => via ?? []);
}

function ownRoutes(state: NamespaceState, interfaces: readonly LabInterfaceSpec[]): LabMachineSpec["routes"] {
  const gateways = interfaces.flatMap((card) => card.gateways);
  return state.routes
    .filter(({ table, byKernel, type }) => table === mainTable && !byKernel && ["unicast", "blackhole"].includes(type))
    .filter(({ destination, via }) => !(destination.endsWith("/0") && gateways.includes(via ?? "")))
    .map(({ type, destination, via }) =>
      type === "blackhole" ? { destination, blackhole: true } : { destination, ...(via === undefined ? {} : { via }) },
    );
}

/** Starts a machine's workload; does nothing when it runs or when the machine is bare. */
export async function startMachine(network: string, machine: string): Promise<void> {
  await startProcess(network, machine);
}

/** Ends a machine's workload: asks first, and after 5 s ends it. */
export async function stopMachine(network: string, machine: string): Promise<void> {
  await stopProcess(network, machine);
}

/** Ends everything on a machine at once, as a power cut does; it can be started again. */
export async function crashMachine(network: string, machine: string): Promise<void> {
  await crashProcess(network, machine);
}

/** Whether a machine runs; undefined when there is none of this name. */
export async function machineStatus(network: string, machine: string): Promise<MachineStatus | undefined> {
  if (!(await namespaceExists(machineNamespace(network, machine)))) return undefined;
  const written = await writtenMachine(network, machine);
  if (written === undefined) return undefined;
  if (written.workload === undefined) return { running: true };
  const pid = await initProcess(network, machine);
  return pid === undefined ? { running: false } : { running: true, pid };
}
