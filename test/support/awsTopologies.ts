import type { Machine, Topology } from "../../components/topology";
import {
  awsDatabase,
  awsGroup,
  awsId,
  awsMachine,
  awsSubnet,
  awsWaysOut,
  capturedAt,
  productionAccount,
} from "./awsTopologyParts";

export { hostileAws } from "./awsTopologyHostile";
export { threeZoneAws } from "./awsTopologyThreeZones";

const web = (name: string, number: number, subnet: string, address: string): Machine =>
  awsMachine({
    name,
    number,
    type: "t3.small",
    cpus: 2,
    memoryMegabytes: 2048,
    subnet,
    address,
    groups: ["web"],
    role: "web",
  });

/** The shop of the README: two web servers behind a load balancer that ends TLS, one application server, a database. */
export const smallAws: Topology = {
  version: 1,
  name: "shop",
  source: { backEnd: "aws", account: productionAccount, region: "eu-central-1", id: awsId("vpc", 1), capturedAt },
  networks: [
    {
      name: "shop",
      cidrs: ["10.20.0.0/16"],
      subnets: [
        awsSubnet("public-a", 1, "10.20.0.0/24", "a", { routeTable: "public" }),
        awsSubnet("public-b", 2, "10.20.1.0/24", "b", { routeTable: "public" }),
        awsSubnet("private-a", 3, "10.20.10.0/24", "a", { routeTable: "private" }),
        awsSubnet("private-b", 4, "10.20.11.0/24", "b", { routeTable: "private" }),
      ],
    },
  ],
  routeTables: [
    {
      name: "public",
      routes: [
        { destination: "0.0.0.0/0", boundary: "internet", aws: { target: awsId("igw", 1), origin: "CreateRoute" } },
      ],
    },
    {
      name: "private",
      routes: [
        { destination: "0.0.0.0/0", boundary: "nat-a", aws: { target: awsId("nat", 1), origin: "CreateRoute" } },
      ],
    },
  ],
  securityGroups: [
    awsGroup("balancer", 1, [{ protocol: "tcp", ports: "443", cidrs: ["0.0.0.0/0"] }]),
    awsGroup("web", 2, [{ protocol: "tcp", ports: "80", securityGroups: ["balancer"] }]),
    awsGroup("app", 3, [{ protocol: "tcp", ports: "8080", securityGroups: ["web"] }]),
    awsGroup("db", 4, [{ protocol: "tcp", ports: "5432", securityGroups: ["app"] }]),
  ],
  machines: [
    web("web-1", 1, "private-a", "10.20.10.11"),
    web("web-2", 2, "private-b", "10.20.11.11"),
    awsMachine({
      name: "app-1",
      number: 3,
      type: "m6i.large",
      cpus: 2,
      memoryMegabytes: 8192,
      subnet: "private-a",
      address: "10.20.10.21",
      groups: ["app"],
      role: "app",
    }),
  ],
  services: [
    { name: "web", protocol: "tcp", port: 80, machines: ["web-1", "web-2"], edge: true, application: "http1" },
  ],
  loadBalancers: [
    {
      name: "shop",
      addresses: ["10.20.0.10", "10.20.1.10"],
      port: 443,
      machines: ["web-1", "web-2"],
      targetPort: 80,
      terminatesTls: true,
      aws: {
        arn: `arn:aws:elasticloadbalancing:eu-central-1:${productionAccount}:loadbalancer/app/shop/0123456789abcdef`,
        type: "application",
        scheme: "internet-facing",
        dnsName: "shop-1234567890.eu-central-1.elb.amazonaws.com",
        subnets: ["public-a", "public-b"],
        securityGroups: ["balancer"],
        listeners: [{ port: 443, protocol: "HTTPS", targetGroup: "web" }],
        targetGroups: [
          {
            name: "web",
            port: 80,
            protocol: "HTTP",
            protocolVersion: "HTTP1",
            targetType: "instance",
            healthCheckPath: "/health",
            healthCheckProtocol: "HTTP",
            healthCheckPort: "traffic-port",
            targets: [
              { machine: "web-1", health: "healthy" },
              { machine: "web-2", health: "healthy" },
            ],
          },
        ],
      },
    },
  ],
  dnsZones: [
    {
      name: "shop.internal",
      aws: { id: "Z0123456789ABCDEFGHIJ" },
      records: [
        { name: "app.shop.internal", type: "A", values: ["10.20.10.21"] },
        { name: "db.shop.internal", type: "CNAME", values: ["shop-db.c1a2b3c4d5e6.eu-central-1.rds.amazonaws.com"] },
      ],
    },
  ],
  boundaries: [
    ...awsWaysOut,
    awsDatabase("shop-db", {
      snapshotId: "rds:shop-db-2026-01-15-03-10",
      snapshotAt: "2026-01-15T03:10:00.000Z",
      subnets: ["private-a", "private-b"],
      securityGroups: ["db"],
    }),
  ],
  aws: {
    vpcId: awsId("vpc", 1),
    zones: [
      { id: "euc1-az2", name: "eu-central-1a" },
      { id: "euc1-az3", name: "eu-central-1b" },
    ],
    dnsSupport: true,
    dnsHostnames: true,
    dhcp: { domainName: "eu-central-1.compute.internal", domainNameServers: ["AmazonProvidedDNS"] },
    instanceTypes: [
      {
        type: "t3.small",
        cpus: 2,
        memoryMegabytes: 2048,
        architecture: "x86_64",
        hypervisor: "nitro",
        maximumInterfaces: 3,
        addressesPerInterface: 4,
      },
      {
        type: "m6i.large",
        cpus: 2,
        memoryMegabytes: 8192,
        architecture: "x86_64",
        hypervisor: "nitro",
        maximumInterfaces: 3,
        addressesPerInterface: 10,
      },
    ],
  },
};
