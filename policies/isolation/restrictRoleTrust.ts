import { conditionKeys, statementsOf } from "../iamDocument";
import type { Finding, Rule } from "../rule";
import { isGiven, known } from "../values";

const services = ["fis", "ec2", "scheduler", "ssm", "states", "lambda", "events", "vpc-flow-logs", "delivery.logs"];
/** Services that take a role on behalf of an instance or function of this account and send no source condition. */
const withoutSource = ["ec2", "lambda"];
const cure = "trust one AWS service, with aws:SourceAccount or aws:SourceArn of this account";

function serviceName(principal: string): string | undefined {
  return /^([a-z0-9.-]+)\.amazonaws\.com(\.cn)?$/.exec(principal)?.[1];
}

export const rule: Rule = {
  description: "Roles of a shadow are taken by AWS services of its own account only, under a permissions boundary.",
  types: ["aws:iam/role:Role"],
  checks: [
    ({ assumeRolePolicy }): Finding[] => {
      const statements = statementsOf(assumeRolePolicy);
      if (statements === undefined) {
        return [{ property: "assumeRolePolicy", value: assumeRolePolicy, reason: "it is no IAM document", cure }];
      }
      return statements.flatMap((statement, s): Finding[] => {
        const property = `assumeRolePolicy.Statement[${s}]`;
        const others = Object.entries(statement.principals).filter(([kind]) => kind !== "Service");
        if (others.length > 0) {
          return [
            { property, value: Object.fromEntries(others), reason: "people and other accounts could take it", cure },
          ];
        }
        const names = (statement.principals.Service ?? []).map((name) => serviceName(name) ?? name);
        const unknown = names.filter((name) => !services.includes(name));
        if (unknown.length > 0) {
          return [{ property, value: unknown, reason: `allowed are the services ${services.join(", ")}`, cure }];
        }
        const keys = conditionKeys(statement);
        const bound = keys.includes("aws:sourceaccount") || keys.includes("aws:sourcearn");
        if (bound || names.every((name) => withoutSource.includes(name))) return [];
        return [{ property, value: names, reason: "the service could be made to take it for another account", cure }];
      });
    },
    (props) =>
      isGiven(known(props, "permissionsBoundary"))
        ? []
        : [
            {
              property: "permissionsBoundary",
              reason: "without one a later policy could widen what the role may do",
              cure: "give the shadow's boundary policy",
            },
          ],
  ],
};
