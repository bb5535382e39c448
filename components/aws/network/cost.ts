import type { AwsNetworkPlan, PlannedVolume } from "./planTypes";

/**
 * What a shadow's network costs: a formula with the quantities that drive it, one line for each kind of thing that AWS
 * bills. Prices are AWS's own and are not repeated here.
 */
export function networkCost(plan: AwsNetworkPlan): string[] {
  const { databases, endpoints, zones, balancers, copies, images } = plan;
  const instances = instanceTypes(plan);
  const running = instances.length;
  const interfaceEndpoints = endpoints.filter(({ type }) => type === "Interface").length;
  const taken = images.filter(({ instanceId }) => instanceId !== undefined).length;
  return [
    `instances: ${tally(instances)}, each by the hour`,
    `volumes: ${volumeSizes(plan)}, by the month`,
    ...(taken === 0 ? [] : [`images: ${taken} taken of running machines, the snapshots' GB by the month`]),
    ...(copies.length === 0 ? [] : [`snapshots: ${copies.length} copies, what they hold by GB and month`]),
    ...(balancers.length === 0
      ? []
      : [`load balancers: ${tally(balancers.map(({ type }) => type))}, each by the hour and by capacity units`]),
    ...databases.map(
      ({ name, instanceClass, isCluster }) =>
        `database ${name}: 1 × ${instanceClass} by the hour, its storage and ${isCluster ? "its requests" : "a copy of its snapshot"} by GB and month`,
    ),
    `interface endpoints: ${interfaceEndpoints} × 1 zone by the hour, and by GB`,
    `names: ${zones.length} private zones by the month, DNS firewall by name in its list (${plan.resolvable.length + 1}) and by query`,
    `watching: detailed monitoring of ${running} instances by the month, the flow log by GB at one record a minute and flow`,
    "key: 1 by the month, and by request",
  ];
}

function instanceTypes({ machines, groups }: AwsNetworkPlan): string[] {
  return [
    ...machines.map(({ type }) => type),
    ...groups.flatMap(({ template, desired }) => Array.from({ length: desired }, () => template.type)),
  ];
}

/** `2 × t3.small + 1 × m6i.large`. */
export function tally(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts.size === 0 ? "none" : [...counts].map(([value, count]) => `${count} × ${value}`).join(" + ");
}

/** Gigabytes by type of volume, and what is paid for beyond what the type includes. */
function volumeSizes({ machines, groups }: AwsNetworkPlan): string {
  const all: PlannedVolume[] = [
    ...machines.flatMap(({ root, volumes }) => [...(root === undefined ? [] : [root]), ...volumes]),
    ...groups.flatMap(({ template: { root, volumes }, desired }) =>
      Array.from({ length: desired }, () => [...(root === undefined ? [] : [root]), ...volumes]).flat(),
    ),
  ];
  const sizes = new Map<string, number>();
  for (const { type = "unknown type", sizeGigabytes = 0 } of all) {
    sizes.set(type, (sizes.get(type) ?? 0) + sizeGigabytes);
  }
  const iops = all
    .filter(({ type }) => type === "io1" || type === "io2")
    .reduce((sum, volume) => sum + (volume.iops ?? 0), 0);
  const said = [...sizes].map(([type, size]) => `${size} GB ${type}`);
  return [...said, ...(iops === 0 ? [] : [`${iops} provisioned IOPS`])].join(" + ") || "none";
}
