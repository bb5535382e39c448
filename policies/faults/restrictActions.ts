import type { Finding, Rule } from "../rule";
import { objects, texts } from "../values";

const defaultActions = [
  "aws:ec2:stop-instances",
  "aws:ec2:reboot-instances",
  "aws:ebs:pause-volume-io",
  "aws:ebs:volume-io-latency",
  "aws:network:disrupt-connectivity",
  "aws:network:disrupt-vpc-endpoint",
  "aws:ec2:asg-insufficient-instance-capacity-error",
  "aws:ec2:api-insufficient-instance-capacity-error",
  "aws:fis:inject-api-internal-error",
  "aws:fis:inject-api-throttle-error",
  "aws:fis:inject-api-unavailable-error",
  "aws:ssm:send-command",
  "aws:fis:wait",
  "aws:cloudwatch:assert-alarm-state",
];

export const rule: Rule = {
  description:
    "Experiments use actions that can be kept inside a shadow; those that hit an account or a region are refused.",
  types: ["aws:fis/experimentTemplate:ExperimentTemplate"],
  config: {
    properties: {
      allowedActions: {
        type: "array",
        items: { type: "string" },
        default: defaultActions,
        description: "Ids of the FIS actions that experiments may use.",
      },
    },
  },
  checks: [
    ({ actions }, { config }) => {
      const allowed = texts(config.allowedActions);
      return objects(actions).flatMap(({ actionId }, a): Finding[] => {
        if (allowed.includes(String(actionId))) return [];
        const reason = `allowed are ${allowed.join(", ")}`;
        return [
          {
            property: `actions[${a}].actionId`,
            value: actionId,
            reason,
            cure: "take one of them, or allow it in allowedActions",
          },
        ];
      });
    },
  ],
};
