import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";

import { type AwsShadowZone, roleTag, shadowTag } from "../shadow";
import type { ShadowParts } from "../shadowParts";
import type { MirrorPlan } from "./plan";
import type { AwsMirrorSettings } from "./settings";

/** What every part of a mirror is made with. */
export interface MirrorSite {
  /** Name of the component, the start of every child's name. */
  name: string;
  plan: MirrorPlan;
  settings: AwsMirrorSettings;
  shadow: ShadowParts;
  /** Account that production is in. */
  productionAccount: string;
  tags: Record<string, string>;
  /** Zones of the shadow, those without sources among them. */
  shadowZones: string[];
  parent: pulumi.Resource;
}

/** Tags of a part: the user's, the shadow and the role. */
export function mirrorTags({ tags, shadow }: MirrorSite, role: string): Record<string, pulumi.Input<string>> {
  return { ...tags, [shadowTag]: shadow.shadowName, [roleTag]: role };
}

/** What the shadow has in a zone. */
export function zoneOf({ shadow }: MirrorSite, zoneId: string): pulumi.Output<AwsShadowZone> {
  return shadow.zones.apply((zones) => {
    const found = zones.find((zone) => zone.zoneId === zoneId);
    if (found === undefined)
      throw new Error(`the shadow has no appliances in ${zoneId}; it was made of another topology`);
    return found;
  });
}

/** A name of at most 32 letters, digits and hyphens, for what AWS allows no longer one. */
export function shortName({ name }: MirrorSite, role: string): string {
  const full = [pulumi.getProject(), pulumi.getStack(), name, role].join("/");
  const readable = `${name}-${role}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const digest = createHash("sha256").update(full).digest("hex").slice(0, 8);
  return `${readable.slice(0, 23).replaceAll(/^-+|-+$/g, "")}-${digest}`;
}
