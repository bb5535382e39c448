import type { Rule, StackFinding } from "../rule";
import { known } from "../values";

const cure = "use subnets, interfaces and instances of the shadow itself";

/** What a property of these types must come from. */
const sources: Record<string, Record<string, string>> = {
  "aws:ec2/networkInterface:NetworkInterface": { subnetId: "aws:ec2/subnet:Subnet" },
  "aws:ec2/instance:Instance": { subnetId: "aws:ec2/subnet:Subnet" },
  "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment": {
    instanceId: "aws:ec2/instance:Instance",
    networkInterfaceId: "aws:ec2/networkInterface:NetworkInterface",
  },
  "aws:ec2/subnet:Subnet": { vpcId: "aws:ec2/vpc:Vpc" },
  "aws:ec2/securityGroup:SecurityGroup": { vpcId: "aws:ec2/vpc:Vpc" },
};

export const rule: Rule = {
  description:
    "Subnets, interfaces, instances and security groups hang on parts of the shadow: no interface in two networks.",
  checkStack: ({ shadow }) => {
    const own = new Set(shadow.map(({ urn }) => urn));
    return shadow.flatMap((resource) =>
      Object.entries(sources[resource.type] ?? {}).flatMap(([property, wanted]): StackFinding[] => {
        if (known(resource.props, property) === undefined) return [];
        const from = resource.propertyDependencies[property] ?? [];
        if (from.some(({ type, urn }) => type === wanted && own.has(urn))) return [];
        return [{ resource, property, reason: `it comes from no ${wanted.split(":").at(-1)} of the shadow`, cure }];
      }),
    );
  },
};
