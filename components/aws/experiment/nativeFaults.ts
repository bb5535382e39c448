import type { ExperimentAction, FaultTarget } from "../../experiment";
import type { Machine, TopologySubnet } from "../../topology";
import { onWay, waysOf } from "../../runtime/faults/directions";
import { machineTag } from "../shadow";
import { type PlannedAction, type PlannedTarget, fisLimits } from "./model";
import {
  type ActionParts,
  type Report,
  isoDuration,
  lengthProblems,
  noParts,
  quietBefore,
  together,
  windowsOf,
} from "./parts";
import { type HitResources, targetText } from "./targets";

/** Something that FIS does by itself, on one set of resources. */
interface Unit {
  /** What tells it apart from its siblings; empty when it has none. */
  suffix: string;
  actionId: string;
  description: string;
  /** Parameters, given how long one stretch lasts. */
  parameters: (seconds: number) => Record<string, string>;
  key: string;
  target: Omit<PlannedTarget, "name">;
  /** Shortest stretch that FIS takes. */
  shortest: number;
  note?: string;
}

/** Whether FIS has an action of its own for a fault on these subnets: nothing but silence, in both directions, for everything. */
export function cutsSubnets(action: ExperimentAction): boolean {
  const { fault, target } = action;
  if (target?.flow !== undefined) return false;
  const ways = waysOf(action);
  const silent = ways.length === 2 && ways.every((way) => (onWay(action, way).mode ?? "drop") === "drop");
  return fault === "linkDown" || (fault === "blackhole" && silent);
}

/** What FIS does by itself for a fault; empty when the fault needs a document. */
export function nativeParts(name: string, action: ExperimentAction, hit: HitResources, report: Report): ActionParts {
  const units = unitsOf(name, action, hit, report);
  return together(units.map((unit) => pulsed(name, action, unit, report)));
}

function unitsOf(name: string, action: ExperimentAction, hit: HitResources, report: Report): Unit[] {
  const { fault, target = {} } = action;
  switch (fault) {
    case "machineCrash":
      return [
        stopUnit(
          action,
          hit.machines.map(({ machine }) => machine),
          target,
        ),
      ];
    case "machineHang":
      return pauseUnits(name, hit, report, "processes that touch no disk go on until they do");
    case "ioExhaustion":
      return action.sharePercent === 100 ? pauseUnits(name, hit, report) : [];
    case "linkDown":
    case "blackhole":
      return cutsSubnets(action) ? subnetUnits(hit.subnets) : [];
    default:
      return [];
  }
}

function stopUnit({ staysDown }: ExperimentAction, machines: Machine[], target: FaultTarget): Unit {
  return {
    suffix: "",
    actionId: "aws:ec2:stop-instances",
    description: `stops ${targetText(target)}`,
    parameters: (seconds): Record<string, string> =>
      staysDown === true ? {} : { startInstancesAfterDuration: isoDuration(seconds) },
    key: "Instances",
    target: instancesTarget(machines),
    shortest: fisLimits.shortestSeconds,
    note: "machineCrash: EC2 asks the system to shut down and pulls the plug only when it does not",
  };
}

/** Instances by their own tag, or, as FIS cannot choose among values of a tag, by their addresses in the shadow's VPC. */
export function instancesTarget(machines: readonly Machine[]): Omit<PlannedTarget, "name"> {
  const only = machines.length === 1 ? machines[0] : undefined;
  const addresses = machines.flatMap(({ interfaces }) => interfaces[0]?.addresses.slice(0, 1) ?? []);
  return {
    resourceType: "aws:ec2:instance",
    tags: only === undefined ? {} : { [machineTag]: only.name },
    filters: [
      { path: "State.Name", values: ["running"] },
      ...(only === undefined ? [{ path: "PrivateIpAddress", values: addresses }] : []),
    ],
    references: [],
  };
}

function pauseUnits(name: string, { machines }: HitResources, report: Report, note?: string): Unit[] {
  return machines.map(({ machine }) => {
    if (machine.aws?.volumes === undefined || machine.aws.volumes.length === 0) {
      const reason = `${machine.name} has no volume in the topology; capture it again, or choose another machine`;
      report({ path: `actions.${name}.target.machine`, reason });
    }
    return {
      suffix: machines.length === 1 ? "" : machine.name,
      actionId: "aws:ebs:pause-volume-io",
      description: `lets every request to the disks of ${machine.name} wait`,
      parameters: (seconds) => ({ duration: isoDuration(seconds) }),
      key: "Volumes",
      target: volumesTarget(machine),
      shortest: 1,
      ...(note === undefined ? {} : { note: `machineHang: the disks stand still; ${note}` }),
    };
  });
}

/** All volumes of a machine. */
export function volumesTarget(machine: Machine): Omit<PlannedTarget, "name"> {
  return { resourceType: "aws:ec2:ebs-volume", tags: { [machineTag]: machine.name }, filters: [], references: [] };
}

function subnetUnits(subnets: readonly TopologySubnet[]): Unit[] {
  const size = fisLimits.arnsPerTarget;
  const groups = Array.from({ length: Math.ceil(subnets.length / size) }, (_, index) =>
    subnets.slice(index * size, (index + 1) * size),
  );
  return groups.map((group) => ({
    suffix: groups.length === 1 ? "" : group[0]!.name,
    actionId: "aws:network:disrupt-connectivity",
    description: `cuts ${group.map(({ name }) => name).join(", ")} off from everything else`,
    parameters: (seconds) => ({ duration: isoDuration(seconds), scope: "all" }),
    key: "Subnets",
    target: {
      resourceType: "aws:ec2:subnet",
      tags: {},
      filters: [],
      references: group.map(({ name }) => ({ kind: "subnet" as const, name })),
    },
    shortest: fisLimits.shortestSeconds,
    note: "a subnet's link is cut by a network ACL of FIS's own; inside the subnet everything goes on, Systems Manager does not reach its machines",
  }));
}

/** A unit switched on and off as asked, as a chain of actions and waits. */
function pulsed(name: string, action: ExperimentAction, unit: Unit, report: Report): ActionParts {
  const windows = windowsOf(name, action);
  const path = `actions.${name}`;
  const base = unit.suffix === "" ? name : `${name}-${unit.suffix}`;
  const quiet = quietBefore(windows);
  const actions: PlannedAction[] = [];
  windows.forEach(({ seconds }, index) => {
    const place = action.pulse === undefined ? `${path}.durationSeconds` : `${path}.pulse.activeSeconds`;
    lengthProblems(place, unit.actionId, seconds, unit.shortest).forEach(report);
    const pause = quiet[index]!;
    if (pause > 0) {
      const field = index === 0 ? "initialDelaySeconds" : "dormantSeconds";
      lengthProblems(`${path}.pulse.${field}`, "a wait between actions", pause, fisLimits.shortestSeconds).forEach(
        report,
      );
      actions.push(waitAction(`${base}-wait${index + 1}`, pause, actions.slice(-1)));
    }
    actions.push({
      name: windows.length === 1 ? base : `${base}-${index + 1}`,
      actionId: unit.actionId,
      description: unit.description,
      parameters: unit.parameters(seconds),
      target: { key: unit.key, name: base },
      startAfter: actions.slice(-1).map((before) => before.name),
      seconds,
    });
  });
  return {
    ...noParts,
    actions,
    targets: [{ name: base, ...unit.target }],
    notes: unit.note === undefined ? [] : [unit.note],
  };
}

/** An action that only waits. */
export function waitAction(name: string, seconds: number, after: readonly PlannedAction[]): PlannedAction {
  return {
    name,
    actionId: "aws:fis:wait",
    description: `waits ${Math.ceil(seconds)} s`,
    parameters: { duration: isoDuration(seconds) },
    startAfter: after.map((before) => before.name),
    seconds: Math.ceil(seconds),
  };
}
