import type { Rule } from "../rule";

export const rule: Rule = {
  description: "Measurements leave a shadow's account only to sinks that were named.",
  types: ["aws:oam/link:Link"],
  config: {
    properties: {
      allowedSinks: {
        type: "array",
        items: { type: "string" },
        default: [],
        description: "ARNs of the monitoring sinks that a shadow may link to.",
      },
    },
  },
  checks: [
    ({ sinkIdentifier }, { config }) => {
      const allowed = config.allowedSinks as string[];
      if (allowed.includes(String(sinkIdentifier))) return [];
      const reason = allowed.length === 0 ? "no sink is allowed" : `allowed are ${allowed.join(", ")}`;
      return [{ property: "sinkIdentifier", value: sinkIdentifier, reason, cure: "name the sink in allowedSinks" }];
    },
  ],
};
