import * as pulumi from "@pulumi/pulumi";

import type { ShadowParts } from "../shadowParts";
import type { ArnPlace } from "./document";

/**
 * Where a shadow's ARNs lie. Each part is taken alone, because a preview knows them and not the reference as a whole: so
 * documents that need nothing else are shown and checked before anything is made.
 */
export function placeOf({ partition, region, accountId }: ShadowParts): pulumi.Output<ArnPlace> {
  return pulumi
    .all([partition, region, accountId])
    .apply(([inPartition, inRegion, account]) => ({ partition: inPartition, region: inRegion, accountId: account }));
}
