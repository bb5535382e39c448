import { SampleBy } from "../../mirror";
import { didYouMean, type Problem } from "../../internal/problems";
import type { GatewayLimits } from "./config";

type Check = (value: unknown, path: string, problems: Problem[]) => void;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function demand(holds: (value: unknown) => boolean, wanted: string): Check {
  return (value, path, problems) => {
    if (!holds(value)) problems.push({ path, reason: `${shown(value)} is not ${wanted}` });
  };
}

const text = demand((value) => typeof value === "string" && value !== "", "a text");
const anyText = demand((value) => typeof value === "string", "a text");
const yesOrNo = demand((value) => typeof value === "boolean", "true or false");

function oneOf(names: readonly string[]): Check {
  return demand((value) => typeof value === "string" && names.includes(value), names.join(" or "));
}

function number(least: number, most: number): Check {
  const inside = (value: unknown): boolean => typeof value === "number" && value >= least && value <= most;
  return demand(inside, `a number from ${least} to ${most}`);
}

function whole(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  const inside = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  return demand(inside, `a whole number from ${least} to ${most}`);
}

function above(zero: number, most = Infinity): Check {
  const inside = (value: unknown): boolean => typeof value === "number" && value > zero && value <= most;
  return demand(inside, `a number above ${zero}${most === Infinity ? "" : ` and up to ${most}`}`);
}

function mapOf(each: Check): Check {
  return (value, path, problems) => {
    if (!isObject(value)) problems.push({ path, reason: `${shown(value)} is no object` });
    else for (const [name, item] of Object.entries(value)) each(item, `${path}["${name}"]`, problems);
  };
}

function fields(allowed: Record<string, Check>): Check {
  return (value, path, problems) => {
    if (!isObject(value)) {
      problems.push({ path: path || "configuration", reason: `${shown(value)} is no object` });
      return;
    }
    for (const [name, item] of Object.entries(value)) {
      const at = path === "" ? name : `${path}.${name}`;
      if (item === undefined) continue;
      if (Object.hasOwn(allowed, name)) allowed[name]!(item, at, problems);
      else problems.push({ path: at, reason: `is not known${didYouMean(name, Object.keys(allowed))}` });
    }
  };
}

const selectorList = demand((value) => Array.isArray(value) && value.every(isObject), "a list of selectors");

const listOfTexts: Check = demand(
  (value) => Array.isArray(value) && value.every((item) => typeof item === "string"),
  "a list of texts",
);

const selector = fields({
  sourceCidr: anyText,
  destinationCidr: anyText,
  protocol: anyText,
  sourcePorts: listOfTexts,
  destinationPorts: listOfTexts,
  application: anyText,
  serverName: anyText,
  payloadHex: anyText,
  payloadOffset: whole(0, 1024),
});

const selectors: Check = (value, path, problems) => {
  selectorList(value, path, problems);
  if (!Array.isArray(value)) return;
  value.forEach((item, index) => {
    if (isObject(item)) selector(item, `${path}[${index}]`, problems);
  });
};

/** Most threads that may carry flows. */
export const maximumWorkers = 64;

const dayMilliseconds = 86_400_000;

const limits: Record<keyof GatewayLimits, Check> = {
  flows: whole(1, 1_000_000),
  bytesPerFlow: whole(1),
  totalBytes: whole(1),
  maximumLagMilliseconds: above(0, dayMilliseconds),
  overtakingMilliseconds: above(0, dayMilliseconds),
  holeTimeoutMilliseconds: above(0, dayMilliseconds),
  idleTimeoutMilliseconds: above(0, dayMilliseconds),
};

/** The bounds that may be set. */
export const limitNames = Object.keys(limits);

const configuration = fields({
  intake: anyText,
  fromFile: text,
  speed: number(0, 1_000_000),
  vni: whole(0, 0xffffff),
  to: mapOf(anyText),
  percent: number(0, 100),
  seed: whole(0, 0xffffffff),
  sampleBy: oneOf(Object.values(SampleBy).filter((name) => name !== SampleBy.Header)),
  include: selectors,
  exclude: selectors,
  source: oneOf(["original", "any"]),
  ownAddressFor: listOfTexts,
  stats: text,
  samples: text,
  control: text,
  startClosed: yesOrNo,
  responseTimeoutSeconds: above(0, 3_600),
  record: text,
  metrics: anyText,
  workers: whole(1, maximumWorkers),
  hooks: fields({ setHeaders: mapOf(anyText), idempotencySuffix: anyText, substituteTokens: yesOrNo }),
  limits: fields(limits),
});

/** What in a configuration is missing, not known, or of the wrong kind. */
export function shapeProblems(value: unknown): Problem[] {
  const problems: Problem[] = [];
  configuration(value, "", problems);
  for (const name of isObject(value) ? ["stats", "samples"] : []) {
    const given = (value as Record<string, unknown>)[name];
    if (given === undefined) problems.push({ path: name, reason: "missing; give the path of a file" });
  }
  return problems;
}
