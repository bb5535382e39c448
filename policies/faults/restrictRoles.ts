import type { Rule, StackFinding } from "../rule";

export const rule: Rule = {
  description: "Experiments act under a role that the shadow makes, whose permissions end at the shadow.",
  checkStack: ({ resources, shadow }) => {
    const own = new Set(shadow.filter(({ type }) => type === "aws:iam/role:Role").map(({ urn }) => urn));
    return resources
      .filter(({ type }) => type === "aws:fis/experimentTemplate:ExperimentTemplate")
      .filter(({ propertyDependencies }) => !(propertyDependencies.roleArn ?? []).some(({ urn }) => own.has(urn)))
      .map((resource): StackFinding => {
        const cure = "let the experiment component make it";
        return { resource, property: "roleArn", reason: "the role is none of the shadow's", cure };
      });
  },
};
