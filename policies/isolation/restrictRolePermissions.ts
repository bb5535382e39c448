import { conditionKeys, type Statement, statementsOf } from "../iamDocument";
import type { Finding, Props, Rule } from "../rule";
import { objects, texts } from "../values";

/** Actions that know no resources, or that only read what is no secret. */
const withoutResources = [
  /^[a-z0-9-]+:(Describe|List)[A-Za-z]*$/,
  /^cloudwatch:(PutMetricData|GetMetric(Data|Statistics|WidgetImage))$/,
  /^tag:GetResources$/,
  /^ssmmessages:/,
  /^ec2messages:/,
  /^ssm:(CancelCommand|UpdateInstanceInformation)$/,
  /^logs:(CreateLogDelivery|PutResourcePolicy|GetLogDelivery|UpdateLogDelivery|DeleteLogDelivery)$/,
  /^xray:Put[A-Za-z]+$/,
];
const managed = ["AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"];
const cure = "name the actions and the resources of the shadow, or bind them by a tag or a VPC condition";
/** Conditions that bind a statement to parts of the shadow. */
const binding =
  /^(aws:resourcetag\/|ec2:resourcetag\/|ssm:resourcetag\/|ec2:vpc$|aws:requesttag\/|cloudwatch:namespace$|iam:passedtoservice$|kms:viaservice$|ec2:fistargetarns$|fis:targets$)/;

function statementProblems(property: string, statement: Statement): Finding[] {
  if (statement.effect !== "Allow") return [];
  const wild = statement.actions.filter((action) => action.includes("*"));
  const assumes = statement.actions.filter((action) => /^sts:assumerole/i.test(action));
  const bound = conditionKeys(statement).some((key) => binding.test(key));
  const broad = statement.resources.filter((resource) => resource === "*");
  const needy = statement.actions.filter((action) => !withoutResources.some((pattern) => pattern.test(action)));
  return [
    ...(statement.notActions.length > 0
      ? [{ property: `${property}.NotAction`, value: statement.notActions, reason: "it allows all the rest", cure }]
      : []),
    ...(wild.length > 0
      ? [{ property: `${property}.Action`, value: wild, reason: "it allows more than anybody has read", cure }]
      : []),
    ...(assumes.length > 0
      ? [{ property: `${property}.Action`, value: assumes, reason: "it is a way into other roles", cure }]
      : []),
    ...(broad.length > 0 && needy.length > 0 && !bound
      ? [{ property: `${property}.Resource`, value: needy, reason: "it reaches every resource of the account", cure }]
      : []),
  ];
}

function documentProblems(property: string, document: unknown): Finding[] {
  if (document === undefined) return [];
  const statements = statementsOf(document);
  if (statements === undefined) return [{ property, value: document, reason: "it is no IAM document", cure }];
  return statements.flatMap((statement, s) => statementProblems(`${property}.Statement[${s}]`, statement));
}

function managedProblems(property: string, arns: readonly string[]): Finding[] {
  return arns.flatMap((arn): Finding[] => {
    const name = /^arn:aws[a-z-]*:iam::aws:policy\/(?:.*\/)?([\w+=,.@-]+)$/.exec(arn)?.[1];
    if (name === undefined || managed.includes(name)) return [];
    return [{ property, value: arn, reason: `of AWS's own policies allowed are ${managed.join(", ")}`, cure }];
  });
}

export const rule: Rule = {
  description:
    "What roles of a shadow may do is named action by action and bound to the shadow; no role leads to another.",
  types: [
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
  ],
  checks: [
    ({ policy }, { type }) => (type === "aws:iam/role:Role" ? [] : documentProblems("policy", policy)),
    ({ inlinePolicies }) =>
      objects(inlinePolicies).flatMap((inline: Props, p) =>
        documentProblems(`inlinePolicies[${p}].policy`, inline.policy),
      ),
    ({ managedPolicyArns }) => managedProblems("managedPolicyArns", texts(managedPolicyArns)),
    ({ policyArn }) => managedProblems("policyArn", texts(policyArn)),
  ],
};
