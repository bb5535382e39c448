import type { Rule, StackFinding } from "../rule";
import { objects } from "../values";

const cure = "associate it with the shadow's VPC and no other";

export const rule: Rule = {
  description: "DNS zones of a shadow are private and known in its own VPC only.",
  types: ["aws:route53/zone:Zone"],
  checks: [
    ({ vpcs }) =>
      objects(vpcs).length > 0 ? [] : [{ property: "vpcs", reason: "without a VPC the zone is public", cure }],
    ({ delegationSetId }) =>
      delegationSetId === undefined
        ? []
        : [{ property: "delegationSetId", value: delegationSetId, reason: "only public zones have one", cure }],
  ],
  checkStack: ({ shadow }) => {
    const own = new Set(shadow.filter(({ type }) => type === "aws:ec2/vpc:Vpc").map(({ urn }) => urn));
    return shadow
      .filter(({ type }) => type === "aws:route53/zone:Zone")
      .filter(({ propertyDependencies }) => {
        const vpcs = (propertyDependencies.vpcs ?? []).filter(({ type }) => type === "aws:ec2/vpc:Vpc");
        return vpcs.length === 0 || vpcs.some(({ urn }) => !own.has(urn));
      })
      .map((resource): StackFinding => ({
        resource,
        property: "vpcs",
        reason: "a VPC in it is not the shadow's",
        cure,
      }));
  },
};
