import type { ExperimentTemplateTarget } from "@aws-sdk/client-fis";

import type { AwsShadowReference } from "../shadow";
import { shadowTag } from "../shadow";

/** What is wrong with the targets of a template as they are written: each must leave nothing outside the shadow to be hit. */
export function looseAims(
  targets: Record<string, ExperimentTemplateTarget>,
  shadow: Pick<AwsShadowReference, "shadowName" | "vpcId" | "accountId" | "rolePath" | "autoScalingGroupArns">,
): string[] {
  return Object.entries(targets).flatMap(([name, { resourceType, resourceArns = [], resourceTags = {}, filters }]) => {
    if (resourceArns.length > 0) return foreignArns(resourceArns, shadow).map((arn) => `${name} names ${arn}`);
    if (resourceTags[shadowTag] !== shadow.shadowName) return [`${name} lacks the tag ${shadowTag}`];
    const vpcs = (filters ?? []).find(({ path }) => path === "VpcId")?.values ?? [];
    return resourceType === "aws:ec2:instance" && vpcs.join() !== shadow.vpcId
      ? [`${name} lacks the shadow's VPC`]
      : [];
  });
}

/** Roles and Auto Scaling groups among these ARNs that are not the shadow's. */
export function foreignArns(
  arns: readonly string[],
  {
    accountId,
    rolePath,
    autoScalingGroupArns,
  }: Pick<AwsShadowReference, "accountId" | "rolePath" | "autoScalingGroupArns">,
): string[] {
  const groups = Object.values(autoScalingGroupArns);
  return arns.filter((arn) => {
    if (arn.includes(":role/")) return !arn.includes(`::${accountId}:role${rolePath}`);
    return arn.includes(":autoScalingGroup:") && !groups.includes(arn);
  });
}
