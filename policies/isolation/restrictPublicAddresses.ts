import type { Finding, Rule } from "../rule";
import { isGiven, objects } from "../values";

const cure = "leave it out or set it to false";
const reason = "nothing in a shadow has a public address";

function unless(property: string, value: unknown): Finding[] {
  return value === true || value === "true" ? [{ property, value, reason, cure }] : [];
}

export const rule: Rule = {
  description: "Subnets, instances and launch templates give nobody a public address, of IPv4 or IPv6.",
  types: [
    "aws:ec2/subnet:Subnet",
    "aws:ec2/instance:Instance",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/vpc:Vpc",
  ],
  checks: [
    ({ mapPublicIpOnLaunch }) => unless("mapPublicIpOnLaunch", mapPublicIpOnLaunch),
    ({ mapCustomerOwnedIpOnLaunch }) => unless("mapCustomerOwnedIpOnLaunch", mapCustomerOwnedIpOnLaunch),
    ({ associatePublicIpAddress }) => unless("associatePublicIpAddress", associatePublicIpAddress),
    ({ networkInterfaces }) =>
      objects(networkInterfaces).flatMap(({ associatePublicIpAddress }, n) =>
        unless(`networkInterfaces[${n}].associatePublicIpAddress`, associatePublicIpAddress),
      ),
    ({ assignGeneratedIpv6CidrBlock }) => unless("assignGeneratedIpv6CidrBlock", assignGeneratedIpv6CidrBlock),
    ({ ipv6CidrBlock }) =>
      isGiven(ipv6CidrBlock) ? [{ property: "ipv6CidrBlock", value: ipv6CidrBlock, reason, cure: "leave it out" }] : [],
  ],
};
