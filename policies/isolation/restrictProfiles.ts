import type { Rule, StackFinding } from "../rule";
import { isGiven, known } from "../values";

const types = ["aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"];
const profile = "aws:iam/instanceProfile:InstanceProfile";

export const rule: Rule = {
  description: "Instances have a profile that the shadow itself makes, never one of production's.",
  checkStack: ({ shadow }) =>
    shadow.flatMap((resource): StackFinding[] => {
      if (!types.includes(resource.type)) return [];
      const sources = resource.propertyDependencies.iamInstanceProfile ?? [];
      if (sources.some(({ type, urn }) => type === profile && shadow.some((own) => own.urn === urn))) return [];
      const value = known(resource.props, "iamInstanceProfile");
      if (!isGiven(value)) return [];
      const reason = "it is no instance profile that this shadow makes";
      const cure = "let the network component choose it, or leave it out";
      return [{ resource, property: "iamInstanceProfile", value, reason, cure }];
    }),
};
