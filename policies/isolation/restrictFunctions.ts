import type { Rule } from "../rule";
import { isGiven, objects } from "../values";

export const rule: Rule = {
  description: "Functions of a shadow run in its subnets, so that they have no network but the shadow's.",
  types: ["aws:lambda/function:Function"],
  checks: [
    ({ vpcConfig }) => {
      const [{ subnetIds } = {}] = objects(vpcConfig);
      if (isGiven(subnetIds)) return [];
      const reason = "a function outside every VPC reaches the internet";
      return [{ property: "vpcConfig.subnetIds", reason, cure: "give subnets of the shadow" }];
    },
  ],
};
