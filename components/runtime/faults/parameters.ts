import { isIP } from "node:net";

import {
  BlackholeMode,
  DelayDistribution,
  Direction,
  DnsAnswer,
  FaultKind,
  type FaultParameters,
  MemoryMode,
} from "../../experiment";
import { type Problem, didYouMean } from "../../internal/problems";
import { onWay, waysOf } from "./directions";
import type { Way } from "./match";

/** What a fault is aimed at. */
export type TargetKind = "machine" | "link" | "flow";

type Parameter = keyof FaultParameters;

interface KindRules {
  /** Targets that it makes sense on, and for the others the nearest thing that does. */
  targets: TargetKind[];
  nearest?: string;
  /** Parameters that it takes beside the seed. */
  takes: Parameter[];
  /** Parameters that must be given. */
  needs: Parameter[];
}

const network: TargetKind[] = ["machine", "link", "flow"];
const onlyMachine = (nearest: string): Pick<KindRules, "targets" | "nearest"> => ({ targets: ["machine"], nearest });
const packets = (takes: Parameter[], needs: Parameter[]): KindRules => ({
  targets: network,
  takes: ["direction", "egress", "ingress", ...takes, "probePackets", "probeAddresses"],
  needs,
});
const ofWholeFault: Parameter[] = ["direction", "egress", "ingress", "probePackets", "probeAddresses"];
const ofOneWay = ({ takes }: KindRules): Parameter[] => takes.filter((name) => !ofWholeFault.includes(name));

/** A ping carries nothing of TCP or UDP that could be damaged. */
const withoutProbes = (kindRules: KindRules): KindRules => ({
  ...kindRules,
  takes: kindRules.takes.filter((name) => name !== "probePackets" && name !== "probeAddresses"),
});

const ofProcesses = "aim it at `machine`; to break only a link or a flow use `blackhole`";
const ofResources = "aim it at `machine`; to slow down only a link or a flow use `latency` or `bandwidth`";

const rules: Record<FaultKind, KindRules> = {
  linkDown: {
    targets: ["machine", "link"],
    nearest: "a flow has no carrier; use `blackhole` to cut one flow",
    takes: ["probePackets", "probeAddresses"],
    needs: [],
  },
  blackhole: packets(["mode"], []),
  latency: packets(["delayMilliseconds", "jitterMilliseconds", "distribution"], ["delayMilliseconds"]),
  packetLoss: packets(["percent", "burstP", "burstR", "burstH", "burstK"], []),
  corruption: packets(["percent", "bitsPerPacket"], ["percent"]),
  payloadCorruption: withoutProbes(packets(["percent", "bitsPerPacket"], ["percent"])),
  duplicate: packets(["percent"], ["percent"]),
  reorder: packets(["percent", "gap", "delayMilliseconds"], []),
  bandwidth: packets(["bitsPerSecond", "burstBytes"], ["bitsPerSecond"]),
  machineCrash: { ...onlyMachine(ofProcesses), takes: ["staysDown"], needs: [] },
  machineHang: { ...onlyMachine(ofProcesses), takes: [], needs: [] },
  cpuExhaustion: { ...onlyMachine(ofResources), takes: ["sharePercent"], needs: ["sharePercent"] },
  memoryExhaustion: { ...onlyMachine(ofResources), takes: ["sharePercent", "memoryMode"], needs: ["sharePercent"] },
  diskExhaustion: { ...onlyMachine(ofResources), takes: ["sharePercent"], needs: ["sharePercent"] },
  ioExhaustion: { ...onlyMachine(ofResources), takes: ["sharePercent"], needs: ["sharePercent"] },
  processKill: {
    ...onlyMachine(ofProcesses),
    takes: ["processPattern", "signal", "intervalSeconds"],
    needs: ["processPattern"],
  },
  dnsFailure: {
    ...onlyMachine("aim it at `machine`; to cut a resolver use `blackhole` on a flow to port 53"),
    takes: ["names", "answer", "wrongAddress"],
    needs: ["names"],
  },
};

const ranges: Partial<Record<Parameter, { minimum: number; maximum: number; unit: string; whole?: boolean }>> = {
  delayMilliseconds: { minimum: 0.1, maximum: 60_000, unit: " ms" },
  jitterMilliseconds: { minimum: 0, maximum: 60_000, unit: " ms" },
  percent: { minimum: 0.01, maximum: 100, unit: " %" },
  burstP: { minimum: 0.0001, maximum: 1, unit: "" },
  burstR: { minimum: 0.0001, maximum: 1, unit: "" },
  burstH: { minimum: 0, maximum: 1, unit: "" },
  burstK: { minimum: 0, maximum: 1, unit: "" },
  bitsPerPacket: { minimum: 1, maximum: 16, unit: " bits", whole: true },
  gap: { minimum: 1, maximum: 10_000, unit: " packets", whole: true },
  bitsPerSecond: { minimum: 8_000, maximum: 100e9, unit: " bit/s" },
  burstBytes: { minimum: 1_600, maximum: 1 << 30, unit: " bytes", whole: true },
  sharePercent: { minimum: 1, maximum: 100, unit: " %" },
  intervalSeconds: { minimum: 0.2, maximum: 3_600, unit: " s" },
  seed: { minimum: 0, maximum: Number.MAX_SAFE_INTEGER, unit: "", whole: true },
};

const choices: Partial<Record<Parameter, string[]>> = {
  direction: Object.values(Direction),
  distribution: Object.values(DelayDistribution),
  mode: Object.values(BlackholeMode),
  memoryMode: Object.values(MemoryMode),
  answer: Object.values(DnsAnswer),
};

/** Every parameter that any kind takes. */
const known = new Set<string>(["seed", ...Object.values(rules).flatMap(({ takes }) => takes)]);

/**
 * What is wrong with a fault before its target is resolved: unknown kinds, parameters that the kind does not take or
 * lacks, values out of range, and kinds that make no sense on the target. Other keys of an action are not looked at.
 */
export function validateFault(
  kind: string,
  parameters: FaultParameters,
  targetKind: TargetKind | undefined,
  path: string,
): Problem[] {
  const kindRules = (rules as Record<string, KindRules | undefined>)[kind];
  if (kindRules === undefined) {
    const names = Object.values(FaultKind);
    const reason = `unknown fault "${kind}"; allowed are ${names.join(", ")}${didYouMean(kind, names)}`;
    return [{ path: `${path}.fault`, reason }];
  }
  const given = (Object.keys(parameters) as Parameter[]).filter(
    (name) => known.has(name) && parameters[name] !== undefined,
  );
  return [
    ...targetProblems(kind, kindRules, targetKind, path),
    ...given.flatMap((name) =>
      name === "seed"
        ? valueProblems(name, parameters[name], `${path}.${name}`)
        : parameterProblems(kind, kindRules.takes, name, parameters[name], `${path}.${name}`),
    ),
    ...(kindRules.takes.includes("direction") ? sides : []).flatMap((way) =>
      sideProblems(kind, kindRules, way, parameters, path),
    ),
    ...togetherProblems(kind, kindRules, parameters, path),
    ...probeProblems(parameters, path),
  ];
}

function probeProblems({ probePackets, probeAddresses }: FaultParameters, path: string): Problem[] {
  if (probeAddresses === undefined) return [];
  const problems = probeAddresses.flatMap((address, index) =>
    isIP(address) === 0
      ? [{ path: `${path}.probeAddresses[${index}]`, reason: `"${address}" is no IPv4 or IPv6 address` }]
      : [],
  );
  if (probeAddresses.length === 0)
    problems.push({ path: `${path}.probeAddresses`, reason: "is empty; name an address" });
  if (probePackets !== true) {
    const reason = "has no meaning without `probePackets: true`";
    problems.push({ path: `${path}.probeAddresses`, reason });
  }
  return problems;
}

const sides: Way[] = ["egress", "ingress"];

/** What is wrong with the values of one direction, each looked at alone. */
function sideProblems(kind: string, kindRules: KindRules, way: Way, parameters: FaultParameters, path: string) {
  const values: unknown = parameters[way];
  if (values === undefined) return [];
  const takes = ofOneWay(kindRules);
  const own = `${path}.${way}`;
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    return [{ path: own, reason: `${JSON.stringify(values)} is not an object with values such as ${takes[0] ?? ""}` }];
  }
  const given = Object.entries(values).filter(([, value]) => value !== undefined) as [Parameter, unknown][];
  const problems: Problem[] = [];
  if (parameters.direction !== undefined && choices.direction!.includes(parameters.direction)) {
    if (!waysOf(parameters).includes(way)) {
      const reason = `has values, but the direction is ${parameters.direction}; leave ${way} out, or set \`direction\` to both`;
      problems.push({ path: own, reason });
    }
  }
  if (given.length === 0) {
    problems.push({ path: own, reason: `is empty; give one of ${takes.join(", ")}, or leave ${way} out` });
  }
  return [
    ...problems,
    ...given.flatMap(([name, value]) => parameterProblems(kind, takes, name, value, `${own}.${name}`)),
  ];
}

/** What is wrong with values together: for each direction where one has values of its own. */
function togetherProblems(kind: string, kindRules: KindRules, parameters: FaultParameters, path: string): Problem[] {
  const problemsOf = (values: FaultParameters, at: string): Problem[] => [
    ...missingProblems(kind, kindRules, values, at),
    ...combinationProblems(kind, values, at),
  ];
  const apart = kindRules.takes.includes("direction") && sides.some((way) => isObject(parameters[way]));
  if (!apart) return problemsOf(parameters, path);
  return waysOf(parameters).flatMap((way) => {
    const values = onWay(parameters, way);
    if (isObject(parameters[way])) return problemsOf(values, `${path}.${way}`);
    const other = way === "egress" ? "ingress" : "egress";
    const cure = `; or set \`direction\` to ${other} to leave ${way} alone`;
    return problemsOf(values, path).map((problem) => ({ ...problem, reason: problem.reason + cure }));
  });
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function targetProblems(kind: string, { targets, nearest }: KindRules, target: TargetKind | undefined, path: string) {
  if (target === undefined || targets.includes(target)) return [];
  return [{ path: `${path}.target`, reason: `${kind} makes no sense on a ${target}; ${nearest ?? ""}` }];
}

function missingProblems(kind: string, { needs }: KindRules, parameters: FaultParameters, path: string): Problem[] {
  return needs
    .filter((name) => parameters[name] === undefined)
    .map((name) => ({ path: `${path}.${name}`, reason: `missing; ${kind} needs it${allowedText(name)}` }));
}

function parameterProblems(
  kind: string,
  takes: readonly Parameter[],
  name: Parameter,
  value: unknown,
  path: string,
): Problem[] {
  if (!takes.includes(name)) {
    const list = takes.length === 0 ? "no parameters" : takes.join(", ");
    const why = name === "probePackets" ? " (a ping would not feel it)" : "";
    return [{ path, reason: `${kind} takes no ${name}${why}; it takes ${list}` }];
  }
  return valueProblems(name, value, path);
}

function valueProblems(name: Parameter, value: unknown, path: string): Problem[] {
  const range = ranges[name];
  const choice = choices[name];
  const wrong =
    (range !== undefined && !inRange(value, range)) || (choice !== undefined && !choice.includes(value as string));
  return wrong ? [{ path, reason: `${JSON.stringify(value)} is not allowed${allowedText(name)}` }] : [];
}

function inRange(value: unknown, range: { minimum: number; maximum: number; whole?: boolean }): boolean {
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  if (range.whole === true && !Number.isInteger(value)) return false;
  return value >= range.minimum && value <= range.maximum;
}

function allowedText(name: Parameter): string {
  const range = ranges[name];
  if (range !== undefined) {
    return `; allowed is ${range.whole === true ? "a whole number from " : ""}${range.minimum} to ${range.maximum}${range.unit}`;
  }
  const choice = choices[name];
  return choice === undefined ? "" : `; allowed is ${choice.join(", ")}`;
}

function combinationProblems(kind: string, parameters: FaultParameters, path: string): Problem[] {
  switch (kind) {
    case FaultKind.PacketLoss:
      return lossProblems(parameters, path);
    case FaultKind.Latency:
      return delayProblems(parameters, path);
    case FaultKind.Reorder:
      return parameters.percent === undefined && parameters.gap === undefined
        ? [{ path, reason: "reorder needs `percent`, `gap` or both" }]
        : [];
    case FaultKind.DnsFailure:
      return dnsProblems(parameters, path);
    case FaultKind.ProcessKill:
      return processProblems(parameters, path);
    default:
      return [];
  }
}

function lossProblems({ percent, burstP, burstR, burstH, burstK }: FaultParameters, path: string): Problem[] {
  if (percent !== undefined && burstP !== undefined) {
    return [{ path: `${path}.percent`, reason: "`percent` and `burstP` exclude each other; give one of them" }];
  }
  if (percent === undefined && burstP === undefined) {
    return [{ path, reason: "packetLoss needs `percent` for independent loss, or `burstP` and `burstR` for bursts" }];
  }
  if (burstP !== undefined && burstR === undefined) {
    return [{ path: `${path}.burstR`, reason: "missing; bursts need the chance to leave the bad state, 0.0001 to 1" }];
  }
  if (percent !== undefined && (burstR ?? burstH ?? burstK) !== undefined) {
    return [{ path, reason: "`burstR`, `burstH` and `burstK` belong to bursts; give `burstP` in place of `percent`" }];
  }
  return [];
}

function delayProblems(parameters: FaultParameters, path: string): Problem[] {
  const { delayMilliseconds = 0, jitterMilliseconds = 0, distribution } = parameters;
  const problems: Problem[] = [];
  if (jitterMilliseconds > delayMilliseconds) {
    const reason = `${jitterMilliseconds} is more than the delay of ${delayMilliseconds} ms; packets cannot arrive early`;
    problems.push({ path: `${path}.jitterMilliseconds`, reason });
  }
  if (distribution !== undefined && jitterMilliseconds === 0) {
    problems.push({ path: `${path}.distribution`, reason: "has no meaning without `jitterMilliseconds`" });
  }
  return problems;
}

function dnsProblems({ names, answer, wrongAddress }: FaultParameters, path: string): Problem[] {
  const problems: Problem[] = [];
  if (names?.length === 0) problems.push({ path: `${path}.names`, reason: "is empty; give at least one name" });
  names?.forEach((name, index) => {
    if (/^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(name)) return;
    const reason = `"${name}" is no host name; allowed are names such as db.internal or *.internal`;
    problems.push({ path: `${path}.names[${index}]`, reason });
  });
  const wrong = answer === DnsAnswer.WrongAddress;
  if (wrong !== (wrongAddress !== undefined)) {
    const reason = wrong ? "missing; `wrongAddress` needs an address" : "belongs to the answer `wrongAddress` alone";
    problems.push({ path: `${path}.wrongAddress`, reason });
  } else if (wrongAddress !== undefined && isIP(wrongAddress) === 0) {
    problems.push({ path: `${path}.wrongAddress`, reason: `"${wrongAddress}" is no IPv4 or IPv6 address` });
  }
  return problems;
}

function processProblems({ processPattern, signal }: FaultParameters, path: string): Problem[] {
  const problems: Problem[] = [];
  if (processPattern !== undefined && !/^[A-Za-z0-9_.*?@:/ -]+$/.test(processPattern)) {
    const reason = `"${processPattern}" is not allowed; use letters, digits, spaces, . _ - / : @ and the wildcards * and ?`;
    problems.push({ path: `${path}.processPattern`, reason });
  }
  if (signal !== undefined && !/^(HUP|INT|QUIT|KILL|TERM|STOP|CONT|USR1|USR2|ABRT|SEGV)$/.test(signal)) {
    const allowed = "HUP, INT, QUIT, KILL, TERM, STOP, CONT, USR1, USR2, ABRT, SEGV";
    problems.push({
      path: `${path}.signal`,
      reason: `"${signal}" is no signal that can be sent; allowed are ${allowed}`,
    });
  }
  return problems;
}
