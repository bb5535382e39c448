import { collect } from "../pack";
import type { Rule, StackFinding } from "../rule";

const cure = "log all traffic of the VPC with maxAggregationInterval 60";

export const rule: Rule = {
  description: "Every shadow VPC has a flow log of all traffic at one minute: the witness of its isolation.",
  checkStack: ({ shadow }) => {
    const logs = shadow.filter(({ type }) => type === "aws:ec2/flowLog:FlowLog");
    const parts = shadow
      .filter(({ type }) => type === "aws:ec2/vpc:Vpc")
      .map((resource) => (): StackFinding[] => {
        const log = logs.find(({ propertyDependencies }) =>
          (propertyDependencies.vpcId ?? []).some(({ urn }) => urn === resource.urn),
        );
        if (log === undefined) return [{ resource, property: "flowLog", reason: "nobody would see a leak", cure }];
        const { maxAggregationInterval, trafficType = "ALL" } = log.props as Record<string, unknown>;
        return [
          ...(maxAggregationInterval === 60
            ? []
            : [
                {
                  resource: log,
                  property: "maxAggregationInterval",
                  value: maxAggregationInterval,
                  reason: "a leak would be seen ten minutes late",
                  cure,
                },
              ]),
          ...(trafficType === "ALL"
            ? []
            : [{ resource: log, property: "trafficType", value: trafficType, reason: "it sees only a part", cure }]),
        ];
      });
    const { findings, unknown } = collect(parts);
    if (findings.length === 0 && unknown !== undefined) throw unknown;
    return findings;
  },
};
