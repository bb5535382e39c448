import { roleTag, shadowTag } from "../../components/aws/shadow";
import { type StackResource, shadowTags as tags } from "../support/policyStack";

const account = "210987654321";
const json = (value: unknown): string => JSON.stringify(value);
const trust = (service: string) => ({
  Effect: "Allow",
  Action: "sts:AssumeRole",
  Principal: { Service: `${service}.amazonaws.com` },
  Condition: { StringEquals: { "aws:SourceAccount": account } },
});
const production = ["shadownet:index:AwsShadowEnvironment", "shadownet:index:AwsMirrorSources"];
const productionTags = { [shadowTag]: "shop", "shadownet:role": "production" };

/** A shadow that keeps every rule, beside a production in the same stack that has what a shadow may not have. */
export const compliantStack: readonly StackResource[] = [
  {
    type: "aws:ec2/internetGateway:InternetGateway",
    name: "prod-igw",
    components: [],
    props: { tags: { Name: "prod" } },
  },
  { type: "shadownet:index:AwsFaultExperiment", name: "slow", props: { actions: {}, blastRadius: { percent: 20 } } },
  { type: "aws:ec2/vpc:Vpc", name: "vpc", props: { cidrBlock: "10.0.0.0/16", tags } },
  {
    type: "aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation",
    name: "appliances",
    props: { cidrBlock: "100.64.0.0/20", vpcId: "vpc-1" },
    from: { vpcId: ["vpc"] },
  },
  {
    type: "aws:ec2/subnet:Subnet",
    name: "front",
    props: { vpcId: "vpc-1", cidrBlock: "10.0.1.0/24", mapPublicIpOnLaunch: false, tags },
    from: { vpcId: ["vpc"] },
  },
  {
    type: "aws:ec2/networkInterface:NetworkInterface",
    name: "eni",
    props: { subnetId: "subnet-1", tags },
    from: { subnetId: ["front"] },
  },
  {
    type: "aws:ec2/instance:Instance",
    name: "web-1",
    props: {
      ami: "ami-1",
      subnetId: "subnet-1",
      iamInstanceProfile: "shop-profile",
      metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
      tags,
    },
    from: { subnetId: ["front"], iamInstanceProfile: ["profile"] },
  },
  {
    type: "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment",
    name: "attachment",
    props: { instanceId: "i-1", networkInterfaceId: "eni-1", deviceIndex: 1 },
    from: { instanceId: ["web-1"], networkInterfaceId: ["eni"] },
  },
  {
    type: "aws:iam/instanceProfile:InstanceProfile",
    name: "profile",
    props: { role: "shop" },
    from: { role: ["role"] },
  },
  {
    type: "aws:iam/role:Role",
    name: "role",
    props: {
      assumeRolePolicy: json({ Statement: [{ ...trust("ec2"), Condition: undefined }] }),
      permissionsBoundary: "arn:aws:iam::210987654321:policy/boundary",
      managedPolicyArns: ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
      tags,
    },
  },
  {
    type: "aws:iam/rolePolicy:RolePolicy",
    name: "permissions",
    props: {
      role: "shop",
      policy: json({
        Statement: [
          { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::shop-gateway/*" },
          { Effect: "Allow", Action: ["ec2:DescribeInstances", "cloudwatch:PutMetricData"], Resource: "*" },
          {
            Effect: "Allow",
            Action: "ec2:StopInstances",
            Resource: "*",
            Condition: { StringEquals: { "aws:ResourceTag/shadownet:shadow": "shop" } },
          },
        ],
      }),
    },
  },
  {
    type: "aws:ec2/routeTable:RouteTable",
    name: "table",
    props: { vpcId: "vpc-1", routes: [{ cidrBlock: "0.0.0.0/0", networkInterfaceId: "eni-1" }], tags },
    from: { vpcId: ["vpc"], routes: ["eni"] },
  },
  {
    type: "aws:ec2/route:Route",
    name: "route",
    props: { routeTableId: "rtb-1", destinationCidrBlock: "0.0.0.0/0", networkInterfaceId: "eni-1" },
    from: { routeTableId: ["table"], networkInterfaceId: ["eni"] },
  },
  {
    type: "aws:ec2/securityGroup:SecurityGroup",
    name: "group",
    props: {
      vpcId: "vpc-1",
      ingress: [{ protocol: "tcp", fromPort: 80, toPort: 80, cidrBlocks: ["0.0.0.0/0"] }],
      egress: [{ protocol: "-1", fromPort: 0, toPort: 0, cidrBlocks: ["10.0.0.0/16", "100.64.0.0/20"] }],
      tags,
    },
    from: { vpcId: ["vpc"] },
  },
  {
    type: "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    name: "group-rule",
    props: { securityGroupId: "sg-1", referencedSecurityGroupId: "sg-1", ipProtocol: "tcp" },
    from: { securityGroupId: ["group"], referencedSecurityGroupId: ["group"] },
  },
  {
    type: "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    name: "default-group",
    props: { vpcId: "vpc-1", ingress: [], egress: [] },
    from: { vpcId: ["vpc"] },
  },
  {
    type: "aws:ec2/vpcEndpoint:VpcEndpoint",
    name: "s3",
    props: {
      serviceName: "com.amazonaws.eu-central-1.s3",
      vpcEndpointType: "Gateway",
      policy: json({
        Statement: [
          { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::shop-gateway/*" },
        ],
      }),
      tags,
    },
    from: { vpcId: ["vpc"] },
  },
  {
    type: "aws:ec2/vpcEndpointService:VpcEndpointService",
    name: "service",
    props: {
      acceptanceRequired: true,
      gatewayLoadBalancerArns: ["arn:gwlb"],
      allowedPrincipals: ["arn:aws:iam::123456789012:root"],
      tags,
    },
  },
  {
    type: "aws:ec2/vpcEndpointConnectionAccepter:VpcEndpointConnectionAccepter",
    name: "accepter",
    props: { vpcEndpointServiceId: "vpce-svc-1", vpcEndpointId: "vpce-1" },
    from: { vpcEndpointServiceId: ["service"] },
  },
  { type: "aws:lb/loadBalancer:LoadBalancer", name: "gwlb", props: { loadBalancerType: "gateway", tags } },
  { type: "aws:lb/loadBalancer:LoadBalancer", name: "front-lb", props: { internal: true, tags } },
  {
    type: "aws:lb/targetGroupAttachment:TargetGroupAttachment",
    name: "target",
    props: { targetId: "10.0.1.7", port: 80 },
  },
  {
    type: "aws:ec2/subnet:Subnet",
    name: "gateway-subnet",
    props: { vpcId: "vpc-1", cidrBlock: "100.64.0.0/28", mapPublicIpOnLaunch: false, tags },
    from: { vpcId: ["vpc"] },
  },
  {
    type: "aws:autoscaling/group:Group",
    name: "gateways",
    props: {
      vpcZoneIdentifiers: ["subnet-2"],
      tags: Object.entries({ ...tags, [roleTag]: "gateway" }).map(([key, value]) => ({ key, value })),
    },
    from: { vpcZoneIdentifiers: ["gateway-subnet"] },
  },
  {
    type: "aws:ec2/networkAcl:NetworkAcl",
    name: "diode",
    props: {
      subnetIds: ["subnet-2"],
      egress: [
        { ruleNo: 10, action: "deny", protocol: "udp", fromPort: 6081, toPort: 6081, cidrBlock: "0.0.0.0/0" },
        { ruleNo: 100, action: "allow", protocol: "-1", fromPort: 0, toPort: 0, cidrBlock: "0.0.0.0/0" },
      ],
      tags,
    },
    from: { vpcId: ["vpc"], subnetIds: ["gateway-subnet"] },
  },
  {
    type: "aws:ec2/flowLog:FlowLog",
    name: "flow-log",
    props: { vpcId: "vpc-1", maxAggregationInterval: 60, trafficType: "ALL", tags },
    from: { vpcId: ["vpc"] },
  },
  {
    type: "aws:route53/resolverFirewallRule:ResolverFirewallRule",
    name: "dns-block",
    props: { action: "BLOCK", firewallRuleGroupId: "rslvr-frg-1" },
    from: { firewallRuleGroupId: ["dns-group"] },
  },
  { type: "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup", name: "dns-group", props: { tags } },
  {
    type: "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation",
    name: "dns-association",
    props: { vpcId: "vpc-1", firewallRuleGroupId: "rslvr-frg-1" },
    from: { vpcId: ["vpc"], firewallRuleGroupId: ["dns-group"] },
  },
  {
    type: "aws:route53/resolverFirewallConfig:ResolverFirewallConfig",
    name: "dns-config",
    props: { resourceId: "vpc-1", firewallFailOpen: "DISABLED" },
    from: { resourceId: ["vpc"] },
  },
  {
    type: "aws:route53/zone:Zone",
    name: "zone",
    props: { name: "shop.internal", vpcs: [{ vpcId: "vpc-1" }], tags },
    from: { vpcs: ["vpc"] },
  },
  { type: "aws:ec2/vpcDhcpOptions:VpcDhcpOptions", name: "dhcp", props: { domainNameServers: ["AmazonProvidedDNS"] } },
  { type: "aws:oam/link:Link", name: "oam", props: { sinkIdentifier: "arn:aws:oam:eu-central-1:111122223333:sink/a" } },
  {
    type: "aws:ec2/amiFromInstance:AmiFromInstance",
    name: "image",
    props: { sourceInstanceId: "i-production", snapshotWithoutReboot: true },
  },
  {
    type: "aws:kms/key:Key",
    name: "key",
    props: {
      policy: json({
        Statement: [
          { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" },
        ],
      }),
      tags,
    },
  },
  {
    type: "aws:rds/instance:Instance",
    name: "db",
    props: { snapshotIdentifier: "rds:shop", dbSubnetGroupName: "shop", publiclyAccessible: false, tags },
  },
  { type: "aws:lambda/function:Function", name: "function", props: { vpcConfig: { subnetIds: ["subnet-1"] } } },
  { type: "aws:ssm/document:Document", name: "document", props: { content: "{}", tags } },
  {
    type: "aws:ec2/networkInsightsAccessScope:NetworkInsightsAccessScope",
    name: "scope",
    props: { matchPaths: [{ destination: {} }], tags },
  },
  {
    type: "aws:ec2/vpcEndpoint:VpcEndpoint",
    name: "mirror-endpoint",
    components: production,
    props: { vpcEndpointType: "GatewayLoadBalancer", serviceName: "com.amazonaws.vpce.x", tags: productionTags },
  },
  {
    type: "aws:ec2/trafficMirrorSession:TrafficMirrorSession",
    name: "session",
    components: production,
    props: { networkInterfaceId: "eni-production", sessionNumber: 1, tags: productionTags },
  },
  {
    type: "aws:fis/experimentTemplate:ExperimentTemplate",
    name: "template",
    props: {
      roleArn: "arn:aws:iam::210987654321:role/shop",
      targets: [
        {
          name: "web",
          resourceType: "aws:ec2:instance",
          resourceTags: [{ key: shadowTag, value: "shop" }],
          filters: [{ path: "VpcId", values: ["vpc-1"] }],
        },
      ],
      actions: [
        { name: "slow", actionId: "aws:ssm:send-command", parameters: [{ key: "documentArn", value: "arn:own" }] },
      ],
      stopConditions: [{ source: "aws:cloudwatch:alarm", value: "arn:alarm" }],
      tags,
    },
    from: { roleArn: ["role"], actions: ["document"], targets: ["vpc"] },
  },
  {
    type: "aws:fis/targetAccountConfiguration:TargetAccountConfiguration",
    name: "target-account",
    props: { accountId: account },
  },
  {
    type: "aws:scheduler/schedule:Schedule",
    name: "schedule",
    props: { target: { arn: "arn:aws:scheduler:::aws-sdk:fis:startExperiment" } },
  },
];
