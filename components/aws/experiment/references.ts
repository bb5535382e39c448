import * as pulumi from "@pulumi/pulumi";

import type { ShadowParts } from "../shadowParts";
import type { ResourceReference } from "./model";

/** ARN of a part of the shadow. It fails when the shadow has no such part, which only its own stack can know. */
export function referencedArn(shadow: ShadowParts, { kind, name }: ResourceReference): pulumi.Output<string> {
  const { partition, region, accountId, rolePath } = shadow;
  const ofEc2 = pulumi.interpolate`arn:${partition}:ec2:${region}:${accountId}`;
  switch (kind) {
    case "subnet":
      return pulumi.interpolate`${ofEc2}:subnet/${known(shadow.subnetIds, "subnet", name)}`;
    case "endpoint":
      return pulumi.interpolate`${ofEc2}:vpc-endpoint/${known(shadow.endpointIds, "endpoint", name)}`;
    case "autoScalingGroup":
      return known(shadow.autoScalingGroupArns, "Auto Scaling group", name);
    case "machineRole":
      return shadow.machineRoleArn;
    case "role":
      return pulumi.interpolate`arn:${partition}:iam::${accountId}:role${rolePath}${name}`;
  }
}

function known(list: pulumi.Output<Record<string, string>>, what: string, name: string): pulumi.Output<string> {
  return list.apply((names) => {
    const found = names[name];
    if (found !== undefined) return found;
    const all = Object.keys(names);
    throw new Error(`the shadow has no ${what} "${name}"; there are ${all.length === 0 ? "none" : all.join(", ")}`);
  });
}
