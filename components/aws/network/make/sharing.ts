import * as pulumi from "@pulumi/pulumi";

import type { Topology } from "../../../topology";
import { sharingOf } from "../sharing";
import type { Site } from "./site";

/** Says in the preview what production's account has to share, where the shadow stands in another one. */
export function saySharing({ place, plan, productionAccount, parent }: Site, topology: Topology): void {
  place.apply(({ accountId }) => {
    if (productionAccount === undefined || productionAccount === accountId) return;
    const restored = plan.databases.map(({ name }) => name);
    const { imageIds, snapshotIds, databaseSnapshots, keyArns } = sharingOf(topology, restored);
    const snapshots = [...snapshotIds, ...databaseSnapshots.map(({ id }) => id)];
    const lists = { images: imageIds, snapshots, keys: keyArns };
    const said = Object.entries(lists).flatMap(([what, ids]) =>
      ids.length === 0 ? [] : [`${what} ${ids.join(", ")}`],
    );
    if (said.length === 0) return;
    const command = [
      "shadownet share aws --topology FILE --with",
      accountId,
      ...restored.map((name) => `--restore ${name}`),
    ];
    const message = `account ${productionAccount} must share with ${accountId}: ${said.join("; ")} (\`${command.join(" ")}\` prints how)`;
    void pulumi.log.info(message, parent);
  });
}
