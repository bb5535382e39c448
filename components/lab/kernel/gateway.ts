import { rm } from "node:fs/promises";
import { join } from "node:path";

import { addressFamily } from "../../internal/cidr";
import { readRecord, writeAtomically } from "../../internal/files";
import { ShadownetError } from "../../internal/problems";
import type { GatewayConfig } from "../../runtime/gateway/config";
import { machineCgroups, removeCgroups } from "./cgroups";
import {
  gatewayFiles,
  gatewayPid,
  reloadGatewayProcess,
  startGatewayProcess,
  stopGatewayProcess,
} from "./gatewayProcess";
import { applianceAddresses, applianceNamespace, deviceName, networkFolder } from "./names";
import {
  feed,
  ipBatch,
  ipBatchForced,
  killProcessesIn,
  namespaceExists,
  removeNamespaces,
  runScript,
} from "./namespaces";
import { quietIpv6, sysctls } from "./network";
import type { LabGatewaySpec } from "./specs";

/** A gateway as it stands. */
export interface GatewayReading {
  spec: LabGatewaySpec;
  /** Id of its process; left out when that has died. */
  pid?: number;
}

const { routerToGateway: link4, routerToGateway6: link6, mirror } = applianceAddresses;
const ownDevice = "router";
const routerDevice = deviceName("g", "gateway");

/**
 * Makes the gateway: a namespace that is the shadow's default route and plays every address outside, and the process
 * that replays what the mirror copies. Its intake starts closed.
 */
export async function createGateway(spec: LabGatewaySpec): Promise<void> {
  await requireRouter(spec.network);
  await removeGateway(spec.network);
  try {
    await makeNamespace(spec);
    await startGatewayProcess(spec.network, configOf(spec));
    await writeAtomically(recordFile(spec.network), JSON.stringify(spec, null, 2));
  } catch (error) {
    await removeGateway(spec.network);
    throw error;
  }
}

/** Gives the process its new settings in place, and starts it again when it had died. */
export async function updateGateway(spec: LabGatewaySpec): Promise<void> {
  const namespace = applianceNamespace(spec.network, "gateway");
  if (!(await namespaceExists(namespace)) || !(await hasLink(spec.network))) return createGateway(spec);
  const before = await readRecord<LabGatewaySpec>(recordFile(spec.network));
  await runScript(namespace, filterScript(spec));
  await replaceShadowRoutes(namespace, before?.shadowCidrs ?? [], spec.shadowCidrs);
  const pid = await gatewayPid(spec.network);
  if (pid === undefined) await startGatewayProcess(spec.network, configOf(spec));
  else await reloadGatewayProcess(spec.network, pid, configOf(spec));
  await writeAtomically(recordFile(spec.network), JSON.stringify(spec, null, 2));
}

/** The gateway as it is; undefined when its namespace or its link to the router is gone. */
export async function readGateway(network: string): Promise<GatewayReading | undefined> {
  const spec = await readRecord<LabGatewaySpec>(recordFile(network));
  if (spec === undefined || !(await namespaceExists(applianceNamespace(network, "gateway")))) return undefined;
  if (!(await hasLink(network))) return undefined;
  const pid = await gatewayPid(network);
  return { spec, ...(pid === undefined ? {} : { pid }) };
}

/** Removes the gateway with its process and files. Does nothing where there is none. */
export async function deleteGateway(network: string): Promise<void> {
  await removeGateway(network);
  await rm(recordFile(network), { force: true });
  await rm(gatewayFiles(network).folder, { recursive: true, force: true });
}

/** What the process is told; the kernel has sampled already, and the same hash keeps the same flows. */
export function configOf(spec: LabGatewaySpec): GatewayConfig {
  const files = gatewayFiles(spec.network);
  return {
    intake: `vxlan:${mirror.gateway}:4789`,
    vni: spec.vni,
    percent: spec.percent,
    seed: spec.seed,
    sampleBy: spec.sampleBy,
    include: spec.include,
    exclude: spec.exclude,
    source: "original",
    stats: files.stats,
    samples: files.samples,
    control: files.control,
    startClosed: true,
    responseTimeoutSeconds: spec.responseTimeoutSeconds,
  };
}

function recordFile(network: string): string {
  return join(networkFolder(network), "gateway.json");
}

async function requireRouter(network: string): Promise<void> {
  if (await namespaceExists(applianceNamespace(network, "router"))) return;
  const message = `the router of "${network}" is gone; \`pulumi up --refresh\` makes the network again`;
  throw new ShadownetError("no-router", message);
}

async function hasLink(network: string): Promise<boolean> {
  const router = applianceNamespace(network, "router");
  if (!(await namespaceExists(router))) return false;
  return runScript(router, `ip link show dev ${routerDevice} >/dev/null 2>&1 && echo yes || true`).then(
    (text) => text.trim() === "yes",
  );
}

/**
 * Both ends know each other for good: a neighbour that is asked for on behalf of a client's address, which no device
 * has, is not found over IPv6.
 */
const macs = { router: "02:64:00:00:00:01", gateway: "02:64:00:00:00:02" };

async function makeNamespace(spec: LabGatewaySpec): Promise<void> {
  const router = applianceNamespace(spec.network, "router");
  const gateway = applianceNamespace(spec.network, "gateway");
  await ipBatch(undefined, [`netns add ${gateway}`]);
  await runScript(gateway, settings);
  await ipBatch(router, [
    `link add dev ${routerDevice} address ${macs.router} type veth peer name ${ownDevice} address ${macs.gateway} netns ${gateway}`,
  ]);
  await ipBatch(router, [
    `link set dev ${routerDevice} alias gateway`,
    `address add ${link4.router}/${link4.length} dev ${routerDevice}`,
    `address add ${link6.router}/${link6.length} dev ${routerDevice} nodad`,
    `link set dev ${routerDevice} up`,
    `neighbour replace ${link4.gateway} lladdr ${macs.gateway} dev ${routerDevice} nud permanent`,
    `neighbour replace ${link6.gateway} lladdr ${macs.gateway} dev ${routerDevice} nud permanent`,
  ]);
  await runScript(gateway, `${filterScript(spec)}\n${addressScript}`);
  await replaceShadowRoutes(gateway, [], spec.shadowCidrs);
  await runScript(router, routerRoutes);
}

/** Everything outside counts as local here: the gateway connects from any client's address and takes what goes there. */
const settings = `${sysctls({
  ...quietIpv6,
  "net/ipv4/ip_nonlocal_bind": 1,
  "net/ipv6/ip_nonlocal_bind": 1,
  "net/ipv4/ip_forward": 0,
  "net/ipv6/conf/all/forwarding": 0,
  "net/ipv4/conf/all/rp_filter": 0,
  "net/ipv4/conf/default/rp_filter": 0,
  "net/ipv4/conf/all/send_redirects": 0,
  // Sockets of many clients end at one address here: ports are free again at once.
  "net/ipv4/tcp_tw_reuse": 1,
})}
ip link set lo up`;

const addressScript = `set -e
ip address add ${mirror.gateway}/32 dev lo
ip address add ${link4.gateway}/${link4.length} dev ${ownDevice}
ip address add ${link6.gateway}/${link6.length} dev ${ownDevice} nodad
ip link set dev ${ownDevice} alias gateway up
ip neighbour replace ${link4.router} lladdr ${macs.router} dev ${ownDevice} nud permanent
ip neighbour replace ${link6.router} lladdr ${macs.router} dev ${ownDevice} nud permanent
for address in ${link4.gateway} ${mirror.gateway}; do ip -4 rule add pref 400 to $address lookup local; done
ip -6 rule add pref 400 to ${link6.gateway} lookup local
ip -4 rule add pref 500 to ${link4.router} lookup main
ip -6 rule add pref 500 to ${link6.router} lookup main
ip -6 rule add pref 500 to fe80::/10 lookup main
for family in -4 -6; do
  ip $family rule add pref 1000 lookup local
  ip $family rule del pref 0
  ip $family route add local default dev lo table local
done`;

const routerRoutes = `set -e
ip -4 route replace default via ${link4.gateway} dev ${routerDevice}
ip -6 route replace default via ${link6.gateway} dev ${routerDevice}`;

/** The shadow's own ranges lead back to its router; every other address ends here. */
async function replaceShadowRoutes(
  namespace: string,
  before: readonly string[],
  after: readonly string[],
): Promise<void> {
  const lines = (verb: string, cidr: string): string[] => {
    const family = familyOf(cidr);
    const via = family === 6 ? link6.router : link4.router;
    return [
      `-${family} route ${verb === "add" ? "replace" : "del"} ${cidr} via ${via} dev ${ownDevice}`,
      `-${family} rule ${verb} pref 500 to ${cidr} lookup main`,
    ];
  };
  const gone = before.filter((cidr) => !after.includes(cidr));
  const fresh = after.filter((cidr) => !before.includes(cidr));
  await ipScript(namespace, [
    ...gone.flatMap((cidr) => lines("del", cidr)),
    ...fresh.flatMap((cidr) => lines("add", cidr)),
  ]);
}

async function ipScript(namespace: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await runScript(namespace, ["set -e", ...lines.map((line) => `ip ${line}`)].join("\n"));
}

function familyOf(cidr: string): 4 | 6 {
  return addressFamily(cidr.split("/")[0]!) ?? 4;
}

/**
 * Answers to the gateway's own connections come in, and the mirror's copies; whatever else the shadow sends outside
 * gets silence, or a refusal where its boundary is replaced by one. Nothing is ever forwarded.
 */
function filterScript(spec: LabGatewaySpec): string {
  const rejects = (spec.rejectCidrs ?? []).flatMap((cidr) => {
    const ip = familyOf(cidr) === 6 ? "ip6" : "ip";
    return [
      `    ${ip} daddr ${cidr} meta l4proto tcp counter name refused reject with tcp reset`,
      `    ${ip} daddr ${cidr} counter name refused reject`,
    ];
  });
  const rules = [
    "table inet shadownet",
    "delete table inet shadownet",
    "table inet shadownet {",
    "  counter intake { }",
    "  counter refused { }",
    "  counter sunk { }",
    "  chain untracked {",
    "    type filter hook prerouting priority raw; policy accept;",
    `    iifname "intake" notrack`,
    "  }",
    "  chain input {",
    "    type filter hook input priority filter; policy drop;",
    `    iifname "intake" ip saddr ${mirror.production} ip daddr ${mirror.gateway} udp dport 4789 counter name intake accept`,
    `    iifname "intake" drop`,
    `    iifname "lo" accept`,
    "    ct state established,related accept",
    "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept",
    ...rejects,
    "    counter name sunk drop",
    "  }",
    "  chain forward {",
    "    type filter hook forward priority filter; policy drop;",
    "  }",
    "}",
  ];
  return feed("nft -f -", rules.join("\n"));
}

async function removeGateway(network: string): Promise<void> {
  const gateway = applianceNamespace(network, "gateway");
  const router = applianceNamespace(network, "router");
  await stopGatewayProcess(network);
  if (await namespaceExists(gateway)) {
    await killProcessesIn([gateway]);
    await removeNamespaces([gateway]);
  }
  if (await namespaceExists(router)) await ipBatchForced(router, [`link del dev ${routerDevice}`]);
  await removeCgroups(machineCgroups(network, "@gateway"));
}
