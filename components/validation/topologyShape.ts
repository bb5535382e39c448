import { z } from "zod";

import { formed } from "./shape";
import { AclAction, BoundaryKind, BoundaryReplacement, IpProtocol, type Topology, TrafficDirection } from "../topology";
import * as aws from "./topologyAwsShape";

const name = z.string().min(1);
const names = z.array(name);
const positive = z.number().positive();
const port = z.int().min(1).max(65535);
const interfaceName = formed(
  /^[A-Za-z][\w.-]{0,14}$/,
  "an interface name: at most 15 letters, digits, dots, hyphens and underscores, a letter first",
);
const machineName = formed(
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  "a name of 1 to 63 lower-case letters, digits and hyphens, with no hyphen at the ends",
);

const route = z.strictObject({
  destination: z.string(),
  via: z.string().optional(),
  boundary: name.optional(),
  blackhole: z.boolean().optional(),
  aws: aws.awsRouteShape.optional(),
});

const securityRule = z.strictObject({
  direction: z.enum(TrafficDirection),
  protocol: z.enum(IpProtocol),
  ports: z.string().optional(),
  cidrs: z.array(z.string()).optional(),
  securityGroups: names.optional(),
});

const aclRule = z.strictObject({
  number: z.int().min(1).max(32766),
  direction: z.enum(TrafficDirection),
  action: z.enum(AclAction),
  protocol: z.enum(IpProtocol),
  ports: z.string().optional(),
  cidr: z.string().optional(),
  aws: aws.awsAclRuleShape.optional(),
});

const subnet = z.strictObject({
  name,
  cidr: z.string(),
  ipv6Cidr: z.string().optional(),
  gatewayAddresses: z.array(z.string()).optional(),
  zone: z.string().optional(),
  routeTable: name.optional(),
  acl: name.optional(),
  boundary: name.optional(),
  aws: aws.awsSubnetShape.optional(),
});

const workload = z.strictObject({
  command: z.array(z.string()).min(1),
  workingDirectory: formed(/^\//, "an absolute path").optional(),
  environment: z.record(formed(/^[A-Za-z_]\w*$/, "a variable name"), z.string()).optional(),
});

const machineInterface = z.strictObject({
  name: interfaceName,
  subnet: name,
  addresses: z.array(z.string()).min(1),
  mac: formed(
    /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i,
    "a unicast hardware address such as 02:00:00:00:00:01",
  ).optional(),
  securityGroups: names.optional(),
  aws: aws.awsInterfaceShape.optional(),
});

const machine = z.strictObject({
  name: machineName,
  role: z.string().optional(),
  size: z
    .strictObject({ type: z.string().optional(), cpus: positive.optional(), memoryMegabytes: positive.optional() })
    .optional(),
  image: z.string().optional(),
  disks: z
    .array(z.strictObject({ name, sizeGigabytes: positive.optional(), snapshot: z.string().optional() }))
    .optional(),
  workload: workload.optional(),
  interfaces: z.array(machineInterface).min(1),
  forwarding: z.boolean().optional(),
  sourceId: z.string().optional(),
  lab: z
    .strictObject({
      dataFolder: z.string().optional(),
      diskMegabytes: z.number().min(4).max(1_048_576).optional(),
      processes: z.array(z.string()).optional(),
    })
    .optional(),
  aws: aws.awsMachineShape.optional(),
});

const service = z.strictObject({
  name,
  protocol: z.enum(IpProtocol),
  port,
  machines: names,
  edge: z.boolean(),
  application: z.string().optional(),
});

const loadBalancer = z.strictObject({
  name,
  addresses: z.array(z.string()).min(1),
  port,
  machines: names,
  targetPort: port,
  terminatesTls: z.boolean().optional(),
  aws: aws.awsLoadBalancerShape.optional(),
});

const boundary = z.strictObject({
  name,
  kind: z.enum(BoundaryKind),
  cidrs: z.array(z.string()),
  replacement: z.enum(BoundaryReplacement).optional(),
  aws: aws.awsBoundaryShape.optional(),
});

const source = z.strictObject({
  backEnd: z.string(),
  account: z.string().optional(),
  region: z.string().optional(),
  id: z.string(),
  capturedAt: z.string().optional(),
});

const dnsZone = z.strictObject({
  name,
  records: z.array(z.strictObject({ name, type: z.string(), values: z.array(z.string()) })),
  aws: aws.awsDnsZoneShape.optional(),
});

/** The form of a topology file: fields and their types; what refers to what is checked by `validateTopology`. */
export const topologyShape: z.ZodType<Topology> = z.strictObject({
  version: z.literal(1),
  name: machineName,
  source: source.optional(),
  networks: z.array(z.strictObject({ name, cidrs: z.array(z.string()).min(1), subnets: z.array(subnet) })).min(1),
  routeTables: z.array(z.strictObject({ name, routes: z.array(route) })).optional(),
  securityGroups: z
    .array(z.strictObject({ name, rules: z.array(securityRule), aws: aws.awsSecurityGroupShape.optional() }))
    .optional(),
  acls: z.array(z.strictObject({ name, rules: z.array(aclRule) })).optional(),
  machines: z.array(machine),
  services: z.array(service).optional(),
  loadBalancers: z.array(loadBalancer).optional(),
  dnsZones: z.array(dnsZone).optional(),
  boundaries: z.array(boundary).optional(),
  unreadable: z.array(z.string()).optional(),
  aws: aws.awsTopologyShape.optional(),
});
