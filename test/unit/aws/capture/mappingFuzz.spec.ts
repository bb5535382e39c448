import assert from "node:assert/strict";

import type { IpPermission, Route, RouteTable } from "@aws-sdk/client-ec2";
import fc from "fast-check";

import { mapTopology } from "../../../../components/aws/capture/mapping";
import { validateTopology } from "../../../../components/topologySchema";
import { awsCard, awsInstance, awsReading } from "../../../support/awsReading";
import { awsId } from "../../../support/awsTopologyParts";

const name = fc.constantFrom("web", "Web", "WEB ", "web-1", "x".repeat(70), "", "ö", "internet");
const cidr = fc.constantFrom("0.0.0.0/0", "10.1.0.0/16", "10.2.0.0/16", "10.1.1.4/32", "192.168.1.0/24", "10.1.1.4/24");
const groupId = fc.integer({ min: 1, max: 6 }).map((number) => awsId("sg", number));
const port = fc.integer({ min: -1, max: 65535 });

const permission: fc.Arbitrary<IpPermission> = fc.record(
  {
    IpProtocol: fc.constantFrom("tcp", "udp", "icmp", "icmpv6", "-1", "50", "6"),
    FromPort: port,
    IpRanges: fc.array(fc.record({ CidrIp: cidr }), { maxLength: 3 }),
    Ipv6Ranges: fc.array(fc.record({ CidrIpv6: fc.constantFrom("::/0", "2001:DB8::/32") }), { maxLength: 2 }),
    UserIdGroupPairs: fc.array(fc.record({ GroupId: groupId }), { maxLength: 3 }),
    PrefixListIds: fc.array(fc.record({ PrefixListId: fc.constantFrom("pl-1", "pl-2") }), { maxLength: 2 }),
  },
  { requiredKeys: ["IpProtocol"] },
);

const route: fc.Arbitrary<Route> = fc
  .tuple(
    fc.oneof(
      cidr.map((DestinationCidrBlock) => ({ DestinationCidrBlock })),
      fc.constant({ DestinationPrefixListId: "pl-1" }),
      fc.constant({ DestinationIpv6CidrBlock: "::/0" }),
    ),
    fc.oneof(
      fc.constantFrom("local", "igw-1", "vgw-1", "vpce-1").map((GatewayId) => ({ GatewayId })),
      fc.constantFrom("nat-1", "nat-2").map((NatGatewayId) => ({ NatGatewayId })),
      fc.integer({ min: 1, max: 8 }).map((number) => ({ NetworkInterfaceId: awsId("eni", number) })),
      fc.constant({ VpcPeeringConnectionId: "pcx-1" }),
      fc.constant({}),
    ),
    fc.constantFrom("active" as const, "blackhole" as const),
  )
  .map(([to, over, State]) => ({ ...to, ...over, State }));

const table: fc.Arbitrary<Omit<RouteTable, "RouteTableId">> = fc.record({
  Tags: name.map((Value) => [{ Key: "Name", Value }]),
  Associations: fc.constantFrom([{ Main: true }], [{ SubnetId: awsId("subnet", 1) }], []),
  Routes: fc.array(route, { maxLength: 6 }),
});

const machine = fc.record({
  name,
  subnet: fc.constantFrom(1, 2, 9),
  forwards: fc.boolean(),
  state: fc.constantFrom("running" as const, "stopped" as const),
  groups: fc.array(groupId, { maxLength: 3 }),
  isPublic: fc.boolean(),
});

const reading = fc
  .record({
    tables: fc.array(table, { maxLength: 4 }),
    groups: fc.array(fc.record({ name, ingress: fc.array(permission, { maxLength: 4 }) }), { maxLength: 5 }),
    machines: fc.array(machine, { maxLength: 8 }),
    vpcName: name,
    endpoints: fc.uniqueArray(fc.constantFrom("vpce-1", "vpce-2"), { maxLength: 2 }),
  })
  .map(({ tables, groups, machines, vpcName, endpoints }) =>
    awsReading({
      vpc: { VpcId: "vpc-1", CidrBlock: "10.1.0.0/16", Tags: [{ Key: "Name", Value: vpcName }] },
      routeTables: tables.map((one, at) => ({ ...one, RouteTableId: awsId("rtb", at) })),
      groups: groups.map((one, at) => ({
        GroupId: awsId("sg", at + 1),
        GroupName: one.name,
        IpPermissions: one.ingress,
        IpPermissionsEgress: one.ingress,
      })),
      instances: machines.map(({ name: Value, subnet, forwards, state, groups: own, isPublic }, at) =>
        awsInstance(
          at + 1,
          Value,
          [
            awsCard(at + 1, subnet, `10.1.${subnet}.${10 + at}`, {
              SourceDestCheck: !forwards,
              Groups: own.map((GroupId) => ({ GroupId })),
              ...(isPublic ? { Association: { PublicIp: "198.51.100.1" } } : {}),
            }),
          ],
          { State: { Name: state } },
        ),
      ),
      gateways: { ...awsReading().gateways, internet: [{ InternetGatewayId: "igw-1" }] },
      endpoints: endpoints.map((VpcEndpointId) => ({ VpcEndpointId, ServiceName: "com.amazonaws.eu-central-1.s3" })),
      prefixLists: new Map([["pl-1", ["172.16.0.0/12", "10.9.0.0/16"]]]),
    }),
  );

describe("the mapping of any answers", () => {
  it("gives a valid topology: names are unique, and every reference resolves", () => {
    fc.assert(
      fc.property(reading, (given) => {
        const topology = mapTopology(given);
        assert.deepEqual(validateTopology(JSON.parse(JSON.stringify(topology))), []);
        const running = given.instances.filter(
          ({ State, NetworkInterfaces }) =>
            State!.Name === "running" && NetworkInterfaces![0]!.SubnetId !== awsId("subnet", 9),
        );
        assert.deepEqual(
          topology.machines.map(({ sourceId }) => sourceId),
          running.map(({ InstanceId }) => InstanceId),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("gives the same names whatever the order of the answers is", () => {
    fc.assert(
      fc.property(reading, (given) => {
        const backwards = { ...given, instances: [...given.instances].reverse(), groups: [...given.groups].reverse() };
        const names = (topology: ReturnType<typeof mapTopology>) =>
          topology.machines.map((one) => `${one.sourceId!} ${one.name}`).sort();
        assert.deepEqual(names(mapTopology(backwards)), names(mapTopology(given)));
      }),
      { numRuns: 100 },
    );
  });
});
