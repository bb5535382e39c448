import type { FaultTarget } from "../../experiment";
import { type Problem, didYouMean, refuse } from "../../internal/problems";
import type { ResolvedLink, ResolvedMachine, ResolvedTarget } from "../../runtime/faults/plan";
import type { Topology } from "../../topology";
import { type HitMachine, hitResources, targetText } from "../experiment/targets";
import type { AwsShadowRecord } from "./recordFormat";

/**
 * A target as parts of this shadow. What FIS and its documents really do was fixed when the stack was deployed; this is
 * what the blast radius counts and what the journal tells.
 */
export function resolveAwsTarget(record: AwsShadowRecord, target: FaultTarget): ResolvedTarget {
  refuse("target", targetProblems(record.topology, target));
  const { machines, subnets } = hitResources(record.topology, target);
  const kind = target.flow !== undefined ? "flow" : target.link !== undefined ? "link" : "machine";
  const ofSubnets = subnets.map(({ name, gatewayAddresses = [] }): ResolvedLink => ({
    name,
    device: "eth0",
    side: "machine",
    addresses: gatewayAddresses,
  }));
  return {
    kind,
    name: targetText(target),
    machines: kind === "machine" ? machines.map((hit) => resolvedMachine(record, hit)) : [],
    links: [...machines.flatMap(linksOf), ...ofSubnets],
    ...(target.flow === undefined ? {} : { flow: target.flow }),
    exempt: [],
  };
}

function linksOf({ machine, interfaces }: HitMachine): ResolvedLink[] {
  return interfaces.map((index) => {
    const { name, addresses } = machine.interfaces[index]!;
    return { name: `${machine.name}/${name}`, device: name, side: "machine", addresses };
  });
}

function resolvedMachine({ shadow }: AwsShadowRecord, hit: HitMachine): ResolvedMachine {
  const { name } = hit.machine;
  const instance = shadow.machineIds[name] ?? name;
  return {
    name,
    links: linksOf(hit),
    cgroups: { unified: "/sys/fs/cgroup/system.slice" },
    dataFolder: "/var/tmp",
    hostsFile: "/etc/hosts",
    crashCommand: ["aws", "ec2", "stop-instances", "--force", "--instance-ids", instance],
    restartCommand: ["aws", "ec2", "start-instances", "--instance-ids", instance],
    aliveCommand: ["aws", "ec2", "wait", "instance-running", "--instance-ids", instance],
  };
}

function targetProblems(topology: Topology, target: FaultTarget): Problem[] {
  if (target.machine === undefined && target.link === undefined) {
    return [{ path: "target", reason: "aimed at nothing; give `machine` or `link`, and `flow` beside it" }];
  }
  const { machines, subnets } = hitResources(topology, target);
  if (machines.length + subnets.length > 0) return [];
  const names = topology.machines.map(({ name }) => name);
  const given = target.machine ?? target.link ?? "";
  const what = target.machine === undefined ? "link" : "machine";
  const reason = `no ${what} of the shadow matches "${given}"${didYouMean(given, names)}`;
  return [{ path: `target.${what}`, reason }];
}
