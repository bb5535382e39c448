import type { Rule, StackFinding } from "../rule";

export const rule: Rule = {
  description: "A stack with a shadow uses no provider whose resources these rules cannot judge.",
  config: {
    properties: {
      allowedPackages: {
        type: "array",
        items: { type: "string" },
        default: ["aws", "pulumi", "shadownet"],
        description: "Packages whose resources may stand in a stack that holds a shadow.",
      },
    },
  },
  checkStack: ({ resources, shadow, config }) => {
    if (shadow.length === 0) return [];
    const allowed = config.allowedPackages as string[];
    return resources.flatMap((resource): StackFinding[] => {
      const { type } = resource;
      const name = type.startsWith("pulumi:providers:") ? type.split(":")[2]! : type.split(":")[0]!;
      const isDynamic = type.startsWith("pulumi-nodejs:") || type.startsWith("pulumi-python:");
      // A program's own components have no provider: what counts is what they hold.
      if (allowed.includes(name) || (!isDynamic && resource.provider === undefined)) return [];
      const cure = "move it to another stack, or allow its package in allowedPackages";
      return [{ resource, property: "type", value: type, reason: "these rules cannot see what it opens", cure }];
    });
  },
};
