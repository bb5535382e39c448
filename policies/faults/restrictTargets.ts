import type { PolicyResource } from "@pulumi/policy";

import { shadowTag } from "../../components/aws/shadow";
import { collect } from "../pack";
import type { Props, Rule, StackFinding } from "../rule";
import { isGiven, known, objects } from "../values";

const template = "aws:fis/experimentTemplate:ExperimentTemplate";
const cure = `aim by the tag ${shadowTag} and, at instances, by the filter VpcId, or by ARNs of the shadow's own resources`;

/** A target aims by the shadow's tag, or by the ids of resources that the shadow makes; at instances by their VPC as well. */
function targetProblems(resource: PolicyResource, target: Props, t: number, fromShadow: boolean): StackFinding[] {
  const at = (property: string, value: unknown, reason: string): StackFinding[] => [
    { resource, property: `targets[${t}].${property}`, value, reason, cure },
  ];
  const tagged = objects(target.resourceTags).some((tag) => tag.key === shadowTag && isGiven(known(tag, "value")));
  const named = isGiven(known(target, "resourceArns"));
  if (!tagged && !(named && fromShadow)) {
    return at("resourceTags", target.resourceTags, "it could aim at something outside the shadow");
  }
  if (target.resourceType !== "aws:ec2:instance" || named) return [];
  const paths = objects(target.filters).map(({ path }) => path);
  return paths.includes("VpcId") ? [] : at("filters", paths, "a copied tag would be enough to be hit");
}

export const rule: Rule = {
  description:
    "Experiments aim at what carries the shadow's tag and lies in its VPC, or at the shadow's own resources by ARN.",
  checkStack: ({ resources, shadow }) => {
    const own = new Set(shadow.map(({ urn }) => urn));
    const parts = resources
      .filter(({ type }) => type === template)
      .flatMap((resource) => {
        const fromShadow = (resource.propertyDependencies.targets ?? []).some(({ urn }) => own.has(urn));
        return objects(resource.props.targets).map(
          (target, t) => () => targetProblems(resource, target, t, fromShadow),
        );
      });
    const { findings, unknown } = collect(parts);
    if (findings.length === 0 && unknown !== undefined) throw unknown;
    return findings;
  },
};
