import { rm } from "node:fs/promises";
import { join } from "node:path";

import { run, tryRun } from "../../internal/exec";
import { readRecord, writeAtomically } from "../../internal/files";
import { ExitCode, ShadownetError } from "../../internal/problems";
import { countersOf, type MirrorDirection, mirrorRuleset, mirrorTable } from "./mirrorRules";
import { applianceAddresses, applianceNamespace, deviceName, networkFolder } from "./names";
import { ipBatch, ipBatchForced, namespaceExists, namespacePath } from "./namespaces";
import type { LabMirrorSpec } from "./specs";

/** Packets at the mirror, by direction. */
export interface MirrorCounters {
  /** Packets of the traffic that was chosen from. */
  seen: Record<MirrorDirection, number>;
  /** Packets that were copied. */
  selected: Record<MirrorDirection, number>;
  /** Packets that came from the shadow and were dropped at the barrier; 0 as long as the gateway keeps silent. */
  refused: number;
}

/** A mirror as it stands in the kernel. */
export interface MirrorReading {
  spec: LabMirrorSpec;
  counters: MirrorCounters;
  /** Share of packets that were copied, 0–1; 0 before any was seen. */
  share: number;
}

/** Large enough for whole segmentation-offload packets with their encapsulation: no copy is ever cut in pieces. */
const cableMtu = 65535;
const port = 4789;
const { production: productionAddress, gateway: gatewayAddress } = applianceAddresses.mirror;

/** Names of a mirror's parts; the name of the shadow is in each, so that several shadows of one production coexist. */
function partsOf(network: string): { cable: string; tunnel: string; intake: string; barrier: string } {
  return {
    cable: deviceName("u", network),
    tunnel: deviceName("v", network),
    intake: "intake",
    barrier: `${mirrorTable(network)}_barrier`,
  };
}

/** Lays the one-way cable from production's router to the shadow's gateway and installs the rules that copy traffic. */
export async function createMirror(spec: LabMirrorSpec): Promise<void> {
  const router = applianceNamespace(spec.production, "router");
  const gateway = applianceNamespace(spec.network, "gateway");
  await requireEnds(spec, router, gateway);
  await removeParts(spec.network, router);
  try {
    await layCable(spec, router, gateway);
    await loadRules(spec, router);
    await writeAtomically(recordFile(spec.network), JSON.stringify(spec, null, 2));
  } catch (error) {
    await removeParts(spec.network, router);
    throw error;
  }
}

/** Loads the new share and selectors in one transaction; no live packet is lost and the cable stays. */
export async function updateMirror(spec: LabMirrorSpec): Promise<void> {
  const reading = await readMirror(spec.network);
  if (reading === undefined) return createMirror(spec);
  await loadRules(spec, applianceNamespace(spec.production, "router"));
  await writeAtomically(recordFile(spec.network), JSON.stringify(spec, null, 2));
}

/** The mirror as it is in the kernel; undefined when it, its cable, or production is gone. */
export async function readMirror(network: string): Promise<MirrorReading | undefined> {
  const spec = await readRecord<LabMirrorSpec>(recordFile(network));
  if (spec === undefined) return undefined;
  const router = applianceNamespace(spec.production, "router");
  const parts = partsOf(network);
  if (!(await namespaceExists(router)) || !(await deviceExists(router, parts.tunnel))) return undefined;
  const [copied, refused] = await Promise.all([
    copyCounters(router, mirrorTable(network)),
    refusedPackets(router, parts.barrier),
  ]);
  if (copied === undefined || refused === undefined) return undefined;
  const counters = { ...copied, refused };
  const total = (of: Record<MirrorDirection, number>): number => of.clientToServer + of.serverToClient;
  const seen = total(counters.seen);
  return { spec, counters, share: seen === 0 ? 0 : total(counters.selected) / seen };
}

/** Whether a mirror was laid for a shadow and not removed, whatever production has of it now. */
export async function hasMirrorRecord(network: string): Promise<boolean> {
  return (await readRecord(recordFile(network))) !== undefined;
}

/**
 * Removes the mirror; production is then as it was before. Does nothing where there is none. The name of production is
 * needed only where the shadow's own record is lost.
 */
export async function deleteMirror(network: string, production?: string): Promise<void> {
  const from = (await readRecord<LabMirrorSpec>(recordFile(network)))?.production ?? production;
  if (from !== undefined) await removeParts(network, applianceNamespace(from, "router"));
  await rm(recordFile(network), { force: true });
}

function recordFile(network: string): string {
  return join(networkFolder(network), "mirror.json");
}

async function requireEnds(spec: LabMirrorSpec, router: string, gateway: string): Promise<void> {
  if (!(await namespaceExists(router))) {
    const cure = "start it, for example with `shadownet production up`, and then run `pulumi up` again";
    const message = `there is no production network "${spec.production}" on this host to mirror from; ${cure}`;
    throw new ShadownetError("no-production", message, ExitCode.NotPossibleHere);
  }
  if (!(await namespaceExists(gateway))) {
    const message = `the gateway of "${spec.network}" is gone; \`pulumi up --refresh\` makes it again`;
    throw new ShadownetError("no-gateway", message);
  }
}

/**
 * Everything that comes from the shadow's end is dropped before anything else in production sees it, whatever its
 * ethertype, and the shadow's end sends nothing. The rules are there before the cable is up.
 */
async function layCable(spec: LabMirrorSpec, router: string, gateway: string): Promise<void> {
  const { cable, tunnel, intake } = partsOf(spec.network);
  await ipBatch(router, [
    `link add dev ${cable} mtu ${cableMtu} type veth peer name ${intake} mtu ${cableMtu} netns ${gateway}`,
    `link set dev ${cable} alias mirror:${spec.network}`,
  ]);
  await ipBatch(gateway, [`link set dev ${intake} alias mirror:${spec.production}`]);
  await quiet(router, cable);
  await quiet(gateway, intake);
  await loadBarrier(spec.network, router, gateway);
  const mac = await macOf(gateway, intake);
  await ipBatch(gateway, [`link set dev ${intake} arp off up`]);
  await ipBatch(router, [
    `address add ${productionAddress}/32 dev ${cable}`,
    `link set dev ${cable} arp off up`,
    // Each shadow has the same address at its end; the metric keeps the routes apart, the tunnel's device chooses one.
    `route add ${gatewayAddress}/32 dev ${cable} metric ${spec.vni}`,
    `neighbour replace ${gatewayAddress} lladdr ${mac} dev ${cable} nud permanent`,
    `link add dev ${tunnel} mtu ${cableMtu - 50} type vxlan id ${spec.vni} remote ${gatewayAddress} local ${productionAddress} dstport ${port} dev ${cable} nolearning`,
    `link set dev ${tunnel} alias mirror:${spec.network}`,
  ]);
  await quiet(router, tunnel);
  await ipBatch(router, [`link set dev ${tunnel} arp off up`]);
}

async function loadBarrier(network: string, router: string, gateway: string): Promise<void> {
  const { cable, intake, barrier } = partsOf(network);
  await loadInto(
    router,
    [
      `table netdev ${barrier} {`,
      "  counter refused { }",
      "  counter stray { }",
      "  chain from_shadow {",
      `    type filter hook ingress device "${cable}" priority -500; policy drop;`,
      "    counter name refused drop",
      "  }",
      "  chain to_shadow {",
      `    type filter hook egress device "${cable}" priority -500; policy drop;`,
      `    ip saddr ${productionAddress} ip daddr ${gatewayAddress} udp dport ${port} accept`,
      "    counter name stray drop",
      "  }",
      "}",
      "",
    ].join("\n"),
  );
  await loadInto(
    gateway,
    [
      "table netdev barrier",
      "delete table netdev barrier",
      "table netdev barrier {",
      "  counter unsent { }",
      "  chain to_production {",
      `    type filter hook egress device "${intake}" priority -500; policy drop;`,
      "    counter name unsent drop",
      "  }",
      "}",
      "",
    ].join("\n"),
  );
}

/** No addresses of its own accord and no neighbour or router discovery: the device carries copies and nothing else. */
async function quiet(namespace: string, device: string): Promise<void> {
  const settings = [
    `net.ipv6.conf.${device}.disable_ipv6=1`,
    `net.ipv4.conf.${device}.forwarding=0`,
    `net.ipv4.conf.${device}.rp_filter=0`,
    // In the gateway every outside address counts as local, also the sender of the copies.
    `net.ipv4.conf.${device}.accept_local=1`,
  ];
  await run(["nsenter", `--net=${namespacePath(namespace)}`, "sysctl", "-q", "-w", ...settings]);
}

async function macOf(namespace: string, device: string): Promise<string> {
  const [link] = JSON.parse(await run(["ip", "-n", namespace, "-j", "link", "show", "dev", device])) as {
    address: string;
  }[];
  return link!.address;
}

async function deviceExists(namespace: string, device: string): Promise<boolean> {
  return (await tryRun(["ip", "-n", namespace, "link", "show", "dev", device])).code === 0;
}

/** One transaction: counters start again and the hooks are exchanged, so that live traffic never waits. */
async function loadRules(spec: LabMirrorSpec, router: string): Promise<void> {
  const boundaries = await boundaryDevices(router);
  if (boundaries.length === 0) {
    const message = `the production network "${spec.production}" has no boundary, so nobody outside can reach its services`;
    throw new ShadownetError("no-boundary", message, ExitCode.BadInput);
  }
  const table = mirrorTable(spec.network);
  const rules = mirrorRuleset(spec, { boundaries, tunnel: partsOf(spec.network).tunnel });
  await loadInto(router, `table netdev ${table}\ndelete table netdev ${table}\n${rules}`);
}

async function boundaryDevices(router: string): Promise<string[]> {
  const links = JSON.parse(await run(["ip", "-n", router, "-j", "link", "show"])) as {
    ifname: string;
    ifalias?: string;
  }[];
  return links.filter(({ ifalias }) => ifalias?.startsWith("boundary:")).map(({ ifname }) => ifname);
}

async function loadInto(namespace: string, rules: string): Promise<void> {
  await run(["nsenter", `--net=${namespacePath(namespace)}`, "nft", "-f", "-"], { stdin: rules });
}

interface Counter {
  packets: number;
}

/** One object of a listing as nft prints it. */
interface Listed {
  chain?: { name: string };
  counter?: Counter & { name: string };
  rule?: { chain: string; expr: { counter?: Counter }[] };
}

/** What a table has of the kind; undefined when there is no such table. */
async function listTable(namespace: string, kind: "table" | "counters", table: string): Promise<Listed[] | undefined> {
  const what = kind === "table" ? ["table"] : ["counters", "table"];
  const argv = ["nsenter", `--net=${namespacePath(namespace)}`, "nft", "-j", "list", ...what, "netdev", table];
  const { code, stdout } = await tryRun(argv);
  return code === 0 ? (JSON.parse(stdout) as { nftables: Listed[] }).nftables : undefined;
}

async function refusedPackets(router: string, barrier: string): Promise<number | undefined> {
  const listed = await listTable(router, "counters", barrier);
  return listed?.find(({ counter }) => counter?.name === "refused")?.counter?.packets;
}

/** Sums over all rules, by direction. */
async function copyCounters(router: string, table: string): Promise<Omit<MirrorCounters, "refused"> | undefined> {
  const listed = await listTable(router, "table", table);
  if (!listed?.some(({ chain }) => chain !== undefined)) return undefined;
  const seen = { clientToServer: 0, serverToClient: 0 };
  const selected = { clientToServer: 0, serverToClient: 0 };
  for (const { rule } of listed) {
    if (rule === undefined) continue;
    const { direction, seesFirst } = countersOf(rule.chain);
    const packets = rule.expr.flatMap(({ counter }) => (counter === undefined ? [] : [counter.packets]));
    if (seesFirst) seen[direction] += packets.shift() ?? 0;
    selected[direction] += packets[0] ?? 0;
  }
  return { seen, selected };
}

async function removeParts(network: string, router: string): Promise<void> {
  if (!(await namespaceExists(router))) return;
  const { cable, tunnel, barrier } = partsOf(network);
  for (const table of [mirrorTable(network), barrier]) {
    await loadInto(router, `table netdev ${table}\ndelete table netdev ${table}\n`);
  }
  await ipBatchForced(router, [`link del dev ${tunnel}`, `link del dev ${cable}`]);
}
