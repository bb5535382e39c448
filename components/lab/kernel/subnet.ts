import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { addressFamily, canonicalAddress, cidrContains, prefixLength } from "../../internal/cidr";
import { readRecord, writeAtomically } from "../../internal/files";
import type { Route } from "../../topology";
import { aclTable, parseAcl, renderAcl } from "./filters";
import { applianceNamespace, bridgeName, networkFolder, routerDevice, routerPort } from "./names";
import { feed, ipBatch, ipBatchForced, namespaceExists, runScript, tryScript } from "./namespaces";
import { inOrder } from "./queue";
import { type NamespaceState, defaultRoute, mainTable, readNamespace } from "./read";
import type { LabSubnetSpec } from "./specs";

/** Rule priority of the tables that route what comes in from one subnet. */
const ingressPriority = 1000;
/** Metric of the route that ends a subnet's table: what no route names is unreachable. */
const lastMetric = 4278198272;
/** Metric of the routes towards what lies behind a boundary, after those to neighbours. */
const boundaryMetric = 500;

/** Prefix of the alias of the router's device in a subnet behind a boundary; the boundary's name follows. */
export const boundaryAlias = "boundary:";
/** Prefix of the alias of the router's device in any other subnet; the subnet's name follows. */
export const subnetAlias = "subnet:";

/** What this process last did to route what comes in from each subnet: tables that stay the same are left alone. */
const routed = new Map<string, string>();

/**
 * Makes a subnet: its bridge on the switch and the router's device in it, with routes and ACL. What was left half-made
 * under its name is removed first; when it cannot be made, nothing of it is left.
 */
export async function createSubnet(spec: LabSubnetSpec): Promise<void> {
  const { network, subnet } = spec;
  await inOrder(network, async () => {
    if ((await writtenSubnet(network, subnet)) !== undefined) await removeDevices(network, subnet);
    await writeSubnet(spec);
    try {
      await ipBatch(applianceNamespace(network, "switch"), switchLines(spec));
      await configureRouter(spec, true);
    } catch (error) {
      await removeDevices(network, subnet);
      await rm(subnetFile(network, subnet), { force: true });
      throw error;
    }
  });
}

/** Changes a subnet in place: the router's addresses, routes and ACL. Its devices stay, so no link goes down. */
export async function updateSubnet(old: LabSubnetSpec, spec: LabSubnetSpec): Promise<void> {
  const { network, subnet } = spec;
  const device = routerDevice(subnet);
  await inOrder(network, async () => {
    const [addresses, routes] = [routerAddresses(spec), localRoutes(spec)];
    await ipBatchForced(applianceNamespace(network, "router"), [
      ...routerAddresses(old).flatMap((address) =>
        addresses.includes(address) ? [] : [`addr del ${address} dev ${device}`],
      ),
      ...localRoutes(old).flatMap((route) => (routes.includes(route) ? [] : [route.replace("replace", "del")])),
    ]);
    await writeSubnet(spec);
    await configureRouter(spec, false);
  });
}

/** Removes a subnet's devices, routes and ACL; succeeds when they are gone. */
export async function deleteSubnet(network: string, subnet: string): Promise<void> {
  await inOrder(network, async () => {
    await removeDevices(network, subnet);
    await rm(subnetFile(network, subnet), { force: true });
  });
}

async function removeDevices(network: string, subnet: string): Promise<void> {
  routed.delete(`${network}/${subnet}`);
  const [router, hub] = [applianceNamespace(network, "router"), applianceNamespace(network, "switch")];
  if (await namespaceExists(hub)) {
    await ipBatchForced(hub, [`link del ${routerPort(subnet)}`, `link del ${bridgeName(subnet)}`]);
  }
  if (!(await namespaceExists(router))) return;
  const device = routerDevice(subnet);
  const table = tableOf(subnet);
  const families = ["4", "6"].flatMap((family) => [
    `ip -${family} rule del pref ${ingressPriority} iif ${device} lookup ${table}`,
    `ip -${family} route flush table ${table}`,
  ]);
  const script = [`ip link del ${device}`, ...families, `nft delete table inet ${aclTable(device)}`];
  await tryScript(router, script.map((command) => `${command} 2>/dev/null`).join("\n"));
}

function switchLines({ network, subnet }: LabSubnetSpec): string[] {
  const [bridge, port] = [bridgeName(subnet), routerPort(subnet)];
  return [
    `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `link set ${bridge} alias "${subnetAlias}${subnet}" up`,
    `link add ${port} mtu 1500 type veth peer name ${routerDevice(subnet)} mtu 1500 netns ${applianceNamespace(network, "router")}`,
    `link set ${port} master ${bridge} alias "${subnet}" up`,
  ];
}

function routerAddresses({ cidr, ipv6Cidr, gatewayAddresses }: LabSubnetSpec): string[] {
  return gatewayAddresses.map((address) => {
    const range = addressFamily(address) === 6 ? ipv6Cidr : cidr;
    return `${canonicalAddress(address)}/${range === undefined ? 128 : prefixLength(range)}`;
  });
}

/**
 * Everything on the router's side: addresses, routes, ACL; then the tables of other subnets that can now reach machines
 * in this one. May run again on a subnet that has it all.
 */
async function configureRouter(spec: LabSubnetSpec, isNew: boolean): Promise<void> {
  const { network, subnet } = spec;
  const specs = await readSubnetFiles(network);
  const tables = specs
    .map((each) => ({ each, key: `${network}/${each.subnet}`, routes: ingressLines(each, specs) }))
    .filter(({ key, routes }) => routed.get(key) !== JSON.stringify(routes));
  const scripts = tables.map(({ each, routes }) => ingressScript(each, routes, isNew && each.subnet === subnet));
  await runScript(applianceNamespace(network, "router"), ["set -e", routerScript(spec, isNew), ...scripts].join("\n"));
  for (const { key, routes } of tables) routed.set(key, JSON.stringify(routes));
}

function routerScript(spec: LabSubnetSpec, isNew: boolean): string {
  const device = routerDevice(spec.subnet);
  const alias = spec.boundary === undefined ? `${subnetAlias}${spec.subnet}` : `${boundaryAlias}${spec.boundary}`;
  const lines = [
    ...routerAddresses(spec).map((address) =>
      address.includes(":") ? `addr replace ${address} dev ${device} nodad` : `addr replace ${address} dev ${device}`,
    ),
    `link set ${device} alias "${alias}" up`,
    ...localRoutes(spec),
  ];
  const hasAcl = spec.acl.length > 0 || spec.aclName !== undefined;
  const acl = hasAcl ? { name: spec.aclName ?? spec.subnet, rules: spec.acl } : undefined;
  const rules = isNew && !hasAcl ? [] : [feed("nft -f -", renderAcl(device, acl))];
  return [feed("ip -batch -", lines.join("\n")), ...rules].join("\n");
}

function localRoutes(spec: LabSubnetSpec): string[] {
  const device = routerDevice(spec.subnet);
  const ownRanges = [spec.cidr, spec.ipv6Cidr];
  const outside = (spec.boundaryCidrs ?? []).filter((cidr) => !ownRanges.includes(cidr));
  // Several subnets may lie behind one boundary: each keeps its own route.
  const metric = boundaryMetric + (tableOf(spec.subnet) % 1000);
  return [
    ...localCidrs(spec)
      .filter((cidr) => !ownRanges.includes(cidr))
      .map((cidr) => `route replace unreachable ${cidr} metric ${lastMetric}`),
    ...(spec.boundary === undefined ? [] : outside).map(
      (cidr) => `route replace ${cidr} dev ${device} metric ${metric}`,
    ),
  ];
}

function localCidrs({ boundary, localCidrs: given, cidr, ipv6Cidr }: LabSubnetSpec): string[] {
  if (boundary !== undefined) return [];
  return given ?? (ipv6Cidr === undefined ? [cidr] : [cidr, ipv6Cidr]);
}

/** The table that routes what comes in from a subnet, by family; undefined when it has none of its own. */
function ingressLines(spec: LabSubnetSpec, all: LabSubnetSpec[]): Record<"4" | "6", string[]> | undefined {
  if (spec.boundary !== undefined && spec.routes.length === 0) return undefined;
  const table = tableOf(spec.subnet);
  const locals = localCidrs(spec).filter((cidr) => !spec.routes.some(({ destination }) => destination === cidr));
  const lines = [
    ...locals.map((cidr) => `throw ${cidr}`),
    // A route by way of a machine waits for that machine's subnet, which may come later.
    ...spec.routes.flatMap((route) => routeLines(route, all)),
    ...([4, 6] as const).map((family) => `unreachable ${defaultRoute(family)} metric ${lastMetric}`),
  ].map((line) => `route replace ${line} table ${table}`);
  return { "4": lines.filter((line) => !line.includes(":")), "6": lines.filter((line) => line.includes(":")) };
}

function ingressScript(spec: LabSubnetSpec, lines: ReturnType<typeof ingressLines>, isNew: boolean): string {
  const device = routerDevice(spec.subnet);
  const table = tableOf(spec.subnet);
  const rule = `pref ${ingressPriority} iif ${device} lookup ${table}`;
  return (["4", "6"] as const)
    .flatMap((family) => {
      const clear = [
        `ip -${family} rule del ${rule} 2>/dev/null || :`,
        `ip -${family} route flush table ${table} 2>/dev/null || :`,
      ];
      const fill =
        lines === undefined ? [] : [feed(`ip -${family} -batch -`, [...lines[family], `rule add ${rule}`].join("\n"))];
      return [...(isNew ? [] : clear), ...fill];
    })
    .join("\n");
}

function routeLines({ destination, via, blackhole }: Route, all: LabSubnetSpec[]): string[] {
  if (blackhole === true) return [`blackhole ${destination}`];
  if (via === undefined) return [`throw ${destination}`];
  const through = all.find(({ cidr, ipv6Cidr }) => [cidr, ipv6Cidr ?? cidr].some((range) => cidrContains(range, via)));
  return through === undefined ? [] : [`${destination} via ${via} dev ${routerDevice(through.subnet)} onlink`];
}

/** Number of the table that routes what comes in from a subnet. */
export function tableOf(subnet: string): number {
  return 10_000 + createHash("sha256").update(subnet).digest().readUIntBE(0, 3);
}

/** The spec that a subnet was last made or changed with; undefined when there is none. */
export function writtenSubnet(network: string, subnet: string): Promise<LabSubnetSpec | undefined> {
  return readRecord<LabSubnetSpec>(subnetFile(network, subnet));
}

async function writeSubnet(spec: LabSubnetSpec): Promise<void> {
  await writeAtomically(subnetFile(spec.network, spec.subnet), `${JSON.stringify(spec, undefined, 2)}\n`);
}

function subnetsFolder(network: string): string {
  return join(networkFolder(network), "subnets");
}

function subnetFile(network: string, subnet: string): string {
  return join(subnetsFolder(network), `${subnet}.json`);
}

async function readSubnetFiles(network: string): Promise<LabSubnetSpec[]> {
  const names = await readdir(subnetsFolder(network)).catch(() => [] as string[]);
  const files = names.filter((name) => name.endsWith(".json")).sort();
  const specs = await Promise.all(files.map((name) => readRecord<LabSubnetSpec>(join(subnetsFolder(network), name))));
  return specs.filter((spec) => spec !== undefined);
}

/** A subnet as the kernel has it now; undefined when its bridge or the router's device is gone. */
export async function readSubnet(network: string, subnet: string): Promise<LabSubnetSpec | undefined> {
  const [router, hub] = await Promise.all([
    readNamespace(applianceNamespace(network, "router")),
    readNamespace(applianceNamespace(network, "switch")),
  ]);
  const has = (state: NamespaceState | undefined, device: string): boolean =>
    state?.links.some(({ name }) => name === device) ?? false;
  if (router === undefined || !has(hub, bridgeName(subnet)) || !has(hub, routerPort(subnet))) return undefined;
  if (!has(router, routerDevice(subnet))) return undefined;
  const written = await writtenSubnet(network, subnet);
  return subnetOf(router, routerDevice(subnet), network, written);
}

/**
 * The subnet on one of the router's devices, from what the kernel has. What the kernel cannot know is taken from the
 * spec it was made with, where one is given: the ranges of a router without addresses in it, and boundaries of routes
 * that lead to the gateway.
 */
export function subnetOf(
  router: NamespaceState,
  device: string,
  network: string,
  written?: LabSubnetSpec,
): LabSubnetSpec | undefined {
  const link = router.links.find(({ name }) => name === device);
  if (link === undefined) return undefined;
  const { alias = "" } = link;
  const connected = router.routes.filter((route) => route.byKernel && route.device === device);
  const rangeOf = (family: 4 | 6): string | undefined =>
    connected.map(({ destination }) => destination).find((cidr) => cidr.includes(":") === (family === 6));
  const boundary = alias.startsWith(boundaryAlias) ? alias.slice(boundaryAlias.length) : undefined;
  const [cidr, ipv6Cidr] = [rangeOf(4) ?? written?.cidr ?? "", rangeOf(6)];
  const acl = parseAcl(router.tables.get(`inet ${aclTable(device)}`) ?? []);
  const locals = localRanges(router, [cidr, ipv6Cidr], device);
  return {
    network,
    subnet: written?.subnet ?? alias.slice(alias.indexOf(":") + 1),
    cidr,
    ...(ipv6Cidr === undefined ? {} : { ipv6Cidr }),
    gatewayAddresses: link.addresses.map((address) => address.split("/")[0]!),
    routes: ingressRoutes(router, device, locals, written),
    acl: acl?.rules ?? [],
    ...(acl === undefined ? {} : { aclName: acl.name }),
    ...(boundary === undefined
      ? { localCidrs: locals }
      : { localCidrs: [], boundary, boundaryCidrs: rangesBehind(router, device) }),
  };
}

/** Ranges that a subnet's table leaves to the router's own routes. */
function localRanges(router: NamespaceState, ranges: (string | undefined)[], device: string): string[] {
  const table = router.ingressTables.get(device);
  const reserved = router.routes.filter(({ table: of, type }) => of === mainTable && type === "unreachable");
  const served = [...ranges, ...reserved.map(({ destination }) => destination)];
  return router.routes
    .filter((route) => route.table === table && route.type === "throw" && served.includes(route.destination))
    .map(({ destination }) => destination)
    .sort();
}

function rangesBehind(router: NamespaceState, device: string): string[] {
  return router.routes
    .filter((route) => route.table === mainTable && route.device === device)
    .filter((route) => !route.byKernel || !router.routes.some((other) => !other.byKernel && other.device === device))
    .map(({ destination }) => destination)
    .sort();
}

function ingressRoutes(
  router: NamespaceState,
  device: string,
  locals: string[],
  written: LabSubnetSpec | undefined,
): Route[] {
  const table = router.ingressTables.get(device);
  return router.routes
    .filter((route) => route.table === table && route.metric !== lastMetric && !locals.includes(route.destination))
    .map(({ type, destination, via }): Route => {
      if (type === "blackhole") return { destination, blackhole: true };
      if (via !== undefined) return { destination, via };
      const known = written?.routes.find((route) => route.destination === destination)?.boundary;
      return { destination, boundary: known ?? boundaryTowards(router, destination) };
    })
    .sort((a, b) => (a.destination < b.destination ? -1 : 1));
}

/** Name of the boundary that the router's own routes lead to; `outside` when none does. */
function boundaryTowards(router: NamespaceState, destination: string): string {
  const candidates = router.routes
    .filter((route) => route.table === mainTable && route.device !== undefined && route.type === "unicast")
    .filter((route) => cidrContains(route.destination, destination))
    .sort((a, b) => prefixLength(b.destination) - prefixLength(a.destination));
  for (const { device } of candidates) {
    const alias = router.links.find(({ name }) => name === device)?.alias ?? "";
    if (alias.startsWith(boundaryAlias)) return alias.slice(boundaryAlias.length);
  }
  return "outside";
}
