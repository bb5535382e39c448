import type { Boundary, Machine, SecurityGroup, TopologySubnet } from "../../components/topology";
import type { AwsBoundaryExtras, AwsVolume } from "../../components/topologyAws";

/** When the test topologies say that they were captured. */
export const capturedAt = "2026-01-15T10:00:00.000Z";

/** Account that the test topologies say they were captured in. */
export const productionAccount = "111122223333";

/** An id of AWS's form, `prefix-` and 17 hexadecimal digits, the same each time. */
export function awsId(prefix: string, number: number): string {
  return `${prefix}-0${number.toString(16).padStart(16, "0")}`;
}

/** The root volume of a machine, with a snapshot unless told otherwise. */
export function rootVolume(number: number, sizeGigabytes: number, hasSnapshot = true): AwsVolume {
  return {
    id: awsId("vol", number),
    device: "/dev/xvda",
    sizeGigabytes,
    type: "gp3",
    iops: 3000,
    throughputMegabytes: 125,
    encrypted: true,
    kmsKeyId: `arn:aws:kms:eu-central-1:${productionAccount}:key/1a2b3c4d-0000-4000-8000-000000000001`,
    deleteOnTermination: true,
    ...(hasSnapshot ? { snapshotId: awsId("snap", number), snapshotAt: "2026-01-15T03:00:00.000Z" } : {}),
  };
}

/** What a Linux machine has beside its place in the network. */
export interface AwsMachineSpec {
  name: string;
  number: number;
  type: string;
  cpus: number;
  memoryMegabytes: number;
  subnet: string;
  address: string;
  groups: string[];
  role?: string;
  publicAddress?: string;
}

/** A Linux machine with one interface and one root volume. */
export function awsMachine(spec: AwsMachineSpec): Machine {
  const { name, number, type, cpus, memoryMegabytes, subnet, address, groups, role, publicAddress } = spec;
  return {
    name,
    ...(role === undefined ? {} : { role }),
    size: { type, cpus, memoryMegabytes },
    image: awsId("ami", 1),
    interfaces: [
      {
        name: "eth0",
        subnet,
        addresses: [address],
        mac: `06:00:00:00:${(number >> 8).toString(16).padStart(2, "0")}:${(number & 255).toString(16).padStart(2, "0")}`,
        securityGroups: groups,
        aws: {
          id: awsId("eni", number),
          deviceIndex: 0,
          sourceDestCheck: true,
          ...(publicAddress === undefined ? {} : { publicAddress }),
        },
      },
    ],
    sourceId: awsId("i", number),
    aws: {
      id: awsId("i", number),
      architecture: "x86_64",
      platform: "linux",
      imageId: awsId("ami", 1),
      imageAvailable: true,
      rootDevice: "/dev/xvda",
      volumes: [rootVolume(number, 20)],
      hasUserData: true,
      instanceProfile: `arn:aws:iam::${productionAccount}:instance-profile/${role ?? name}`,
      ebsOptimized: true,
      bootMode: "uefi-preferred",
    },
  };
}

/** A subnet in a zone of eu-central-1, `a` to `c`. */
export function awsSubnet(
  name: string,
  number: number,
  cidr: string,
  zone: string,
  rest: Partial<TopologySubnet> = {},
): TopologySubnet {
  const zoneId = `euc1-az${"cab".indexOf(zone) + 1}`;
  return { name, cidr, zone: `eu-central-1${zone}`, aws: { id: awsId("subnet", number), zoneId }, ...rest };
}

/** A security group that lets these in and everything out. */
export function awsGroup(
  name: string,
  number: number,
  ingress: Omit<SecurityGroup["rules"][number], "direction">[],
): SecurityGroup {
  return {
    name,
    rules: [
      ...ingress.map((rule) => ({ direction: "ingress" as const, ...rule })),
      { direction: "egress", protocol: "any", cidrs: ["0.0.0.0/0"] },
    ],
    aws: { id: awsId("sg", number), description: `${name} of the shop` },
  };
}

/** A managed database of the network. */
export function awsDatabase(name: string, aws: Partial<AwsBoundaryExtras> = {}): Boundary {
  return {
    name,
    kind: "managedService",
    cidrs: [],
    aws: {
      kind: "rdsInstance",
      id: `arn:aws:rds:eu-central-1:${productionAccount}:db:${name}`,
      names: [`${name}.c1a2b3c4d5e6.eu-central-1.rds.amazonaws.com`],
      port: 5432,
      engine: "postgres",
      engineVersion: "16.4",
      instanceClass: "db.t3.medium",
      encrypted: true,
      ...aws,
    },
  };
}

/** The two ways out that most networks have. */
export const awsWaysOut: Boundary[] = [
  {
    name: "internet",
    kind: "internet",
    cidrs: ["0.0.0.0/0", "::/0"],
    aws: { kind: "internetGateway", id: awsId("igw", 1) },
  },
  { name: "nat-a", kind: "nat", cidrs: ["0.0.0.0/0"], aws: { kind: "natGateway", id: awsId("nat", 1) } },
];
