import * as pulumi from "@pulumi/pulumi";

import type { AwsShadowReference } from "./shadow";

/**
 * The reference of a shadow part by part. As a whole it depends on every machine: taken from that, a tag with the shadow's
 * name would tell the engine, and the state, of hundreds of resources that it waits for.
 */
export type ShadowParts = {
  readonly [Key in keyof AwsShadowReference]: pulumi.Output<AwsShadowReference[Key]>;
};

/** Parts of references that were joined in this program. An output itself remembers only all of its resources together. */
const joined = new WeakMap<object, ShadowParts>();

/** A value of which any part is known later. */
type Late<T> = pulumi.Input<
  T extends string ? T : T extends (infer Item)[] ? Late<Item>[] : { [Key in keyof T]: Late<T[Key]> }
>;

/** Makes one reference of its parts, and remembers them. */
export function joinShadow(parts: {
  [Key in keyof AwsShadowReference]: Late<AwsShadowReference[Key]>;
}): pulumi.Output<AwsShadowReference> {
  const own = Object.fromEntries(Object.entries(parts).map(([key, value]) => [key, pulumi.output<unknown>(value)]));
  const whole = pulumi.output(own) as pulumi.Output<unknown> as pulumi.Output<AwsShadowReference>;
  joined.set(whole, own as unknown as ShadowParts);
  return whole;
}

/** The parts of a reference; of one that was not made by {@link joinShadow} each part depends on all that the whole does. */
export function shadowParts(shadow: pulumi.Input<AwsShadowReference>): ShadowParts {
  const known = joined.get(shadow);
  if (known !== undefined) return known;
  const whole = pulumi.output(shadow);
  const keys = Object.keys(partNames) as (keyof AwsShadowReference)[];
  const own = Object.fromEntries(keys.map((key) => [key, whole.apply((reference) => reference[key])]));
  return own as unknown as ShadowParts;
}

const partNames: Record<keyof AwsShadowReference, true> = {
  shadowName: true,
  region: true,
  accountId: true,
  partition: true,
  vpcId: true,
  cidrs: true,
  subnetIds: true,
  machineIds: true,
  interfaceIds: true,
  volumeIds: true,
  endpointIds: true,
  autoScalingGroupArns: true,
  loadBalancerSuffixes: true,
  zones: true,
  gatewaySecurityGroupId: true,
  flowLogGroupName: true,
  permissionsBoundaryArn: true,
  machineRoleArn: true,
  rolePath: true,
  bucketName: true,
  kmsKeyArn: true,
};
