import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as ec2 from "@pulumi/aws/ec2";
import * as iam from "@pulumi/aws/iam";
import * as kms from "@pulumi/aws/kms";
import * as route53 from "@pulumi/aws/route53";
import * as pulumi from "@pulumi/pulumi";

import { arnOf, serviceTrust } from "../../iam/document";
import { flowLogPolicy, keyPolicy, permissionsBoundary, shadowLogPrefix, shadowRolePath } from "../../iam/network";
import { flowLogFormat } from "../../flowLog";
import { type Site, child, physicalName, tagsOf } from "./site";

/** The key that encrypts everything of a shadow and the policy that bounds every role of it. */
export interface Foundation {
  key: kms.Key;
  boundary: iam.Policy;
}

/** Makes the key and the bounds. */
export function makeFoundation(site: Site): Foundation {
  const { name, shadowName, place } = site;
  const key = new kms.Key(
    `${name}-key`,
    {
      description: `Everything of the shadow ${shadowName}`,
      enableKeyRotation: true,
      deletionWindowInDays: 7,
      policy: place.apply((own) => JSON.stringify(keyPolicy(own))),
      tags: tagsOf(site, "key"),
    },
    child(site),
  );
  const boundary = new iam.Policy(
    `${name}-boundary`,
    {
      name: physicalName(site, "boundary", 100),
      path: shadowRolePath(shadowName),
      description: `The most that any role of the shadow ${shadowName} can do`,
      policy: place.apply((own) => JSON.stringify(permissionsBoundary(own))),
      tags: tagsOf(site, "boundary"),
    },
    child(site),
  );
  return { key, boundary };
}

/** Makes a role of the shadow, with one policy. */
export function makeRole(
  site: Site,
  label: string,
  { boundary }: Foundation,
  trust: pulumi.Input<string>,
  policy: pulumi.Input<string>,
): iam.Role {
  const role = new iam.Role(
    `${site.name}-${label}-role`,
    {
      name: physicalName(site, `${label}-role`, 64),
      path: shadowRolePath(site.shadowName),
      assumeRolePolicy: trust,
      permissionsBoundary: boundary.arn,
      tags: tagsOf(site, `${label} role`),
    },
    child(site),
  );
  new iam.RolePolicy(`${site.name}-${label}-policy`, { role: role.name, policy }, child(site));
  return role;
}

/** What watches and closes a shadow; machines start when it is there. */
export interface Containment {
  logGroup: cloudwatch.LogGroup;
  parts: pulumi.Resource[];
}

/** Makes the flow log, the firewall of names, and the question that AWS's analyzer asks about ways out. */
export function makeContainment(site: Site, vpc: ec2.Vpc, foundation: Foundation): Containment {
  const { logGroup, flowLog } = makeFlowLog(site, vpc, foundation);
  return { logGroup, parts: [flowLog, ...makeNameFirewall(site, vpc), makeAccessScope(site, vpc)] };
}

function makeFlowLog(
  site: Site,
  vpc: ec2.Vpc,
  foundation: Foundation,
): { logGroup: cloudwatch.LogGroup; flowLog: ec2.FlowLog } {
  const groupName = `${shadowLogPrefix(site.shadowName)}/flow`;
  const logGroup = new cloudwatch.LogGroup(
    `${site.name}-flow-log-group`,
    {
      name: groupName,
      retentionInDays: 30,
      kmsKeyId: foundation.key.arn,
      tags: tagsOf(site, "flow log"),
    },
    child(site),
  );
  const trust = site.place.apply((own) =>
    JSON.stringify(serviceTrust(own, "vpc-flow-logs", arnOf(own, "ec2", "vpc-flow-log/*"))),
  );
  // Not the group's own ARN: a preview does not know that one, and the policy packs look at previews.
  const policy = site.place.apply((own) => JSON.stringify(flowLogPolicy(arnOf(own, "logs", `log-group:${groupName}`))));
  const role = makeRole(site, "flow-log", foundation, trust, policy);
  const flowLog = new ec2.FlowLog(
    `${site.name}-flow-log`,
    {
      vpcId: vpc.id,
      trafficType: "ALL",
      logDestinationType: "cloud-watch-logs",
      logDestination: logGroup.arn,
      logFormat: flowLogFormat,
      iamRoleArn: role.arn,
      maxAggregationInterval: 60,
      tags: tagsOf(site, "flow log"),
    },
    child(site),
  );
  return { logGroup, flowLog };
}

/** Names are a way out too: those that the shadow needs are answered, all others are not. */
function makeNameFirewall(site: Site, vpc: ec2.Vpc): pulumi.Resource[] {
  const { name } = site;
  const tags = tagsOf(site, "names");
  const list = (label: string, domains: string[]): route53.ResolverFirewallDomainList =>
    new route53.ResolverFirewallDomainList(
      `${name}-names-${label}`,
      { name: physicalName(site, `names-${label}`, 64), domains, tags },
      child(site),
    );
  const group = new route53.ResolverFirewallRuleGroup(
    `${name}-names`,
    { name: physicalName(site, "names", 64), tags },
    child(site),
  );
  const rules = [
    new route53.ResolverFirewallRule(
      `${name}-names-allow`,
      {
        name: "needed",
        action: "ALLOW",
        priority: 100,
        firewallRuleGroupId: group.id,
        firewallDomainListId: list("needed", site.plan.resolvable).id,
        // A needed name may stand for another one, for example that of a load balancer.
        firewallDomainRedirectionAction: "TRUST_REDIRECTION_DOMAIN",
      },
      child(site),
    ),
    new route53.ResolverFirewallRule(
      `${name}-names-block`,
      {
        name: "all-others",
        action: "BLOCK",
        blockResponse: "NXDOMAIN",
        priority: 200,
        firewallRuleGroupId: group.id,
        firewallDomainListId: list("all", ["*"]).id,
      },
      child(site),
    ),
  ];
  const use = new route53.ResolverFirewallRuleGroupAssociation(
    `${name}-names-use`,
    { name: physicalName(site, "names-use", 64), firewallRuleGroupId: group.id, vpcId: vpc.id, priority: 101, tags },
    child(site, rules),
  );
  const closed = new route53.ResolverFirewallConfig(
    `${name}-names-closed`,
    { resourceId: vpc.id, firewallFailOpen: "DISABLED" },
    child(site),
  );
  return [use, closed];
}

/** Kinds of things by which a VPC is left. */
const exits = [
  "AWS::EC2::InternetGateway",
  "AWS::EC2::NatGateway",
  "AWS::EC2::TransitGatewayAttachment",
  "AWS::EC2::VPCPeeringConnection",
  "AWS::EC2::VPNGateway",
];

function makeAccessScope(site: Site, vpc: ec2.Vpc): ec2.NetworkInsightsAccessScope {
  return new ec2.NetworkInsightsAccessScope(
    `${site.name}-access-scope`,
    {
      matchPaths: [
        {
          source: { resourceStatement: { resources: [vpc.id] } },
          destination: { resourceStatement: { resourceTypes: exits } },
        },
      ],
      tags: tagsOf(site, "ways out: none"),
    },
    child(site),
  );
}
