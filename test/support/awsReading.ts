import type { Instance, InstanceNetworkInterface } from "@aws-sdk/client-ec2";

import type { AwsReading } from "../../components/aws/capture/reading";
import { awsId } from "./awsTopologyParts";

/** A reading of an empty VPC, in the SDK's types, with what a test gives in its place. */
export function awsReading(given: Partial<AwsReading> = {}): AwsReading {
  return {
    account: "111122223333",
    region: "eu-central-1",
    capturedAt: "2026-01-15T10:00:00.000Z",
    vpc: { VpcId: awsId("vpc", 1), CidrBlock: "10.1.0.0/16" },
    zones: [{ ZoneName: "eu-central-1a", ZoneId: "euc1-az2" }],
    subnets: [
      { SubnetId: awsId("subnet", 1), CidrBlock: "10.1.1.0/24", AvailabilityZone: "eu-central-1a" },
      { SubnetId: awsId("subnet", 2), CidrBlock: "10.1.2.0/24", AvailabilityZone: "eu-central-1a" },
    ],
    routeTables: [],
    acls: [],
    groups: [],
    interfaces: [],
    instances: [],
    gateways: { internet: [], egressOnly: [], nat: [], vpn: [], carrier: [], transit: [], peerings: [] },
    endpoints: [],
    prefixLists: new Map(),
    mirrorSessions: [],
    volumes: [],
    snapshots: new Map(),
    images: [],
    ownImages: [],
    instanceTypes: [],
    credits: new Map(),
    balancers: [],
    targetGroups: [],
    databases: [],
    clusters: [],
    databaseSnapshots: new Map(),
    scalingGroups: [],
    privateZones: [],
    includeTags: false,
    unreadable: [],
    ...given,
  };
}

/** An interface of an instance, in the SDK's type. */
export function awsCard(
  number: number,
  subnet: number,
  address: string,
  given: InstanceNetworkInterface = {},
): InstanceNetworkInterface {
  return {
    NetworkInterfaceId: awsId("eni", number),
    SubnetId: awsId("subnet", subnet),
    PrivateIpAddresses: [{ PrivateIpAddress: address, Primary: true }],
    Attachment: { DeviceIndex: 0, NetworkCardIndex: 0 },
    SourceDestCheck: true,
    ...given,
  };
}

/** A running instance, in the SDK's type. */
export function awsInstance(
  number: number,
  name: string,
  cards: InstanceNetworkInterface[],
  given: Instance = {},
): Instance {
  return {
    InstanceId: awsId("i", number),
    InstanceType: "m5.large",
    State: { Name: "running" },
    Tags: [{ Key: "Name", Value: name }],
    NetworkInterfaces: cards,
    ...given,
  };
}
