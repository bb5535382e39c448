import { InvalidArgumentError, type Command } from "commander";

import { ProblemsError, type Problem } from "../../internal/problems";
import type { TrafficSelector } from "../../mirror";
import { checkConfig, configProblems, type GatewayConfig } from "./config";
import { limitNames } from "./configShape";
import type { HookConfig } from "./replay/hooks/configured";

const selectorFields: Record<string, keyof TrafficSelector> = {
  source: "sourceCidr",
  destination: "destinationCidr",
  protocol: "protocol",
  sport: "sourcePorts",
  dport: "destinationPorts",
  application: "application",
  servername: "serverName",
  payload: "payloadHex",
  offset: "payloadOffset",
};

const selectorHelp = `SELECTOR is FIELD=VALUE,… with the fields ${Object.keys(selectorFields).join(", ")}; ports as 80+8000-8010, for example dport=443,servername=*.example.com`;

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** Refuses a second value where only the last would count. */
function refuseRepetition(command: Command): Command {
  for (const option of command.options) {
    if (option.parseArg !== undefined || option.isBoolean()) continue;
    option.argParser((value: string) => {
      if (command.getOptionValueSource(option.attributeName()) !== "cli") return value;
      throw new InvalidArgumentError("It has one value, and this is the second.");
    });
  }
  return command;
}

/** Adds the options of `shadownet gateway` to a command. */
export function addGatewayOptions(command: Command): Command {
  const complete = command
    .option("--intake <intake>", "vxlan:ADDRESS:PORT, geneve:ADDRESS:PORT or tcp:ADDRESS:PORT")
    .option("--vni <number>", "accept this VXLAN network identifier alone")
    .option("--from-file <capture>", "replay a pcap or pcapng file instead of an intake")
    .option("--speed <factor>", "speed of a recording: 1 = as recorded, 0 = as fast as possible")
    .option(
      "--to <live=shadow>",
      "shadow address of a live server, may be repeated (default: the same address)",
      collect,
    )
    .option("--percent <share>", "share of whole flows, 0-100")
    .option("--seed <number>", "seed of the choice")
    .option("--sample-by <what>", "flow or client")
    .option("--include <selector>", `traffic to carry, may be repeated; ${selectorHelp}`, collect)
    .option("--exclude <selector>", "traffic to leave out, may be repeated", collect)
    .option("--source <which>", "original: the client's own address and port; any: the kernel chooses")
    .option("--stats <file>", "counters, rewritten every second", "stats.json")
    .option("--samples <file>", "one line per exchange", "samples.ndjson")
    .option("--record <file>", "keep the packets of selected flows as pcapng")
    .option("--metrics <address:port>", "serve the counters for Prometheus")
    .option("--control <socket>", "unix socket for GET /stats and PUT /intake")
    .option("--start-closed", "open the intake only when told to through the control socket")
    .option("--response-timeout <seconds>", "a shadow answer that takes longer is a timeout")
    .option("--set-header <name=value>", "give every HTTP/1.x request this header field, may be repeated", collect)
    .option("--idempotency-suffix <text>", "append this to Idempotency-Key")
    .option("--substitute-tokens", "give the shadow the tokens that it issued itself, in cookies and Authorization")
    .option("--workers <count>", "worker threads")
    .option("--limit <name=value>", `a bound, may be repeated: ${limitNames.join(", ")}`, collect);
  return refuseRepetition(complete);
}

/** The configuration that the parsed options ask for; throws one error that names every problem. */
export function gatewayConfig(options: Record<string, unknown>): GatewayConfig {
  const problems: Problem[] = [];
  const text = (name: string): string | undefined => options[name] as string | undefined;
  const number = (name: string, flag: string): number | undefined => {
    const given = text(name);
    if (given === undefined) return undefined;
    const value = given.trim() === "" ? NaN : Number(given);
    if (Number.isNaN(value)) problems.push({ path: flag, reason: `"${given}" is no number` });
    return value;
  };
  const config: Record<string, unknown> = {
    intake: text("intake"),
    vni: number("vni", "--vni"),
    fromFile: text("fromFile"),
    speed: number("speed", "--speed"),
    to: targets((options["to"] as string[] | undefined) ?? [], problems),
    percent: number("percent", "--percent"),
    seed: number("seed", "--seed"),
    sampleBy: text("sampleBy"),
    include: selectors("--include", options["include"] as string[] | undefined, problems),
    exclude: selectors("--exclude", options["exclude"] as string[] | undefined, problems),
    source: text("source"),
    stats: text("stats"),
    samples: text("samples"),
    record: text("record"),
    metrics: text("metrics"),
    control: text("control"),
    startClosed: options["startClosed"],
    responseTimeoutSeconds: number("responseTimeout", "--response-timeout"),
    workers: number("workers", "--workers"),
    limits: limits(options["limit"] as string[] | undefined, problems),
    hooks: hooks(
      options["setHeader"] as string[] | undefined,
      text("idempotencySuffix"),
      options["substituteTokens"] === true,
      problems,
    ),
  };
  const given = Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== undefined && !Number.isNaN(value)),
  );
  if (problems.length === 0) return checkConfig(given);
  // What could be read is checked too, so that everything is said at once.
  throw new ProblemsError("gateway options", [...problems, ...configProblems(given)]);
}

function targets(given: string[], problems: Problem[]): Record<string, string> | undefined {
  if (given.length === 0) return undefined;
  const result: Record<string, string> = {};
  for (const item of given) {
    const [live, shadow, ...more] = item.split("=");
    if (live === undefined || shadow === undefined || more.length > 0) {
      problems.push({ path: "--to", reason: `"${item}" is not LIVE=SHADOW such as 10.0.0.5:80=127.0.0.1:9080` });
    } else if (Object.hasOwn(result, live)) {
      problems.push({ path: "--to", reason: `"${live}" is given twice; each live server has one shadow` });
    } else result[live] = shadow;
  }
  return result;
}

function limits(given: string[] | undefined, problems: Problem[]): Record<string, number> | undefined {
  if (given === undefined) return undefined;
  const values = new Map<string, number>();
  for (const item of given) {
    const [, name, value] = /^([^=]+)=\s*(\S+)\s*$/.exec(item) ?? [];
    if (name === undefined || Number.isNaN(Number(value))) {
      problems.push({ path: "--limit", reason: `"${item}" is not NAME=VALUE such as bytesPerFlow=1048576` });
    } else if (values.has(name)) problems.push({ path: "--limit", reason: `"${name}" is given twice` });
    else values.set(name, Number(value));
  }
  return Object.fromEntries(values);
}

function hooks(
  given: string[] | undefined,
  suffix: string | undefined,
  tokens: boolean,
  problems: Problem[],
): HookConfig | undefined {
  if (given === undefined && suffix === undefined && !tokens) return undefined;
  const headers: Record<string, string> = {};
  for (const item of given ?? []) {
    const at = item.indexOf("=");
    const name = item.slice(0, Math.max(0, at));
    if (Object.hasOwn(headers, name)) problems.push({ path: "--set-header", reason: `"${name}" is given twice` });
    else if (at > 0) headers[name] = item.slice(at + 1);
    else problems.push({ path: "--set-header", reason: `"${item}" is not NAME=VALUE such as X-Shadow=1` });
  }
  return {
    ...(given === undefined ? {} : { setHeaders: headers }),
    ...(suffix === undefined ? {} : { idempotencySuffix: suffix }),
    ...(tokens ? { substituteTokens: true } : {}),
  };
}

function selectors(flag: string, given: string[] | undefined, problems: Problem[]): TrafficSelector[] | undefined {
  return given?.map((text) => {
    const selector: Record<string, unknown> = {};
    for (const part of text.split(",")) {
      const at = part.indexOf("=");
      const name = part.slice(0, Math.max(at, 0));
      const field = Object.hasOwn(selectorFields, name) ? selectorFields[name] : undefined;
      if (field === undefined) problems.push({ path: flag, reason: `"${part}" is not FIELD=VALUE; ${selectorHelp}` });
      else if (field in selector) problems.push({ path: flag, reason: `"${part}": ${givenTwice(flag, name)}` });
      else selector[field] = selectorValue(field, part.slice(at + 1));
    }
    return selector;
  });
}

function givenTwice(flag: string, name: string): string {
  const instead = name.endsWith("port") ? "join ports as 80+8000-8010" : `repeat ${flag} for another selector`;
  return `${name} is given twice in one selector; ${instead}`;
}

function selectorValue(field: keyof TrafficSelector, text: string): unknown {
  if (field === "sourcePorts" || field === "destinationPorts") return text.split("+");
  return field === "payloadOffset" && /^\d+$/.test(text) ? Number(text) : text;
}
