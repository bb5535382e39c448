import type { Rule, StackFinding } from "../rule";
import { isGiven } from "../values";

const type = "aws:ec2/networkInsightsAccessScope:NetworkInsightsAccessScope";

export const rule: Rule = {
  description:
    "Every stack with a shadow has a Network Access Analyzer scope, so that AWS itself can look for ways out.",
  types: [type],
  checks: [
    ({ matchPaths }) =>
      isGiven(matchPaths)
        ? []
        : [{ property: "matchPaths", reason: "it looks for nothing", cure: "match paths from the shadow to gateways" }],
  ],
  checkStack: ({ shadow }) => {
    const vpcs = shadow.filter((resource) => resource.type === "aws:ec2/vpc:Vpc");
    if (shadow.some((resource) => resource.type === type)) return [];
    return vpcs.map((resource): StackFinding => {
      const cure = "add a NetworkInsightsAccessScope that matches paths out of the VPC";
      return { resource, property: "networkInsightsAccessScope", reason: "AWS cannot be asked for ways out", cure };
    });
  },
};
