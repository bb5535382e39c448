import type { PolicyResource } from "@pulumi/policy";

import { collect } from "../pack";
import type { Props, Rule, StackFinding } from "../rule";
import { isGiven, isInside, known, objects, shadowRanges, texts } from "../values";

const group = "aws:ec2/securityGroup:SecurityGroup";
const ruleTypes = [
  "aws:ec2/securityGroupRule:SecurityGroupRule",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
];
const cure = "keep what leaves a machine inside the shadow's ranges, and refer to groups of the shadow only";

/** Ranges that a machine may send to by this rule; where it may be reached from does not matter, as nothing leads in. */
function egressRanges({ type, props }: PolicyResource): [string, string][] {
  const of = (path: string, rule: Props): [string, string][] =>
    ["cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6"].flatMap((field) =>
      texts(rule[field]).map((cidr): [string, string] => [path + field, cidr]),
    );
  if (type === group) return objects(props.egress).flatMap((rule, r) => of(`egress[${r}].`, rule));
  if (type.endsWith("SecurityGroupRule")) return props.type === "egress" ? of("", props) : [];
  return type.endsWith("SecurityGroupEgressRule") ? of("", props) : [];
}

function foreignGroups(resource: PolicyResource, own: ReadonlySet<string>): StackFinding[] {
  const fields = ["securityGroupId", "sourceSecurityGroupId", "referencedSecurityGroupId"];
  return fields.flatMap((property): StackFinding[] => {
    const from = resource.propertyDependencies[property] ?? [];
    const value = known(resource.props, property);
    if (!isGiven(value) || from.some(({ urn }) => own.has(urn))) return [];
    return [{ resource, property, value, reason: "the group is none of this shadow", cure }];
  });
}

function prefixLists({ type, props }: PolicyResource): [string, unknown][] {
  const rules: [string, Props][] =
    type === group ? [...objects(props.egress).entries()].map(([r, rule]) => [`egress[${r}].`, rule]) : [["", props]];
  return rules.flatMap(([path, rule]) =>
    ["prefixListIds", "prefixListId"]
      .map((field): [string, unknown] => [path + field, known(rule, field)])
      .filter(([, value]) => isGiven(value)),
  );
}

export const rule: Rule = {
  description:
    "Security groups let machines send only into the shadow's ranges and to its S3 endpoint, and refer to its own groups.",
  checkStack: ({ shadow }) => {
    const ranges = shadowRanges(shadow);
    const groups = new Set(shadow.filter(({ type }) => type === group).map(({ urn }) => urn));
    const lists = new Set(
      shadow
        .filter(({ type }) => type.startsWith("aws:ec2/vpcEndpoint:") || type.startsWith("aws:ec2/managedPrefixList:"))
        .map(({ urn }) => urn),
    );
    const affected = shadow.filter(({ type }) => type === group || ruleTypes.includes(type));
    const parts = affected.flatMap((resource) => [
      () =>
        egressRanges(resource)
          .filter(([, cidr]) => !isInside(cidr, ranges))
          .map(([property, value]): StackFinding => {
            const reason = `what leaves a machine may go to ${ranges.join(", ") || "the shadow"} only`;
            return { resource, property, value, reason, cure };
          }),
      () => foreignGroups(resource, groups),
      () =>
        prefixLists(resource)
          .filter(([property]) => {
            const root = property.split(/[[.]/)[0]!;
            return !(resource.propertyDependencies[root] ?? []).some(({ urn }) => lists.has(urn));
          })
          .map(([property, value]): StackFinding => ({
            resource,
            property,
            value,
            reason: "the list is not the shadow's",
            cure,
          })),
    ]);
    const { findings, unknown } = collect(parts);
    if (findings.length === 0 && unknown !== undefined) throw unknown;
    return findings;
  },
};
