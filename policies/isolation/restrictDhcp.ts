import type { Rule } from "../rule";
import { texts } from "../values";

export const rule: Rule = {
  description: "Machines of a shadow ask AWS's own resolver for names, which the DNS firewall watches.",
  types: ["aws:ec2/vpcDhcpOptions:VpcDhcpOptions"],
  checks: [
    ({ domainNameServers }) => {
      const foreign = texts(domainNameServers).filter((server) => server !== "AmazonProvidedDNS");
      if (foreign.length === 0) return [];
      const reason = "names would be asked for past the DNS firewall";
      return [{ property: "domainNameServers", value: foreign, reason, cure: "use AmazonProvidedDNS alone" }];
    },
  ],
};
