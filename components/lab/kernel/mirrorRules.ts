import { addressFamily, parseCidr } from "../../internal/cidr";
import type { SampleBy, TrafficSelector } from "../../mirror";
import type { LabMirrorSpec } from "./specs";

/** Steps in which a share can be given: 0.0001 percent. */
const modulus = 1_000_000;

/** The two directions of a copied flow. */
const mirrorDirections = ["clientToServer", "serverToClient"] as const;
export type MirrorDirection = (typeof mirrorDirections)[number];

type Protocol = "tcp" | "udp";

/** Devices that the rules name. */
export interface MirrorDevices {
  /** Router's devices that lead outside; at least one. */
  boundaries: readonly string[];
  /** Device that takes the copies. */
  tunnel: string;
}

/** One packet filter in nft's words, written for packets from client to server. */
interface Match {
  family: 4 | 6;
  protocol: Protocol;
  client?: string;
  server?: string;
  clientPorts?: string;
  serverPorts?: string;
  /** Addresses and ports together. */
  servers?: string;
}

/** Name of the netfilter table that copies traffic to a shadow. */
export function mirrorTable(network: string): string {
  return `shadownet_${network.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
}

/**
 * The whole table. Excluded packets leave first; each included one is counted once, then kept or dropped by a hash that
 * is computed in client-to-server order in both directions, so that a flow is taken or left as a whole. Every packet of
 * production passes here, so the rules stand in the chains of the hooks themselves, hash and copy where they match, and
 * count in place: a jump costs as much as two matches, a counter with a name two indirect calls.
 */
export function mirrorRuleset(spec: LabMirrorSpec, devices: MirrorDevices): string {
  const chains = mirrorDirections.flatMap((direction) => directionChains(spec, direction, devices));
  return [`table netdev ${mirrorTable(spec.network)} {`, ...chains, "}", ""].join("\n");
}

/** What the counters of a chain's rules count: in a hook's, packets that were looked at and then copied; elsewhere the latter. */
export function countersOf(chain: string): { direction: MirrorDirection; seesFirst: boolean } {
  const direction = chain.endsWith("clientToServer") ? "clientToServer" : "serverToClient";
  return { direction, seesFirst: chain === direction };
}

function directionChains(spec: LabMirrorSpec, direction: MirrorDirection, devices: MirrorDevices): string[] {
  const included = spec.include.length > 0 ? spec.include.flatMap(matchesOf) : serviceMatches(spec.services);
  const excluded = spec.exclude.filter((selector) => !needsPayload(selector)).flatMap(matchesOf);
  const shared = sharedKinds(included);
  const take = (match: Match): string => takeText(spec, match, direction, devices.tunnel);
  const rules = [
    ...excluded.map((match) => `${matchText(match, direction)} accept`),
    ...included.map((match) => {
      const then = shared.has(kindOf(match)) ? `goto ${takeChain(match, direction)}` : take(match);
      return `${matchText(match, direction)} counter ${then}`.trimEnd();
    }),
  ];
  const side = direction === "clientToServer" ? "ingress" : "egress";
  const boundaries = devices.boundaries.map((device) => `"${device}"`).join(", ");
  const hook = `type filter hook ${side} devices = { ${boundaries} } priority -150; policy accept;`;
  return [
    ...[...shared.values()].map((match) => chainText(takeChain(match, direction), [take(match)])),
    chainText(direction, [hook, ...rules]),
  ];
}

function chainText(name: string, lines: readonly string[]): string {
  return [`  chain ${name} {`, ...lines.filter((line) => line !== "").map((line) => `    ${line}`), "  }"].join("\n");
}

/** One match of each kind of packet that several rules match: there the first that does must be the last that counts. */
function sharedKinds(matches: readonly Match[]): Map<string, Match> {
  const kinds = matches.map(kindOf);
  const repeated = matches.filter((match, index) => kinds.indexOf(kindOf(match)) !== index);
  return new Map(repeated.map((match) => [kindOf(match), match]));
}

function kindOf({ family, protocol }: Match): string {
  return `${protocol}${family}`;
}

/** What the payload shows is known only to the gateway, which leaves it out there. */
function needsPayload({ application, payloadHex, serverName }: TrafficSelector): boolean {
  return application !== undefined || payloadHex !== undefined || serverName !== undefined;
}

function takeChain(match: Match, direction: MirrorDirection): string {
  return `take_${kindOf(match)}_${direction}`;
}

/** Hash and copy; nothing when no packet is copied. */
function takeText(spec: LabMirrorSpec, match: Match, direction: MirrorDirection, tunnel: string): string {
  const threshold = Math.round((spec.percent / 100) * modulus);
  const copy = `counter dup to "${tunnel}"`;
  if (threshold === 0) return "";
  // The kernel refuses a threshold that is the whole modulus.
  if (threshold >= modulus || spec.sampleBy === "header") return copy;
  return `jhash ${hashKey(match, direction, spec.sampleBy)} ${shareText(threshold, spec.seed)} ${copy}`;
}

/**
 * The share in lowest terms. The kernel scales the hash by `(hash * mod) >> 32`, so that `mod 10 < 1` takes the same
 * packets as `mod 1000000 < 100000`; and a comparison with 0 costs less than `< 1`.
 */
function shareText(threshold: number, seed: number): string {
  const divisor = greatestCommonDivisor(threshold, modulus);
  const [part, whole] = [threshold / divisor, modulus / divisor];
  return `mod ${whole} seed ${seed} ${part === 1 ? "0" : `< ${part}`}`;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The key in client-to-server order; the gateway's own hash has the same (components/runtime/gateway). */
function hashKey({ family, protocol }: Match, direction: MirrorDirection, sampleBy: SampleBy): string {
  const ip = family === 4 ? "ip" : "ip6";
  const [client, server] = direction === "clientToServer" ? ["s", "d"] : ["d", "s"];
  if (sampleBy === "client") return `${ip} ${client}addr`;
  return [`${ip} ${client}addr`, `${protocol} ${client}port`, `${ip} ${server}addr`, `${protocol} ${server}port`].join(
    " . ",
  );
}

function matchText({ family, protocol, ...ends }: Match, direction: MirrorDirection): string {
  const ip = family === 4 ? "ip" : "ip6";
  const [client, server] = direction === "clientToServer" ? ["s", "d"] : ["d", "s"];
  return [
    `meta protocol ${ip}`,
    // Cheaper than asking for the protocol behind extension headers, which IPv4 does not have.
    family === 4 ? `ip protocol ${protocol}` : `meta l4proto ${protocol}`,
    ends.client === undefined ? "" : `${ip} ${client}addr ${ends.client}`,
    ends.server === undefined ? "" : `${ip} ${server}addr ${ends.server}`,
    ends.clientPorts === undefined ? "" : `${protocol} ${client}port ${ends.clientPorts}`,
    ends.serverPorts === undefined ? "" : `${protocol} ${server}port ${ends.serverPorts}`,
    ends.servers === undefined ? "" : `${ip} ${server}addr . ${protocol} ${server}port ${ends.servers}`,
  ]
    .filter((part) => part !== "")
    .join(" ");
}

function matchesOf(selector: TrafficSelector): Match[] {
  const { sourceCidr, destinationCidr, serverName } = selector;
  const protocol = serverName === undefined ? (selector.protocol ?? "any") : "tcp";
  const protocols: Protocol[] = protocol === "any" ? ["tcp", "udp"] : protocol === "icmp" ? [] : [protocol];
  const cidr = sourceCidr ?? destinationCidr;
  const family = cidr === undefined ? undefined : parseCidr(cidr)?.family;
  const families: (4 | 6)[] = family === undefined ? [4, 6] : [family];
  return families.flatMap((each) =>
    protocols.map((one) => ({
      family: each,
      protocol: one,
      client: sourceCidr,
      server: destinationCidr,
      clientPorts: portSet(selector.sourcePorts),
      serverPorts: portSet(selector.destinationPorts),
    })),
  );
}

function portSet(ports: readonly string[] | undefined): string | undefined {
  return ports === undefined ? undefined : `{ ${ports.join(", ")} }`;
}

/** One look for all services of a kind, however many there are; a single one is found faster without a set. */
function serviceMatches(services: LabMirrorSpec["services"]): Match[] {
  return (["tcp", "udp"] as const).flatMap((protocol) =>
    ([4, 6] as const).flatMap((family): Match[] => {
      const ends = services
        .filter((service) => service.protocol === protocol)
        .flatMap(({ addresses, port }) => addresses.map((address) => ({ address, port })))
        .filter(({ address }) => addressFamily(address) === family);
      const [first] = ends;
      if (first === undefined) return [];
      if (ends.length === 1) return [{ family, protocol, server: first.address, serverPorts: String(first.port) }];
      const servers = new Set(ends.map(({ address, port }) => `${address} . ${port}`));
      return [{ family, protocol, servers: `{ ${[...servers].join(", ")} }` }];
    }),
  );
}
