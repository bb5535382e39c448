import { resolve } from "node:path";

import type { SampleBy, TrafficSelector } from "../../mirror";
import { addressFamily, canonicalAddress, parseCidr } from "../../internal/cidr";
import { refuse, type Problem } from "../../internal/problems";
import { shapeProblems } from "./configShape";
import { selectorProblems } from "./flows/selectors";
import type { IntakeAddress } from "./intake/sources";
import { hookProblems, type HookConfig } from "./replay/hooks/configured";
import type { Endpoint } from "./replay/shadowConnection";

/** The hash has a million steps. */
const leastPercent = 0.0001;

/** Bounds of a gateway; at a bound whole flows are shed, newest first, and counted. */
export interface GatewayLimits {
  /** Flows carried at the same time. Defaults to 65,536. */
  flows?: number;
  /** Bytes held for one flow: a message under way, segments behind a hole, what the shadow does not take. Defaults to 16 MiB. */
  bytesPerFlow?: number;
  /** Bytes held for all flows. Defaults to 256 MiB. */
  totalBytes?: number;
  /** A message that waits longer than this sheds its flow. Defaults to 5,000. */
  maximumLagMilliseconds?: number;
  /** A packet waits so long for what it acknowledges when nothing of that has come. Defaults to 10. */
  overtakingMilliseconds?: number;
  /** A hole that nobody acknowledges past is lost after this. Defaults to 2,000. */
  holeTimeoutMilliseconds?: number;
  /** A flow without packets for this long is over. Defaults to 300,000. */
  idleTimeoutMilliseconds?: number;
}

/** Configuration of one gateway process, as a JSON file; SIGHUP reloads percent, seed, sampleBy, include and exclude. */
export interface GatewayConfig {
  /** `vxlan:ADDRESS:PORT`, `geneve:ADDRESS:PORT` or `tcp:ADDRESS:PORT`. Left out only with `fromFile`. */
  intake?: string;
  /** Recording to replay instead of an intake: pcap or pcapng. */
  fromFile?: string;
  /** How much faster than recorded a recording is replayed; 0 = as fast as possible. Defaults to 1. */
  speed?: number;
  /** VXLAN network identifier to accept, also in a recording. Defaults to any. */
  vni?: number;
  /** Live server `address:port` to shadow `address:port`; flows to other servers are then left out. Defaults to the same address. */
  to?: Record<string, string>;
  /** Share of whole flows, 0–100. Defaults to 100. */
  percent?: number;
  /** Seed of the choice. Defaults to 1. */
  seed?: number;
  /** `flow` or `client`. Defaults to flow. */
  sampleBy?: SampleBy;
  include?: TrafficSelector[];
  exclude?: TrafficSelector[];
  /** `original`: connect from the client's own address and port; `any`: the kernel chooses. Defaults to any. */
  source?: "original" | "any";
  /**
   * Ranges of clients that the gateway connects for from an address of its own although `source` is `original`, because
   * what the shadow sends to them would not come back here. Defaults to none.
   */
  ownAddressFor?: string[];
  /** File that holds the counters, rewritten every second. */
  stats: string;
  /** File that gets one line per exchange. */
  samples: string;
  /** Unix socket for control: `GET /stats`, `PUT /intake {"open": true}`. Defaults to none. */
  control?: string;
  /** True when the intake starts closed, to be opened through the control socket. Defaults to false. */
  startClosed?: boolean;
  /** A shadow response that has not ended after this is a timeout. Defaults to 10. */
  responseTimeoutSeconds?: number;
  limits?: GatewayLimits;
  /** Changes to HTTP/1.x requests on their way to the shadow. Defaults to none: bytes go verbatim. */
  hooks?: HookConfig;
  /** File that gets the packets of selected flows as pcapng; `fromFile` reads it. Defaults to none. */
  record?: string;
  /** `address:port` that serves the counters for Prometheus at `/metrics`. Defaults to none. */
  metrics?: string;
  /** Threads that carry flows, each flow whole in one of them. Defaults to 1. */
  workers?: number;
}

/** Every problem of a configuration. */
export function configProblems(value: unknown): Problem[] {
  const problems = shapeProblems(value);
  const wrong = new Set(problems.map(({ path }) => path));
  const unsound = new Set([...wrong].map((path) => path.split(/[.[]/)[0]!));
  if (!unsound.has("configuration")) problems.push(...meaningProblems(soundPart(value, unsound, wrong), unsound));
  return problems;
}

/** Checks a configuration; throws one error that names every problem. */
export function checkConfig(value: unknown): GatewayConfig {
  refuse("gateway configuration", configProblems(value));
  return value as GatewayConfig;
}

/** What of an object has the right kind of value; `at` is the path of a name in it. */
function soundFields(value: object, wrong: ReadonlySet<string>, at: (name: string) => string): object {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !wrong.has(at(name))));
}

/** The fields of a configuration that have the right kind of value, and those of its selectors. */
function soundPart(value: unknown, unsound: ReadonlySet<string>, wrong: ReadonlySet<string>): GatewayConfig {
  const config = value as Record<string, unknown>;
  const sound: Record<string, unknown> = { ...soundFields(config, unsound, (name) => name) };
  for (const name of ["include", "exclude"]) {
    const given = config[name];
    if (!Array.isArray(given) || wrong.has(name)) continue;
    sound[name] = given.map((selector: object, index) =>
      soundFields(selector, wrong, (field) => `${name}[${index}].${field}`),
    );
  }
  return sound as unknown as GatewayConfig;
}

function meaningProblems(config: GatewayConfig, unsound: ReadonlySet<string>): Problem[] {
  const { metrics } = config;
  const problems = unsound.has("intake") || unsound.has("fromFile") ? [] : intakeProblems(config);
  if ((config.workers ?? 1) > 1 && parseIntake(config.intake ?? "vxlan:0.0.0.0:0")?.kind !== "vxlan") {
    problems.push({ path: "workers", reason: "more than 1 needs a vxlan intake; leave it out" });
  } else if ((config.workers ?? 1) > 1 && config.fromFile !== undefined) {
    problems.push({ path: "workers", reason: "more than 1 needs a vxlan intake, not a recording; leave it out" });
  }
  problems.push(...shareProblems(config), ...uselessOptions(config, unsound), ...fileProblems(config));
  problems.push(...targetProblems(config));
  if (metrics !== undefined && parseEndpoint(metrics, 0) === undefined) {
    problems.push({ path: "metrics", reason: `"${metrics}" is no ADDRESS:PORT such as 127.0.0.1:9464` });
  }
  problems.push(...hookProblems(config.hooks ?? {}));
  if (config.hooks?.substituteTokens === true && (config.workers ?? 1) > 1) {
    const reason = `${config.workers} threads do not know each other's tokens; leave it out with hooks.substituteTokens`;
    problems.push({ path: "workers", reason });
  }
  problems.push(...selectorProblems("include", config.include ?? []));
  problems.push(...selectorProblems("exclude", config.exclude ?? []));
  for (const [index, cidr] of (config.ownAddressFor ?? []).entries()) {
    if (parseCidr(cidr) !== undefined) continue;
    problems.push({ path: `ownAddressFor[${index}]`, reason: `"${cidr}" is no range such as 10.0.0.0/8` });
  }
  return problems;
}

function shareProblems({ percent, vni, intake }: GatewayConfig): Problem[] {
  const problems: Problem[] = [];
  if (percent !== undefined && percent > 0 && percent < leastPercent / 2) {
    problems.push({ path: "percent", reason: `${percent} is less than the smallest share, 0.0001; 0 carries nothing` });
  }
  if (vni !== undefined && parseIntake(intake ?? "")?.kind === "tcp") {
    problems.push({ path: "vni", reason: "frames over TCP have no network identifier; leave it out" });
  }
  return problems;
}

function intakeProblems(config: GatewayConfig): Problem[] {
  if (config.intake === undefined && config.fromFile === undefined) {
    return [{ path: "intake", reason: "missing; give an intake such as vxlan:127.0.0.1:4789, or fromFile" }];
  }
  if (config.intake !== undefined && config.fromFile !== undefined) {
    return [{ path: "fromFile", reason: "cannot be given together with intake; leave one of them out" }];
  }
  if (config.intake === undefined || parseIntake(config.intake) !== undefined) return [];
  const allowed = "vxlan:ADDRESS:PORT, geneve:ADDRESS:PORT or tcp:ADDRESS:PORT, for example vxlan:127.0.0.1:4789";
  return [{ path: "intake", reason: `"${config.intake}" is not ${allowed}` }];
}

/** What is given and would do nothing. */
function uselessOptions(config: GatewayConfig, unsound: ReadonlySet<string>): Problem[] {
  const { fromFile, speed, startClosed, control } = config;
  const problems: Problem[] = [];
  if (fromFile === undefined && speed !== undefined && !unsound.has("fromFile")) {
    problems.push({ path: "speed", reason: "is that of a recording; leave it out, or give fromFile" });
  }
  if (startClosed !== true) return problems;
  if (fromFile !== undefined) problems.push({ path: "startClosed", reason: "a recording has no intake; leave it out" });
  else if (control === undefined && !unsound.has("control")) {
    problems.push({ path: "startClosed", reason: "needs control, through which the intake is opened" });
  }
  return problems;
}

/** Files of which one would overwrite the other. */
function fileProblems({ fromFile, stats, samples, record, control }: GatewayConfig): Problem[] {
  const seen = new Map<string, string>();
  return Object.entries({ fromFile, stats, samples, record, control }).flatMap(([path, file]) => {
    const place = file === undefined || file === "/dev/null" ? undefined : resolve(file);
    const other = place === undefined ? undefined : seen.get(place);
    if (place !== undefined) seen.set(place, path);
    return other === undefined ? [] : [{ path, reason: `"${file}" is the file of ${other}; give another` }];
  });
}

function targetProblems({ to = {}, source, ownAddressFor = [] }: GatewayConfig): Problem[] {
  const problems: Problem[] = [];
  const known = new Map<string, string>();
  for (const [live, shadow] of Object.entries(to)) {
    const path = `to["${live}"]`;
    const [from, target] = [parseEndpoint(live), parseEndpoint(shadow)];
    for (const [text, endpoint] of [[live, from] as const, [shadow, target] as const]) {
      if (endpoint !== undefined) continue;
      problems.push({ path, reason: `"${text}" is no ADDRESS:PORT such as 10.0.0.5:80 or [fd00::5]:80` });
    }
    if (from === undefined) continue;
    const key = `${from.address} ${from.port}`;
    const other = known.get(key);
    if (other !== undefined) problems.push({ path, reason: `is the same server as "${other}"; it has one shadow` });
    known.set(key, live);
    if (target === undefined || source !== "original" || ownAddressFor.length > 0) continue;
    if (addressFamily(from.address) === addressFamily(target.address)) continue;
    problems.push({ path, reason: `the client's own address cannot connect to ${shadow}; both must be IPv4 or IPv6` });
  }
  return problems;
}

/** Reads `KIND:ADDRESS:PORT`; undefined when the text is none. Port 0 lets the kernel choose. */
export function parseIntake(text: string): IntakeAddress | undefined {
  const match = /^(vxlan|geneve|tcp):(.+)$/.exec(text);
  const endpoint = match === null ? undefined : parseEndpoint(match[2]!, 0);
  if (match === null || endpoint === undefined) return undefined;
  return { kind: match[1] as IntakeAddress["kind"], ...endpoint };
}

/** Reads `10.0.0.5:80` or `[fd00::5]:80`, the address in its canonical text; undefined when the text is neither. */
export function parseEndpoint(text: string, lowestPort = 1): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  if (match === null || address === undefined || addressFamily(address) === undefined) return undefined;
  const port = Number(match[3]);
  return port < lowestPort || port > 65_535 ? undefined : { address: canonicalAddress(address), port };
}
