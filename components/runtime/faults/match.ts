import type { Flow } from "../../experiment";
import { cidrContains, parseAddress, parseCidr } from "../../internal/cidr";
import type { Problem } from "../../internal/problems";
import type { ResolvedLink } from "./plan";

/** One way through a link, seen from the target. */
export type Way = "egress" | "ingress";

/** The hook of the link's device that sees what the target sends or gets. */
export function hookOf(link: ResolvedLink, way: Way): Way {
  if (link.side === "machine") return way;
  return way === "egress" ? "ingress" : "egress";
}

/** What is wrong with a flow, with what is allowed. */
export function validateFlow(flow: Flow, path: string): Problem[] {
  const problems: Problem[] = [];
  if (Object.values(flow).every((value) => value === undefined)) {
    problems.push({
      path,
      reason: "names no field, so it is no flow; give a field, or leave the flow out to hit every packet",
    });
  }
  for (const field of ["sourceCidr", "destinationCidr"] as const) {
    const value = flow[field];
    if (value === undefined || parseCidr(asRange(value)) !== undefined) continue;
    problems.push({ path: `${path}.${field}`, reason: `"${value}" is no range such as 10.0.1.0/24 or fd00:1::/64` });
  }
  for (const field of ["sourcePorts", "destinationPorts"] as const) {
    const value = flow[field];
    if (value === undefined || parsePorts(value) !== undefined) continue;
    problems.push({ path: `${path}.${field}`, reason: `"${value}" is no port or range such as 5432 or 8000-8010` });
  }
  const ported = flow.sourcePorts ?? flow.destinationPorts;
  if (flow.protocol === "icmp" && ported !== undefined) {
    problems.push({ path: `${path}.protocol`, reason: "icmp has no ports; leave the ports out, or use tcp or udp" });
  }
  if (flow.state !== undefined && flow.protocol !== "tcp") {
    problems.push({ path: `${path}.state`, reason: 'only tcp shows its state in each packet; add `protocol: "tcp"`' });
  }
  if (problems.length === 0 && families(flow).length === 0) {
    const reason = `${flow.sourceCidr ?? ""} and ${flow.destinationCidr ?? ""} are of different families, so no packet matches`;
    problems.push({ path, reason });
  }
  return problems;
}

/** The flow as the answering side writes its packets. */
export function reversed(flow: Flow): Flow {
  return {
    ...flow,
    sourceCidr: flow.destinationCidr,
    destinationCidr: flow.sourceCidr,
    sourcePorts: flow.destinationPorts,
    destinationPorts: flow.sourcePorts,
  };
}

/** nft matches for a flow, of which any one is enough; one empty match when there is no flow. */
export function flowMatches(flow: Flow | undefined, both: boolean): string[] {
  if (flow === undefined) return [""];
  const forward = tupleMatches(flow);
  return both ? [...new Set([...forward, ...tupleMatches(reversed(flow))])] : forward;
}

/** nft matches for traffic that no fault touches, in either direction. */
export function exemptMatches(exempt: readonly Flow[]): string[] {
  return [...new Set(exempt.flatMap((flow) => flowMatches(flow, true)))];
}

function tupleMatches(flow: Flow): string[] {
  const perFamily = flow.sourceCidr !== undefined || flow.destinationCidr !== undefined || flow.protocol === "icmp";
  if (!perFamily) return [layer4(flow)];
  return families(flow).map((family) => {
    const ip = family === 4 ? "ip" : "ip6";
    const parts = [`meta protocol ${ip}`];
    if (flow.sourceCidr !== undefined) parts.push(`${ip} saddr ${flow.sourceCidr}`);
    if (flow.destinationCidr !== undefined) parts.push(`${ip} daddr ${flow.destinationCidr}`);
    parts.push(flow.protocol === "icmp" ? icmp(family) : layer4(flow));
    return parts.filter((part) => part !== "").join(" ");
  });
}

/** Neighbour discovery is what ARP is to IPv4: not part of a flow of ICMP. */
function icmp(family: 4 | 6): string {
  return family === 4 ? "meta l4proto icmp" : "meta l4proto ipv6-icmp icmpv6 type != 133-137";
}

function layer4({ protocol, sourcePorts, destinationPorts, state }: Flow): string {
  const parts: string[] = [];
  const ported = sourcePorts !== undefined || destinationPorts !== undefined;
  if (protocol === "tcp" || protocol === "udp") parts.push(`meta l4proto ${protocol}`);
  else if (ported) parts.push("meta l4proto { tcp, udp }");
  if (sourcePorts !== undefined) parts.push(`th sport ${sourcePorts}`);
  if (destinationPorts !== undefined) parts.push(`th dport ${destinationPorts}`);
  if (state === "new") parts.push("tcp flags & syn == syn");
  if (state === "established") parts.push("tcp flags & syn != syn");
  return parts.join(" ");
}

function families({ sourceCidr, destinationCidr }: Flow): (4 | 6)[] {
  return ([4, 6] as const).filter((family) =>
    [sourceCidr, destinationCidr].every((cidr) => cidr === undefined || parseCidr(asRange(cidr))?.family === family),
  );
}

function asRange(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : `${text}/${address.family === 4 ? 32 : 128}`;
}

function parsePorts(text: string): [number, number] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first >= 1 && last <= 65_535 && first <= last ? [first, last] : undefined;
}

/** Whether every packet of the flow is exempt, so that a fault on it could do nothing. */
export function isExempt(flow: Flow, exempt: readonly Flow[]): boolean {
  return exempt.some((rule) =>
    [rule, reversed(rule)].some(
      (side) =>
        side.protocol === undefined &&
        side.sourcePorts === undefined &&
        side.destinationPorts === undefined &&
        covers(side.sourceCidr, flow.sourceCidr) &&
        covers(side.destinationCidr, flow.destinationCidr),
    ),
  );
}

function covers(outer: string | undefined, inner: string | undefined): boolean {
  if (outer === undefined) return true;
  return inner !== undefined && cidrContains(asRange(outer), asRange(inner));
}
