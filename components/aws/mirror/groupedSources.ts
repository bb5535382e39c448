import type { Problem } from "../../internal/problems";
import type { Topology } from "../../topology";
import { chooseSources } from "./chosenSources";
import type { AwsMirrorSettings } from "./settings";

/**
 * Groups that hold machines whose traffic is copied. Instances of a group get addresses of their own, while a copy is
 * replayed to the address that it had in production, where nobody would be. The topology must have been checked.
 */
export function groupedSourceProblems(
  topology: Topology,
  mirror: AwsMirrorSettings,
  autoScalingGroups: readonly string[],
): Problem[] {
  if (autoScalingGroups.length === 0) return [];
  const copied = new Set(chooseSources(topology, mirror).sources.map(({ machine }) => machine));
  return autoScalingGroups.flatMap((name, index): Problem[] => {
    const group = topology.aws?.autoScalingGroups?.find((one) => one.name === name);
    const machines = (group?.machines ?? []).filter((machine) => copied.has(machine));
    if (machines.length === 0) return [];
    const [first, ...others] = machines;
    const which = others.length === 0 ? `"${first}"` : `"${first}" and ${others.length} more`;
    const reason =
      `the traffic of ${which} in Auto Scaling group "${name}" is copied, and nothing would be replayed to its instances, ` +
      "which have other addresses; leave the group out, so that its machines are cloned one by one, or copy from others by `mirror.sources`";
    return [{ path: `autoScalingGroups[${index}]`, reason }];
  });
}
