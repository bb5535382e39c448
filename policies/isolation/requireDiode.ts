import type { PolicyResource } from "@pulumi/policy";

import { collect } from "../pack";
import type { Props, Rule, StackFinding } from "../rule";
import { objects } from "../values";

const acl = "aws:ec2/networkAcl:NetworkAcl";
const aclRule = "aws:ec2/networkAclRule:NetworkAclRule";
const cure = "give the gateways' subnets a network ACL that denies UDP 6081 outwards before anything that allows it";

/** Egress entries of an ACL, lowest number first, wherever they are written. */
function egressOf(list: PolicyResource, shadow: readonly PolicyResource[]): Props[] {
  const own = shadow
    .filter(({ type }) => type === aclRule)
    .filter(({ propertyDependencies }) => (propertyDependencies.networkAclId ?? []).some(({ urn }) => urn === list.urn))
    .map(({ props }) => props as Props)
    .filter(({ egress }) => egress === true);
  const inline = objects(list.props.egress);
  return [...own, ...inline].sort((a, b) => numberOf(a) - numberOf(b));
}

function numberOf({ ruleNumber, ruleNo }: Props): number {
  return Number(ruleNumber ?? ruleNo);
}

/** Whether a datagram to the port of GENEVE is denied: the first entry that matches decides, and the end denies. */
function deniesGeneve(entries: readonly Props[]): boolean {
  const first = entries.find(({ protocol, fromPort, toPort }) => {
    const name = String(protocol);
    if (["-1", "all"].includes(name)) return true;
    return ["17", "udp"].includes(name) && Number(fromPort ?? 0) <= 6081 && Number(toPort ?? 65535) >= 6081;
  });
  return first === undefined || (first.ruleAction ?? first.action) === "deny";
}

export const rule: Rule = {
  description: "Copies of packets go one way: the gateways' subnets cannot send GENEVE back to the load balancer.",
  checkStack: ({ shadow }) => {
    const balancers = shadow.filter(({ type }) => type.endsWith("lb/loadBalancer:LoadBalancer"));
    const gateway = collect(
      balancers.map((balancer) => () => (balancer.props.loadBalancerType === "gateway" ? [balancer] : [])),
    ).findings;
    const lists = shadow.filter(({ type }) => type === acl);
    const parts = gateway.map((resource) => (): StackFinding[] => {
      if (lists.some((list) => deniesGeneve(egressOf(list, shadow)))) return [];
      return [{ resource, property: "networkAcl", reason: "a gateway could send packets back to production", cure }];
    });
    const { findings, unknown } = collect(parts);
    if (findings.length === 0 && unknown !== undefined) throw unknown;
    return findings;
  },
};
