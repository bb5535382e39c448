import assert from "node:assert/strict";

import { mapTopology } from "../../../../components/aws/capture/mapping";
import { shadowTag } from "../../../../components/aws/shadow";
import { validateTopology } from "../../../../components/topologySchema";
import type { Topology } from "../../../../components/topology";
import { awsCard, awsInstance, awsReading } from "../../../support/awsReading";
import { awsId } from "../../../support/awsTopologyParts";

type Reading = Parameters<typeof awsReading>[0];

/** The topology of a reading, which is valid whatever the reading holds. */
function mapped(given: Reading): Topology {
  const topology = mapTopology(awsReading(given));
  assert.deepEqual(validateTopology(JSON.parse(JSON.stringify(topology))), []);
  return topology;
}

const gateways = awsReading().gateways;
const igw = awsId("igw", 1);
const open = [{ CidrIp: "0.0.0.0/0" }];
const group = (number: number, name: string, permissions: object[]) => ({
  GroupId: awsId("sg", number),
  GroupName: name,
  IpPermissions: permissions,
});

describe("the mapping of answers of the SDK's types to a topology", () => {
  it("keeps several interfaces of an instance in their order, with all their addresses and prefixes", () => {
    const cards = [
      awsCard(2, 2, "10.1.2.10", {
        Attachment: { DeviceIndex: 1 },
        Ipv6Addresses: [{ Ipv6Address: "2001:db8:1:2::10" }],
        Ipv4Prefixes: [{ Ipv4Prefix: "10.1.2.64/28" }],
        MacAddress: "06:AA:00:00:00:02",
      }),
      awsCard(1, 1, "10.1.1.10", { Association: { PublicIp: "198.51.100.1" } }),
      awsCard(3, 9, "10.9.9.9", { Attachment: { DeviceIndex: 2 } }),
    ];
    cards[1]!.PrivateIpAddresses!.push({ PrivateIpAddress: "10.1.1.11" });
    const subnets = awsReading().subnets;
    subnets[1]!.Ipv6CidrBlockAssociationSet = [
      { Ipv6CidrBlock: "2001:db8:1:2::/64", Ipv6CidrBlockState: { State: "associated" as const } },
    ];
    const vpc = {
      ...awsReading().vpc,
      Ipv6CidrBlockAssociationSet: [
        { Ipv6CidrBlock: "2001:db8:1::/56", Ipv6CidrBlockState: { State: "associated" as const } },
      ],
    };
    const { machines, unreadable } = mapped({ vpc, subnets, instances: [awsInstance(1, "Router", cards)] });
    const found = machines[0]!.interfaces.map(({ name, addresses, mac, aws }) => ({
      name,
      addresses,
      mac,
      prefixes: aws!.prefixes,
      at: aws!.publicAddress,
    }));
    assert.deepEqual(found, [
      { name: "eth0", addresses: ["10.1.1.10", "10.1.1.11"], mac: undefined, prefixes: undefined, at: "198.51.100.1" },
      {
        name: "eth1",
        addresses: ["10.1.2.10", "2001:db8:1:2::10"],
        mac: "06:aa:00:00:00:02",
        prefixes: ["10.1.2.64/28"],
        at: undefined,
      },
    ]);
    assert.deepEqual(unreadable, [
      `interface ${awsId("eni", 3)} of instance ${awsId("i", 1)} lies in no captured subnet and is left out`,
    ]);
  });

  it("keeps mirror sessions that exist already, with their numbers and the shadow that they belong to", () => {
    const session = {
      TrafficMirrorSessionId: awsId("tms", 1),
      NetworkInterfaceId: awsId("eni", 1),
      SessionNumber: 1,
      OwnerId: "444455556666",
    };
    const own = { ...session, TrafficMirrorSessionId: awsId("tms", 2), Tags: [{ Key: shadowTag, Value: "shop" }] };
    const { aws } = mapped({ mirrorSessions: [session, own] });
    const common = { interfaceId: awsId("eni", 1), sessionNumber: 1, owner: "444455556666" };
    assert.deepEqual(aws!.mirrorSessions, [
      { id: awsId("tms", 1), ...common },
      { id: awsId("tms", 2), ...common, shadow: "shop" },
    ]);
  });

  it("leads routes over boundaries, to machines that forward, and nowhere", () => {
    const router = awsInstance(1, "router", [awsCard(1, 1, "10.1.1.10", { SourceDestCheck: false })]);
    const plain = awsInstance(2, "plain", [awsCard(2, 1, "10.1.1.11")]);
    const Routes = [
      { DestinationCidrBlock: "10.1.0.0/16", GatewayId: "local" },
      { DestinationCidrBlock: "0.0.0.0/0", GatewayId: igw, Origin: "CreateRoute" as const },
      { DestinationCidrBlock: "10.2.0.0/16", VpcPeeringConnectionId: awsId("pcx", 1) },
      { DestinationCidrBlock: "10.3.0.0/16", NetworkInterfaceId: awsId("eni", 1), InstanceId: awsId("i", 1) },
      { DestinationCidrBlock: "10.4.0.0/16", NetworkInterfaceId: awsId("eni", 2) },
      { DestinationCidrBlock: "10.5.0.0/16", NatGatewayId: awsId("nat", 9), State: "blackhole" as const },
      { DestinationPrefixListId: "pl-1", TransitGatewayId: awsId("tgw", 1) },
      { DestinationPrefixListId: "pl-2", TransitGatewayId: awsId("tgw", 1) },
      { DestinationCidrBlock: "10.7.0.0/16", CoreNetworkArn: "arn:aws:networkmanager::1:core-network/core-network-1" },
    ];
    const peering = {
      VpcPeeringConnectionId: awsId("pcx", 1),
      AccepterVpcInfo: { VpcId: "vpc-2", CidrBlockSet: [{ CidrBlock: "10.2.0.0/16" }] },
    };
    const { routeTables, boundaries, unreadable } = mapped({
      instances: [router, plain],
      routeTables: [{ RouteTableId: awsId("rtb", 1), Associations: [{ Main: true }], Routes }],
      gateways: { ...gateways, internet: [{ InternetGatewayId: igw }], peerings: [peering] },
      prefixLists: new Map([["pl-1", ["172.16.0.0/16", "172.17.0.0/16"]]]),
    });
    assert.deepEqual(
      routeTables![0]!.routes.map(({ destination, boundary, via, blackhole }) => [
        destination,
        boundary ?? via ?? blackhole,
      ]),
      [
        ["0.0.0.0/0", "internet"],
        ["10.2.0.0/16", awsId("pcx", 1)],
        ["10.3.0.0/16", "10.1.1.10"],
        ["10.4.0.0/16", true],
        ["10.5.0.0/16", true],
        ["172.16.0.0/16", awsId("tgw", 1)],
        ["172.17.0.0/16", awsId("tgw", 1)],
        ["10.7.0.0/16", "core-network-1"],
      ],
    );
    assert.deepEqual(
      boundaries!.map(({ kind, cidrs }) => [kind, cidrs]),
      [
        ["internet", ["0.0.0.0/0", "::/0"]],
        ["peering", ["10.2.0.0/16"]],
        ["vpn", ["172.16.0.0/16", "172.17.0.0/16"]],
        ["vpn", ["10.7.0.0/16"]],
      ],
    );
    assert.deepEqual(unreadable, [
      `a route of ${awsId("rtb", 1)} to prefix list pl-2 is left out: its ranges are not known`,
    ]);
  });

  it("says which rules of a security group have no words, and never opens more for it", () => {
    const permissions = [
      {
        IpProtocol: "tcp",
        FromPort: 80,
        ToPort: 80,
        UserIdGroupPairs: [
          { GroupId: awsId("sg", 1) },
          { GroupId: awsId("sg", 9), UserId: "444455556666", VpcPeeringConnectionId: "pcx-1" },
        ],
      },
      { IpProtocol: "tcp", FromPort: 22, ToPort: 22, UserIdGroupPairs: [{ GroupId: awsId("sg", 8) }] },
      { IpProtocol: "50", IpRanges: open },
      { IpProtocol: "icmp", FromPort: 8, ToPort: -1, IpRanges: open },
      {
        IpProtocol: "udp",
        FromPort: 0,
        ToPort: 65535,
        PrefixListIds: [{ PrefixListId: "pl-1" }, { PrefixListId: "pl-2" }],
      },
      { IpProtocol: "-1", Ipv6Ranges: [{ CidrIpv6: "::/0" }] },
    ];
    const { securityGroups } = mapped({
      groups: [group(1, "web", permissions)],
      prefixLists: new Map([["pl-1", ["10.8.0.0/16"]]]),
    });
    assert.deepEqual(securityGroups![0]!.rules, [
      { direction: "ingress", protocol: "tcp", ports: "80", securityGroups: ["web"] },
      { direction: "ingress", protocol: "icmp", cidrs: ["0.0.0.0/0"] },
      { direction: "ingress", protocol: "udp", cidrs: ["10.8.0.0/16"] },
      { direction: "ingress", protocol: "any", cidrs: ["::/0"] },
    ]);
    assert.deepEqual(securityGroups![0]!.aws!.dropped, [
      `ingress tcp 80 with security group ${awsId("sg", 9)} of account 444455556666 lies behind peering pcx-1`,
      `ingress tcp 22 with security group ${awsId("sg", 8)} lies outside the VPC`,
      "ingress 50 has a protocol that the topology has no word for",
      "ingress icmp is limited to type 8 in AWS and allows all types here",
      "ingress udp of prefix list pl-2, which could not be read",
    ]);
  });

  it("takes for the edge what the internet reaches over routes, rules and ACLs, and nothing else", () => {
    const card = (number: number, subnet: number, groups: number[], address?: string) =>
      awsCard(number, subnet, `10.1.${subnet}.${10 + number}`, {
        Groups: groups.map((one) => ({ GroupId: awsId("sg", one) })),
        ...(address === undefined ? {} : { Association: { PublicIp: address } }),
      });
    const web = [{ IpProtocol: "tcp", FromPort: 443, ToPort: 443, IpRanges: open }];
    const { services, unreadable } = mapped({
      instances: [
        awsInstance(1, "web-1", [card(1, 1, [1], "198.51.100.1")]),
        awsInstance(2, "web-2", [card(2, 1, [1], "198.51.100.2")]),
        awsInstance(3, "hidden", [card(3, 1, [1])]),
        awsInstance(4, "elsewhere", [card(4, 2, [1], "198.51.100.4")]),
        awsInstance(5, "wide", [card(5, 1, [2], "198.51.100.5")]),
        awsInstance(6, "db", [card(6, 2, [3])]),
      ],
      groups: [
        group(1, "web", [
          ...web,
          { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "10.1.0.0/16" }] },
        ]),
        group(2, "wide", [{ IpProtocol: "tcp", FromPort: 8000, ToPort: 8100, IpRanges: open }]),
        group(3, "db", [
          { IpProtocol: "tcp", FromPort: 5432, ToPort: 5432, UserIdGroupPairs: [{ GroupId: awsId("sg", 1) }] },
        ]),
      ],
      routeTables: [
        {
          RouteTableId: awsId("rtb", 1),
          Associations: [{ SubnetId: awsId("subnet", 1) }],
          Routes: [{ DestinationCidrBlock: "0.0.0.0/0", GatewayId: igw }],
        },
        { RouteTableId: awsId("rtb", 2), Associations: [{ Main: true }], Routes: [] },
      ],
      gateways: { ...gateways, internet: [{ InternetGatewayId: igw }] },
    });
    const brief = services!.map(({ name, port, machines, edge, application }) => [
      name,
      port,
      machines.join(" "),
      edge,
      application,
    ]);
    assert.deepEqual(brief, [
      ["web", 443, "web-1 web-2", true, "tls"],
      ["hidden", 443, "hidden", false, "tls"],
      ["elsewhere", 443, "elsewhere", false, "tls"],
      ["db", 5432, "db", false, "postgres"],
    ]);
    assert.deepEqual(unreadable, [
      "security group wide opens tcp ports 8000-8100 to the outside: which of them serve clients cannot be told; add them to `services`",
    ]);
  });

  it("is not at the edge what a network ACL denies", () => {
    const entry = {
      RuleNumber: 10,
      Protocol: "6",
      PortRange: { From: 443, To: 443 },
      CidrBlock: "0.0.0.0/0",
      Egress: false,
    };
    const rest = {
      RuleNumber: 100,
      Protocol: "-1",
      CidrBlock: "0.0.0.0/0",
      RuleAction: "allow" as const,
      Egress: false,
    };
    const last = {
      RuleNumber: 32767,
      Protocol: "-1",
      CidrBlock: "0.0.0.0/0",
      RuleAction: "deny" as const,
      Egress: false,
    };
    const withAcl = (RuleAction: "allow" | "deny") =>
      mapped({
        instances: [
          awsInstance(1, "web", [
            awsCard(1, 1, "10.1.1.10", {
              Groups: [{ GroupId: awsId("sg", 1) }],
              Association: { PublicIp: "198.51.100.1" },
            }),
          ]),
        ],
        groups: [group(1, "web", [{ IpProtocol: "tcp", FromPort: 443, ToPort: 443, IpRanges: open }])],
        routeTables: [
          {
            RouteTableId: awsId("rtb", 1),
            Associations: [{ Main: true }],
            Routes: [{ DestinationCidrBlock: "0.0.0.0/0", GatewayId: igw }],
          },
        ],
        gateways: { ...gateways, internet: [{ InternetGatewayId: igw }] },
        acls: [
          {
            NetworkAclId: awsId("acl", 1),
            Associations: [{ SubnetId: awsId("subnet", 1) }],
            Entries: [last, rest, { ...entry, RuleAction }],
          },
        ],
      });
    assert.deepEqual(
      withAcl("allow").services!.map(({ edge }) => edge),
      [true],
    );
    assert.deepEqual(
      withAcl("deny").services!.map(({ edge }) => edge),
      [false],
    );
    assert.deepEqual(
      withAcl("deny").acls![0]!.rules.map(({ number, action }) => [number, action]),
      [
        [10, "deny"],
        [100, "allow"],
      ],
    );
  });

  it("leaves out stopped instances and subnets without IPv4, and says so", () => {
    const subnets = [...awsReading().subnets, { SubnetId: awsId("subnet", 3), Ipv6Native: true }];
    const stopped = awsInstance(1, "old", [awsCard(1, 1, "10.1.1.10")], { State: { Name: "stopped" } });
    const lost = awsInstance(2, "six", [awsCard(2, 3, "10.1.3.3")]);
    const { machines, unreadable } = mapped({ subnets, instances: [stopped, lost] });
    assert.deepEqual(machines, []);
    assert.deepEqual(unreadable, [
      `subnet ${awsId("subnet", 3)} has no IPv4 range and is left out`,
      `instance ${awsId("i", 1)} is stopped and is left out`,
      `instance ${awsId("i", 2)} has no interface in a captured subnet and is left out`,
    ]);
  });

  it("marks nodes of managed containers, images that are gone, and what a disk can start from", () => {
    const disk = (DeviceName: string, number: number) => ({
      DeviceName,
      Ebs: { VolumeId: awsId("vol", number), DeleteOnTermination: true },
    });
    const node = awsInstance(1, "node", [awsCard(1, 1, "10.1.1.10")], {
      ImageId: awsId("ami", 1),
      RootDeviceName: "/dev/xvda",
      BlockDeviceMappings: [disk("/dev/xvda", 1), disk("/dev/sdf", 2)],
      Tags: [{ Key: "kubernetes.io/cluster/shop", Value: "owned" }],
    });
    const host = awsInstance(2, "host", [awsCard(2, 1, "10.1.1.11")], {
      IamInstanceProfile: { Arn: "arn:aws:iam::1:instance-profile/ecsInstanceRole" },
    });
    const { machines } = mapped({
      instances: [node, host],
      volumes: [
        { VolumeId: awsId("vol", 1), Size: 8, VolumeType: "gp3" },
        { VolumeId: awsId("vol", 2), Size: 100, VolumeType: "gp3" },
      ],
      snapshots: new Map([
        [awsId("vol", 2), { SnapshotId: awsId("snap", 2), StartTime: new Date("2026-01-01T00:00:00Z") }],
      ]),
      ownImages: [
        {
          ImageId: awsId("ami", 7),
          SourceInstanceId: awsId("i", 1),
          State: "available",
          CreationDate: "2026-01-01T00:00:00.000Z",
        },
        {
          ImageId: awsId("ami", 8),
          SourceInstanceId: awsId("i", 1),
          State: "available",
          CreationDate: "2026-01-02T00:00:00.000Z",
        },
        {
          ImageId: awsId("ami", 9),
          SourceInstanceId: awsId("i", 1),
          State: "pending",
          CreationDate: "2026-01-03T00:00:00.000Z",
        },
      ],
    });
    const [first, second] = machines;
    assert.equal(first!.name, awsId("i", 1));
    assert.deepEqual([first!.aws!.managedBy, second!.aws!.managedBy], ["eks", "ecs"]);
    assert.deepEqual([first!.aws!.imageAvailable, first!.aws!.newestImageId], [false, awsId("ami", 8)]);
    assert.deepEqual(first!.disks, [{ name: "/dev/sdf", sizeGigabytes: 100, snapshot: awsId("snap", 2) }]);
    assert.equal(first!.aws!.volumes!.length, 2);
    assert.equal(first!.aws!.tags, undefined);
  });
});
