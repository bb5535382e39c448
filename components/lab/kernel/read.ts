import { type AddressFamily, canonicalAddress, canonicalCidr, hostRange } from "../../internal/cidr";
import { ShadownetError } from "../../internal/problems";
import type { NftObject } from "./filters";
import { namespaceExists, namespacePath, tryScript } from "./namespaces";

/** One device of a namespace, as `ip -j addr` tells it. */
export interface KernelLink {
  name: string;
  index: number;
  /** Index of the other end of its cable, in the namespace where that is. */
  peerIndex?: number;
  alias?: string;
  mac: string;
  up: boolean;
  /** Bridge that it is a port of. */
  master?: string;
  /** Addresses with prefix length, in canonical text; without link-local ones. */
  addresses: string[];
}

/** One route of a namespace. */
export interface KernelRoute {
  /** `unicast`, `throw`, `unreachable`, `blackhole` … */
  type: string;
  destination: string;
  via?: string;
  device?: string;
  table: string;
  metric: number;
  /** True for the routes to neighbours, which come and go with addresses. */
  byKernel: boolean;
}

/** What the kernel has in one network namespace. */
export interface NamespaceState {
  links: KernelLink[];
  routes: KernelRoute[];
  /** Devices whose incoming packets are routed by a table of their own: device to table. */
  ingressTables: Map<string, string>;
  forwarding: boolean;
  /** Rules and chains by table, family included: `inet shadownet`. */
  tables: Map<string, NftObject[]>;
}

/** Number of the table that holds a namespace's ordinary routes. */
export const mainTable = "254";
const localTable = "255";

const separator = "--- end of part ---";

const readScript = [
  "ip -d -j addr show",
  "ip -4 -j -N route show table all",
  "ip -6 -j -N route show table all",
  "ip -4 -j -N rule show",
  "cat /proc/sys/net/ipv4/ip_forward",
  "nft -j list ruleset",
].join(` || exit 1\necho '${separator}'\n`);

/** Reads devices, routes, filters and forwarding of a namespace; undefined when there is no such namespace. */
export async function readNamespace(namespace: string): Promise<NamespaceState | undefined> {
  if (!(await namespaceExists(namespace))) return undefined;
  const { code, stdout, stderr } = await tryScript(namespace, readScript);
  if (code !== 0) {
    if (!(await namespaceExists(namespace))) return undefined;
    throw new ShadownetError("kernel-unreadable", `${namespacePath(namespace)}: ${stderr.trim()}`);
  }
  const [addresses = "", routes4 = "", routes6 = "", rules = "", forwarding = "", ruleset = ""] =
    stdout.split(separator);
  return {
    links: parseJson<RawLink>(addresses).map(linkOf),
    routes: [
      ...parseJson<RawRoute>(routes4).flatMap((route) => routeOf(route, 4)),
      ...parseJson<RawRoute>(routes6).flatMap((route) => routeOf(route, 6)),
    ],
    ingressTables: new Map(parseJson<RawRule>(rules).flatMap(({ iif, table }) => (iif ? [[iif, table]] : []))),
    forwarding: forwarding.trim() === "1",
    tables: tablesOf(ruleset),
  };
}

/** `ip -j` prints nothing at all instead of an empty list. */
function parseJson<T>(text: string): T[] {
  return text.trim() === "" ? [] : (JSON.parse(text) as T[]);
}

interface RawLink {
  ifname: string;
  ifindex: number;
  link_index?: number;
  ifalias?: string;
  address?: string;
  master?: string;
  flags?: string[];
  addr_info?: { local?: string; prefixlen?: number; scope?: string }[];
}

interface RawRoute {
  type?: string;
  dst: string;
  gateway?: string;
  dev?: string;
  table?: string;
  metric?: number;
  protocol?: string;
}

interface RawRule {
  iif?: string;
  table: string;
}

function linkOf({
  ifname,
  ifindex,
  link_index,
  ifalias,
  address = "",
  master,
  flags = [],
  addr_info = [],
}: RawLink): KernelLink {
  return {
    name: ifname,
    index: ifindex,
    ...(link_index === undefined ? {} : { peerIndex: link_index }),
    ...(ifalias === undefined ? {} : { alias: ifalias }),
    mac: address,
    up: flags.includes("UP"),
    ...(master === undefined ? {} : { master }),
    addresses: addr_info.flatMap(({ local, prefixlen, scope }) =>
      local === undefined || scope === "link" ? [] : [`${canonicalAddress(local)}/${prefixlen ?? 0}`],
    ),
  };
}

const routeTypes: Record<string, string> = { "1": "unicast", "6": "blackhole", "7": "unreachable", "9": "throw" };

function routeOf(route: RawRoute, family: AddressFamily): KernelRoute[] {
  const { type = "1", dst, gateway, dev, table = mainTable, metric, protocol = "" } = route;
  if (table === localTable || dst.startsWith("fe80:") || dst.startsWith("ff00:")) return [];
  const destination = dst === "default" ? defaultRoute(family) : dst.includes("/") ? dst : hostRange(dst);
  return [
    {
      type: routeTypes[type] ?? type,
      destination: canonicalCidr(destination),
      ...(gateway === undefined ? {} : { via: canonicalAddress(gateway) }),
      ...(dev === undefined ? {} : { device: dev }),
      table,
      metric: metric ?? 0,
      byKernel: protocol === "2",
    },
  ];
}

/** The range of every address of a family. */
export function defaultRoute(family: AddressFamily): string {
  return family === 4 ? "0.0.0.0/0" : "::/0";
}

function tablesOf(ruleset: string): Map<string, NftObject[]> {
  if (ruleset.trim() === "") return new Map();
  const { nftables } = JSON.parse(ruleset) as { nftables: NftObject[] };
  const tables = new Map<string, NftObject[]>();
  for (const object of nftables) {
    const member = object.rule ?? object.chain;
    if (member === undefined) continue;
    const key = `${member.family} ${member.table}`;
    tables.set(key, [...(tables.get(key) ?? []), object]);
  }
  return tables;
}
