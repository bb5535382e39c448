import { access, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { tryRun } from "../../internal/exec";
import { readRecord, writeAtomically } from "../../internal/files";
import { ExitCode, ShadownetError } from "../../internal/problems";
import { faultIds, faultScript } from "../faults";
import { removeCgroups, machineCgroups, removeNetworkCgroups, thaw } from "./cgroups";
import { releaseDisk } from "./disk";
import { applianceNamespace, namespacePrefix, networkFolder, stateFolder } from "./names";
import { ipBatch, killProcessesIn, listNamespaces, namespaceExists, removeNamespaces, runScript } from "./namespaces";
import type { LabNetworkSpec } from "./specs";

const longestName = 40;

/**
 * Makes the network's router and switch. What the same owner left half-made under this name is removed first; a network
 * of another owner is refused, and so is a name that namespaces outside this state folder carry.
 */
export async function createNetwork(spec: LabNetworkSpec): Promise<void> {
  const { network, owner } = spec;
  checkName(network);
  const present = await presentNetwork(network);
  if (present !== undefined && present.owner !== owner) {
    const cure = `take another name, or remove that one with \`shadownet down\``;
    const message = `the lab network "${network}" belongs to ${present.owner}, not to ${owner}; ${cure}`;
    throw new ShadownetError("network-taken", message, ExitCode.BadInput);
  }
  if (present !== undefined) await deleteNetwork(network);
  const strays = await listNamespaces(`${network}.`);
  if (strays.length > 0) {
    const message = `namespaces ${strays.join(", ")} exist, but ${stateFolder()} knows no network "${network}"`;
    throw new ShadownetError(
      "network-taken",
      `${message}; another state folder made them, or remove them with ` + `\`ip netns del\``,
      ExitCode.BadInput,
    );
  }
  const [router, hub] = [applianceNamespace(network, "router"), applianceNamespace(network, "switch")];
  try {
    await mkdir(networkFolder(network), { recursive: true, mode: 0o755 });
    await writeAtomically(networkFile(network), `${JSON.stringify(spec, undefined, 2)}\n`);
    await ipBatch(undefined, [`netns add ${hub}`, `netns add ${router}`]);
    await Promise.all([runScript(hub, switchSettings), runScript(router, routerSettings)]);
  } catch (error) {
    await deleteNetwork(network);
    throw error;
  }
}

function checkName(network: string): void {
  if (/^[a-z0-9][a-z0-9-]*$/.test(network) && network.length <= longestName) return;
  const allowed = `lower-case letters, digits and hyphens, at most ${longestName}, starting with a letter or digit`;
  throw new ShadownetError("bad-input", `network name "${network}": allowed are ${allowed}`, ExitCode.BadInput);
}

/** Sysctl writes that a namespace's kernel may not have, such as those of an absent module, are left out. */
export function sysctls(settings: Record<string, number | string>): string {
  return Object.entries(settings)
    .map(([key, value]) => `[ ! -e /proc/sys/${key} ] || echo ${value} > /proc/sys/${key}`)
    .join("\n");
}

/** No duplicate address detection and no router advertisements: addresses work at once and only as written. */
export const quietIpv6 = {
  "net/ipv6/conf/default/accept_dad": 0,
  "net/ipv6/conf/all/accept_dad": 0,
  "net/ipv6/conf/default/accept_ra": 0,
  "net/ipv6/conf/all/accept_ra": 0,
};

const switchSettings = sysctls({
  "net/ipv6/conf/all/disable_ipv6": 1,
  "net/ipv6/conf/default/disable_ipv6": 1,
  "net/bridge/bridge-nf-call-iptables": 0,
  "net/bridge/bridge-nf-call-ip6tables": 0,
  "net/bridge/bridge-nf-call-arptables": 0,
});

const routerSettings = `${sysctls({
  ...quietIpv6,
  "net/ipv4/ip_forward": 1,
  "net/ipv6/conf/all/forwarding": 1,
  "net/ipv6/conf/default/forwarding": 1,
  "net/ipv4/conf/all/rp_filter": 0,
  "net/ipv4/conf/default/rp_filter": 0,
  "net/ipv4/conf/all/send_redirects": 0,
  "net/ipv4/conf/default/send_redirects": 0,
})}
ip link set lo up`;

/** The network as it was made; undefined when it, its router or its switch is gone. */
export async function readNetwork(network: string): Promise<LabNetworkSpec | undefined> {
  const appliances = [applianceNamespace(network, "router"), applianceNamespace(network, "switch")];
  for (const namespace of appliances) if (!(await namespaceExists(namespace))) return undefined;
  return readRecord<LabNetworkSpec>(networkFile(network));
}

/**
 * Removes a network with all that is in it: processes, namespaces, control groups, files. Succeeds when it is gone or
 * half-made.
 */
export async function deleteNetwork(network: string): Promise<void> {
  checkName(network);
  await endFaults(network);
  const machines = await machineNames(network);
  await Promise.all(machines.map((machine) => thaw(machineCgroups(network, machine))));
  const namespaces = await listNamespaces(`${network}.`);
  await killProcessesIn(namespaces);
  const owners = [...machines, "@gateway"];
  await Promise.all(owners.map((owner) => removeCgroups(machineCgroups(network, owner))));
  await removeNetworkCgroups(network);
  await removeNamespaces(namespaces);
  await Promise.all(machines.map((machine) => releaseDisk({ network, machine })));
  await rm(networkFolder(network), { recursive: true, force: true, maxRetries: 3 });
}

/** Faults have helpers outside the network's namespaces; one that cannot be ended ends by itself when its folder is gone. */
async function endFaults(network: string): Promise<void> {
  const ids = await faultIds(network);
  await Promise.all(ids.map((id) => tryRun(["sh", faultScript(network, id), "stop"])));
}

/** Names of the machines of which a network has a folder or a namespace. */
export async function machineNames(network: string): Promise<string[]> {
  const folders = await readdir(join(networkFolder(network), "machines")).catch(() => [] as string[]);
  const prefix = `${namespacePrefix}${network}.`;
  const names = (await listNamespaces(`${network}.`)).map((namespace) => namespace.slice(prefix.length));
  return [...new Set([...folders, ...names.filter((name) => !name.startsWith("@"))])].sort();
}

/** Every network that the state folder knows, built or half-built. */
export async function listNetworks(): Promise<LabNetworkSpec[]> {
  const names = await readdir(join(stateFolder(), "lab")).catch(() => [] as string[]);
  const specs = await Promise.all(names.sort().map((name) => presentNetwork(name)));
  return specs.filter((spec) => spec !== undefined);
}

/**
 * A network of which there is a folder, built or not. One whose record is spoilt belongs to nobody, so that it can be
 * seen and removed and is never built over.
 */
async function presentNetwork(network: string): Promise<LabNetworkSpec | undefined> {
  const spec = await readRecord<LabNetworkSpec>(networkFile(network));
  if (spec !== undefined || !(await exists(networkFile(network)))) return spec;
  const role = (await exists(join(networkFolder(network), "shadow.json"))) ? "shadow" : "production";
  return { network, role, topology: "", owner: `somebody unknown, because ${networkFile(network)} is spoilt` };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Namespaces of lab networks that the state folder does not know: leftovers, or another state folder's. */
export async function listStrayNamespaces(): Promise<string[]> {
  const known = (await listNetworks()).map(({ network }) => `${namespacePrefix}${network}.`);
  return (await listNamespaces()).filter((namespace) => !known.some((prefix) => namespace.startsWith(prefix)));
}

function networkFile(network: string): string {
  return join(networkFolder(network), "network.json");
}
