import { collect } from "../pack";
import type { Finding, Props, Rule } from "../rule";

/** Where production's account has to be named. */
const exempt = [
  "aws:ec2/vpcEndpointService:VpcEndpointService",
  "aws:ec2/vpcEndpointServiceAllowedPrinciple:VpcEndpointServiceAllowedPrinciple",
];
/** What is copied from there, which is the end of the tie. */
const copied = ["sourceDbSnapshotIdentifier", "sourceDbClusterSnapshotIdentifier"];
const cure = "refer to the shadow's own copy, or leave it out";

/** Every text in the inputs with its path; branches that a preview does not know yet are passed over. */
function textsIn(value: unknown, path: string): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  const container = value as Props;
  return Object.keys(container).flatMap(
    (key) =>
      collect([() => textsIn(container[key], Array.isArray(value) ? `${path}[${key}]` : join(path, key))]).findings,
  );
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

export const rule: Rule = {
  description: "Nothing in a shadow names production: no ARN of its account, no host name of its services.",
  config: {
    properties: {
      productionAccounts: {
        type: "array",
        items: { type: "string", pattern: "^[0-9]{12}$" },
        default: [],
        description: "Accounts whose ARNs no resource of a shadow may name. Empty where one account holds both.",
      },
      productionNames: {
        type: "array",
        items: { type: "string" },
        default: [],
        description: "Ends of host names that only production may be reached by, for example `.prod.example.com`.",
      },
    },
  },
  checks: [
    (props, { type, config }): Finding[] => {
      if (exempt.includes(type)) return [];
      const accounts = config.productionAccounts as string[];
      const names = config.productionNames as string[];
      return textsIn(props, "").flatMap(([property, text]): Finding[] => {
        if (/^tags(All)?\./.test(property) || copied.includes(property)) return [];
        const account = accounts.find((one) => text.includes(`:${one}:`));
        if (account !== undefined) {
          return [{ property, value: text, reason: `it names account ${account}, which is production's`, cure }];
        }
        const name = names.find((one) => text.includes(one));
        if (name === undefined) return [];
        return [{ property, value: text, reason: `it names a host of production, ${name}`, cure }];
      });
    },
  ],
};
