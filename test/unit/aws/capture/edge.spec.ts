import assert from "node:assert/strict";

import { mapTopology } from "../../../../components/aws/capture/mapping";
import { planMirror } from "../../../../components/aws/mirror/plan";
import type { Topology } from "../../../../components/topology";
import { validateTopology } from "../../../../components/topologySchema";
import { awsCard, awsInstance, awsReading } from "../../../support/awsReading";
import { awsId } from "../../../support/awsTopologyParts";

type Reading = Partial<ReturnType<typeof awsReading>>;

const { gateways, subnets } = awsReading();
const [peering, transit, vpn] = [awsId("pcx", 1), awsId("tgw", 1), awsId("vgw", 1)];
const offices = "172.16.0.0/16";

/** Ways out of the VPC by what they lead over, as route tables and gateways tell them. */
const ways: Record<string, Reading> = {
  "a peering": {
    gateways: {
      ...gateways,
      peerings: [
        {
          VpcPeeringConnectionId: peering,
          AccepterVpcInfo: { VpcId: "vpc-2", CidrBlockSet: [{ CidrBlock: "172.16.0.0/20" }] },
        },
      ],
    },
    routeTables: [mainTable({ DestinationCidrBlock: offices, VpcPeeringConnectionId: peering })],
  },
  "a VPN gateway that propagates its routes": {
    gateways: { ...gateways, vpn: [{ VpnGatewayId: vpn }] },
    routeTables: [mainTable({ DestinationCidrBlock: offices, GatewayId: vpn, Origin: "EnableVgwRoutePropagation" })],
  },
  "a transit gateway, by a prefix list": {
    gateways: { ...gateways, transit: [{ TransitGatewayId: transit }] },
    routeTables: [mainTable({ DestinationPrefixListId: "pl-1", TransitGatewayId: transit })],
    prefixLists: new Map([["pl-1", [offices]]]),
  },
};

function mainTable(...Routes: object[]) {
  return { RouteTableId: awsId("rtb", 1), Associations: [{ Main: true }], Routes };
}

const group = (number: number, ...IpPermissions: object[]) => ({ GroupId: awsId("sg", number), IpPermissions });
const tcp = (port: number, peers: object, last = port) => ({
  IpProtocol: "tcp",
  FromPort: port,
  ToPort: last,
  ...peers,
});
const from = (...CidrIps: string[]) => ({ IpRanges: CidrIps.map((CidrIp) => ({ CidrIp })) });
const fromGroup = (number: number, given: object = {}) => ({
  UserIdGroupPairs: [{ GroupId: awsId("sg", number), ...given }],
});
const inGroup = (number: number) => ({ Groups: [{ GroupId: awsId("sg", number) }] });

function mapped(given: Reading): Topology {
  const topology = mapTopology(awsReading(given));
  assert.deepEqual(validateTopology(JSON.parse(JSON.stringify(topology))), []);
  return topology;
}

/** `name:port` of the edge services, and the links that a mirror copies from when nothing is said. */
function edgeAndSources(topology: Topology): [string[], string[]] {
  const edge = (topology.services ?? []).filter((service) => service.edge);
  const { plan, problems } = planMirror(topology, {});
  if (edge.length > 0) assert.deepEqual(problems, []);
  return [edge.map(({ name, port }) => `${name}:${port}`), (plan?.sources ?? []).map(({ link }) => link)];
}

describe("services that are reached from outside over peerings, VPN and transit gateways", () => {
  for (const [name, way] of Object.entries(ways)) {
    const withGroup = (...permissions: object[]) =>
      edgeAndSources(
        mapped({
          ...way,
          instances: [awsInstance(1, "ledger", [awsCard(1, 1, "10.1.1.10", inGroup(1))])],
          groups: [group(1, ...permissions)],
        }),
      );

    it(`are copied by default where clients come over ${name}`, () => {
      assert.deepEqual(withGroup(tcp(8080, from("172.16.4.0/22"))), [["ledger:8080"], ["ledger/eth0"]]);
      assert.deepEqual(withGroup(tcp(8080, from("0.0.0.0/0"))), [["ledger:8080"], ["ledger/eth0"]]);
      assert.deepEqual(withGroup(tcp(22, from("172.16.4.9/32"))), [["ledger:22"], ["ledger/eth0"]], "administration");
    });

    it(`are not at the edge where nobody behind ${name} is let in`, () => {
      const none = [[], []];
      assert.deepEqual(withGroup(tcp(8080, from("10.1.0.0/16"))), none, "the VPC itself");
      assert.deepEqual(withGroup(tcp(8080, from("192.168.0.0/16"))), none, "ranges without a route");
      assert.deepEqual(withGroup(tcp(8080, fromGroup(1))), none, "the group itself");
    });
  }

  it("are not at the edge when no route leads back, or it leads nowhere", () => {
    const given = {
      instances: [awsInstance(1, "ledger", [awsCard(1, 1, "10.1.1.10", inGroup(1))])],
      groups: [group(1, tcp(8080, from(offices)))],
    };
    const route = { DestinationCidrBlock: offices, VpcPeeringConnectionId: peering };
    const lost = { ...ways["a peering"], routeTables: [mainTable({ ...route, State: "blackhole" })] };
    assert.deepEqual(edgeAndSources(mapped({ ...given, ...lost })), [[], []]);
    assert.deepEqual(edgeAndSources(mapped({ ...given, ...lost, routeTables: [mainTable()] })), [[], []]);
  });

  it("are known by a group of the peered network too, which itself is left out of the topology", () => {
    const topology = mapped({
      ...ways["a peering"],
      instances: [awsInstance(1, "ledger", [awsCard(1, 1, "10.1.1.10", inGroup(1))])],
      groups: [group(1, tcp(8080, fromGroup(9, { UserId: "444455556666", VpcPeeringConnectionId: peering })))],
    });
    assert.deepEqual(edgeAndSources(topology), [["ledger:8080"], ["ledger/eth0"]]);
    assert.deepEqual(topology.securityGroups![0]!.rules, []);
  });

  it("are copied from the interface on which they are reached", () => {
    const far = subnets.map((subnet, at) => ({ ...subnet, AvailabilityZone: `eu-central-1${"ab"[at]!}` }));
    const reading: Reading = {
      ...ways["a peering"],
      subnets: far,
      zones: ["a", "b"].map((zone, at) => ({ ZoneName: `eu-central-1${zone}`, ZoneId: `euc1-az${at + 1}` })),
      routeTables: [
        { ...mainTable(), RouteTableId: awsId("rtb", 2) },
        {
          RouteTableId: awsId("rtb", 1),
          Associations: [{ SubnetId: awsId("subnet", 2) }],
          Routes: [{ DestinationCidrBlock: offices, VpcPeeringConnectionId: peering }],
        },
      ],
      instances: [
        awsInstance(1, "ledger", [
          awsCard(1, 1, "10.1.1.10", inGroup(1)),
          awsCard(2, 2, "10.1.2.10", { ...inGroup(1), Attachment: { DeviceIndex: 1 } }),
        ]),
      ],
      groups: [group(1, tcp(8080, from("0.0.0.0/0")))],
    };
    assert.deepEqual(edgeAndSources(mapped(reading)), [["ledger:8080"], ["ledger/eth1"]]);
    const { plan } = planMirror(mapped(reading), {});
    assert.deepEqual(
      plan!.basis.include.map(({ destinationCidr }) => destinationCidr),
      ["10.1.2.10/32"],
    );
    assert.deepEqual(
      plan!.zones.map(({ zoneId, subnetId }) => [zoneId, subnetId]),
      [["euc1-az2", awsId("subnet", 2)]],
    );
    const both = { ...reading, routeTables: ways["a peering"]!.routeTables! };
    const [, links] = edgeAndSources(mapped(both));
    assert.deepEqual(links, ["ledger/eth0", "ledger/eth1"], "both of them where both are reached");
  });
});

describe("services behind internal load balancers that are reached from outside", () => {
  const arn = (kind: string): string =>
    `arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/${kind}/0123456789abcdef`;
  const groupArn = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/ledger/0123456789abcdef";

  /** One machine behind an internal load balancer; group 1 is the machine's, group 2 the load balancer's. */
  function behind(
    kind: "app/desk" | "net/desk",
    groups: { machine: object[]; balancer?: object[] },
    targetType: "instance" | "ip" = "instance",
  ): Topology {
    const isApplication = kind === "app/desk";
    const protocol = isApplication ? ("HTTP" as const) : ("TCP" as const);
    return mapped({
      ...ways["a peering"],
      instances: [awsInstance(1, "ledger", [awsCard(1, 1, "10.1.1.10", inGroup(1))])],
      interfaces: [
        { NetworkInterfaceId: "eni-desk", Description: `ELB ${kind}/0123456789abcdef`, PrivateIpAddress: "10.1.2.200" },
      ],
      groups: [group(1, ...groups.machine), group(2, ...(groups.balancer ?? []))],
      balancers: [
        {
          balancer: {
            LoadBalancerArn: arn(kind),
            LoadBalancerName: "desk",
            Type: isApplication ? "application" : "network",
            Scheme: "internal",
            AvailabilityZones: [{ SubnetId: awsId("subnet", 2) }],
            ...(groups.balancer === undefined ? {} : { SecurityGroups: [awsId("sg", 2)] }),
          },
          listeners: [
            {
              listener: {
                Port: 80,
                Protocol: protocol,
                DefaultActions: [{ Type: "forward", TargetGroupArn: groupArn }],
              },
              rules: [],
            },
          ],
        },
      ],
      targetGroups: [
        {
          group: {
            TargetGroupArn: groupArn,
            TargetGroupName: "ledger",
            TargetType: targetType,
            Port: 8080,
            Protocol: protocol,
          },
          targets: [{ Target: { Id: targetType === "ip" ? "10.1.1.10" : awsId("i", 1), Port: 8080 } }],
        },
      ],
    });
  }

  const behindDesk = [tcp(8080, fromGroup(2))];

  it("are copied where only clients outside reach the load balancer", () => {
    const topology = behind("app/desk", { machine: behindDesk, balancer: [tcp(80, from(offices))] });
    assert.deepEqual(edgeAndSources(topology), [["ledger:8080"], ["ledger/eth0"]]);
    assert.deepEqual(topology.unreadable, []);
  });

  it("are not at the edge where only machines inside reach it", () => {
    const topology = behind("app/desk", {
      machine: behindDesk,
      balancer: [tcp(80, fromGroup(1)), tcp(81, from(offices))],
    });
    assert.deepEqual(edgeAndSources(topology), [[], []]);
    assert.deepEqual(topology.unreadable, []);
  });

  it("are left to the user where both do, because what clones ask for again could not be told from the rest", () => {
    const topology = behind("app/desk", { machine: behindDesk, balancer: [tcp(80, from("0.0.0.0/0"))] });
    assert.deepEqual(edgeAndSources(topology), [[], []]);
    assert.match(
      topology.unreadable!.join("\n"),
      /load balancer desk is reached from outside and from inside.*ledger.*`edge`/,
    );
    const beside = behind("app/desk", { machine: [tcp(8080, from("0.0.0.0/0"))], balancer: [tcp(80, fromGroup(1))] });
    assert.deepEqual(edgeAndSources(beside), [[], []]);
    assert.match(beside.unreadable!.join("\n"), /beside their load balancer desk/);
  });

  it("are judged by the machines' own rules where the load balancer keeps the clients' addresses", () => {
    const wide = [tcp(8000, from("10.0.0.0/8", "172.16.0.0/12"), 8999)];
    assert.deepEqual(edgeAndSources(behind("net/desk", { machine: wide })), [["ledger:8080"], ["ledger/eth0"]]);
    const all = [{ IpProtocol: "-1", ...from("172.16.0.0/12") }];
    assert.deepEqual(edgeAndSources(behind("net/desk", { machine: all })), [["ledger:8080"], ["ledger/eth0"]]);
    assert.deepEqual(edgeAndSources(behind("net/desk", { machine: [tcp(8080, from("10.1.0.0/16"))] })), [[], []]);
    const addressed = behind("net/desk", { machine: wide }, "ip");
    assert.deepEqual(edgeAndSources(addressed), [[], []], "targets named by address see the load balancer's");
    assert.match(addressed.unreadable!.join("\n"), /load balancer desk is reached from outside and from inside/);
  });
});
