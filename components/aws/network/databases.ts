import { type Problem, didYouMean } from "../../internal/problems";
import type { BoundaryOverride, FidelityItem } from "../../network";
import { scaledItem, subnetsOf } from "../../shadowScaling";
import type { Boundary, Topology } from "../../topology";
import type { PlannedDatabase } from "./planTypes";
import { boundaryItem } from "./shadowTopology";

/** Databases that are restored, and what has become of every boundary. */
export interface PlannedDatabases {
  databases: PlannedDatabase[];
  fidelity: FidelityItem[];
}

const restorable = ["rdsInstance", "rdsCluster"];

/** What speaks against restoring the databases that the overrides ask for. */
export function restoreProblems(topology: Topology, overrides: readonly BoundaryOverride[]): Problem[] {
  return overrides.flatMap((override, index) => {
    const boundary = topology.boundaries?.find(({ name }) => name === override.name);
    if (override.restore !== true || boundary === undefined) return [];
    const path = `boundaries[${index}]`;
    const reasons = obstacles(topology, boundary);
    const both =
      override.replacement === undefined
        ? []
        : [{ path: `${path}.replacement`, reason: "what is restored is not replaced; leave one of the two out" }];
    return [...both, ...reasons.map((reason) => ({ path: `${path}.restore`, reason }))];
  });
}

function obstacles(topology: Topology, { name, aws }: Boundary): string[] {
  if (aws === undefined || !restorable.includes(aws.kind)) {
    const known = (topology.boundaries ?? []).flatMap((one) =>
      restorable.includes(one.aws?.kind ?? "") ? [one.name] : [],
    );
    const kind = aws?.kind ?? "of an unknown kind";
    const hint = known.length === 0 ? "" : `; those of this topology: ${known.join(", ")}`;
    return [
      `"${name}" is ${kind}, and only RDS instances and clusters can be restored${hint}${didYouMean(name, known)}`,
    ];
  }
  const missing = [
    ...(aws.snapshotId === undefined ? ["a snapshot: make one and capture again"] : []),
    ...(aws.instanceClass === undefined ? ["its instance class: capture again"] : []),
    ...(aws.engine === undefined ? ["its engine: capture again"] : []),
  ].map((what) => `database "${name}" lacks ${what}`);
  const zones = new Set(databaseSubnets(topology, aws.subnets ?? []).map((subnet) => subnet.aws?.zoneId));
  if (zones.size >= 2) return missing;
  return [
    ...missing,
    `database "${name}" needs subnets of the shadow in two zones, and its subnets lie in ${zones.size}`,
  ];
}

function databaseSubnets(topology: Topology, names: readonly string[]): ReturnType<typeof subnetsOf> {
  return subnetsOf(topology).filter(({ name }) => names.includes(name));
}

/** Plans the databases to restore; every other boundary is a sink. */
export function planDatabases(
  topology: Topology,
  overrides: readonly BoundaryOverride[],
  copiesSnapshots: boolean,
): PlannedDatabases {
  const asked = new Set(overrides.flatMap(({ name, restore }) => (restore === true ? [name] : [])));
  const all = topology.boundaries ?? [];
  const restored = all.filter(({ name }) => asked.has(name));
  return {
    databases: restored.map((boundary) => planDatabase(topology, boundary, copiesSnapshots)),
    fidelity: [
      ...all.map((boundary) =>
        boundaryItem(boundary.name, asked.has(boundary.name) ? restoredReason(boundary) : undefined),
      ),
      ...restored.flatMap(({ name, aws }) =>
        (aws?.members ?? 1) > 1
          ? [
              scaledItem(
                `boundaries/${name}/members`,
                `one instance instead of ${aws!.members}: writer and reader names lead to it`,
              ),
            ]
          : [],
      ),
    ],
  };
}

function planDatabase(topology: Topology, { name, aws }: Boundary, isCopied: boolean): PlannedDatabase {
  const { kind, snapshotId = "", instanceClass = "", engine = "", engineVersion, port, subnets, securityGroups } = aws!;
  return {
    name,
    isCluster: kind === "rdsCluster",
    snapshotId,
    isCopied,
    instanceClass,
    engine,
    ...(engineVersion === undefined ? {} : { engineVersion }),
    ...(port === undefined ? {} : { port }),
    subnets: databaseSubnets(topology, subnets ?? []).map((subnet) => subnet.name),
    securityGroups: securityGroups ?? [],
  };
}

function restoredReason({ aws }: Boundary): string {
  const { snapshotId = "", snapshotAt, names = [] } = aws!;
  const time = snapshotAt === undefined ? "" : ` of ${snapshotAt}`;
  const under = names.length === 0 ? "" : `, under ${names.join(", ")}; its certificate is for another name`;
  return `restored from the snapshot ${snapshotId}${time}, encrypted with the shadow's key${under}`;
}
