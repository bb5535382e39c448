import type { Rule, StackFinding } from "../rule";
import { isGiven } from "../values";

const type = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup";

export const rule: Rule = {
  description:
    "The shadow's default security group is adopted and has no rule, so that what is made carelessly has no network.",
  types: [type],
  checks: ["ingress", "egress"].map((property) => (props) => {
    const value = props[property];
    if (!isGiven(value)) return [];
    return [{ property, value, reason: "whatever names no group would get this rule", cure: "leave the list empty" }];
  }),
  checkStack: ({ shadow }) =>
    shadow
      .filter((resource) => resource.type === "aws:ec2/vpc:Vpc")
      .filter(
        ({ urn }) =>
          !shadow.some(
            (other) => other.type === type && (other.propertyDependencies.vpcId ?? []).some((vpc) => vpc.urn === urn),
          ),
      )
      .map((resource): StackFinding => {
        const reason = "its default security group lets everything through";
        return { resource, property: "defaultSecurityGroup", reason, cure: "add a DefaultSecurityGroup without rules" };
      }),
};
