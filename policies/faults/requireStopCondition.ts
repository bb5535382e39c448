import type { Rule } from "../rule";
import { objects } from "../values";

export const rule: Rule = {
  description: "Every experiment has an alarm that stops it.",
  types: ["aws:fis/experimentTemplate:ExperimentTemplate"],
  checks: [
    ({ stopConditions }) => {
      const sources = objects(stopConditions).map(({ source }) => source);
      if (sources.some((source) => source === "aws:cloudwatch:alarm")) return [];
      const reason = "nothing would end it early";
      return [{ property: "stopConditions", value: sources, reason, cure: "name a CloudWatch alarm of the shadow" }];
    },
  ],
};
