import type { LoadBalancer, Machine, Route, Topology, TopologySubnet } from "../../components/topology";
import {
  awsDatabase,
  awsGroup,
  awsId,
  awsMachine,
  awsSubnet,
  awsWaysOut,
  capturedAt,
  productionAccount,
  rootVolume,
} from "./awsTopologyParts";

const seed = 7;
const zones = ["a", "b", "c"];
const tiers = ["public", "web", "app", "data"];
const types = [
  { type: "t3.small", cpus: 2, memoryMegabytes: 2048 },
  { type: "m6i.large", cpus: 2, memoryMegabytes: 8192 },
  { type: "c6g.xlarge", cpus: 4, memoryMegabytes: 8192 },
  { type: "r6i.xlarge", cpus: 4, memoryMegabytes: 32768 },
];

/** Numbers from 0 to below 1, the same each time (the generator of Park and Miller). */
function randomNumbers(start: number): () => number {
  let state = start;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

const subnets: TopologySubnet[] = tiers.flatMap((tier, t) =>
  zones.map((zone, z) =>
    awsSubnet(`${tier}-${zone}`, 1 + t * 3 + z, `10.30.${t * 16 + z}.0/24`, zone, {
      routeTable: tier === "public" ? "public" : `private-${zone}`,
      acl: tier === "data" ? "data" : "open",
    }),
  ),
);

/** How many machines each tier has in a zone: 8 + 8 + 4, so 60 in all. */
const perZone: Record<string, number> = { web: 8, app: 8, data: 4 };

function machines(): Machine[] {
  const random = randomNumbers(seed);
  const places = Object.entries(perZone).flatMap(([tier, count]) =>
    zones.flatMap((zone, z) => Array.from({ length: count }, (_, at) => ({ tier, zone, z, at }))),
  );
  return places.map(({ tier, zone, z, at }, index) => {
    const size = types[Math.floor(random() * types.length)]!;
    const machine = awsMachine({
      ...size,
      name: `${tier}-${zone}-${at + 1}`,
      number: index + 1,
      subnet: `${tier}-${zone}`,
      address: `10.30.${tiers.indexOf(tier) * 16 + z}.${10 + at}`,
      groups: [tier],
      role: tier,
    });
    machine.aws!.architecture = size.type.startsWith("c6g") ? "arm64" : "x86_64";
    if (tier === "data") {
      machine.aws!.volumes!.push({ ...rootVolume(1000 + index, 100 + Math.floor(random() * 400)), device: "/dev/sdf" });
    }
    return machine;
  });
}

const all = machines();
const ofTier = (tier: string): string[] => all.filter(({ role }) => role === tier).map(({ name }) => name);

const inside: Route[] = [
  { destination: "10.99.0.0/16", boundary: "billing", aws: { target: awsId("pcx", 1), origin: "CreateRoute" } },
];

const front: LoadBalancer = {
  name: "front",
  addresses: ["10.30.0.4", "10.30.1.4", "10.30.2.4"],
  port: 443,
  machines: ofTier("web"),
  targetPort: 80,
  terminatesTls: true,
  aws: {
    arn: `arn:aws:elasticloadbalancing:eu-central-1:${productionAccount}:loadbalancer/app/front/00000000000000f1`,
    type: "application",
    scheme: "internet-facing",
    dnsName: "front-1.eu-central-1.elb.amazonaws.com",
    subnets: ["public-a", "public-b", "public-c"],
    securityGroups: ["balancer"],
    listeners: [
      { port: 80, protocol: "HTTP", dropped: ["redirects every request to https"] },
      {
        port: 443,
        protocol: "HTTPS",
        targetGroup: "web",
        rules: [{ priority: 10, paths: ["/api/*"], hosts: ["shop.example"], targetGroup: "web" }],
      },
    ],
    targetGroups: [
      {
        name: "web",
        port: 80,
        protocol: "HTTP",
        protocolVersion: "HTTP1",
        targetType: "instance",
        healthCheckPath: "/health",
        healthCheckProtocol: "HTTP",
        targets: ofTier("web").map((machine) => ({ machine, health: "healthy" })),
      },
    ],
  },
};

const inner: LoadBalancer = {
  name: "app",
  addresses: ["10.30.16.4", "10.30.17.4", "10.30.18.4"],
  port: 8080,
  machines: ofTier("app"),
  targetPort: 8080,
  aws: {
    arn: `arn:aws:elasticloadbalancing:eu-central-1:${productionAccount}:loadbalancer/net/app/00000000000000a1`,
    type: "network",
    scheme: "internal",
    dnsName: "app-1.elb.eu-central-1.amazonaws.com",
    subnets: ["web-a", "web-b", "web-c"],
    listeners: [{ port: 8080, protocol: "TCP", targetGroup: "app" }],
    targetGroups: [
      {
        name: "app",
        port: 8080,
        protocol: "TCP",
        targetType: "ip",
        healthCheckProtocol: "TCP",
        targets: ofTier("app").map((machine) => ({ machine, health: "healthy" })),
      },
    ],
  },
};

/** Three zones, twelve subnets, sixty instances of four types, generated from a seed: the same each time. */
export const threeZoneAws: Topology = {
  version: 1,
  name: "store",
  source: { backEnd: "aws", account: productionAccount, region: "eu-central-1", id: awsId("vpc", 3), capturedAt },
  networks: [{ name: "store", cidrs: ["10.30.0.0/16"], subnets }],
  routeTables: [
    {
      name: "public",
      routes: [
        { destination: "0.0.0.0/0", boundary: "internet", aws: { target: awsId("igw", 1), origin: "CreateRoute" } },
      ],
    },
    ...zones.map((zone, z) => ({
      name: `private-${zone}`,
      routes: [
        {
          destination: "0.0.0.0/0",
          boundary: `nat-${zone}`,
          aws: { target: awsId("nat", z + 1), origin: "CreateRoute" },
        },
        ...inside,
      ],
    })),
  ],
  securityGroups: [
    awsGroup("balancer", 1, [
      { protocol: "tcp", ports: "443", cidrs: ["0.0.0.0/0"] },
      { protocol: "tcp", ports: "80", cidrs: ["0.0.0.0/0"] },
    ]),
    awsGroup("web", 2, [{ protocol: "tcp", ports: "80", securityGroups: ["balancer"] }]),
    awsGroup("app", 3, [{ protocol: "tcp", ports: "8080", cidrs: ["10.30.16.0/20"] }]),
    awsGroup("data", 4, [
      { protocol: "tcp", ports: "6379", securityGroups: ["app"] },
      { protocol: "tcp", ports: "7000-7001", securityGroups: ["data"] },
    ]),
  ],
  acls: [
    {
      name: "open",
      rules: [
        { number: 100, direction: "ingress", action: "allow", protocol: "any", cidr: "0.0.0.0/0" },
        { number: 100, direction: "egress", action: "allow", protocol: "any", cidr: "0.0.0.0/0" },
      ],
    },
    {
      name: "data",
      rules: [
        { number: 90, direction: "ingress", action: "deny", protocol: "tcp", ports: "22", cidr: "0.0.0.0/0" },
        { number: 100, direction: "ingress", action: "allow", protocol: "any", cidr: "10.30.0.0/16" },
        { number: 100, direction: "egress", action: "allow", protocol: "any", cidr: "10.30.0.0/16" },
      ],
    },
  ],
  machines: all,
  services: [
    { name: "web", protocol: "tcp", port: 80, machines: ofTier("web"), edge: true, application: "http1" },
    { name: "app", protocol: "tcp", port: 8080, machines: ofTier("app"), edge: false },
  ],
  loadBalancers: [front, inner],
  dnsZones: [
    {
      name: "store.internal",
      aws: { id: "Z0123456789STORE" },
      records: zones.map((zone) => ({
        name: `cache-${zone}.store.internal`,
        type: "A",
        values: all
          .filter(({ name }) => name.startsWith(`data-${zone}`))
          .flatMap(({ interfaces }) => interfaces[0]!.addresses),
      })),
    },
  ],
  boundaries: [
    awsWaysOut[0]!,
    ...zones.map((zone, z) => ({
      ...awsWaysOut[1]!,
      name: `nat-${zone}`,
      aws: { kind: "natGateway", id: awsId("nat", z + 1) },
    })),
    { name: "billing", kind: "peering", cidrs: ["10.99.0.0/16"], aws: { kind: "peering", id: awsId("pcx", 1) } },
    awsDatabase("store-db", {
      kind: "rdsCluster",
      id: `arn:aws:rds:eu-central-1:${productionAccount}:cluster:store-db`,
      engine: "aurora-postgresql",
      snapshotId: "rds:store-db-2026-01-15-02-00",
      snapshotAt: "2026-01-15T02:00:00.000Z",
      subnets: ["data-a", "data-b", "data-c"],
      securityGroups: ["data"],
      members: 2,
    }),
  ],
  aws: {
    vpcId: awsId("vpc", 3),
    zones: zones.map((zone) => ({ id: `euc1-az${"cab".indexOf(zone) + 1}`, name: `eu-central-1${zone}` })),
    dnsSupport: true,
    dnsHostnames: true,
    endpoints: [{ id: awsId("vpce", 1), serviceName: "com.amazonaws.eu-central-1.s3", type: "Gateway" }],
    instanceTypes: types.map((size) => ({
      ...size,
      architecture: size.type.startsWith("c6g") ? "arm64" : "x86_64",
      hypervisor: "nitro",
      maximumInterfaces: 4,
      addressesPerInterface: 15,
    })),
    autoScalingGroups: [{ name: "web", machines: ofTier("web"), minimum: 12, maximum: 48, desired: 24 }],
  },
};
