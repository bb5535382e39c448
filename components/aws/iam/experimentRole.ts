import { shadowTag } from "../shadow";
import { type RefusedCalls, refusalStatements } from "./controlPlaneFaults";
import { type ArnPlace, type IamDocument, type IamStatement, arnOf, iamDocument, serviceTrust } from "./document";

/** What the role of an experiment is made for. */
export interface ExperimentRoleSettings extends ArnPlace {
  shadowName: string;
  vpcId: string;
  /** Ids of the FIS actions in use: the role gets what these need and nothing else. */
  actionIds: string[];
  /** ARNs of the SSM documents that may be sent. */
  documentArns: string[];
  /** ARNs of the subnets that may be cut off. */
  subnetArns: string[];
  /** ARNs of the VPC endpoints that may be cut off. */
  endpointArns: string[];
  /** What AWS may be made to refuse, and to whom. */
  calls: RefusedCalls[];
  /** What the report shows and the bucket that it goes to. Defaults to no report. */
  report?: { dashboardArn: string; bucketName: string };
}

/** Lets FIS take the role, for experiments of this account and region. */
export function experimentTrust(place: ArnPlace): IamDocument {
  return serviceTrust(place, "fis", arnOf(place, "fis", "experiment/*"));
}

/** What FIS may do in an experiment: the actions in use, on resources that carry the shadow's tag or lie in its VPC. */
export function experimentPermissions(settings: ExperimentRoleSettings): IamDocument {
  const { actionIds, calls } = settings;
  const parts = actionIds.flatMap((id) => (permissions[id] ?? (() => []))(settings));
  const unique = [...new Map(parts.map((statement) => [statement.Sid, statement])).values()];
  return iamDocument([
    ...unique,
    ...refusalStatements(settings, calls),
    {
      Sid: "DeliverTheLog",
      Effect: "Allow",
      Action: [
        "logs:CreateLogDelivery",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
      ],
      Resource: ["*"],
    },
    ...(settings.report === undefined ? [] : report(settings, settings.report)),
  ]);
}

type Permissions = (settings: ExperimentRoleSettings) => IamStatement[];

const permissions: Partial<Record<string, Permissions>> = {
  "aws:ec2:stop-instances": (s) => [
    onTagged(s, "StopAndStartClones", ["ec2:StopInstances", "ec2:StartInstances"], ["instance/*"]),
    reading("LookAtInstances", ["ec2:DescribeInstances"]),
    {
      Sid: "StartWithEncryptedDisks",
      Effect: "Allow",
      Action: ["kms:CreateGrant"],
      Resource: [arnOf(s, "kms", "key/*")],
      Condition: {
        StringEquals: { "kms:ViaService": `ec2.${s.region}.amazonaws.com` },
        Bool: { "kms:GrantIsForAWSResource": "true" },
      },
    },
  ],
  "aws:ec2:reboot-instances": (s) => [
    onTagged(s, "RebootClones", ["ec2:RebootInstances"], ["instance/*"]),
    reading("LookAtInstances", ["ec2:DescribeInstances"]),
  ],
  "aws:ebs:pause-volume-io": (s) => [
    onTagged(s, "PauseDisks", ["ec2:PauseVolumeIO"], ["volume/*"]),
    reading("LookAtVolumes", ["ec2:DescribeVolumes", "tag:GetResources"]),
  ],
  "aws:ebs:volume-io-latency": (s) => [
    onTagged(s, "SlowDisks", ["ec2:InjectVolumeIOLatency"], ["volume/*"]),
    reading("LookAtVolumes", ["ec2:DescribeVolumes", "tag:GetResources"]),
  ],
  "aws:network:disrupt-connectivity": cutSubnets,
  "aws:network:disrupt-vpc-endpoint": cutEndpoints,
  "aws:ssm:send-command": sendCommands,
  "aws:cloudwatch:assert-alarm-state": (s) => [
    {
      Sid: "LookAtAlarms",
      Effect: "Allow",
      Action: ["cloudwatch:DescribeAlarms"],
      Resource: [arnOf(s, "cloudwatch", "alarm:*")],
    },
  ],
};

function sendCommands(s: ExperimentRoleSettings): IamStatement[] {
  return [
    { Sid: "SendOwnDocuments", Effect: "Allow", Action: ["ssm:SendCommand"], Resource: s.documentArns },
    {
      Sid: "SendToClones",
      Effect: "Allow",
      Action: ["ssm:SendCommand"],
      Resource: [arnOf(s, "ec2", "instance/*")],
      Condition: { StringEquals: { [`ssm:resourceTag/${shadowTag}`]: s.shadowName } },
    },
    reading("FollowCommands", ["ssm:ListCommands", "ssm:CancelCommand"]),
    reading("LookAtInstances", ["ec2:DescribeInstances"]),
  ];
}

/** FIS makes an ACL of its own, which carries its tag, and gives the subnet its old one back. */
function cutSubnets(s: ExperimentRoleSettings): IamStatement[] {
  const acls = [arnOf(s, "ec2", "network-acl/*")];
  const ofFis = { StringEquals: { "aws:ResourceTag/managedByFIS": "true" } };
  return [
    {
      Sid: "MakeAnAclInTheShadow",
      Effect: "Allow",
      Action: ["ec2:CreateNetworkAcl"],
      Resource: [arnOf(s, "ec2", `vpc/${s.vpcId}`)],
    },
    {
      Sid: "MakeAnAclOfFis",
      Effect: "Allow",
      Action: ["ec2:CreateNetworkAcl"],
      Resource: acls,
      Condition: { StringEquals: { "aws:RequestTag/managedByFIS": "true" } },
    },
    {
      Sid: "TagItsAcl",
      Effect: "Allow",
      Action: ["ec2:CreateTags"],
      Resource: acls,
      Condition: {
        StringEquals: { "ec2:CreateAction": "CreateNetworkAcl", "aws:RequestTag/managedByFIS": "true" },
      },
    },
    {
      Sid: "FillAndRemoveItsAcl",
      Effect: "Allow",
      Action: ["ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAcl"],
      Resource: acls,
      Condition: ofFis,
    },
    {
      Sid: "GiveTheSubnetAnotherAcl",
      Effect: "Allow",
      Action: ["ec2:ReplaceNetworkAclAssociation"],
      Resource: [...s.subnetArns, ...acls],
      Condition: { ArnEquals: { "ec2:Vpc": arnOf(s, "ec2", `vpc/${s.vpcId}`) } },
    },
    reading("LookAtTheNetwork", [
      "ec2:DescribeManagedPrefixLists",
      "ec2:DescribeNetworkAcls",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
    ]),
  ];
}

/** FIS gives the endpoint an empty security group for the time. */
function cutEndpoints(s: ExperimentRoleSettings): IamStatement[] {
  const groups = [arnOf(s, "ec2", "security-group/*")];
  return [
    {
      Sid: "MakeAGroupInTheShadow",
      Effect: "Allow",
      Action: ["ec2:CreateSecurityGroup"],
      Resource: [arnOf(s, "ec2", `vpc/${s.vpcId}`)],
    },
    {
      Sid: "MakeAGroupOfFis",
      Effect: "Allow",
      Action: ["ec2:CreateSecurityGroup"],
      Resource: groups,
      Condition: { StringEquals: { "aws:RequestTag/managedByFIS": "true" } },
    },
    {
      Sid: "TagItsGroup",
      Effect: "Allow",
      Action: ["ec2:CreateTags"],
      Resource: groups,
      Condition: {
        StringEquals: { "ec2:CreateAction": "CreateSecurityGroup", "aws:RequestTag/managedByFIS": "true" },
      },
    },
    {
      Sid: "EmptyAndRemoveItsGroup",
      Effect: "Allow",
      Action: ["ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress"],
      Resource: groups,
      Condition: { StringEquals: { "aws:ResourceTag/managedByFIS": "true" } },
    },
    {
      Sid: "ChangeTheEndpoint",
      Effect: "Allow",
      Action: ["ec2:ModifyVpcEndpoint"],
      Resource: [...s.endpointArns, ...groups],
      Condition: { StringEqualsIfExists: { [`aws:ResourceTag/${shadowTag}`]: s.shadowName } },
    },
    reading("LookAtEndpoints", ["ec2:DescribeSecurityGroups", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcs"]),
  ];
}

function report(
  { partition }: ExperimentRoleSettings,
  { bucketName, dashboardArn }: NonNullable<ExperimentRoleSettings["report"]>,
): IamStatement[] {
  const objects = `arn:${partition}:s3:::${bucketName}/experiments/*`;
  return [
    { Sid: "WriteTheReport", Effect: "Allow", Action: ["s3:PutObject", "s3:GetObject"], Resource: [objects] },
    { Sid: "DrawTheDashboard", Effect: "Allow", Action: ["cloudwatch:GetDashboard"], Resource: [dashboardArn] },
    reading("DrawItsWidgets", ["cloudwatch:GetMetricWidgetImage"]),
  ];
}

function onTagged(s: ExperimentRoleSettings, sid: string, actions: string[], resources: string[]): IamStatement {
  return {
    Sid: sid,
    Effect: "Allow",
    Action: actions,
    Resource: resources.map((resource) => arnOf(s, "ec2", resource)),
    Condition: { StringEquals: { [`aws:ResourceTag/${shadowTag}`]: s.shadowName } },
  };
}

/** Calls that know no resources. */
function reading(sid: string, actions: string[]): IamStatement {
  return { Sid: sid, Effect: "Allow", Action: actions, Resource: ["*"] };
}
