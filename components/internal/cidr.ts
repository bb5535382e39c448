import { isIPv4, isIPv6 } from "node:net";

import { ExitCode, ShadownetError } from "./problems";

/** 4 or 6. */
export type AddressFamily = 4 | 6;

/** An IPv4 or IPv6 address as a number. */
export interface Address {
  family: AddressFamily;
  value: bigint;
}

/** A range of addresses: its first address (host bits are zero) and how many bits are fixed. */
export interface Cidr {
  family: AddressFamily;
  base: bigint;
  length: number;
}

/** Number of bits of an address: 32 or 128. */
export function addressBits(family: AddressFamily): number {
  return family === 4 ? 32 : 128;
}

/** 4, 6, or undefined when the text is no address. */
export function addressFamily(text: string): AddressFamily | undefined {
  if (isIPv4(text)) return 4;
  return isIPv6(text) && !text.includes("%") ? 6 : undefined;
}

/** The address that a text such as `10.0.0.1` or `fd00::1` writes; undefined when it writes none. */
export function parseAddress(text: string): Address | undefined {
  const family = addressFamily(text);
  if (family === undefined) return undefined;
  return { family, value: family === 4 ? parseV4(text) : parseV6(text) };
}

function parseV4(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseV6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const tail = parseV4(dotted[2]!);
    return parseV6(`${dotted[1]!}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`);
  }
  const [head = "", tail] = text.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** The canonical text of an address (RFC 5952 for IPv6). */
export function formatAddress({ family, value }: Address): string {
  return family === 4 ? formatV4(value) : formatV6(value);
}

function formatV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join(".");
}

function formatV6(value: bigint): string {
  if (value >> 32n === 0xffffn) return `::ffff:${formatV4(value & 0xffffffffn)}`;
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn);
  const zeros = longestZeroRun(groups);
  const text = (part: bigint[]): string => part.map((group) => group.toString(16)).join(":");
  if (zeros.length < 2) return text(groups);
  return `${text(groups.slice(0, zeros.start))}::${text(groups.slice(zeros.start + zeros.length))}`;
}

function longestZeroRun(groups: bigint[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0n) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  });
  return best;
}

/** The same address in its canonical text; throws when the text is no address. */
export function canonicalAddress(text: string): string {
  return formatAddress(requireAddress(text));
}

/**
 * The range that a text such as `10.0.1.0/24` writes; undefined when it writes none. The prefix length must be there.
 * Host bits are cleared: compare with {@link canonicalCidr} to refuse a text that has some.
 */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match === null ? undefined : parseAddress(match[1]!);
  if (match === null || address === undefined) return undefined;
  const length = Number(match[2]);
  const bits = addressBits(address.family);
  if (length > bits) return undefined;
  const hostBits = BigInt(bits - length);
  return { family: address.family, base: (address.value >> hostBits) << hostBits, length };
}

/** The canonical text of a range. */
export function formatCidr({ family, base, length }: Cidr): string {
  return `${formatAddress({ family, value: base })}/${length}`;
}

/** The same range in its canonical text, host bits cleared; throws when the text is no range. */
export function canonicalCidr(text: string): string {
  return formatCidr(requireCidr(text));
}

/** The range of addresses with this prefix length that an address lies in, `10.0.1.7` and 24 give `10.0.1.0/24`. */
export function cidrOf(address: string, length: number): string {
  return canonicalCidr(`${address}/${length}`);
}

/** The range that holds one address: `10.0.1.7` gives `10.0.1.7/32`. */
export function hostRange(address: string): string {
  return formatCidr(hostCidr(requireAddress(address)));
}

/** The prefix length of a range; throws when the text is no range. */
export function prefixLength(cidr: string): number {
  return requireCidr(cidr).length;
}

/** Whether the address or the whole second range lies in the range; false across families, throws on bad text. */
export function cidrContains(cidr: string, addressOrCidr: string): boolean {
  const outer = requireCidr(cidr);
  const inner = addressOrCidr.includes("/") ? requireCidr(addressOrCidr) : hostCidr(requireAddress(addressOrCidr));
  return inner.length >= outer.length && overlap(outer, inner);
}

/** Whether two ranges share an address; false across families, throws on bad text. */
export function cidrsOverlap(a: string, b: string): boolean {
  return overlap(requireCidr(a), requireCidr(b));
}

/** The fewest ranges that hold exactly the same addresses, in order, IPv4 first; throws on bad text. */
export function aggregateCidrs(cidrs: Iterable<string>): string[] {
  const merged: Cidr[] = [];
  for (const cidr of [...cidrs].map(requireCidr).sort(compareCidrs)) {
    if (merged.some((wider) => wider.length <= cidr.length && overlap(wider, cidr))) continue;
    merged.push(cidr);
    for (let pair = lastHalves(merged); pair !== undefined; pair = lastHalves(merged)) {
      merged.splice(-2, 2, pair);
    }
  }
  return merged.map(formatCidr);
}

function compareCidrs(a: Cidr, b: Cidr): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.base < b.base ? -1 : a.base > b.base ? 1 : a.length - b.length;
}

/** The range that the last two are the halves of. */
function lastHalves(cidrs: Cidr[]): Cidr | undefined {
  const [low, high] = cidrs.slice(-2);
  if (low === undefined || high === undefined || low.family !== high.family || low.length !== high.length) {
    return undefined;
  }
  const whole = { ...low, length: low.length - 1 };
  const size = 1n << BigInt(addressBits(low.family) - low.length);
  return low.base % (2n * size) === 0n && low.base + size === high.base ? whole : undefined;
}

/** The fewest ranges that cover all addresses from the first to the last. */
export function rangeToCidrs(first: string, last: string): string[] {
  const from = requireAddress(first);
  const to = requireAddress(last);
  const bits = addressBits(from.family);
  const ranges: string[] = [];
  for (let base = from.value; base <= to.value;) {
    let length = bits;
    const sizeOf = (prefix: number): bigint => 1n << BigInt(bits - prefix);
    while (length > 0 && base % sizeOf(length - 1) === 0n && base + sizeOf(length - 1) - 1n <= to.value) length--;
    ranges.push(formatCidr({ family: from.family, base, length }));
    base += sizeOf(length);
  }
  return ranges;
}

function hostCidr({ family, value }: Address): Cidr {
  return { family, base: value, length: addressBits(family) };
}

function overlap(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const shift = BigInt(addressBits(a.family) - Math.min(a.length, b.length));
  return a.base >> shift === b.base >> shift;
}

/** How many addresses can be given to hosts: without the network's own and, in IPv4, the broadcast address. */
export function hostCount(cidr: string): bigint {
  const { first, last } = usableHosts(requireCidr(cidr));
  return last - first + 1n;
}

/** The first address that a host may have, for example the router's. */
export function firstHost(cidr: string): string {
  const range = requireCidr(cidr);
  return formatAddress({ family: range.family, value: usableHosts(range).first });
}

/** The lowest host address of the range that is not taken; undefined when the range is full. */
export function nextFreeAddress(cidr: string, taken: Iterable<string>): string | undefined {
  const range = requireCidr(cidr);
  const used = new Set<bigint>();
  for (const text of taken) {
    const { family, value } = requireAddress(text);
    if (family === range.family) used.add(value);
  }
  const { first, last } = usableHosts(range);
  for (let value = first; value <= last; value++) {
    if (!used.has(value)) return formatAddress({ family: range.family, value });
  }
  return undefined;
}

/** In the last two lengths every address is a host (RFC 3021, RFC 6164). */
function usableHosts({ family, base, length }: Cidr): { first: bigint; last: bigint } {
  const hostBits = addressBits(family) - length;
  const last = base + (1n << BigInt(hostBits)) - 1n;
  if (hostBits < 2) return { first: base, last };
  return { first: base + 1n, last: family === 4 ? last - 1n : last };
}

function requireAddress(text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new ShadownetError("bad-address", `"${text}" is not an IPv4 or IPv6 address`, ExitCode.BadInput);
}

function requireCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidr;
  const example = "such as 10.0.1.0/24 or fd00:1::/64";
  throw new ShadownetError("bad-cidr", `"${text}" is not an address range ${example}`, ExitCode.BadInput);
}
