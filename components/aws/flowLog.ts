import { cidrOf, formatAddress, parseCidr } from "../internal/cidr";

/**
 * Fields of a record of the shadow's flow log: those of AWS's default format in its order, then where the packet was
 * seen, which way it went and by which path it left the VPC.
 */
const fields = [
  "version",
  "account-id",
  "interface-id",
  "srcaddr",
  "dstaddr",
  "srcport",
  "dstport",
  "protocol",
  "packets",
  "bytes",
  "start",
  "end",
  "action",
  "log-status",
  "subnet-id",
  "pkt-srcaddr",
  "pkt-dstaddr",
  "flow-direction",
  "traffic-path",
  "pkt-dst-aws-service",
] as const;
type FlowLogField = (typeof fields)[number];

/** Format of the shadow's flow log; the filters of {@link escapeFilters} read it. */
export const flowLogFormat = fields.map((field) => `\${${field}}`).join(" ");

/** Paths of packets that left a VPC: a VPN gateway, peerings, a local gateway, an internet gateway. */
const pathsOut = ["3", "4", "5", "6", "8"];
/** On older instance types an internet gateway and the gateway endpoint of S3 are one path. */
const doubtfulPath = "2";
/** Longest filter pattern that CloudWatch takes. */
const longestPattern = 1024;

/** A filter on the flow log that matches records of accepted packets which left the shadow. */
export interface EscapeFilter {
  /** `path`, `internet` or `gateway`. */
  name: string;
  pattern: string;
  /** What a match says. */
  meaning: string;
}

/**
 * Filters that match accepted packets on their way out. An address alone proves nothing, as answers to replayed clients
 * rightly carry outside addresses up to the gateway; so the path that AWS notes for each packet is looked at, and behind
 * it every address that leaves one of the gateways' own interfaces. Ranges of IPv6 are compared by their whole groups.
 */
export function escapeFilters(cidrs: readonly string[], gatewaySubnetIds: readonly string[]): EscapeFilter[] {
  return [
    {
      name: "path",
      pattern: pattern({ "traffic-path": anyOf("path", pathsOut) }),
      meaning: "a packet left by a VPN, a peering, a local or an internet gateway",
    },
    {
      name: "internet",
      pattern: pattern({ "traffic-path": `path=${doubtfulPath}`, "pkt-dst-aws-service": "service!=S3" }),
      meaning: "a packet left by an internet gateway or by a gateway endpoint other than that of S3",
    },
    {
      name: "gateway",
      pattern: gatewayPattern(cidrs, gatewaySubnetIds),
      meaning: "a gateway sent a packet to an address outside the shadow",
    },
  ];
}

/** Where the ranges are too many for one pattern, each is widened until they fit: a few neighbours are then taken for inside. */
function gatewayPattern(cidrs: readonly string[], subnetIds: readonly string[]): string {
  const subnets = anyOf("subnet", subnetIds.length === 0 ? ["none"] : subnetIds);
  const patterns = [32, 24, 16, 8].map((longest) =>
    pattern({
      dstaddr: `destination!=%${insideExpression(cidrs.map((cidr) => widened(cidr, longest)))}%`,
      "subnet-id": subnets,
      "flow-direction": "direction=egress",
    }),
  );
  return patterns.find((text) => text.length <= longestPattern) ?? patterns.at(-1)!;
}

/** The range, or a wider one around it whose prefix is no longer than this; ranges of IPv6 stay as they are. */
function widened(cidr: string, longest: number): string {
  const range = parseCidr(cidr);
  if (range?.family !== 4 || range.length <= longest) return cidr;
  return cidrOf(formatAddress({ family: 4, value: range.base }), longest);
}

function anyOf(name: string, values: readonly string[]): string {
  return values.map((value) => `${name}=${value}`).join("||");
}

/** A pattern with one term for each field of a record, in order. */
function pattern(terms: Partial<Record<FlowLogField, string>>): string {
  const all: Partial<Record<FlowLogField, string>> = { action: "action=ACCEPT", ...terms };
  return `[${fields.map((field) => all[field] ?? field.replaceAll("-", "_")).join(", ")}]`;
}

/** A regular expression, in the few operators that CloudWatch knows, that matches every address inside the ranges. */
export function insideExpression(cidrs: readonly string[]): string {
  return [...new Set(cidrs.flatMap(rangeExpressions))].join("|");
}

function rangeExpressions(cidr: string): string[] {
  const range = parseCidr(cidr);
  if (range === undefined) return [];
  return range.family === 4 ? ipv4Expressions(range.base, range.length) : [ipv6Expression(range.base, range.length)];
}

function ipv4Expressions(base: bigint, length: number): string[] {
  const bytes = [24n, 16n, 8n, 0n].map((shift) => Number((base >> shift) & 255n));
  const whole = Math.floor(length / 8);
  const fixed = bytes.slice(0, whole).map((byte) => `${byte}\\.`);
  if (whole === 4) return [`^${fixed.join("").slice(0, -2)}$`];
  if (length % 8 === 0) return [`^${fixed.join("")}`];
  const first = bytes[whole]!;
  const last = first + 2 ** (8 - (length % 8)) - 1;
  const end = whole === 3 ? "$" : "\\.";
  return numbersBetween(first, last).map((digits) => `^${fixed.join("")}${digits}${end}`);
}

/** Digit patterns for the whole numbers from the first to the last, at most 255: one for each run of equal leading digits. */
function numbersBetween(first: number, last: number): string[] {
  const patterns: string[] = [];
  for (let from = first; from <= last;) {
    const ten = from % 10 === 0 && from + 9 <= last;
    const to = ten ? from + 9 : Math.min(last, from - (from % 10) + 9);
    const head = Math.floor(from / 10) === 0 ? "" : `${Math.floor(from / 10)}`;
    patterns.push(from === to ? `${from}` : `${head}[${from % 10}-${to % 10}]`);
    from = to + 1;
  }
  return patterns;
}

/** Groups of zeros are written in more than one way, so the expression stops before the first of them. */
function ipv6Expression(base: bigint, length: number): string {
  const groups = Array.from({ length: Math.floor(length / 16) }, (_, index) =>
    Number((base >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  const zero = groups.indexOf(0);
  const known = zero < 0 ? groups : groups.slice(0, zero);
  if (known.length === 8) return `^${formatAddress({ family: 6, value: base })}$`;
  return `^${known.map((group) => `${group.toString(16)}:`).join("")}`;
}
