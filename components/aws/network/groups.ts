import type { Problem } from "../../internal/problems";
import { type FidelityItem, FidelityOutcome } from "../../network";
import type { Topology } from "../../topology";
import type { PlannedGroup, PlannedMachine } from "./planTypes";

/** Auto Scaling groups in place of machines. */
export interface PlannedGroups {
  groups: PlannedGroup[];
  /** Machines that are instances of a group now. */
  members: ReadonlySet<string>;
  fidelity: FidelityItem[];
  problems: Problem[];
}

/** Turns the machines of the asked groups into groups of as many instances, all like their first one. */
export function planGroups(
  topology: Topology,
  machines: readonly PlannedMachine[],
  asked: readonly string[],
): PlannedGroups {
  const all = topology.aws?.autoScalingGroups ?? [];
  const known = all.filter(({ name, machines: own }) => asked.includes(name) && own.length > 0);
  const members = new Set(known.flatMap((group) => group.machines));
  const groups = known.map(({ name, machines: own, minimum, maximum }): PlannedGroup => {
    const instances = machines.filter((machine) => own.includes(machine.name));
    return {
      name,
      template: instances[0]!,
      subnets: [...new Set(instances.map(({ interfaces }) => interfaces[0]!.subnet))],
      minimum: Math.min(minimum ?? own.length, own.length),
      maximum: Math.max(maximum ?? own.length, own.length),
      desired: own.length,
      targetGroups: targetGroupsOf(topology, own),
    };
  });
  return {
    groups,
    members,
    fidelity: [
      ...groups.map(({ name, desired, template }) => ({
        subject: `autoScalingGroups/${name}`,
        outcome: FidelityOutcome.Substituted,
        reason: `a group of ${desired} instances like ${template.name}, at addresses that AWS chooses`,
      })),
      ...all
        .filter(({ name }) => !known.some((group) => group.name === name))
        .map(({ name, machines: own }) => ({
          subject: `autoScalingGroups/${name}`,
          outcome: FidelityOutcome.Substituted,
          reason: `its ${own.length} cloned instances are single machines with production's addresses`,
        })),
    ],
    problems: known.flatMap(({ name, machines: own }) => groupProblems(topology, machines, asked.indexOf(name), own)),
  };
}

/** A topology with those Auto Scaling groups alone that are groups in the shadow too. */
export function withOwnGroups(topology: Topology, asked: readonly string[] = []): Topology {
  const { aws } = topology;
  if (aws?.autoScalingGroups === undefined) return topology;
  return {
    ...topology,
    aws: { ...aws, autoScalingGroups: aws.autoScalingGroups.filter(({ name }) => asked.includes(name)) },
  };
}

/** Keys of the target groups in which a group's machines are registered as instances. */
function targetGroupsOf(topology: Topology, machines: readonly string[]): string[] {
  return (topology.loadBalancers ?? []).flatMap(({ name, aws }) =>
    (aws?.targetGroups ?? [])
      .filter(
        ({ targetType, targets }) =>
          targetType === "instance" && targets.some(({ machine }) => machines.includes(machine)),
      )
      .map((group) => `${name}/${group.name}`),
  );
}

function groupProblems(
  topology: Topology,
  machines: readonly PlannedMachine[],
  index: number,
  members: readonly string[],
): Problem[] {
  const path = `autoScalingGroups[${index}]`;
  const own = machines.filter(({ name }) => members.includes(name));
  const cure = "leave the group out, its instances are then single machines";
  const several = own.filter(({ interfaces }) => interfaces.length > 1);
  const byAddress = (topology.loadBalancers ?? []).flatMap(({ aws }) =>
    (aws?.targetGroups ?? []).filter(
      ({ targetType, targets }) => targetType === "ip" && targets.some(({ machine }) => members.includes(machine)),
    ),
  );
  return [
    ...several.map(({ name }) => ({
      path,
      reason: `machine "${name}" has several interfaces, and a group gives its instances one; ${cure}`,
    })),
    ...byAddress.map(({ name }) => ({
      path,
      reason: `the target group "${name}" takes addresses, which a group cannot register; ${cure}`,
    })),
  ];
}
