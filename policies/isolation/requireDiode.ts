import type { PolicyResource } from "@pulumi/policy";

import { roleTag } from "../../components/aws/shadow";
import { collect } from "../pack";
import type { Props, Rule, StackFinding } from "../rule";
import { known, objects, texts } from "../values";

const acl = "aws:ec2/networkAcl:NetworkAcl";
const association = "aws:ec2/networkAclAssociation:NetworkAclAssociation";
const scalingGroup = "aws:autoscaling/group:Group";
const subnet = "aws:ec2/subnet:Subnet";
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

/** The gateways' Auto Scaling groups, by the tag of their role. */
function gatewayGroups(shadow: readonly PolicyResource[]): PolicyResource[] {
  return shadow.filter(
    ({ type, props }) =>
      type === scalingGroup &&
      objects(props.tags).some((tag) => known(tag, "key") === roleTag && known(tag, "value") === "gateway"),
  );
}

/** Subnets that a property names: their ids where they are known, and the resources that they come from. */
interface Subnets {
  ids: string[];
  urns: string[];
}

function subnetsIn({ props, propertyDependencies }: PolicyResource, property: string): Subnets {
  const from = (propertyDependencies[property] ?? []).filter(({ type }) => type === subnet);
  return { ids: knownTexts(props, property), urns: from.map(({ urn }) => urn) };
}

/** The texts of a list; none when a preview does not know all of them. */
function knownTexts(props: Props, property: string): string[] {
  const { findings, unknown } = collect([() => texts(props[property])]);
  return unknown === undefined ? findings : [];
}

/** Subnets that an ACL is on, as it says itself or as associations say. */
function subnetsUnder(list: PolicyResource, shadow: readonly PolicyResource[]): Subnets[] {
  const associations = shadow
    .filter(({ type }) => type === association)
    .filter(({ propertyDependencies }) => (propertyDependencies.networkAclId ?? []).some(({ urn }) => urn === list.urn))
    .map((resource) => subnetsIn(resource, "subnetId"));
  return [subnetsIn(list, "subnetIds"), ...associations];
}

/** Whether all subnets of a group lie under a diode: by their ids, in a preview by the resources that these come from. */
function isUnder(diodes: readonly Subnets[], group: Subnets): boolean {
  const by = (kind: keyof Subnets): boolean => {
    const covered = new Set(diodes.flatMap((one) => one[kind]));
    return group[kind].length > 0 && group[kind].every((one) => covered.has(one));
  };
  const hasIds = group.ids.length > 0 && diodes.some(({ ids }) => ids.length > 0);
  return hasIds ? by("ids") : by("urns");
}

export const rule: Rule = {
  description: "Copies of packets go one way: the gateways' subnets cannot send GENEVE back to the load balancer.",
  checkStack: ({ shadow }) => {
    const balancers = shadow.filter(({ type }) => type.endsWith("lb/loadBalancer:LoadBalancer"));
    const gateway = collect(
      balancers.map((balancer) => () => (balancer.props.loadBalancerType === "gateway" ? [balancer] : [])),
    ).findings;
    const groups = gatewayGroups(shadow);
    const reason = "a gateway could send packets back to production";
    const lists = shadow.filter((list) => list.type === acl && deniesGeneve(egressOf(list, shadow)));
    const diodes = lists.flatMap((list) => subnetsUnder(list, shadow));
    if (groups.length === 0) {
      const bare = lists.length === 0 ? gateway : [];
      return bare.map((resource): StackFinding => ({ resource, property: "networkAcl", reason, cure }));
    }
    return groups
      .filter((group) => !isUnder(diodes, subnetsIn(group, "vpcZoneIdentifiers")))
      .map((resource): StackFinding => {
        const value = known(resource.props, "vpcZoneIdentifiers");
        return { resource, property: "vpcZoneIdentifiers", value, reason, cure };
      });
  },
};
