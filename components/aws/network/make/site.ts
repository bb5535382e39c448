import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";

import type { ShadowPlace } from "../../iam/network";
import { machineTag, roleTag, shadowTag } from "../../shadow";
import type { AwsNetworkPlan } from "../planTypes";

/** What every part of a shadow's network is made with. */
export interface Site {
  /** Name of the component, the start of every child's name. */
  name: string;
  plan: AwsNetworkPlan;
  shadowName: string;
  /** Account and region; the account is known when it has been asked for. */
  place: pulumi.Output<ShadowPlace>;
  /** Account that the topology was captured in. */
  productionAccount?: string;
  /** Tags that the user asks for. */
  tags: Record<string, string>;
  parent: pulumi.Resource;
}

/** Options of a child, with what has to be there before it. */
export function child(site: Site, dependsOn: pulumi.Resource[] = []): pulumi.CustomResourceOptions {
  return dependsOn.length === 0 ? { parent: site.parent } : { parent: site.parent, dependsOn };
}

/** Tags of a part: the user's, a name for people, the shadow, the role, and the machine that it belongs to. */
export function tagsOf(site: Site, label: string, role = "network", machine?: string): Record<string, string> {
  return {
    ...site.tags,
    Name: `${site.shadowName} ${label}`.slice(0, 255),
    [shadowTag]: site.shadowName,
    [roleTag]: role,
    ...(machine === undefined ? {} : { [machineTag]: machine }),
  };
}

/**
 * A name for what AWS wants to have a short one of letters, digits and hyphens that is unique in an account. What cannot
 * be changed in place belongs into the key, so that the new one can be made before the old one goes.
 */
export function physicalName(site: Site, key: string, longest: number): string {
  const full = [pulumi.getProject(), pulumi.getStack(), site.name, key].join("/");
  const readable = `s-${site.shadowName}-${key}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return `${readable.slice(0, longest - 9).replace(/-+$/, "")}-${digestOf(full)}`;
}

/** A text that is not longer than allowed; a longer one ends in a digest of the whole. */
export function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 9)}-${digestOf(text)}`;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/** The value of a map of what was made; a plan refers to nothing that it does not have. */
export function made<T>(map: ReadonlyMap<string, T>, key: string): T {
  const value = map.get(key);
  if (value === undefined) throw new Error(`the plan refers to "${key}" and does not have it`);
  return value;
}

/** Ids of what was made, in the order in which it was. */
export function idsOf(resources: ReadonlyMap<string, pulumi.CustomResource>): pulumi.Output<string>[] {
  return [...resources.values()].map(({ id }) => id);
}

/** Names of the links of a shadow: `machine/interface`, and subnets for their attachment to the router. */
export function linkNames({ machines, subnets }: AwsNetworkPlan): string[] {
  const ofMachines = machines.flatMap(({ interfaces }) => interfaces.map(({ link }) => link));
  return [...ofMachines, ...subnets.map(({ name }) => name)];
}
