import type { Rule } from "../rule";

export const rule: Rule = {
  description: "Experiments act in the shadow's account only.",
  side: "both",
  types: ["aws:fis/targetAccountConfiguration:TargetAccountConfiguration"],
  config: {
    properties: {
      shadowAccounts: {
        type: "array",
        items: { type: "string", pattern: "^[0-9]{12}$" },
        default: [],
        description: "Accounts that experiments may act in beside the one that they are made in.",
      },
    },
  },
  checks: [
    ({ accountId }, { config }) => {
      const allowed = config.shadowAccounts as string[];
      if (allowed.includes(String(accountId))) return [];
      const reason = allowed.length === 0 ? "no further account is allowed" : `allowed are ${allowed.join(", ")}`;
      return [{ property: "accountId", value: accountId, reason, cure: "leave it out, or name it in shadowAccounts" }];
    },
  ],
};
