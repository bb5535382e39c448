import type { Topology } from "../../topology";
import type { PlannedCopy, PlannedImage, PlannedMachine } from "./planTypes";

/** A copy of each snapshot that images and data volumes start from; machines that are copies by scaling share them. */
export function planCopies(
  production: Topology,
  images: readonly PlannedImage[],
  started: readonly PlannedMachine[],
): PlannedCopy[] {
  const ofRoots = images.flatMap(({ machine, snapshotId }) =>
    snapshotId === undefined ? [] : [{ snapshotId, key: machine, machine }],
  );
  const ofData = started.flatMap(({ volumes }) =>
    volumes.flatMap(({ snapshotId, device }) => {
      const machine = snapshotId === undefined ? undefined : ownerOf(production, snapshotId);
      return machine === undefined ? [] : [{ snapshotId: snapshotId!, key: `${machine}/${device}`, machine }];
    }),
  );
  const bySnapshot = new Map([...ofRoots, ...ofData].map((copy) => [copy.snapshotId, copy]));
  return [...bySnapshot.values()];
}

function ownerOf({ machines }: Topology, snapshotId: string): string | undefined {
  return machines.find(({ aws }) => aws?.volumes?.some((volume) => volume.snapshotId === snapshotId))?.name;
}
