import { type ArnPlace, type IamDocument, type IamStatement, arnOf, iamDocument } from "./document";

/** The shadow that a document is for. */
export interface ShadowPlace extends ArnPlace {
  shadowName: string;
  /** Name of the shadow's private bucket. */
  bucketName: string;
}

/** Path of every role of a shadow; the VPC endpoints let nobody else through. */
export function shadowRolePath(shadowName: string): string {
  return `/shadownet/${shadowName}/`;
}

/** First part of the names of a shadow's log groups. */
export function shadowLogPrefix(shadowName: string): string {
  return `/shadownet/${shadowName}`;
}

/** What agents on machines send to be steered; these actions know no resources. */
const agentActions = {
  ssm: ["ssm:UpdateInstanceInformation", "ssm:ListAssociations", "ssm:ListInstanceAssociations"],
  ssmmessages: [
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
  ],
  ec2messages: [
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
  ],
};

const parameterActions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"];
const documentActions = ["ssm:DescribeDocument", "ssm:GetDocument"];
const logActions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
const readActions = ["s3:GetObject", "s3:ListBucket"];

/** EC2 takes a role on behalf of an instance and says no source, so that there is nothing to compare. */
export function machineTrust(): IamDocument {
  return iamDocument([
    {
      Sid: "InstancesOfThisAccount",
      Effect: "Allow",
      Principal: { Service: "ec2.amazonaws.com" },
      Action: ["sts:AssumeRole"],
    },
  ]);
}

/** What a clone may do: be steered by SSM, write its logs, publish metrics. Nothing of production's profile. */
export function machinePolicy(place: ShadowPlace): IamDocument {
  return iamDocument([
    {
      Sid: "BeSteered",
      Effect: "Allow",
      Action: [...agentActions.ssm, ...agentActions.ssmmessages, ...agentActions.ec2messages],
      Resource: ["*"],
    },
    { Sid: "ReadDocuments", Effect: "Allow", Action: documentActions, Resource: documentsOf(place) },
    { Sid: "ReadParameters", Effect: "Allow", Action: parameterActions, Resource: [parametersOf(place)] },
    { Sid: "WriteLogs", Effect: "Allow", Action: logActions, Resource: logGroupsOf(place) },
    {
      Sid: "PublishMetrics",
      Effect: "Allow",
      Action: ["cloudwatch:PutMetricData"],
      Resource: ["*"],
      Condition: { StringEquals: { "cloudwatch:namespace": ["CWAgent", "Shadownet"] } },
    },
  ]);
}

/** AWS's own documents have no account in their ARN. */
function documentsOf(place: ArnPlace): string[] {
  return [arnOf(place, "ssm", "document/*"), `arn:${place.partition}:ssm:${place.region}::document/*`];
}

function parametersOf(place: ShadowPlace): string {
  return arnOf(place, "ssm", `parameter/shadownet/${place.shadowName}/*`);
}

function logGroupsOf(place: ShadowPlace): string[] {
  return [arnOf(place, "logs", `log-group:${shadowLogPrefix(place.shadowName)}/*`)];
}

/** What the flow log's role may do. */
export function flowLogPolicy(logGroupArn: string): IamDocument {
  return iamDocument([
    {
      Sid: "WriteFlowLog",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
      Resource: [logGroupArn, `${logGroupArn}:*`],
    },
    { Sid: "FindGroup", Effect: "Allow", Action: ["logs:DescribeLogGroups"], Resource: ["*"] },
  ]);
}

/** Who may use an endpoint at all: roles of this shadow in this account. A disk's copied keys are somebody else's. */
function ownRoles({ partition, accountId, shadowName }: ShadowPlace): IamStatement["Condition"] {
  return {
    StringEquals: { "aws:PrincipalAccount": accountId },
    ArnLike: { "aws:PrincipalArn": `arn:${partition}:iam::${accountId}:role${shadowRolePath(shadowName)}*` },
  };
}

/** What goes through each interface endpoint. */
const endpointActions: Record<string, string[]> = {
  ssm: [...agentActions.ssm, ...documentActions, ...parameterActions],
  ssmmessages: agentActions.ssmmessages,
  ec2messages: agentActions.ec2messages,
  logs: logActions,
  monitoring: ["cloudwatch:PutMetricData"],
  ec2: [
    "ec2:AttachNetworkInterface",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeTags",
    "ec2:DetachNetworkInterface",
    "ec2:ModifyNetworkInterfaceAttribute",
  ],
};

/** Policy of an interface endpoint: the service's actions that a shadow needs, for its own roles. */
export function endpointPolicy(place: ShadowPlace, service: string): IamDocument {
  const Condition = ownRoles(place)!;
  const Principal = { AWS: "*" };
  return iamDocument([
    { Sid: "OwnRoles", Effect: "Allow", Principal, Action: endpointActions[service] ?? [], Resource: ["*"], Condition },
  ]);
}

/**
 * Policy of the S3 endpoint: AWS's own buckets that agents and package managers read (they are public and asked without a
 * signature), and by roles of the shadow its own bucket and those that the user names.
 */
export function s3EndpointPolicy(place: ShadowPlace, buckets: readonly string[]): IamDocument {
  const { partition, region } = place;
  const arn = (bucket: string): string => `arn:${partition}:s3:::${bucket}`;
  const ofAws = [
    `al2023-repos-${region}-de612dc2`,
    `amazonlinux-2-repos-${region}`,
    `amazoncloudwatch-agent-${region}`,
    `amazon-ssm-${region}`,
    `amazon-ssm-packages-${region}`,
    `aws-ssm-${region}`,
    `aws-ssm-document-attachments-${region}`,
  ];
  const own = [place.bucketName, ...buckets];
  return iamDocument([
    {
      Sid: "BucketsOfAws",
      Effect: "Allow",
      Principal: { AWS: "*" },
      Action: ["s3:GetObject"],
      Resource: ofAws.map((bucket) => `${arn(bucket)}/*`),
    },
    {
      Sid: "OwnBuckets",
      Effect: "Allow",
      Principal: { AWS: "*" },
      Action: readActions,
      Resource: own.flatMap((bucket) => [arn(bucket), `${arn(bucket)}/*`]),
      Condition: ownRoles(place)!,
    },
  ]);
}

const useKey = [
  "kms:Decrypt",
  "kms:DescribeKey",
  "kms:Encrypt",
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyWithoutPlaintext",
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
];

/** Policy of the shadow's key: its account rules it, EC2 and RDS use it for the account, logs for the shadow's groups. */
export function keyPolicy(place: ShadowPlace): IamDocument {
  const { partition, region, accountId } = place;
  const suffix = partition === "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com";
  return iamDocument([
    {
      Sid: "AccountRules",
      Effect: "Allow",
      Principal: { AWS: `arn:${partition}:iam::${accountId}:root` },
      Action: ["kms:*"],
      Resource: ["*"],
    },
    {
      Sid: "DisksAndDatabases",
      Effect: "Allow",
      Principal: { AWS: "*" },
      Action: [...useKey, "kms:CreateGrant"],
      Resource: ["*"],
      Condition: {
        StringEquals: {
          "kms:CallerAccount": accountId,
          "kms:ViaService": [`ec2.${region}.${suffix}`, `rds.${region}.${suffix}`],
        },
      },
    },
    {
      Sid: "Logs",
      Effect: "Allow",
      Principal: { Service: `logs.${region}.${suffix}` },
      Action: useKey,
      Resource: ["*"],
      Condition: { ArnLike: { "kms:EncryptionContext:aws:logs:arn": logGroupsOf(place) } },
    },
  ]);
}

/** Actions that roles of a shadow may have at most; those of the first list know no resources. */
const withoutResources = [
  ...agentActions.ssm,
  ...agentActions.ssmmessages,
  ...agentActions.ec2messages,
  "autoscaling:DescribeAutoScalingGroups",
  "autoscaling:DescribeAutoScalingInstances",
  "cloudwatch:DescribeAlarms",
  "cloudwatch:GetMetricData",
  "cloudwatch:GetMetricWidgetImage",
  "cloudwatch:PutMetricData",
  "ec2:DescribeInstances",
  "ec2:DescribeInstanceStatus",
  "ec2:DescribeManagedPrefixLists",
  "ec2:DescribeNetworkAcls",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeRouteTables",
  "ec2:DescribeSecurityGroups",
  "ec2:DescribeSubnets",
  "ec2:DescribeTags",
  "ec2:DescribeVolumes",
  "ec2:DescribeVpcEndpoints",
  "ec2:DescribeVpcs",
  "logs:CreateLogDelivery",
  "logs:DescribeLogGroups",
  "logs:DescribeResourcePolicies",
  "logs:PutResourcePolicy",
  "ssm:CancelCommand",
  "ssm:ListCommandInvocations",
  "ssm:ListCommands",
  "tag:GetResources",
];
const withResources = [
  ...documentActions,
  ...parameterActions,
  ...logActions,
  ...readActions,
  ...useKey,
  "autoscaling:CompleteLifecycleAction",
  "cloudwatch:GetDashboard",
  "ec2:AttachNetworkInterface",
  "ec2:CreateNetworkAcl",
  "ec2:CreateNetworkAclEntry",
  "ec2:CreateSecurityGroup",
  "ec2:CreateTags",
  "ec2:DeleteNetworkAcl",
  "ec2:DeleteSecurityGroup",
  "ec2:DetachNetworkInterface",
  "ec2:GetManagedPrefixListEntries",
  "ec2:InjectVolumeIOLatency",
  "ec2:ModifyNetworkInterfaceAttribute",
  "ec2:ModifyVpcEndpoint",
  "ec2:PauseVolumeIO",
  "ec2:RebootInstances",
  "ec2:ReplaceNetworkAclAssociation",
  "ec2:RevokeSecurityGroupEgress",
  "ec2:StartInstances",
  "ec2:StopInstances",
  "ec2:TerminateInstances",
  "events:DescribeRule",
  "events:PutRule",
  "events:PutTargets",
  "fis:GetExperiment",
  "fis:StartExperiment",
  "fis:StopExperiment",
  "iam:PassRole",
  "kms:CreateGrant",
  "rds:FailoverDBCluster",
  "rds:RebootDBInstance",
  "s3:PutObject",
  "sns:Publish",
  "ssm:GetAutomationExecution",
  "ssm:SendCommand",
  "ssm:StartAutomationExecution",
  "ssm:StopAutomationExecution",
  "states:StartExecution",
];

/** What makes AWS refuse calls: it is bound to whose calls they are, as it has no resource of its own. */
const refusals = {
  answers: ["fis:InjectApiInternalError", "fis:InjectApiThrottleError", "fis:InjectApiUnavailableError"],
  capacity: ["ec2:InjectApiError"],
};

/** Whether the boundary lets a role of the shadow have an action. */
export function isWithinBoundary(action: string): boolean {
  const all = [withoutResources, withResources, refusals.answers, refusals.capacity];
  return all.some((actions) => actions.includes(action));
}

/** The most that any role of the shadow can do, whatever policy it is given: these actions, in this account and region. */
export function permissionsBoundary(place: ShadowPlace): IamDocument {
  const { partition, region, accountId, shadowName } = place;
  const rolesHere = `arn:${partition}:iam::${accountId}:role${shadowRolePath(shadowName)}*`;
  const services = ["autoscaling", "cloudwatch", "ec2", "events", "fis", "kms", "logs", "rds", "sns", "ssm", "states"];
  return iamDocument([
    { Sid: "WithoutResources", Effect: "Allow", Action: withoutResources, Resource: ["*"] },
    {
      Sid: "OwnAccountAndRegion",
      Effect: "Allow",
      Action: withResources,
      Resource: [
        ...services.map((service) => arnOf(place, service, "*")),
        `arn:${partition}:ssm:${region}::document/*`,
        `arn:${partition}:cloudwatch::${accountId}:dashboard/*`,
        rolesHere,
        `arn:${partition}:s3:::*`,
      ],
    },
    {
      Sid: "AnswersToOwnRoles",
      Effect: "Allow",
      Action: refusals.answers,
      Resource: [arnOf(place, "fis", "experiment/*")],
      Condition: {
        "ForAllValues:StringLike": { "fis:Targets": [rolesHere] },
        Null: { "fis:Targets": "false" },
      },
    },
    {
      Sid: "CapacityOfOwnRolesAndGroups",
      Effect: "Allow",
      Action: refusals.capacity,
      Resource: ["*"],
      Condition: {
        "ForAllValues:ArnLike": { "ec2:FisTargetArns": [rolesHere, arnOf(place, "autoscaling", "autoScalingGroup:*")] },
        Null: { "ec2:FisTargetArns": "false" },
      },
    },
    {
      Sid: "NoOtherAccountsBuckets",
      Effect: "Deny",
      Action: ["s3:PutObject", "s3:ListBucket"],
      Resource: ["*"],
      Condition: { StringNotEquals: { "aws:ResourceAccount": accountId } },
    },
  ]);
}
