import type { PolicyResource } from "@pulumi/policy";

import { shadowTag } from "../../components/aws/shadow";
import { collect } from "../pack";
import type { Props, Rule, StackFinding } from "../rule";
import { isGiven, known, objects, unknownText } from "../values";

const template = "aws:fis/experimentTemplate:ExperimentTemplate";
const cure = `aim by the tag ${shadowTag} and, at instances, by the filter VpcId, or by ARNs of the shadow's own resources`;

const roleCure = "name roles below the shadow's own path, /shadownet/NAME/, by their ARNs";

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
  if (target.resourceType === "aws:iam:role") return roleProblems(resource, target, t);
  if (target.resourceType !== "aws:ec2:instance" || named) return [];
  const paths = objects(target.filters).map(({ path }) => path);
  return paths.includes("VpcId") ? [] : at("filters", paths, "a copied tag would be enough to be hit");
}

/** Roles lie in an account, not in a VPC: it is their path that tells whose they are, and only the shadow makes any there. */
function roleProblems(resource: PolicyResource, target: Props, t: number): StackFinding[] {
  const property = `targets[${t}].resourceArns`;
  const given = known(target, "resourceArns");
  if (!isGiven(given)) {
    return [{ resource, property, reason: "a copied tag would be enough for a role to be hit", cure: roleCure }];
  }
  // One by one, since in a preview some are known and some are not.
  const arns = Array.isArray(given)
    ? Array.from({ length: given.length }, (_, index) => known(given as unknown as Props, String(index)))
    : [given];
  const shadowName = known((resource.props.tags ?? {}) as Props, shadowTag);
  const own = `:role/shadownet/${String(shadowName)}/`;
  return arns.flatMap((arn, index): StackFinding[] => {
    if (arn === unknownText || String(arn).includes(own)) return [];
    const reason = "the calls of a role outside the shadow would fail";
    return [{ resource, property: `${property}[${index}]`, value: arn, reason, cure: roleCure }];
  });
}

export const rule: Rule = {
  description:
    "Experiments aim at what carries the shadow's tag and lies in its VPC, at the shadow's own resources by ARN, or at roles below its path.",
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
