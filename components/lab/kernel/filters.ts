import { addressFamily, aggregateCidrs, canonicalCidr, hostRange, rangeToCidrs } from "../../internal/cidr";
import { AclAction, type AclRule, IpProtocol, type SecurityRule, TrafficDirection } from "../../topology";
import type { LabFilterRule, LabInterfaceSpec } from "./specs";

/** Table of a machine's security groups, in the machine's namespace. */
export const securityTable = "shadownet";

/** One line of `nft -j list table`. */
export interface NftObject {
  rule?: { family: string; table: string; chain: string; comment?: string; expr: NftExpression[] };
  chain?: { family: string; table: string; name: string };
}

/** One statement of a rule: a match, a verdict, a counter. */
export type NftExpression = Record<string, unknown>;

/** The traffic that a rule matches, as security groups and ACLs both have it. */
interface Traffic {
  protocol: IpProtocol;
  ports?: string;
  cidrs?: string[];
}

/**
 * The same permissions with the fewest rules, in one order: rules that differ only in their peers are joined and ranges
 * aggregated, which for a list that only allows changes nothing.
 */
export function canonicalRules(rules: readonly LabFilterRule[]): LabFilterRule[] {
  const byTraffic = new Map<string, LabFilterRule>();
  for (const { group, direction, protocol, ports, cidrs } of rules) {
    const rule = { group, direction, protocol, ...(ports === undefined ? {} : { ports: canonicalPorts(ports) }) };
    const key = [group, direction, protocol, rule.ports ?? ""].join(" ");
    const known = byTraffic.get(key);
    if (cidrs === undefined || (known !== undefined && known.cidrs === undefined)) byTraffic.set(key, rule);
    else byTraffic.set(key, { ...rule, cidrs: aggregateCidrs([...(known?.cidrs ?? []), ...cidrs]) });
  }
  return [...byTraffic].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => withoutEverybody(rule));
}

function withoutEverybody({ cidrs, ...rule }: LabFilterRule): LabFilterRule {
  const everybody = cidrs?.includes("0.0.0.0/0") === true && cidrs.includes("::/0");
  return cidrs === undefined || everybody ? rule : { ...rule, cidrs };
}

function canonicalPorts(ports: string): string {
  const [from, to] = ports.split("-").map((port) => port.trim());
  return to === undefined || to === from ? from! : `${from!}-${to}`;
}

/** The ruleset that replaces a machine's security groups by those of its interfaces, as one transaction. */
export function renderSecurityGroups(interfaces: readonly LabInterfaceSpec[]): string {
  const filtered = interfaces.filter((card) => card.filtered);
  const drop = `table inet ${securityTable}\ndelete table inet ${securityTable}`;
  if (filtered.length === 0) return drop;
  const hook = (name: string, jumps: string[]): string =>
    chain(name, [
      `type filter hook ${name} priority 0; policy accept;`,
      "ct state established,related accept",
      "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
      ...jumps,
    ]);
  const into = filtered.map(({ name }) => `iifname "${name}" jump ingress_${name}`);
  const outOf = filtered.map(({ name }) => `oifname "${name}" jump egress_${name}`);
  const groups = filtered.flatMap((card) =>
    Object.values(TrafficDirection).map((direction) => {
      const rules = card.rules.filter((rule) => rule.direction === direction);
      const lines = rules.flatMap((rule) =>
        matches(rule, peerField(direction)).map((match) => line(match, "return", rule.group)),
      );
      return chain(`${direction}_${card.name}`, [...lines, "counter drop"]);
    }),
  );
  const chains = [...groups, hook("input", into), hook("output", outOf), hook("forward", [...into, ...outOf])];
  return `${drop}\ntable inet ${securityTable} {\n${chains.join("\n")}\n}`;
}

/** The ruleset that replaces what a rehearsed change drops on a machine, as one transaction. */
export function renderDenied(denied: readonly SecurityRule[]): string {
  const table = `${securityTable}_rehearsal`;
  const drop = `table inet ${table}\ndelete table inet ${table}`;
  if (denied.length === 0) return drop;
  const lines = (direction: TrafficDirection): string[] =>
    denied
      .filter((rule) => rule.direction === direction)
      .flatMap((rule) => matches(rule, peerField(direction)).map((match) => `${match} counter drop`.trim()));
  const [into, outOf] = [lines(TrafficDirection.Ingress), lines(TrafficDirection.Egress)];
  const hook = (name: string, rules: string[]): string =>
    chain(name, [`type filter hook ${name} priority -10; policy accept;`, ...rules]);
  const chains = [hook("input", into), hook("output", outOf), hook("forward", [...into, ...outOf])];
  return `${drop}\ntable inet ${table} {\n${chains.join("\n")}\n}`;
}

/** Table of a subnet's ACL, in the router's namespace. */
export function aclTable(device: string): string {
  return `acl_${device}`;
}

/** The ruleset that replaces the ACL on a router's device, as one transaction; undefined removes it. */
export function renderAcl(device: string, acl: { name: string; rules: readonly AclRule[] } | undefined): string {
  const table = aclTable(device);
  const drop = `table inet ${table}\ndelete table inet ${table}`;
  if (acl === undefined) return drop;
  const lists = Object.values(TrafficDirection).map((direction) => {
    const rules = acl.rules.filter((rule) => rule.direction === direction).toSorted((a, b) => a.number - b.number);
    const lines = rules.flatMap(({ number, action, protocol, ports, cidr }) =>
      matches({ protocol, ports, cidrs: cidr === undefined ? undefined : [cidr] }, peerField(direction)).map((match) =>
        line(match, action === AclAction.Allow ? "return" : "drop", `${number} ${acl.name}`),
      ),
    );
    return chain(direction, [...lines, `counter drop comment "${acl.name}"`]);
  });
  const hook = chain("forward", [
    "type filter hook forward priority 0; policy accept;",
    `iifname "${device}" jump egress`,
    `oifname "${device}" jump ingress`,
  ]);
  return `${drop}\ntable inet ${table} {\n${[...lists, hook].join("\n")}\n}`;
}

function chain(name: string, lines: string[]): string {
  return `chain ${name} {\n${lines.join("\n")}\n}`;
}

function line(match: string, verdict: string, comment: string): string {
  return `${match} counter ${verdict} comment "${comment}"`.trim();
}

function peerField(direction: TrafficDirection): string {
  return direction === TrafficDirection.Ingress ? "saddr" : "daddr";
}

/** One match per address family that the peers have; one for both when everybody is meant. */
function matches({ protocol, ports, cidrs }: Traffic, field: string): string[] {
  const transport = [transportMatch(protocol, ports), ports === undefined ? "" : `th dport ${ports}`];
  if (cidrs === undefined) return [transport.join(" ").trim()];
  const ranges = aggregateCidrs(cidrs);
  return ([4, 6] as const).flatMap((family) => {
    const own = ranges.filter((cidr) => addressFamily(cidr.split("/")[0]!) === family);
    return own.length === 0 ? [] : [[addressMatch(own, family, field), ...transport].join(" ").trim()];
  });
}

function addressMatch(cidrs: string[], family: 4 | 6, field: string): string {
  if (cidrs.some((cidr) => cidr.endsWith("/0"))) return `meta nfproto ipv${family}`;
  return `${family === 4 ? "ip" : "ip6"} ${field} { ${cidrs.join(", ")} }`;
}

function transportMatch(protocol: IpProtocol, ports: string | undefined): string {
  if (protocol === IpProtocol.Icmp) return "meta l4proto { icmp, ipv6-icmp }";
  if (protocol !== IpProtocol.Any) return `meta l4proto ${protocol}`;
  return ports === undefined ? "" : "meta l4proto { tcp, udp }";
}

/** The permissions on one interface as the kernel has them; undefined when it is not filtered. */
export function parseSecurityGroups(objects: readonly NftObject[], card: string): LabFilterRule[] | undefined {
  if (!objects.some(({ chain: found }) => found?.name === `ingress_${card}`)) return undefined;
  const rules = Object.values(TrafficDirection).flatMap((direction) =>
    rulesOfChain(objects, `${direction}_${card}`).map(({ comment, traffic }) => ({
      group: comment,
      direction,
      ...traffic,
    })),
  );
  return canonicalRules(rules);
}

/** The ACL as the kernel has it; undefined when there is none. */
export function parseAcl(objects: readonly NftObject[]): { name: string; rules: AclRule[] } | undefined {
  if (!objects.some(({ chain: found }) => found?.name === "forward")) return undefined;
  const end = objects.find(({ rule }) => rule?.chain === "egress" && !/^\d/.test(rule.comment ?? "1"));
  const rules = Object.values(TrafficDirection).flatMap((direction) =>
    rulesOfChain(objects, direction).flatMap(({ comment, allow, traffic: { cidrs, ...traffic } }) => {
      const number = Number(/^\d+ /.exec(comment)?.[0]);
      if (Number.isNaN(number)) return [];
      const action = allow ? AclAction.Allow : AclAction.Deny;
      const peers = cidrs === undefined ? [undefined] : cidrs;
      return peers.map((cidr) => ({
        number,
        direction,
        action,
        ...traffic,
        ...(cidr === undefined ? {} : { cidr }),
      }));
    }),
  );
  return { name: end?.rule?.comment ?? "acl", rules: rules.toSorted((a, b) => a.number - b.number) };
}

function rulesOfChain(
  objects: readonly NftObject[],
  name: string,
): { comment: string; allow: boolean; traffic: Traffic }[] {
  return objects.flatMap(({ rule }) => {
    if (rule?.chain !== name || rule.comment === undefined) return [];
    const allow = rule.expr.some((expression) => "return" in expression);
    return [{ comment: rule.comment, allow, traffic: trafficOf(rule.expr) }];
  });
}

function trafficOf(expressions: NftExpression[]): Traffic {
  let protocols: string[] = [];
  let ports: string | undefined;
  let cidrs: string[] | undefined;
  for (const { match } of expressions as { match?: NftMatch }[]) {
    if (match === undefined) continue;
    const { meta, payload } = match.left;
    if (meta?.key === "l4proto") protocols = elementsOf(match.right).map(String);
    if (meta?.key === "nfproto") cidrs = [match.right === "ipv6" ? "::/0" : "0.0.0.0/0"];
    if (payload?.field === "dport") {
      ports = portsOf(match.right);
      // nft writes `meta l4proto tcp th dport 80` back as `tcp dport 80`.
      if (payload.protocol !== "th") protocols = [payload.protocol];
    }
    if (payload?.field === "saddr" || payload?.field === "daddr") cidrs = elementsOf(match.right).flatMap(cidrsOf);
  }
  return {
    protocol: protocolOf(protocols),
    ...(ports === undefined ? {} : { ports }),
    ...(cidrs === undefined ? {} : { cidrs }),
  };
}

interface NftMatch {
  left: { meta?: { key: string }; payload?: { protocol: string; field: string } };
  right: unknown;
}

function elementsOf(right: unknown): unknown[] {
  return typeof right === "object" && right !== null && "set" in right ? (right.set as unknown[]) : [right];
}

function protocolOf(protocols: string[]): IpProtocol {
  if (protocols.some((protocol) => protocol.includes("icmp"))) return IpProtocol.Icmp;
  const [only] = protocols;
  if (protocols.length !== 1) return IpProtocol.Any;
  return only === "tcp" || only === "6" ? IpProtocol.Tcp : IpProtocol.Udp;
}

function portsOf(right: unknown): string {
  const range = (right as { range?: number[] }).range;
  return range === undefined ? String(right) : range.join("-");
}

function cidrsOf(element: unknown): string[] {
  if (typeof element === "string") return [hostRange(element)];
  const { prefix, range } = element as { prefix?: { addr: string; len: number }; range?: [string, string] };
  if (prefix !== undefined) return [canonicalCidr(`${prefix.addr}/${prefix.len}`)];
  return range === undefined ? [] : rangeToCidrs(...range);
}

/** A permission without the group's name, as a topology's security group has it. */
export function withoutGroup({ direction, protocol, ports, cidrs }: LabFilterRule): SecurityRule {
  return {
    direction,
    protocol,
    ...(ports === undefined ? {} : { ports }),
    ...(cidrs === undefined ? {} : { cidrs }),
  };
}
