import { shadowTags as tags } from "../support/policyStack";
import type { PolicyCase } from "./policyCase";

const isolation = (name: string): string => `isolation-${name}`;
const json = (value: unknown): string => JSON.stringify(value);
const forbidden = (rule: string, type: string, name = "extra"): PolicyCase => ({
  rule: isolation(rule),
  title: `a shadow has ${type.split(":").at(-1)}`,
  add: { type, name, props: { tags } },
  expect: { resource: name, property: "type" },
});
const statement = (changes: object): string =>
  json({
    Statement: [{ Effect: "Allow", Action: "ec2:StopInstances", Resource: "arn:aws:ec2:::instance/i-1", ...changes }],
  });
const trusting = (changes: object): string =>
  json({
    Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "fis.amazonaws.com" }, ...changes }],
  });

/** Changes that break the rules of the isolation pack. */
export const isolationCases: readonly PolicyCase[] = [
  forbidden("forbid-internet-paths", "aws:ec2/internetGateway:InternetGateway"),
  forbidden("forbid-internet-paths", "aws:ec2/eip:Eip"),
  {
    rule: isolation("forbid-internet-paths"),
    title: "a gateway outside every component is attached to the shadow's VPC",
    add: {
      type: "aws:ec2/internetGatewayAttachment:InternetGatewayAttachment",
      name: "sneaky",
      components: [],
      props: { vpcId: "vpc-1", internetGatewayId: "igw-1" },
      from: { vpcId: ["vpc"], internetGatewayId: ["prod-igw"] },
    },
    expect: { resource: "sneaky", property: "type" },
  },
  forbidden("forbid-network-joins", "aws:ec2/vpcPeeringConnection:VpcPeeringConnection"),
  forbidden("forbid-network-joins", "aws:ec2transitgateway/vpcAttachment:VpcAttachment"),
  forbidden("forbid-private-links", "aws:vpclattice/resourceGateway:ResourceGateway"),
  forbidden("forbid-dns-paths", "aws:route53/resolverEndpoint:ResolverEndpoint"),
  forbidden("forbid-sharing", "aws:ram/resourceShare:ResourceShare"),
  {
    rule: isolation("restrict-endpoints"),
    title: "an endpoint of a service that a shadow does not need",
    set: { name: "s3", props: { serviceName: "com.amazonaws.eu-central-1.execute-api" } },
    expect: { resource: "s3", property: "serviceName" },
  },
  {
    rule: isolation("restrict-endpoints"),
    title: "a tunnel into another network",
    set: { name: "s3", props: { vpcEndpointType: "Tunnel" } },
    expect: { resource: "s3", property: "vpcEndpointType" },
  },
  {
    rule: isolation("restrict-endpoints"),
    title: "an endpoint into another region",
    set: { name: "s3", props: { serviceRegion: "us-east-1" } },
    expect: { resource: "s3", property: "serviceRegion" },
  },
  {
    rule: isolation("restrict-endpoint-policies"),
    title: "an endpoint without a policy",
    set: { name: "s3", props: { policy: undefined } },
    expect: { resource: "s3", property: "policy" },
  },
  {
    rule: isolation("restrict-endpoint-policies"),
    title: "an endpoint that is open to everybody",
    set: {
      name: "s3",
      props: { policy: json({ Statement: [{ Effect: "Allow", Principal: "*", Action: "*", Resource: "*" }] }) },
    },
    expect: { resource: "s3", property: "policy.Statement[0]" },
  },
  {
    rule: isolation("restrict-endpoint-service"),
    title: "the service is offered to everybody",
    set: { name: "service", props: { allowedPrincipals: ["*"] } },
    expect: { resource: "service", property: "allowedPrincipals" },
  },
  {
    rule: isolation("restrict-endpoint-service"),
    title: "the service is offered to another account than production's",
    set: { name: "service" },
    config: { productionAccounts: ["555566667777"] },
    expect: { resource: "service", property: "allowedPrincipals" },
  },
  {
    rule: isolation("restrict-endpoint-service"),
    title: "the service offers a network load balancer",
    set: { name: "service", props: { networkLoadBalancerArns: ["arn:nlb"] } },
    expect: { resource: "service", property: "networkLoadBalancerArns" },
  },
  {
    rule: isolation("restrict-endpoint-service"),
    title: "everybody allowed is accepted",
    set: { name: "service", props: { acceptanceRequired: false } },
    expect: { resource: "service", property: "acceptanceRequired" },
  },
  {
    rule: isolation("restrict-endpoint-service"),
    title: "an accepter works for another service",
    set: { name: "accepter", from: {} },
    expect: { resource: "accepter", property: "vpcEndpointServiceId" },
  },
  {
    rule: isolation("restrict-routes"),
    title: "a route leads to an internet gateway",
    set: { name: "route", props: { gatewayId: "igw-1" } },
    expect: { resource: "route", property: "gatewayId" },
  },
  {
    rule: isolation("restrict-routes"),
    title: "a table has a route to a peer",
    set: { name: "table", props: { routes: [{ cidrBlock: "10.9.0.0/16", vpcPeeringConnectionId: "pcx-1" }] } },
    expect: { resource: "table", property: "routes[0].vpcPeeringConnectionId" },
  },
  {
    rule: isolation("restrict-routes"),
    title: "a route outside every component is put into the shadow's table",
    add: {
      type: "aws:ec2/route:Route",
      name: "sneaky",
      components: [],
      props: { routeTableId: "rtb-1", natGatewayId: "nat-1" },
      from: { routeTableId: ["table"] },
    },
    expect: { resource: "sneaky", property: "natGatewayId" },
  },
  {
    rule: isolation("restrict-public-addresses"),
    title: "a subnet gives public addresses",
    set: { name: "front", props: { mapPublicIpOnLaunch: true } },
    expect: { resource: "front", property: "mapPublicIpOnLaunch" },
  },
  {
    rule: isolation("restrict-public-addresses"),
    title: "a launch template gives public addresses",
    add: {
      type: "aws:ec2/launchTemplate:LaunchTemplate",
      name: "launch",
      props: {
        networkInterfaces: [{ associatePublicIpAddress: "true" }],
        metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
        tags,
      },
    },
    expect: { resource: "launch", property: "networkInterfaces[0].associatePublicIpAddress" },
  },
  {
    rule: isolation("require-safe-metadata"),
    title: "an instance answers metadata requests without a token",
    set: { name: "web-1", props: { metadataOptions: { httpTokens: "optional", httpPutResponseHopLimit: 1 } } },
    expect: { resource: "web-1", property: "metadataOptions.httpTokens" },
  },
  {
    rule: isolation("restrict-profiles"),
    title: "an instance has a profile of production's",
    set: { name: "web-1", props: { iamInstanceProfile: "prod-web" }, from: { subnetId: ["front"] } },
    expect: { resource: "web-1", property: "iamInstanceProfile" },
  },
  {
    rule: isolation("restrict-interfaces"),
    title: "an interface in a subnet outside the shadow is attached",
    set: { name: "eni", props: { subnetId: "subnet-production" }, from: {} },
    expect: { resource: "eni", property: "subnetId" },
  },
  {
    rule: isolation("restrict-security-groups"),
    title: "a group lets machines send everywhere",
    set: { name: "group", props: { egress: [{ protocol: "-1", cidrBlocks: ["0.0.0.0/0"] }] } },
    expect: { resource: "group", property: "egress[0].cidrBlocks" },
  },
  {
    rule: isolation("restrict-security-groups"),
    title: "a group refers to a group of production",
    set: {
      name: "group-rule",
      props: { referencedSecurityGroupId: "sg-production" },
      from: { securityGroupId: ["group"] },
    },
    expect: { resource: "group-rule", property: "referencedSecurityGroupId" },
  },
  {
    rule: isolation("require-empty-default-group"),
    title: "the default group has a rule",
    set: { name: "default-group", props: { ingress: [{ protocol: "-1", self: true }] } },
    expect: { resource: "default-group", property: "ingress" },
  },
  {
    rule: isolation("require-empty-default-group"),
    title: "the default group is not adopted",
    remove: "default-group",
    expect: { resource: "vpc", property: "defaultSecurityGroup" },
  },
  {
    rule: isolation("restrict-load-balancers"),
    title: "a load balancer faces the internet",
    set: { name: "front-lb", props: { internal: false } },
    expect: { resource: "front-lb", property: "internal" },
  },
  {
    rule: isolation("restrict-targets"),
    title: "a load balancer sends to an address outside",
    set: { name: "target", props: { targetId: "192.168.4.7" } },
    expect: { resource: "target", property: "targetId" },
  },
  {
    rule: isolation("restrict-role-trust"),
    title: "another account may take a role",
    set: {
      name: "role",
      props: { assumeRolePolicy: trusting({ Principal: { AWS: "arn:aws:iam::123456789012:root" } }) },
    },
    expect: { resource: "role", property: "assumeRolePolicy.Statement[0]" },
  },
  {
    rule: isolation("restrict-role-trust"),
    title: "a service may take a role for anybody",
    set: { name: "role", props: { assumeRolePolicy: trusting({}) } },
    expect: { resource: "role", property: "assumeRolePolicy.Statement[0]" },
  },
  {
    rule: isolation("restrict-role-trust"),
    title: "a role has no boundary",
    set: { name: "role", props: { permissionsBoundary: undefined } },
    expect: { resource: "role", property: "permissionsBoundary" },
  },
  {
    rule: isolation("restrict-role-permissions"),
    title: "a role may do everything with a service",
    set: { name: "permissions", props: { policy: statement({ Action: "ec2:*" }) } },
    expect: { resource: "permissions", property: "policy.Statement[0].Action" },
  },
  {
    rule: isolation("restrict-role-permissions"),
    title: "a role may stop any instance",
    set: { name: "permissions", props: { policy: statement({ Resource: "*" }) } },
    expect: { resource: "permissions", property: "policy.Statement[0].Resource" },
  },
  {
    rule: isolation("restrict-role-permissions"),
    title: "a role leads to another role",
    set: { name: "permissions", props: { policy: statement({ Action: "sts:AssumeRole" }) } },
    expect: { resource: "permissions", property: "policy.Statement[0].Action" },
  },
  {
    rule: isolation("restrict-role-permissions"),
    title: "a role has one of AWS's wide policies",
    set: { name: "role", props: { managedPolicyArns: ["arn:aws:iam::aws:policy/AmazonEC2FullAccess"] } },
    expect: { resource: "role", property: "managedPolicyArns" },
  },
  {
    rule: isolation("restrict-resource-policies"),
    title: "a key is open to everybody",
    set: {
      name: "key",
      props: {
        policy: json({ Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:Decrypt", Resource: "*" }] }),
      },
    },
    expect: { resource: "key", property: "policy.Statement[0].Principal" },
  },
  {
    rule: isolation("forbid-production-references"),
    title: "a document names a key of production's account",
    set: { name: "document", props: { content: "arn:aws:kms:eu-central-1:123456789012:key/1" } },
    config: { productionAccounts: ["123456789012"] },
    expect: { resource: "document", property: "content" },
  },
  {
    rule: isolation("forbid-production-references"),
    title: "user data names a host of production",
    set: { name: "web-1", props: { userData: "curl https://pay.prod.example.com" } },
    config: { productionNames: [".prod.example.com"] },
    expect: { resource: "web-1", property: "userData" },
  },
  {
    rule: isolation("restrict-databases"),
    title: "a database replicates from production",
    set: { name: "db", props: { replicateSourceDb: "arn:aws:rds:eu-central-1:123456789012:db:shop" } },
    expect: { resource: "db", property: "replicateSourceDb" },
  },
  {
    rule: isolation("restrict-databases"),
    title: "a database faces the internet",
    set: { name: "db", props: { publiclyAccessible: true } },
    expect: { resource: "db", property: "publiclyAccessible" },
  },
  {
    rule: isolation("restrict-functions"),
    title: "a function runs outside the shadow's network",
    set: { name: "function", props: { vpcConfig: undefined } },
    expect: { resource: "function", property: "vpcConfig.subnetIds" },
  },
  {
    rule: isolation("restrict-zones"),
    title: "a zone is public",
    set: { name: "zone", props: { vpcs: [] } },
    expect: { resource: "zone", property: "vpcs" },
  },
  {
    rule: isolation("restrict-zones"),
    title: "a zone is known in another VPC too",
    set: { name: "zone", from: {} },
    expect: { resource: "zone", property: "vpcs" },
  },
  {
    rule: isolation("restrict-dhcp"),
    title: "machines ask production's resolver",
    set: { name: "dhcp", props: { domainNameServers: ["10.0.0.53"] } },
    expect: { resource: "dhcp", property: "domainNameServers" },
  },
  {
    rule: isolation("restrict-monitoring-links"),
    title: "measurements go to a sink that nobody named",
    set: { name: "oam", props: { sinkIdentifier: "arn:aws:oam:eu-central-1:999988887777:sink/b" } },
    expect: { resource: "oam", property: "sinkIdentifier" },
  },
  {
    rule: isolation("require-undisturbed-images"),
    title: "an image would stop the instance",
    set: { name: "image", props: { snapshotWithoutReboot: undefined } },
    expect: { resource: "image", property: "snapshotWithoutReboot" },
  },
  {
    rule: isolation("restrict-production-side"),
    title: "production gains a route",
    add: {
      type: "aws:ec2/route:Route",
      name: "production-route",
      components: ["shadownet:index:AwsShadowEnvironment", "shadownet:index:AwsMirrorSources"],
      props: { routeTableId: "rtb-production" },
    },
    expect: { resource: "production-route", property: "type" },
  },
  {
    rule: isolation("restrict-production-side"),
    title: "production gains an interface endpoint",
    set: { name: "mirror-endpoint", props: { vpcEndpointType: "Interface" } },
    expect: { resource: "mirror-endpoint", property: "vpcEndpointType" },
  },
  {
    rule: isolation("require-flow-log"),
    title: "there is no flow log",
    remove: "flow-log",
    expect: { resource: "vpc", property: "flowLog" },
  },
  {
    rule: isolation("require-flow-log"),
    title: "the flow log is slow",
    set: { name: "flow-log", props: { maxAggregationInterval: 600 } },
    expect: { resource: "flow-log", property: "maxAggregationInterval" },
  },
  {
    rule: isolation("require-dns-firewall"),
    title: "there is no DNS firewall",
    remove: "dns-association",
    expect: { resource: "vpc", property: "dnsFirewall" },
  },
  {
    rule: isolation("require-dns-firewall"),
    title: "the DNS firewall blocks nothing",
    set: { name: "dns-block", props: { action: "ALERT" } },
    expect: { resource: "dns-association", property: "firewallRuleGroupId" },
  },
  {
    rule: isolation("require-dns-firewall"),
    title: "the DNS firewall opens when it fails",
    set: { name: "dns-config", props: { firewallFailOpen: "ENABLED" } },
    expect: { resource: "dns-config", property: "firewallFailOpen" },
  },
  {
    rule: isolation("require-tags"),
    title: "a part of the shadow has no tag",
    set: { name: "front", props: { tags: { Name: "front" } } },
    expect: { resource: "front", property: "tags" },
  },
  {
    rule: isolation("require-access-scope"),
    title: "AWS cannot be asked for ways out",
    remove: "scope",
    expect: { resource: "vpc", property: "networkInsightsAccessScope" },
  },
  {
    rule: isolation("restrict-providers"),
    title: "the stack uses a provider that runs commands",
    add: { type: "command:local:Command", name: "script", components: [], props: { create: "curl example.com" } },
    expect: { resource: "script", property: "type" },
  },
];
