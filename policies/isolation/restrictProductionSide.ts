import type { Finding, Rule } from "../rule";

const endpoint = "aws:ec2/vpcEndpoint:VpcEndpoint";
const allowed = [
  endpoint,
  "aws:ec2/trafficMirrorTarget:TrafficMirrorTarget",
  "aws:ec2/trafficMirrorFilter:TrafficMirrorFilter",
  "aws:ec2/trafficMirrorFilterRule:TrafficMirrorFilterRule",
  "aws:ec2/trafficMirrorSession:TrafficMirrorSession",
];
const cure = "keep to the mirror's target, filter, rules and sessions and one Gateway Load Balancer endpoint a zone";

export const rule: Rule = {
  description:
    "Production gains the mirror and the endpoints that carry it, and nothing else: no route, group or ACL changes.",
  side: "production",
  checks: [
    (_, { type }): Finding[] =>
      allowed.includes(type) || type.startsWith("pulumi:") || type.startsWith("shadownet:")
        ? []
        : [{ property: "type", value: type, reason: "production is only read", cure }],
    ({ vpcEndpointType }, { type }): Finding[] =>
      type !== endpoint || vpcEndpointType === "GatewayLoadBalancer"
        ? []
        : [{ property: "vpcEndpointType", value: vpcEndpointType, reason: "it is no way for copies of packets", cure }],
  ],
};
