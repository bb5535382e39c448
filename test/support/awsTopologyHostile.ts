import type { Boundary, LoadBalancer, Machine, SecurityGroup, Topology } from "../../components/topology";
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

/** Two names of 63 characters that differ only in the last one, so that shortening them makes one of the two. */
const longNames = ["blue", "green"].map((colour) =>
  `payments-settlement-reconciliation-worker-${colour}`.padEnd(62, "x"),
);

const machine = (
  name: string,
  number: number,
  type: string,
  subnet: string,
  address: string,
  groups: string[],
): Machine => awsMachine({ name, number, type, cpus: 2, memoryMegabytes: 8192, subnet, address, groups });

const router: Machine = {
  ...machine("router", 1, "c5.large", "Private", "10.40.1.10", ["App"]),
  forwarding: true,
};
router.interfaces[0]!.aws!.sourceDestCheck = false;
router.interfaces.push({
  name: "eth1",
  subnet: "private",
  addresses: ["10.40.2.10", "10.40.2.11", "2001:db8:40:2::10"],
  mac: "06:00:00:00:ff:01",
  securityGroups: ["app"],
  aws: { id: awsId("eni", 900), deviceIndex: 1, sourceDestCheck: false, prefixes: ["10.40.2.64/28"] },
});

const old = machine("old", 2, "t2.micro", "Private", "10.40.1.11", ["App"]);
old.aws!.imageAvailable = false;
old.aws!.cpuCredits = "standard";
old.aws!.volumes = [rootVolume(2, 8, false)];

const metal = machine("metal", 3, "m5.metal", "Private", "10.40.1.12", ["App"]);
const newest = machine("newest", 4, "m8g.large", "Private", "10.40.1.13", ["App"]);
newest.aws!.architecture = "arm64";

const node = machine("eks-node", 5, "m6i.large", "private", "10.40.2.12", ["app"]);
node.aws!.managedBy = "eks";
node.interfaces[0]!.addresses.push("10.40.2.13", "10.40.2.14");

const windows = machine("windows", 6, "m6i.large", "private", "10.40.2.15", ["app"]);
windows.aws!.platform = "windows";

const secure = ["tls-1", "tls-2"].map((name, index) =>
  awsMachine({
    name,
    number: 10 + index,
    type: "m6i.large",
    cpus: 2,
    memoryMegabytes: 8192,
    subnet: "public",
    address: `10.40.0.${10 + index}`,
    groups: ["App"],
    publicAddress: `198.51.100.${10 + index}`,
  }),
);
secure[0]!.interfaces[0]!.addresses.push("2001:db8:40::10");

/** Every address of a /28 that AWS leaves to its users is taken. */
const crowd = Array.from({ length: 11 }, (_, at) =>
  machine(`crowd-${at + 1}`, 30 + at, "t3.micro", "full", `10.40.3.${4 + at}`, ["app"]),
);

const long = longNames.map((name, index) =>
  machine(name, 50 + index, "m6i.large", "private", `10.40.2.${20 + index}`, ["app"]),
);

const outside: SecurityGroup = {
  ...awsGroup("App", 1, [{ protocol: "tcp", ports: "443", cidrs: ["0.0.0.0/0", "::/0"] }]),
};
outside.aws!.dropped = [
  `ingress tcp 8443 from security group sg-0ffffffffffffffff of account 444455556666 lies behind peering ${awsId("pcx", 1)}`,
];

function balancer(name: string, type: string, rest: Partial<LoadBalancer>, tls: string): LoadBalancer {
  const [listener, target] = tls.split("/") as [string, string];
  const machines = rest.machines ?? [];
  return {
    name,
    addresses: ["10.40.0.4"],
    port: 443,
    targetPort: 443,
    machines,
    ...rest,
    aws: {
      arn: `arn:aws:elasticloadbalancing:eu-central-1:${productionAccount}:loadbalancer/${type}/${name}/0000000000000001`,
      type: type === "net" ? "network" : "application",
      scheme: "internet-facing",
      subnets: ["public"],
      listeners: [{ port: 443, protocol: listener, targetGroup: `${name}-targets` }],
      targetGroups: [
        {
          name: `${name}-targets`,
          port: rest.targetPort ?? 443,
          protocol: target,
          targetType: "instance",
          targets: machines.map((target_) => ({ machine: target_, health: "unhealthy" })),
        },
      ],
    },
  };
}

const boundaries: Boundary[] = [
  ...awsWaysOut,
  { name: "peer", kind: "peering", cidrs: ["10.41.0.0/16"], aws: { kind: "peering", id: awsId("pcx", 1) } },
  { name: "transit", kind: "vpn", cidrs: ["172.20.0.0/14"], aws: { kind: "transitGateway", id: awsId("tgw", 1) } },
  {
    name: "s3",
    kind: "managedService",
    cidrs: ["198.51.100.128/25"],
    aws: { kind: "vpcEndpoint", id: awsId("vpce", 1) },
  },
  awsDatabase("orders", {
    snapshotId: "rds:orders-2026-01-15-03-10",
    snapshotAt: "2026-01-15T03:10:00.000Z",
    subnets: ["private", "full"],
    securityGroups: ["app"],
  }),
  awsDatabase("orders-without-snapshot", { encrypted: false, subnets: ["private", "full"], securityGroups: ["app"] }),
];

/** A valid topology that has everything that an AWS back end must refuse, substitute or drop with a reason. */
export const hostileAws: Topology = {
  version: 1,
  name: "hostile",
  source: { backEnd: "aws", account: productionAccount, region: "eu-central-1", id: awsId("vpc", 9), capturedAt },
  networks: [
    {
      name: "hostile",
      // As many ranges as AWS gives a VPC by default, and one of them is what the appliances would take.
      cidrs: ["10.40.0.0/16", "10.42.0.0/16", "10.43.0.0/16", "10.44.0.0/16", "100.64.0.0/16", "2001:db8:40::/56"],
      subnets: [
        awsSubnet("public", 1, "10.40.0.0/24", "a", { routeTable: "main", ipv6Cidr: "2001:db8:40::/64", acl: "odd" }),
        awsSubnet("Private", 2, "10.40.1.0/24", "a", { routeTable: "Main" }),
        awsSubnet("private", 3, "10.40.2.0/24", "b", { routeTable: "Main", ipv6Cidr: "2001:db8:40:2::/64" }),
        awsSubnet("full", 4, "10.40.3.0/28", "b", { routeTable: "Main" }),
        awsSubnet("pods", 5, "100.64.0.0/20", "a", { routeTable: "Main" }),
      ],
    },
  ],
  routeTables: [
    {
      name: "main",
      routes: [
        { destination: "0.0.0.0/0", boundary: "internet", aws: { target: awsId("igw", 1), origin: "CreateRoute" } },
        { destination: "::/0", boundary: "internet", aws: { target: awsId("igw", 1), origin: "CreateRoute" } },
      ],
    },
    {
      name: "Main",
      routes: [
        { destination: "0.0.0.0/0", boundary: "nat-a", aws: { target: awsId("nat", 1), origin: "CreateRoute" } },
        { destination: "10.41.0.0/16", boundary: "peer", aws: { target: awsId("pcx", 1), origin: "CreateRoute" } },
        {
          destination: "172.20.0.0/14",
          boundary: "transit",
          aws: { target: awsId("tgw", 1), origin: "EnableVgwRoutePropagation" },
        },
        {
          destination: "198.51.100.128/25",
          boundary: "s3",
          aws: { target: awsId("vpce", 1), origin: "CreateRoute", prefixListId: "pl-6ea54007" },
        },
        { destination: "192.168.0.0/16", via: "10.40.1.10", aws: { target: awsId("eni", 1), origin: "CreateRoute" } },
        { destination: "192.0.2.0/24", blackhole: true, aws: { target: awsId("nat", 99), origin: "CreateRoute" } },
      ],
    },
  ],
  securityGroups: [outside, awsGroup("app", 2, [{ protocol: "any", securityGroups: ["App", "app"] }])],
  acls: [
    {
      name: "odd",
      rules: [
        {
          number: 100,
          direction: "ingress",
          action: "allow",
          protocol: "any",
          cidr: "0.0.0.0/0",
          aws: { protocolNumber: 47 },
        },
        {
          number: 110,
          direction: "ingress",
          action: "deny",
          protocol: "icmp",
          cidr: "0.0.0.0/0",
          aws: { icmpType: 8, icmpCode: -1 },
        },
        { number: 120, direction: "ingress", action: "allow", protocol: "any", cidr: "::/0" },
        { number: 100, direction: "egress", action: "allow", protocol: "any", cidr: "0.0.0.0/0" },
      ],
    },
  ],
  machines: [router, old, metal, newest, node, windows, ...secure, ...crowd, ...long],
  services: [
    { name: "tls", protocol: "tcp", port: 443, machines: ["tls-1", "tls-2"], edge: true, application: "tls" },
    {
      name: "plain",
      protocol: "tcp",
      port: 8080,
      machines: ["old", "metal", "newest"],
      edge: true,
      application: "http1",
    },
    { name: "node", protocol: "tcp", port: 30080, machines: ["eks-node"], edge: true, application: "http1" },
  ],
  loadBalancers: [
    balancer("tls", "net", { machines: ["tls-1", "tls-2"] }, "TCP/TCP"),
    balancer(
      "plain",
      "app",
      { machines: ["old", "metal", "newest"], targetPort: 8080, terminatesTls: true },
      "HTTPS/HTTP",
    ),
    balancer("node", "app", { machines: ["eks-node"], targetPort: 30080, terminatesTls: true }, "HTTPS/HTTP"),
  ],
  dnsZones: [
    {
      name: "hostile.internal",
      aws: { id: "Z0HOSTILE", dropped: ["weighted record api.hostile.internal has no one answer"] },
      records: [
        {
          name: "orders.hostile.internal",
          type: "CNAME",
          values: ["orders.c1a2b3c4d5e6.eu-central-1.rds.amazonaws.com"],
        },
      ],
    },
    {
      name: "HOSTILE.internal.",
      aws: { id: "Z1HOSTILE" },
      records: [{ name: "router.HOSTILE.internal.", type: "A", values: ["10.40.1.10"] }],
    },
  ],
  boundaries,
  unreadable: ["ElastiCache was not read: not permitted to call elasticache:DescribeCacheClusters"],
  aws: {
    vpcId: awsId("vpc", 9),
    zones: [
      { id: "euc1-az2", name: "eu-central-1a" },
      { id: "euc1-az3", name: "eu-central-1b" },
    ],
    dnsSupport: false,
    dhcp: { domainName: "corp.example", domainNameServers: ["10.41.0.2", "10.41.0.3"], ntpServers: ["10.41.0.4"] },
    endpoints: [
      { id: awsId("vpce", 1), serviceName: "com.amazonaws.eu-central-1.s3", type: "Gateway" },
      {
        id: awsId("vpce", 2),
        serviceName: "com.amazonaws.vpce.eu-central-1.vpce-svc-0123456789abcdef0",
        type: "Interface",
        subnets: ["private"],
        privateDns: true,
      },
    ],
    mirrorSessions: [
      {
        id: awsId("tms", 1),
        interfaceId: secure[0]!.interfaces[0]!.aws!.id,
        sessionNumber: 1,
        filterId: awsId("tmf", 1),
        targetId: awsId("tmt", 1),
        owner: "444455556666",
      },
      ...[1, 2, 3].map((sessionNumber) => ({
        id: awsId("tms", 1 + sessionNumber),
        interfaceId: newest.interfaces[0]!.aws!.id,
        sessionNumber,
        owner: productionAccount,
      })),
    ],
    instanceTypes: [
      {
        type: "t2.micro",
        cpus: 1,
        memoryMegabytes: 1024,
        architecture: "x86_64",
        hypervisor: "xen",
        maximumInterfaces: 2,
        addressesPerInterface: 2,
      },
      {
        type: "m5.metal",
        cpus: 96,
        memoryMegabytes: 393216,
        architecture: "x86_64",
        maximumInterfaces: 15,
        addressesPerInterface: 50,
      },
      {
        type: "m8g.large",
        cpus: 2,
        memoryMegabytes: 8192,
        architecture: "arm64",
        hypervisor: "nitro",
        maximumInterfaces: 3,
        addressesPerInterface: 10,
      },
    ],
    autoScalingGroups: [{ name: "eks-nodes", machines: ["eks-node"], minimum: 1, maximum: 3, desired: 1 }],
  },
};
