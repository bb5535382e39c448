import { conditionKeys, statementsOf } from "../iamDocument";
import type { Finding, Rule } from "../rule";
import { isGiven } from "../values";

const scopes = ["aws:principalaccount", "aws:principalarn", "aws:principalorgid"];
const cure =
  "give a policy whose statements name buckets or ask for aws:PrincipalAccount or aws:PrincipalArn of the shadow";
const awsBuckets = /^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.*-]*(\/.*)?$/;

function open(resources: readonly string[]): boolean {
  return resources.length === 0 || resources.some((resource) => resource === "*" || !awsBuckets.test(resource));
}

export const rule: Rule = {
  description:
    "Every VPC endpoint has a policy that keeps production's credentials, copied with the disks, from using it.",
  types: ["aws:ec2/vpcEndpoint:VpcEndpoint", "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy"],
  checks: [
    ({ policy }): Finding[] => {
      if (!isGiven(policy)) return [{ property: "policy", reason: "without one everybody may use the endpoint", cure }];
      const statements = statementsOf(policy);
      if (statements === undefined)
        return [{ property: "policy", value: policy, reason: "it is no IAM document", cure }];
      return statements
        .filter(({ effect }) => effect === "Allow")
        .flatMap((statement, s): Finding[] => {
          const scoped = conditionKeys(statement).some((key) => scopes.includes(key));
          if (scoped || !open(statement.resources)) return [];
          const reason = "it lets every principal reach every resource of the service, production's too";
          return [{ property: `policy.Statement[${s}]`, value: statement.resources, reason, cure }];
        });
    },
  ],
};
