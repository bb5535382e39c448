import { matchesPattern } from "../../internal/patterns";
import type { Machine, Topology } from "../../topology";
import { apiErrorParts, capacityParts } from "./controlPlaneFaults";
import { fisLimits } from "./model";
import { instancesTarget, volumesTarget } from "./nativeFaults";
import { type ActionParts, isoDuration, noParts, together } from "./parts";

/** What only AWS can break. */
export const AwsFaultKind = {
  /** A VPC endpoint of the shadow answers nobody. */
  EndpointDown: "endpointDown",
  /** Requests to a machine's disks take longer. */
  DiskLatency: "diskLatency",
  /** A machine starts anew. */
  MachineReboot: "machineReboot",
  /** AWS's API answers calls by roles of the shadow with an internal error. */
  ApiInternalError: "apiInternalError",
  /** AWS's API answers calls by roles of the shadow that they are too many. */
  ApiThrottling: "apiThrottling",
  /** AWS's API answers calls by roles of the shadow that it is unavailable. */
  ApiUnavailable: "apiUnavailable",
  /** EC2 has no instance left when roles of the shadow ask for one. */
  ApiNoCapacity: "apiNoCapacity",
  /** EC2 has no instance left when Auto Scaling groups of the shadow ask for one. */
  GroupNoCapacity: "groupNoCapacity",
} as const;
export type AwsFaultKind = (typeof AwsFaultKind)[keyof typeof AwsFaultKind];

/** APIs of AWS that can be made to fail. */
export const AwsApi = { Ec2: "ec2", Kinesis: "kinesis" } as const;
export type AwsApi = (typeof AwsApi)[keyof typeof AwsApi];

/** A fault that only AWS has; it is not known to other back ends. */
export interface AwsFaultAction {
  fault: AwsFaultKind;
  /** Machine by name or pattern, for diskLatency and machineReboot. */
  machine?: string;
  /** Service of the endpoint, for example `s3`, for endpointDown. */
  endpoint?: string;
  /**
   * Names of roles below the shadow's own path, `/shadownet/NAME/`, whose calls fail, at most 5, for apiInternalError,
   * apiThrottling, apiUnavailable and apiNoCapacity. Defaults to the role of all machines.
   */
  roles?: string[];
  /** API whose calls fail, for apiInternalError, apiThrottling and apiUnavailable. Defaults to `ec2`. */
  api?: AwsApi;
  /** Calls that fail, for example `DescribeInstances`, for apiInternalError, apiThrottling and apiUnavailable. */
  operations?: string[];
  /** Auto Scaling group of the shadow by name or pattern, at most 5, for groupNoCapacity. */
  autoScalingGroup?: string;
  /** Ids of the zones without capacity, for example `euc1-az2`, for apiNoCapacity and groupNoCapacity. Defaults to all. */
  zones?: string[];
  /** Added to each request of the disks, for diskLatency. */
  delayMilliseconds?: number;
  /** Share of the requests or calls that are hit, 0–100, whole percents for APIs and capacity. Defaults to all. */
  percent?: number;
  /** How long it lasts; a reboot takes none. */
  durationSeconds?: number;
  /** Names of actions, of either kind, that must have ended first. Defaults to the start of the fault phase. */
  startAfter?: string[];
}

/** Machines that a fault hits: those behind its roles and groups are hit as well as those that it names. */
export function machinesHitBy(action: AwsFaultAction, { machines, aws }: Topology): string[] {
  const names = machines.map(({ name }) => name);
  const { fault, machine, roles, autoScalingGroup } = action;
  if (machine !== undefined) return names.filter((name) => matchesPattern(name, machine));
  if (autoScalingGroup !== undefined) {
    const groups = (aws?.autoScalingGroups ?? []).filter(({ name }) => matchesPattern(name, autoScalingGroup));
    return names.filter((name) => groups.some(({ machines: members }) => members.includes(name)));
  }
  return fault.startsWith("api") && roles === undefined ? names : [];
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
    case "apiInternalError":
    case "apiThrottling":
    case "apiUnavailable":
      return apiErrorParts(name, action);
    case "apiNoCapacity":
    case "groupNoCapacity":
      return capacityParts(name, action, topology);
  }
}

function diskLatency(
  name: string,
  { delayMilliseconds = 0, percent = 100, durationSeconds = 0 }: AwsFaultAction,
  machine: Machine,
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
