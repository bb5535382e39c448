import type { TrafficSelector } from "../../../mirror";
import { applicationProblem } from "../../../internal/applications";
import { parseCidr } from "../../../internal/cidr";
import type { Problem } from "../../../internal/problems";
import { serverNameProblem, serverNameTest } from "../../../internal/serverNames";
import { matchBytes, signatureBytes, type Likeness } from "./signatures";

/** A flow as selectors see it: who talks to whom. Addresses are four words, IPv4 in the last. */
export interface FlowTuple {
  family: 4 | 6;
  protocol: number;
  client: readonly [number, number, number, number];
  clientPort: number;
  server: readonly [number, number, number, number];
  serverPort: number;
}

/** What is known of a flow's first bytes. */
export interface FlowOpening {
  /** Name of the application, `maybe` while it cannot be told, undefined when it is none that is known. */
  application: string | undefined;
  client: Buffer;
  /** Name that a TLS client asks for; null while it may still come, undefined when there is none. */
  serverName: string | undefined | null;
  /** No more bytes will come before a decision is needed. */
  final: boolean;
}

interface Compiled {
  tuple: (flow: FlowTuple) => boolean;
  application: string | undefined;
  serverName: ((name: string) => boolean) | undefined;
  payload: { bytes: Buffer; offset: number } | undefined;
}

/** Include and exclude selectors, compiled. */
export class Selection {
  private readonly include: Compiled[];
  private readonly exclude: Compiled[];
  /** Whether a flow's first bytes matter at all. */
  readonly needsOpening: boolean;
  /** Whether the name matters that TLS clients ask for. */
  readonly needsServerName: boolean;
  /** How many of the client's first bytes decide, apart from the name. */
  readonly openingBytes: number;

  constructor(include: readonly TrafficSelector[], exclude: readonly TrafficSelector[]) {
    this.include = include.map(compile);
    this.exclude = exclude.map(compile);
    const all = [...this.include, ...this.exclude];
    this.needsOpening = all.some(looksInside);
    this.needsServerName = all.some(({ serverName }) => serverName !== undefined);
    this.openingBytes = all.reduce((most, { payload }) => Math.max(most, payloadEnd(payload)), signatureBytes);
  }

  /** Whether a flow is carried; `maybe` while its first bytes are not known. */
  choose(flow: FlowTuple, opening: FlowOpening | undefined): Likeness {
    const excluded = any(this.exclude, flow, opening);
    if (excluded === "yes") return "no";
    const included = this.include.length === 0 ? "yes" : any(this.include, flow, opening);
    if (included === "no") return "no";
    return excluded === "maybe" || included === "maybe" ? "maybe" : "yes";
  }
}

function payloadEnd(payload: Compiled["payload"]): number {
  return payload === undefined ? 0 : payload.offset + payload.bytes.length;
}

function any(selectors: readonly Compiled[], flow: FlowTuple, opening: FlowOpening | undefined): Likeness {
  let result: Likeness = "no";
  for (const selector of selectors) {
    if (!selector.tuple(flow)) continue;
    const inside = looksInside(selector) ? matchOpening(selector, opening) : "yes";
    if (inside === "yes") return "yes";
    if (inside === "maybe") result = "maybe";
  }
  return result;
}

function looksInside(selector: Compiled): boolean {
  return selector.application !== undefined || selector.payload !== undefined || selector.serverName !== undefined;
}

function matchOpening(selector: Compiled, opening: FlowOpening | undefined): Likeness {
  if (opening === undefined) return "maybe";
  const { application, payload, serverName } = selector;
  let result: Likeness = "yes";
  if (application !== undefined && opening.application !== application) {
    if (opening.application !== "maybe") return "no";
    result = "maybe";
  }
  if (serverName !== undefined) {
    if (opening.serverName === null) result = "maybe";
    else if (opening.serverName === undefined || !serverName(opening.serverName)) return "no";
  }
  if (payload === undefined) return result;
  const likeness = matchBytes(payload.bytes, payload.offset, opening.client);
  if (likeness === "no" || (likeness === "maybe" && opening.final)) return "no";
  return likeness === "maybe" ? "maybe" : result;
}

function compile(selector: TrafficSelector): Compiled {
  const { serverName } = selector;
  const named = serverName === undefined ? selector.protocol : "tcp";
  const protocol = named === undefined ? 0 : (protocolNumbers[named] ?? 0);
  const source = compileCidr(selector.sourceCidr);
  const destination = compileCidr(selector.destinationCidr);
  const sourcePorts = compilePorts(selector.sourcePorts);
  const destinationPorts = compilePorts(selector.destinationPorts);
  return {
    tuple: (flow) =>
      (protocol === 0 || flow.protocol === protocol) &&
      source(flow.family, flow.client) &&
      destination(flow.family, flow.server) &&
      sourcePorts(flow.clientPort) &&
      destinationPorts(flow.serverPort),
    application: selector.application,
    serverName: serverName === undefined ? undefined : serverNameTest(serverName),
    payload:
      selector.payloadHex === undefined
        ? undefined
        : { bytes: Buffer.from(selector.payloadHex, "hex"), offset: selector.payloadOffset ?? 0 },
  };
}

const protocolNumbers: Record<string, number> = { tcp: 6, udp: 17 };

type AddressTest = (family: 4 | 6, words: readonly [number, number, number, number]) => boolean;

function compileCidr(text: string | undefined): AddressTest {
  const cidr = text === undefined ? undefined : parseCidr(text.includes("/") ? text : `${text}/${bitsOf(text)}`);
  if (cidr === undefined) return () => true;
  const bits = cidr.family === 4 ? cidr.length + 96 : cidr.length;
  const base = [96n, 64n, 32n, 0n].map((shift) => Number((cidr.base >> shift) & 0xffffffffn));
  const masks = [0, 1, 2, 3].map((word) => maskOf(bits - word * 32));
  const from = cidr.family === 4 ? 3 : 0;
  return (family, words) => {
    if (family !== cidr.family) return false;
    for (let word = from; word < 4; word++) {
      if (((words[word]! ^ base[word]!) & masks[word]!) !== 0) return false;
    }
    return true;
  };
}

function bitsOf(text: string): number {
  return text.includes(":") ? 128 : 32;
}

function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

function compilePorts(ranges: readonly string[] | undefined): (port: number) => boolean {
  if (ranges === undefined || ranges.length === 0) return () => true;
  const parsed = ranges.map((range) => parsePorts(range) ?? ([1, 0] as const));
  return (port) => parsed.some(([low, high]) => port >= low && port <= high);
}

/** A port or a range of ports; undefined when the text is neither. */
export function parsePorts(text: string): readonly [number, number] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const low = Number(match[1]);
  const high = match[2] === undefined ? low : Number(match[2]);
  return low >= 1 && high <= 65_535 && low <= high ? [low, high] : undefined;
}

/** Everything that is wrong with a list of selectors. */
export function selectorProblems(path: string, selectors: readonly TrafficSelector[]): Problem[] {
  return selectors.flatMap((selector, index) => {
    const at = (field: string): string => `${path}[${index}].${field}`;
    const problems: Problem[] = [];
    for (const field of ["sourceCidr", "destinationCidr"] as const) {
      const text = selector[field];
      if (text === undefined || parseCidr(text.includes("/") ? text : `${text}/${bitsOf(text)}`) !== undefined)
        continue;
      problems.push({ path: at(field), reason: `"${text}" is no range such as 10.0.0.0/8 or fd00::/8` });
    }
    for (const field of ["sourcePorts", "destinationPorts"] as const) {
      for (const text of selector[field] ?? []) {
        if (parsePorts(text) === undefined) {
          problems.push({ path: at(field), reason: `"${text}" is no port 1-65535 and no range such as 8000-8010` });
        }
      }
    }
    if (selector.protocol !== undefined && !["tcp", "udp", "any"].includes(selector.protocol)) {
      problems.push({ path: at("protocol"), reason: `"${selector.protocol}" cannot be replayed; allowed: tcp, udp` });
    }
    const named = serverNameProblem(selector);
    for (const found of [named, applicationProblem(selector)]) {
      if (found !== undefined) problems.push({ path: at(found.field), reason: found.reason });
    }
    return [...problems, ...payloadProblems(selector, at)];
  });
}

function payloadProblems({ payloadHex, payloadOffset }: TrafficSelector, at: (field: string) => string): Problem[] {
  if (payloadHex === undefined) {
    if (payloadOffset === undefined) return [];
    return [{ path: at("payloadOffset"), reason: "means nothing without payloadHex" }];
  }
  if (/^(?:[0-9a-fA-F]{2}){1,64}$/.test(payloadHex)) return [];
  return [{ path: at("payloadHex"), reason: `"${payloadHex}" is not 1 to 64 bytes in hexadecimal` }];
}
