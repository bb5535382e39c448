import type { Rule, StackFinding } from "../rule";
import { collect } from "../pack";
import { isInside, shadowRanges } from "../values";

const attachments = [
  "aws:lb/targetGroupAttachment:TargetGroupAttachment",
  "aws:alb/targetGroupAttachment:TargetGroupAttachment",
];
const cure = "register instances of the shadow, or addresses in its ranges";

export const rule: Rule = {
  description: "Load balancers send to instances of the shadow or to addresses in its ranges.",
  checkStack: ({ shadow }) => {
    const own = new Set(shadow.map(({ urn }) => urn));
    const ranges = shadowRanges(shadow);
    const parts = shadow
      .filter(({ type }) => attachments.includes(type))
      .flatMap((resource) => [
        (): StackFinding[] => {
          if ((resource.propertyDependencies.targetId ?? []).some(({ urn }) => own.has(urn))) return [];
          const value: unknown = resource.props.targetId;
          if (typeof value === "string" && ranges.some((range) => isInside(hostRange(value), [range]))) return [];
          return [{ resource, property: "targetId", value, reason: "the target is not in this shadow", cure }];
        },
        (): StackFinding[] =>
          resource.props.availabilityZone === "all"
            ? [
                {
                  resource,
                  property: "availabilityZone",
                  value: "all",
                  reason: "it allows addresses outside the VPC",
                  cure,
                },
              ]
            : [],
      ]);
    const { findings, unknown } = collect(parts);
    if (findings.length === 0 && unknown !== undefined) throw unknown;
    return findings;
  },
};

function hostRange(address: string): string {
  return address.includes(":") ? `${address}/128` : `${address}/32`;
}
