import * as ec2 from "@aws-sdk/client-ec2";
import * as elb from "@aws-sdk/client-elastic-load-balancing-v2";
import { IAMClient, UploadServerCertificateCommand } from "@aws-sdk/client-iam";
import * as rds from "@aws-sdk/client-rds";
import * as route53 from "@aws-sdk/client-route-53";

import type { Moto } from "./moto";

/** Ids of what {@link makeVpc} made. */
export interface MotoVpc {
  vpcId: string;
  /** Subnet ids by name. */
  subnets: Record<string, string>;
  /** Security group ids by name. */
  groups: Record<string, string>;
  /** Instance ids by tier. */
  instances: Record<string, string[]>;
  internetGatewayId: string;
}

const zones = ["a", "b", "c"];
const tiers = ["public", "web", "app", "data"];
const perZone: Record<string, number> = { web: 8, app: 8, data: 4 };

/** The clients with which the tests fill moto. */
export function motoClients(moto: Moto) {
  const config = { endpoint: moto.url, region: moto.region, credentials: moto.credentials };
  return {
    ec2: new ec2.EC2Client(config),
    balancing: new elb.ElasticLoadBalancingV2Client(config),
    databases: new rds.RDSClient(config),
    names: new route53.Route53Client(config),
    identity: new IAMClient(config),
  };
}

type Clients = ReturnType<typeof motoClients>;

const named = (resource: ec2.ResourceType, name: string, more: Record<string, string> = {}): ec2.TagSpecification[] => [
  { ResourceType: resource, Tags: Object.entries({ Name: name, ...more }).map(([Key, Value]) => ({ Key, Value })) },
];

/**
 * Makes a VPC in moto: three zones, twelve subnets, sixty instances in three tiers, an internet-facing load balancer that
 * ends TLS before the web tier, a database with a snapshot, a private zone, internet and NAT gateways, an S3 endpoint.
 */
export async function makeVpc(clients: Clients, region: string): Promise<MotoVpc> {
  const send = clients.ec2.send.bind(clients.ec2);
  const { Vpc } = await send(
    new ec2.CreateVpcCommand({ CidrBlock: "10.30.0.0/16", TagSpecifications: named("vpc", "Shop VPC") }),
  );
  const vpcId = Vpc!.VpcId!;
  const subnets: Record<string, string> = {};
  for (const [t, tier] of tiers.entries()) {
    for (const [z, zone] of zones.entries()) {
      const { Subnet } = await send(
        new ec2.CreateSubnetCommand({
          VpcId: vpcId,
          CidrBlock: `10.30.${t * 16 + z}.0/24`,
          AvailabilityZone: `${region}${zone}`,
          TagSpecifications: named("subnet", `${tier}-${zone}`),
        }),
      );
      subnets[`${tier}-${zone}`] = Subnet!.SubnetId!;
    }
  }
  const internetGatewayId = await makeRoutes(clients, vpcId, subnets);
  const groups = await makeGroups(clients, vpcId);
  const instances = await makeInstances(clients, subnets, groups);
  await makeBalancer(clients, vpcId, subnets, groups, instances.web!);
  await makeDatabase(clients, subnets, groups);
  await makeZone(clients, vpcId, region);
  return { vpcId, subnets, groups, instances, internetGatewayId };
}

async function makeRoutes({ ec2: client }: Clients, VpcId: string, subnets: Record<string, string>): Promise<string> {
  const { InternetGateway } = await client.send(new ec2.CreateInternetGatewayCommand({}));
  const InternetGatewayId = InternetGateway!.InternetGatewayId!;
  await client.send(new ec2.AttachInternetGatewayCommand({ InternetGatewayId, VpcId }));
  const { AllocationId } = await client.send(new ec2.AllocateAddressCommand({ Domain: "vpc" }));
  const nat = await client.send(new ec2.CreateNatGatewayCommand({ SubnetId: subnets["public-a"]!, AllocationId }));
  const NatGatewayId = nat.NatGateway!.NatGatewayId!;
  const ways = { public: { GatewayId: InternetGatewayId }, private: { NatGatewayId } };
  const tables: Record<string, string> = {};
  for (const [name, way] of Object.entries(ways)) {
    const { RouteTable } = await client.send(
      new ec2.CreateRouteTableCommand({ VpcId, TagSpecifications: named("route-table", name) }),
    );
    const RouteTableId = (tables[name] = RouteTable!.RouteTableId!);
    await client.send(new ec2.CreateRouteCommand({ RouteTableId, DestinationCidrBlock: "0.0.0.0/0", ...way }));
  }
  for (const [name, SubnetId] of Object.entries(subnets)) {
    const RouteTableId = name.startsWith("public") ? tables.public! : tables.private!;
    await client.send(new ec2.AssociateRouteTableCommand({ RouteTableId, SubnetId }));
  }
  await client.send(
    new ec2.CreateVpcEndpointCommand({
      VpcId,
      ServiceName: "com.amazonaws.eu-central-1.s3",
      RouteTableIds: [tables.private!],
    }),
  );
  return InternetGatewayId;
}

async function makeGroups({ ec2: client }: Clients, VpcId: string): Promise<Record<string, string>> {
  const groups: Record<string, string> = {};
  for (const GroupName of ["balancer", "web", "app", "data"]) {
    const made = await client.send(new ec2.CreateSecurityGroupCommand({ VpcId, GroupName, Description: GroupName }));
    groups[GroupName] = made.GroupId!;
  }
  const open = (group: string, port: number, peer: Partial<ec2.IpPermission>) =>
    client.send(
      new ec2.AuthorizeSecurityGroupIngressCommand({
        GroupId: groups[group]!,
        IpPermissions: [{ IpProtocol: "tcp", FromPort: port, ToPort: port, ...peer }],
      }),
    );
  await open("balancer", 443, { IpRanges: [{ CidrIp: "0.0.0.0/0" }] });
  await open("web", 80, { UserIdGroupPairs: [{ GroupId: groups.balancer! }] });
  await open("app", 8080, { UserIdGroupPairs: [{ GroupId: groups.web! }] });
  await open("data", 6379, { UserIdGroupPairs: [{ GroupId: groups.app! }] });
  return groups;
}

async function makeInstances(
  { ec2: client }: Clients,
  subnets: Record<string, string>,
  groups: Record<string, string>,
): Promise<Record<string, string[]>> {
  const instances: Record<string, string[]> = {};
  const { Images } = await client.send(new ec2.DescribeImagesCommand({}));
  const ImageId = Images!.find(
    ({ Architecture, Platform }) => Architecture === "x86_64" && Platform === undefined,
  )!.ImageId!;
  for (const [tier, count] of Object.entries(perZone)) {
    for (const zone of zones) {
      const { Instances } = await client.send(
        new ec2.RunInstancesCommand({
          ImageId,
          MinCount: count,
          MaxCount: count,
          InstanceType: tier === "web" ? "t3.small" : "m5.large",
          SubnetId: subnets[`${tier}-${zone}`]!,
          SecurityGroupIds: [groups[tier]!],
          UserData: Buffer.from("secret=hunter2").toString("base64"),
          TagSpecifications: named("instance", `${tier}-${zone}`, { Role: tier, Owner: "shop" }),
        }),
      );
      instances[tier] = [...(instances[tier] ?? []), ...Instances!.map(({ InstanceId }) => InstanceId!)];
    }
  }
  const [first] = instances.data!;
  const { Reservations } = await client.send(new ec2.DescribeInstancesCommand({ InstanceIds: [first!] }));
  const VolumeId = Reservations![0]!.Instances![0]!.BlockDeviceMappings![0]!.Ebs!.VolumeId!;
  await client.send(new ec2.CreateSnapshotCommand({ VolumeId, Description: "older" }));
  await client.send(new ec2.CreateSnapshotCommand({ VolumeId, Description: "newer" }));
  await client.send(new ec2.CreateImageCommand({ InstanceId: first!, Name: "image-of-data", NoReboot: true }));
  return instances;
}

async function makeBalancer(
  { balancing, identity, ec2: client }: Clients,
  VpcId: string,
  subnets: Record<string, string>,
  groups: Record<string, string>,
  targets: string[],
): Promise<void> {
  const inSubnets = zones.map((zone) => subnets[`public-${zone}`]!);
  const { LoadBalancers } = await balancing.send(
    new elb.CreateLoadBalancerCommand({
      Name: "front",
      Scheme: "internet-facing",
      Type: "application",
      Subnets: inSubnets,
      SecurityGroups: [groups.balancer!],
    }),
  );
  const LoadBalancerArn = LoadBalancers![0]!.LoadBalancerArn!;
  for (const SubnetId of inSubnets) {
    // AWS makes these interfaces by itself, moto does not; their description is what AWS writes.
    const Description = `ELB ${LoadBalancerArn.split("loadbalancer/")[1]!}`;
    await client.send(new ec2.CreateNetworkInterfaceCommand({ SubnetId, Description, Groups: [groups.balancer!] }));
  }
  const { TargetGroups } = await balancing.send(
    new elb.CreateTargetGroupCommand({ Name: "web", Protocol: "HTTP", Port: 80, VpcId, HealthCheckPath: "/health" }),
  );
  const TargetGroupArn = TargetGroups![0]!.TargetGroupArn!;
  await balancing.send(new elb.RegisterTargetsCommand({ TargetGroupArn, Targets: targets.map((Id) => ({ Id })) }));
  const certificate = { ServerCertificateName: "front", CertificateBody: "test only", PrivateKey: "test only" };
  const uploaded = await identity.send(new UploadServerCertificateCommand(certificate));
  const { Listeners } = await balancing.send(
    new elb.CreateListenerCommand({
      LoadBalancerArn,
      Port: 443,
      Protocol: "HTTPS",
      Certificates: [{ CertificateArn: uploaded.ServerCertificateMetadata!.Arn! }],
      DefaultActions: [{ Type: "forward", TargetGroupArn }],
    }),
  );
  await balancing.send(
    new elb.CreateRuleCommand({
      ListenerArn: Listeners![0]!.ListenerArn!,
      Priority: 10,
      Conditions: [{ Field: "path-pattern", Values: ["/api/*"] }],
      Actions: [{ Type: "forward", TargetGroupArn }],
    }),
  );
}

async function makeDatabase(
  { databases }: Clients,
  subnets: Record<string, string>,
  groups: Record<string, string>,
): Promise<void> {
  await databases.send(
    new rds.CreateDBSubnetGroupCommand({
      DBSubnetGroupName: "data",
      DBSubnetGroupDescription: "data",
      SubnetIds: zones.map((zone) => subnets[`data-${zone}`]!),
    }),
  );
  await databases.send(
    new rds.CreateDBInstanceCommand({
      DBInstanceIdentifier: "orders",
      DBInstanceClass: "db.t3.medium",
      Engine: "postgres",
      DBSubnetGroupName: "data",
      VpcSecurityGroupIds: [groups.data!],
      AllocatedStorage: 20,
      MasterUsername: "admin1",
      MasterUserPassword: "not-a-secret-1",
    }),
  );
  const snapshot = { DBSnapshotIdentifier: "orders-nightly", DBInstanceIdentifier: "orders" };
  await databases.send(new rds.CreateDBSnapshotCommand(snapshot));
}

async function makeZone({ names }: Clients, VPCId: string, region: string): Promise<void> {
  const { HostedZone } = await names.send(
    new route53.CreateHostedZoneCommand({
      Name: "shop.internal",
      CallerReference: "test",
      HostedZoneConfig: { PrivateZone: true },
      VPC: { VPCId, VPCRegion: region as route53.VPCRegion },
    }),
  );
  const change = (Name: string, Type: route53.RRType, Value: string): route53.Change => ({
    Action: "CREATE",
    ResourceRecordSet: { Name, Type, TTL: 60, ResourceRecords: [{ Value }] },
  });
  await names.send(
    new route53.ChangeResourceRecordSetsCommand({
      HostedZoneId: HostedZone!.Id!,
      ChangeBatch: {
        Changes: [
          change("cache.shop.internal", "A", "10.30.48.10"),
          change("db.shop.internal", "CNAME", "orders.abc.eu-central-1.rds.amazonaws.com"),
        ],
      },
    }),
  );
}
