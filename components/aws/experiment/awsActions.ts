import type { Problem } from "../../internal/problems";
import { didYouMean } from "../../internal/problems";
import { matchesPattern } from "../../internal/patterns";
import type { Topology } from "../../topology";
import { fisLimits } from "./model";
import { instancesTarget, volumesTarget } from "./nativeFaults";
import { type ActionParts, isoDuration, lengthProblems, noParts, together } from "./parts";

/** What only AWS can break. */
export const AwsFaultKind = {
  /** A VPC endpoint of the shadow answers nobody. */
  EndpointDown: "endpointDown",
  /** Requests to a machine's disks take longer. */
  DiskLatency: "diskLatency",
  /** A machine starts anew. */
  MachineReboot: "machineReboot",
} as const;
export type AwsFaultKind = (typeof AwsFaultKind)[keyof typeof AwsFaultKind];

/** A fault that only AWS has; it is not known to other back ends. */
export interface AwsFaultAction {
  fault: AwsFaultKind;
  /** Machine by name or pattern, for diskLatency and machineReboot. */
  machine?: string;
  /** Service of the endpoint, for example `s3`, for endpointDown. */
  endpoint?: string;
  /** Added to each request of the disks, for diskLatency. */
  delayMilliseconds?: number;
  /** Share of the requests that are hit, 0–100, for diskLatency. Defaults to all. */
  percent?: number;
  /** How long it lasts; a reboot takes none. */
  durationSeconds?: number;
  /** Names of actions, of either kind, that must have ended first. Defaults to the start of the fault phase. */
  startAfter?: string[];
}

/** Services that a fault on an endpoint may be aimed at: without them the experiment itself could not be ended. */
const kept = ["ssm", "ssmmessages", "ec2messages"];

const fields: Record<AwsFaultKind, { needs: (keyof AwsFaultAction)[]; takes: (keyof AwsFaultAction)[] }> = {
  endpointDown: { needs: ["endpoint", "durationSeconds"], takes: [] },
  diskLatency: { needs: ["machine", "delayMilliseconds", "durationSeconds"], takes: ["percent"] },
  machineReboot: { needs: ["machine"], takes: [] },
};

/** What is wrong with a fault that only AWS has. */
export function awsActionProblems(path: string, action: AwsFaultAction, topology: Topology): Problem[] {
  const rules = (fields as Partial<Record<string, (typeof fields)[AwsFaultKind]>>)[action.fault];
  if (rules === undefined) {
    const known = Object.values(AwsFaultKind);
    const reason = `unknown fault "${action.fault}"; there are ${known.join(", ")}${didYouMean(action.fault, known)}`;
    return [{ path: `${path}.fault`, reason }];
  }
  const given = (Object.keys(action) as (keyof AwsFaultAction)[]).filter((key) => action[key] !== undefined);
  const allowed = ["fault", "startAfter", ...rules.needs, ...rules.takes];
  return [
    ...rules.needs
      .filter((key) => action[key] === undefined)
      .map((key) => ({ path: `${path}.${key}`, reason: `missing; ${action.fault} needs it` })),
    ...given
      .filter((key) => !allowed.includes(key))
      .map((key) => ({
        path: `${path}.${key}`,
        reason: `${action.fault} takes no ${key}; it takes ${allowed.slice(1).join(", ")}`,
      })),
    ...valueProblems(path, action, topology),
  ];
}

function valueProblems(path: string, action: AwsFaultAction, topology: Topology): Problem[] {
  const { machine, endpoint, delayMilliseconds, percent, durationSeconds } = action;
  const problems: Problem[] = [];
  const names = topology.machines.map(({ name }) => name);
  if (machine !== undefined && !names.some((name) => matchesPattern(name, machine))) {
    const reason = `no machine of the shadow matches "${machine}"${didYouMean(machine, names)}`;
    problems.push({ path: `${path}.machine`, reason });
  }
  if (endpoint !== undefined && kept.includes(endpoint)) {
    problems.push({
      path: `${path}.endpoint`,
      reason: `${endpoint} carries the experiments themselves; name another service`,
    });
  }
  if (delayMilliseconds !== undefined && !(delayMilliseconds >= 1 && delayMilliseconds <= 60_000)) {
    problems.push({
      path: `${path}.delayMilliseconds`,
      reason: `${delayMilliseconds} is not allowed; allowed is 1 to 60000 ms`,
    });
  }
  if (percent !== undefined && !(percent >= 0.1 && percent <= 100)) {
    problems.push({ path: `${path}.percent`, reason: `${percent} is not allowed; allowed is 0.1 to 100 %` });
  }
  if (durationSeconds === undefined) return problems;
  const shortest = action.fault === "diskLatency" ? 1 : fisLimits.shortestSeconds;
  return [...problems, ...lengthProblems(`${path}.durationSeconds`, action.fault, durationSeconds, shortest)];
}

/** What FIS does for a fault that only AWS has. */
export function awsActionParts(name: string, action: AwsFaultAction, topology: Topology): ActionParts {
  const { fault, machine = "", endpoint = "", durationSeconds = 0 } = action;
  const machines = topology.machines.filter((candidate) => matchesPattern(candidate.name, machine));
  const duration = { duration: isoDuration(durationSeconds) };
  switch (fault) {
    case "endpointDown":
      return {
        ...noParts,
        actions: [
          {
            name,
            actionId: "aws:network:disrupt-vpc-endpoint",
            description: `lets nobody reach ${endpoint} by the shadow's endpoint`,
            parameters: duration,
            target: { key: "VPCEndpoints", name },
            startAfter: [],
            seconds: durationSeconds,
          },
        ],
        targets: [
          {
            name,
            resourceType: "aws:ec2:vpc-endpoint",
            tags: {},
            filters: [],
            references: [{ kind: "endpoint", name: endpoint }],
          },
        ],
      };
    case "diskLatency":
      return together(
        machines.map((one) => diskLatency(machines.length === 1 ? name : `${name}-${one.name}`, action, one)),
      );
    case "machineReboot":
      return {
        ...noParts,
        actions: [
          {
            name,
            actionId: "aws:ec2:reboot-instances",
            description: `starts ${machine} anew`,
            parameters: {},
            target: { key: "Instances", name },
            startAfter: [],
            seconds: fisLimits.shortestSeconds,
          },
        ],
        targets: [{ name, ...instancesTarget(machines) }],
      };
  }
}

function diskLatency(
  name: string,
  { delayMilliseconds = 0, percent = 100, durationSeconds = 0 }: AwsFaultAction,
  machine: Topology["machines"][number],
): ActionParts {
  return {
    ...noParts,
    actions: [
      {
        name,
        actionId: "aws:ebs:volume-io-latency",
        description: `adds ${delayMilliseconds} ms to ${percent} % of the requests to the disks of ${machine.name}`,
        parameters: {
          duration: isoDuration(durationSeconds),
          readIOPercentage: `${percent}`,
          readIOLatencyMilliseconds: `${delayMilliseconds}`,
          writeIOPercentage: `${percent}`,
          writeIOLatencyMilliseconds: `${delayMilliseconds}`,
        },
        target: { key: "Volumes", name },
        startAfter: [],
        seconds: durationSeconds,
      },
    ],
    targets: [{ name, ...volumesTarget(machine) }],
  };
}
