import { collect } from "../pack";
import type { Rule, StackFinding } from "../rule";

const prefix = "aws:route53/resolverFirewall";
const cure = "associate a rule group that ends by blocking every name, and keep the firewall closed when it fails";

export const rule: Rule = {
  description: "Every shadow VPC has a DNS firewall that blocks what is not allowed and stays closed when it fails.",
  checkStack: ({ shadow }) => {
    const of = (kind: string) => shadow.filter(({ type }) => type.startsWith(`${prefix}${kind}:`));
    const blocks = of("Rule").filter(({ props }) => collect([() => [props.action as unknown]]).findings[0] === "BLOCK");
    const parts = shadow
      .filter(({ type }) => type === "aws:ec2/vpc:Vpc")
      .map((resource) => (): StackFinding[] => {
        const refersToIt = (kind: string, property: string) =>
          of(kind).find(({ propertyDependencies }) =>
            (propertyDependencies[property] ?? []).some(({ urn }) => urn === resource.urn),
          );
        const findings: StackFinding[] = [];
        const association = refersToIt("RuleGroupAssociation", "vpcId");
        if (association === undefined) {
          findings.push({ resource, property: "dnsFirewall", reason: "names are a way out", cure });
        } else {
          const groups = (association.propertyDependencies.firewallRuleGroupId ?? []).map(({ urn }) => urn);
          const blocked = blocks.some(({ propertyDependencies }) =>
            (propertyDependencies.firewallRuleGroupId ?? []).some(({ urn }) => groups.includes(urn)),
          );
          if (!blocked) {
            findings.push({
              resource: association,
              property: "firewallRuleGroupId",
              reason: "it blocks nothing",
              cure,
            });
          }
        }
        const config = refersToIt("Config", "resourceId");
        const mode: unknown = config?.props.firewallFailOpen;
        if (mode !== "DISABLED") {
          const at = config ?? resource;
          findings.push({
            resource: at,
            property: "firewallFailOpen",
            value: mode,
            reason: "a failure would open it",
            cure,
          });
        }
        return findings;
      });
    const { findings, unknown } = collect(parts);
    if (findings.length === 0 && unknown !== undefined) throw unknown;
    return findings;
  },
};
