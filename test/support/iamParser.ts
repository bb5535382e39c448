import type { IamDocument, IamStatement } from "../../components/aws/iam/document";

/** Actions that know no resource and no condition that could narrow them, and why a shadow's role may have them. */
const withoutResources: [RegExp, string][] = [
  [/^[a-z0-9-]+:(Describe|List)[A-Za-z]+$/, "reads lists, of which AWS can allow all or none"],
  [/^tag:GetResources$/, "reads the tags of resources; FIS finds volumes by it"],
  [/^ssm:CancelCommand$/, "ends a command that the same role has sent; AWS knows no resource for it"],
  [/^logs:(CreateLogDelivery|PutResourcePolicy)$/, "what AWS's delivery of logs needs; it knows no resource"],
  [/^cloudwatch:GetMetricWidgetImage$/, "draws a picture of metrics; AWS knows no resource for it"],
];

/** Actions that know no resource, and the condition keys that must say whom they hit, so that none at all is refused too. */
const byCondition: Partial<Record<string, string>> = { "ec2:InjectApiError": "ec2:FisTargetArns" };

/** Resources whose last part is a wildcard, and why that is no more than the role is there for. */
const openResources: [RegExp, string][] = [
  [/:ec2:[^:]+:\d+:(instance|volume)\/\*$/, "narrowed by the shadow's tag in the condition"],
  [/:ec2:[^:]+:\d+:(network-acl|security-group)\/\*$/, "narrowed by FIS's own tag or the VPC in the condition"],
  [/:kms:[^:]+:\d+:key\/\*$/, "only grants that EC2 takes for disks of the shadow"],
  [/:fis:[^:]+:\d+:experiment\/\*$/, "the id of a run is not known before it begins; the template is named"],
  [/:cloudwatch:[^:]+:\d+:alarm:\*$/, "only read"],
  [/:cloudwatch::\d+:dashboard\/\*$/, "only read"],
  [/:s3:::[a-z0-9.-]+\/experiments\/\*$/, "one folder of the shadow's own bucket"],
];

/** Actions that only read, which a wildcard of an ARN may stand behind without a condition. */
const harmless = /^[a-z0-9-]+:(Describe|Get|List)[A-Za-z]+$/;

/** Everything in a policy document that is malformed, or wider than the allow-lists above give a reason for. */
export function iamProblems(document: unknown): string[] {
  const { Version, Statement } = JSON.parse(JSON.stringify(document)) as { Version?: string } & Pick<
    IamDocument,
    "Statement"
  >;
  const problems = Version === "2012-10-17" ? [] : [`version ${Version ?? "missing"}`];
  const names = Statement.map(({ Sid }) => Sid);
  if (new Set(names).size < names.length) problems.push(`statements of the same name: ${names.join(", ")}`);
  return [...problems, ...Statement.flatMap((statement) => statementProblems(statement))];
}

function statementProblems(statement: IamStatement): string[] {
  const { Sid, Effect, Action, Resource = [], Principal } = statement;
  const known = ["Sid", "Effect", "Action", "Resource", "Principal", "Condition"];
  const at = (text: string): string => `${Sid}: ${text}`;
  const problems = Object.keys(statement)
    .filter((key) => !known.includes(key))
    .map((key) => at(`unknown element ${key}`));
  if (!/^[A-Za-z0-9]+$/.test(Sid)) problems.push(at("a Sid has letters and digits only"));
  if (!["Allow", "Deny"].includes(Effect)) problems.push(at(`effect ${Effect}`));
  if (Action.length === 0) problems.push(at("no action"));
  for (const action of Action) {
    if (!/^[a-z0-9-]+:[A-Za-z]+$/.test(action)) problems.push(at(`action ${action} is malformed or a wildcard`));
  }
  if (Effect === "Deny") return problems;
  if (Principal !== undefined) return [...problems, ...trustProblems(statement).map(at)];
  if (Resource.length === 0) problems.push(at("no resource"));
  return [...problems, ...Resource.flatMap((resource) => resourceProblems(resource, statement)).map(at)];
}

function resourceProblems(resource: string, { Action, Condition }: IamStatement): string[] {
  if (resource === "*") {
    return Action.filter((action) => !withoutResources.some(([pattern]) => pattern.test(action)))
      .filter((action) => !isNarrowed(byCondition[action], Condition))
      .map((action) => `${action} on every resource`);
  }
  if (!/^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d{0,12}:.+$/.test(resource)) return [`${resource} is no ARN`];
  if (!resource.includes("*")) return [];
  if (!openResources.some(([pattern]) => pattern.test(resource))) return [`no reason is on record for ${resource}`];
  const narrow = Condition !== undefined || Action.every((action) => harmless.test(action));
  const byItself = /:(fis|s3):/.test(resource);
  return narrow || byItself ? [] : [`${resource} without a condition`];
}

/** A condition on all values holds when there is none, so that it needs one more that there are some. */
function isNarrowed(key: string | undefined, condition: IamStatement["Condition"] = {}): boolean {
  if (key === undefined) return false;
  const isSome = condition.Null?.[key] === "false";
  const values = Object.entries(condition).filter(([operator, keys]) => operator !== "Null" && key in keys);
  return values.length > 0 && (isSome || values.every(([operator]) => !operator.startsWith("ForAllValues:")));
}

function trustProblems({ Principal, Action, Condition = {} }: IamStatement): string[] {
  const keys = Object.values(Condition).flatMap((operator) => Object.keys(operator));
  const problems = ["aws:SourceAccount", "aws:SourceArn"]
    .filter((key) => !keys.includes(key))
    .map((key) => `the trust has no ${key}`);
  if (Action.join() !== "sts:AssumeRole") problems.push(`trusts ${Action.join()}`);
  const kinds = Object.keys(Principal ?? {});
  if (kinds.join() !== "Service") problems.push(`trusts ${kinds.join()}`);
  return problems;
}
