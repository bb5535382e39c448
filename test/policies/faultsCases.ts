import type { PolicyCase } from "./policyCase";

const faults = (name: string): string => `faults-${name}`;
const target = (changes: object) => ({
  name: "web",
  resourceType: "aws:ec2:instance",
  resourceTags: [{ key: "shadownet:shadow", value: "shop" }],
  filters: [{ path: "VpcId", values: ["vpc-1"] }],
  ...changes,
});

const roles = (resourceArns: string[]) => ({ name: "calls", resourceType: "aws:iam:role", resourceArns });

/** Changes that break the rules of the faults pack. */
export const faultsCases: readonly PolicyCase[] = [
  {
    rule: faults("restrict-targets"),
    title: "an experiment aims at any instance",
    set: { name: "template", props: { targets: [target({ resourceTags: [{ key: "role", value: "web" }] })] } },
    expect: { resource: "template", property: "targets[0].resourceTags" },
  },
  {
    rule: faults("restrict-targets"),
    title: "an experiment aims at instances of any VPC",
    set: { name: "template", props: { targets: [target({ filters: [] })] } },
    expect: { resource: "template", property: "targets[0].filters" },
  },
  {
    rule: faults("restrict-targets"),
    title: "an experiment aims at an ARN that is not the shadow's",
    set: {
      name: "template",
      props: {
        targets: [target({ resourceTags: undefined, resourceArns: ["arn:aws:ec2:::subnet/subnet-production"] })],
      },
      from: { roleArn: ["role"], actions: ["document"] },
    },
    expect: { resource: "template", property: "targets[0].resourceTags" },
  },
  {
    rule: faults("restrict-targets"),
    title: "an experiment makes the calls of a role of production fail",
    set: {
      name: "template",
      props: {
        targets: [
          roles(["arn:aws:iam::210987654321:role/shadownet/shop/machines", "arn:aws:iam::210987654321:role/orders"]),
        ],
      },
    },
    expect: { resource: "template", property: "targets[0].resourceArns[1]" },
  },
  {
    rule: faults("restrict-targets"),
    title: "an experiment makes the calls of another shadow's role fail",
    set: {
      name: "template",
      props: { targets: [roles(["arn:aws:iam::210987654321:role/shadownet/shop-2/machines"])] },
    },
    expect: { resource: "template", property: "targets[0].resourceArns[0]" },
  },
  {
    rule: faults("restrict-targets"),
    title: "an experiment makes the calls of all roles with a tag fail",
    set: { name: "template", props: { targets: [target({ resourceType: "aws:iam:role" })] } },
    expect: { resource: "template", property: "targets[0].resourceArns" },
  },
  {
    rule: faults("restrict-targets"),
    title: "an experiment keeps an Auto Scaling group of production small",
    set: {
      name: "template",
      props: {
        targets: [
          { name: "web", resourceType: "aws:ec2:autoscaling-group", resourceArns: ["arn:aws:autoscaling:::web"] },
        ],
      },
      from: { roleArn: ["role"], actions: ["document"] },
    },
    expect: { resource: "template", property: "targets[0].resourceTags" },
  },
  {
    rule: faults("require-stop-condition"),
    title: "nothing stops an experiment",
    set: { name: "template", props: { stopConditions: [{ source: "none" }] } },
    expect: { resource: "template", property: "stopConditions" },
  },
  {
    rule: faults("restrict-actions"),
    title: "an experiment takes the traffic of a whole zone away",
    set: { name: "template", props: { actions: [{ actionId: "aws:arc:start-zonal-autoshift" }] } },
    expect: { resource: "template", property: "actions[0].actionId" },
  },
  {
    rule: faults("restrict-documents"),
    title: "an experiment sends a document that nobody has read",
    set: { name: "template", from: { roleArn: ["role"], targets: ["vpc"] } },
    expect: { resource: "template", property: "actions[0].parameters.documentArn" },
  },
  {
    rule: faults("restrict-accounts"),
    title: "an experiment acts in another account",
    set: { name: "target-account", props: { accountId: "123456789012" } },
    expect: { resource: "target-account", property: "accountId" },
  },
  {
    rule: faults("restrict-roles"),
    title: "an experiment acts under somebody else's role",
    set: { name: "template", from: { actions: ["document"], targets: ["vpc"] } },
    expect: { resource: "template", property: "roleArn" },
  },
  {
    rule: faults("forbid-safety-lever"),
    title: "a stack moves the safety lever",
    add: { type: "aws:fis/safetyLeverState:SafetyLeverState", name: "lever", components: [], props: {} },
    expect: { resource: "lever", property: "type" },
  },
  {
    rule: faults("restrict-schedules"),
    title: "a schedule stops instances",
    set: { name: "schedule", props: { target: { arn: "arn:aws:scheduler:::aws-sdk:ec2:stopInstances" } } },
    expect: { resource: "schedule", property: "target.arn" },
  },
  {
    rule: faults("restrict-blast-radius"),
    title: "an experiment may hit the whole shadow",
    set: { name: "slow", props: { blastRadius: { percent: 100 } } },
    expect: { resource: "slow", property: "blastRadius.percent" },
  },
];
