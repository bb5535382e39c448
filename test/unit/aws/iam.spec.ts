import assert from "node:assert/strict";

import type { RefusedCalls } from "../../../components/aws/iam/controlPlaneFaults";
import { experimentPermissions, experimentTrust } from "../../../components/aws/iam/experimentRole";
import {
  repeaterPermissions,
  repeaterTrust,
  schedulerPermissions,
  schedulerTrust,
} from "../../../components/aws/iam/repeaterRoles";
import { isWithinBoundary } from "../../../components/aws/iam/network";
import { iamProblems } from "../../support/iamParser";

const place = { partition: "aws", region: "eu-central-1", accountId: "222233334444" };
const actionIds = [
  "aws:ec2:stop-instances",
  "aws:ec2:reboot-instances",
  "aws:ebs:pause-volume-io",
  "aws:ebs:volume-io-latency",
  "aws:network:disrupt-connectivity",
  "aws:network:disrupt-vpc-endpoint",
  "aws:ssm:send-command",
  "aws:cloudwatch:assert-alarm-state",
  "aws:fis:inject-api-throttle-error",
  "aws:ec2:api-insufficient-instance-capacity-error",
  "aws:ec2:asg-insufficient-instance-capacity-error",
  "aws:fis:wait",
];
const roleArn = "arn:aws:iam::222233334444:role/shadownet/shop-shadow/machines";
const groupArn = "arn:aws:autoscaling:eu-central-1:222233334444:autoScalingGroup:1:autoScalingGroupName/web";
const calls: RefusedCalls[] = [
  {
    actionId: "aws:fis:inject-api-throttle-error",
    service: "ec2",
    operations: ["DescribeInstances", "DescribeTags"],
    targetArns: [roleArn],
  },
  { actionId: "aws:ec2:api-insufficient-instance-capacity-error", targetArns: [roleArn] },
  { actionId: "aws:ec2:asg-insufficient-instance-capacity-error", targetArns: [groupArn] },
  { actionId: "aws:fis:wait", targetArns: [] },
];
const settings = {
  ...place,
  shadowName: "shop-shadow",
  vpcId: "vpc-0123456789abcdef0",
  actionIds,
  documentArns: ["arn:aws:ssm:eu-central-1:222233334444:document/shop-slow"],
  subnetArns: ["arn:aws:ec2:eu-central-1:222233334444:subnet/subnet-01"],
  endpointArns: ["arn:aws:ec2:eu-central-1:222233334444:vpc-endpoint/vpce-01"],
  calls,
  report: {
    bucketName: "shadownet-222233334444-abc",
    dashboardArn: "arn:aws:cloudwatch::222233334444:dashboard/shop",
  },
};
const actionsOf = (ids: string[], refused: RefusedCalls[] = []): string[] =>
  experimentPermissions({ ...settings, actionIds: ids, calls: refused }).Statement.flatMap(({ Action }) => Action);

describe("IAM documents of experiments", () => {
  const documents = {
    "the experiments' role": experimentPermissions(settings),
    "the experiments' trust": experimentTrust(place),
    "the repeater's role": repeaterPermissions(place, ["EXT1", "EXT2"]),
    "the repeater's trust": repeaterTrust(place),
    "the schedule's role, starting a template": schedulerPermissions(place, { templateIds: ["EXT1"] }),
    "the schedule's role, starting a state machine": schedulerPermissions(place, {
      templateIds: ["EXT1"],
      stateMachineArn: "arn:aws:states:eu-central-1:222233334444:stateMachine:shop",
    }),
    "the schedule's trust": schedulerTrust(place),
  };
  for (const [name, document] of Object.entries(documents)) {
    it(`${name} is well-formed and no wider than the list of reasons says`, () =>
      assert.deepEqual(iamProblems(document), []));
  }

  it("nothing is given that the permissions boundary of every role takes away", () => {
    const allowed = Object.values(documents)
      .flatMap(({ Statement }) => Statement.flatMap(({ Action }) => Action))
      .filter((action) => action !== "sts:AssumeRole");
    assert.deepEqual([...new Set(allowed)].filter((action) => !isWithinBoundary(action)).sort(), []);
  });

  it("the role gets what the actions in use need and nothing else", () => {
    const always = [
      "logs:CreateLogDelivery",
      "logs:PutResourcePolicy",
      "logs:DescribeResourcePolicies",
      "logs:DescribeLogGroups",
    ];
    const report = ["s3:PutObject", "s3:GetObject", "cloudwatch:GetDashboard", "cloudwatch:GetMetricWidgetImage"];
    assert.deepEqual(actionsOf(["aws:fis:wait"]), [...always, ...report]);
    assert.ok(!actionsOf(["aws:ssm:send-command"]).some((action) => action.startsWith("ec2:Stop")));
    assert.ok(!actionsOf(["aws:ec2:stop-instances"]).includes("ssm:SendCommand"));
    const terminating = actionsOf(actionIds).filter((action) => /Terminate|Run|PassRole|AssumeRole/.test(action));
    assert.deepEqual(terminating, []);
  });

  it("AWS is made to refuse the calls of the shadow's own roles and groups, and the asked ones alone", () => {
    const { Statement } = experimentPermissions(settings);
    const named = (sid: string) => Statement.find(({ Sid }) => Sid === sid);
    assert.deepEqual(named("InjectApiThrottleError"), {
      Sid: "InjectApiThrottleError",
      Effect: "Allow",
      Action: ["fis:InjectApiThrottleError"],
      Resource: ["arn:aws:fis:eu-central-1:222233334444:experiment/*"],
      Condition: {
        StringEquals: { "fis:Service": ["ec2"] },
        "ForAllValues:StringEquals": {
          "fis:Operations": ["DescribeInstances", "DescribeTags"],
          "fis:Targets": [roleArn],
        },
        Null: { "fis:Targets": "false" },
      },
    });
    const capacity = (sid: string, kind: string, arn: string) =>
      assert.deepEqual(named(sid)?.Condition, {
        "ForAnyValue:StringEquals": { "ec2:FisActionId": [`aws:ec2:${kind}-insufficient-instance-capacity-error`] },
        "ForAllValues:ArnEquals": { "ec2:FisTargetArns": [arn] },
        Null: { "ec2:FisTargetArns": "false" },
      });
    capacity("RefuseInstancesToRoles", "api", roleArn);
    capacity("RefuseInstancesToGroups", "asg", groupArn);
    assert.deepEqual(
      actionsOf([], [calls[1]!]).filter((action) => action.startsWith("autoscaling:")),
      [],
    );
    const unlike = actionsOf(actionIds).filter((action) => /Inject(Api|VolumeIO)/.test(action));
    assert.deepEqual(unlike, ["ec2:InjectVolumeIOLatency"], "nothing without calls that are to be refused");
  });

  it("every change of machines is tied to the shadow's tag", () => {
    const changing = experimentPermissions(settings).Statement.filter(({ Action }) =>
      Action.some((action) =>
        /^(ec2:(Stop|Start|Reboot)Instances|ec2:PauseVolumeIO|ec2:InjectVolumeIOLatency)$/.test(action),
      ),
    );
    assert.equal(changing.length, 4);
    for (const { Condition } of changing) {
      assert.deepEqual(Condition, { StringEquals: { "aws:ResourceTag/shadownet:shadow": "shop-shadow" } });
    }
    const send = experimentPermissions(settings).Statement.find(({ Sid }) => Sid === "SendToClones");
    assert.deepEqual(send?.Condition, { StringEquals: { "ssm:resourceTag/shadownet:shadow": "shop-shadow" } });
  });

  it("the parser finds what is too wide", () => {
    const statement = (part: object) => ({
      Version: "2012-10-17",
      Statement: [{ Sid: "X", Effect: "Allow", Action: ["ec2:StopInstances"], Resource: ["*"], ...part }],
    });
    const instances = "arn:aws:ec2:eu-central-1:222233334444:instance/*";
    const cases: [object, RegExp][] = [
      [statement({}), /ec2:StopInstances on every resource/],
      [statement({ Action: ["ec2:*"] }), /malformed or a wildcard/],
      [statement({ Resource: [instances] }), /without a condition/],
      [statement({ Action: ["ec2:InjectApiError"] }), /ec2:InjectApiError on every resource/],
      [
        statement({
          Action: ["ec2:InjectApiError"],
          Condition: { "ForAllValues:ArnEquals": { "ec2:FisTargetArns": ["arn:x"] } },
        }),
        /ec2:InjectApiError on every resource/,
      ],
      [statement({ Resource: ["arn:aws:s3:::prod/*"] }), /no reason is on record/],
      [statement({ NotAction: ["iam:*"] }), /unknown element NotAction/],
      [statement({ Resource: undefined, Principal: { AWS: "*" }, Action: ["sts:AssumeRole"] }), /trusts AWS/],
    ];
    for (const [document, expected] of cases) assert.match(iamProblems(document).join("\n"), expected);
  });
});
