import type {
  AwsAclRuleExtras,
  AwsBoundaryExtras,
  AwsDnsZoneExtras,
  AwsInterfaceExtras,
  AwsLoadBalancerExtras,
  AwsMachineExtras,
  AwsRouteExtras,
  AwsSecurityGroupExtras,
  AwsSubnetExtras,
  AwsTopologyExtras,
} from "./topologyAws";

/** Production as data: what `capture` writes and every back end clones. Everything refers to everything else by name. */
export interface Topology {
  /** Version of this format; 1. */
  version: number;
  /** Name of the network as a whole, for example `shop`. */
  name: string;
  /** Where it was read from; left out of a topology written by hand. */
  source?: TopologySource;
  /** Address spaces with their subnets; each has one implicit router. */
  networks: TopologyNetwork[];
  /** Named sets of routes that subnets refer to. Defaults to none: every subnet reaches every other. */
  routeTables?: RouteTable[];
  /** Stateful allow-lists that interfaces refer to. Defaults to none: interfaces without a group are open. */
  securityGroups?: SecurityGroup[];
  /** Stateless ordered lists that subnets refer to. Defaults to none. */
  acls?: NetworkAcl[];
  /** The machines. */
  machines: Machine[];
  /** What clients talk to. Defaults to none. */
  services?: Service[];
  /** Load balancers in front of machines. Defaults to none. */
  loadBalancers?: LoadBalancer[];
  /** Names that machines resolve inside the network. Defaults to none. */
  dnsZones?: DnsZone[];
  /** Where the network touches the outside. Defaults to none. */
  boundaries?: Boundary[];
  /** What capture could not read, one sentence each. Defaults to none. */
  unreadable?: string[];
  /** What only AWS knows of the network. */
  aws?: AwsTopologyExtras;
}

/** Where a topology was read from. */
export interface TopologySource {
  /** `lab`, `aws`, `azure` or `libvirt`. */
  backEnd: string;
  /** Account or subscription. */
  account?: string;
  /** Region, or host name. */
  region?: string;
  /** Id of the captured network in its back end. */
  id: string;
  /** When it was read, ISO 8601. */
  capturedAt?: string;
}

/** One address space with its subnets and one implicit router. */
export interface TopologyNetwork {
  name: string;
  /** IPv4 and IPv6 ranges that the subnets lie in. */
  cidrs: string[];
  subnets: TopologySubnet[];
}

/** One broadcast domain. Its link to the router is called by the subnet's name. */
export interface TopologySubnet {
  name: string;
  /** IPv4 range. */
  cidr: string;
  /** IPv6 range. Defaults to none. */
  ipv6Cidr?: string;
  /** The router's addresses in this subnet. Defaults to the first host of each range. */
  gatewayAddresses?: string[];
  /** Availability zone. */
  zone?: string;
  /** Name of the route table. Defaults to local routes only, plus a default route to the first boundary. */
  routeTable?: string;
  /** Name of the network ACL. Defaults to none. */
  acl?: string;
  /**
   * Name of the boundary that this subnet lies behind: its machines are the outside (clients, partners) and are never
   * cloned. Only a topology from which a production is built has such subnets; capture turns them into boundaries.
   */
  boundary?: string;
  /** What only AWS knows of the subnet. */
  aws?: AwsSubnetExtras;
}

/** A named set of routes. */
export interface RouteTable {
  name: string;
  routes: Route[];
}

/** One route; exactly one of `via`, `boundary` and `blackhole` is set. */
export interface Route {
  /** IPv4 or IPv6 range. */
  destination: string;
  /** Address of the machine interface that forwards. */
  via?: string;
  /** Name of the boundary it leads to. */
  boundary?: string;
  /** True when packets are dropped. */
  blackhole?: boolean;
  /** What only AWS knows of the route. */
  aws?: AwsRouteExtras;
}

/** A stateful allow-list: what is not allowed is dropped, answers to what was allowed pass. */
export interface SecurityGroup {
  name: string;
  rules: SecurityRule[];
  /** What only AWS knows of the group. */
  aws?: AwsSecurityGroupExtras;
}

/** One permission of a security group. */
export interface SecurityRule {
  direction: TrafficDirection;
  protocol: IpProtocol;
  /** A port or a range, `80` or `8000-8010`. Defaults to all ports. */
  ports?: string;
  /** Peers by range. Defaults to everybody when no peer group is given either. */
  cidrs?: string[];
  /** Peers by the security group on their interface. */
  securityGroups?: string[];
}

/** A stateless ordered list on a subnet's link to the router; the first matching rule decides, and the end denies. */
export interface NetworkAcl {
  name: string;
  rules: AclRule[];
}

/** One rule of a network ACL. */
export interface AclRule {
  /** Order, lowest first. */
  number: number;
  /** Into or out of the subnet. */
  direction: TrafficDirection;
  action: AclAction;
  protocol: IpProtocol;
  /** Destination port or range. Defaults to all ports. */
  ports?: string;
  /** The other side's range. Defaults to everybody. */
  cidr?: string;
  /** What only AWS knows of the rule. */
  aws?: AwsAclRuleExtras;
}

/** Direction, seen from the thing it is said of. */
export const TrafficDirection = { Ingress: "ingress", Egress: "egress" } as const;
export type TrafficDirection = (typeof TrafficDirection)[keyof typeof TrafficDirection];

/** Transport protocol of a rule or a flow. */
export const IpProtocol = { Tcp: "tcp", Udp: "udp", Icmp: "icmp", Any: "any" } as const;
export type IpProtocol = (typeof IpProtocol)[keyof typeof IpProtocol];

/** What an ACL rule does. */
export const AclAction = { Allow: "allow", Deny: "deny" } as const;
export type AclAction = (typeof AclAction)[keyof typeof AclAction];

/** One machine. */
export interface Machine {
  /** Unique name of lower-case letters, digits and hyphens. */
  name: string;
  /** What it does, for example `web`; selectors may use it. */
  role?: string;
  /** Processor and memory. Defaults to unlimited in the lab. */
  size?: MachineSize;
  /** Image it was made from. */
  image?: string;
  /** Disks beside the root disk. Defaults to none. */
  disks?: MachineDisk[];
  /** What runs on it. Defaults to nothing: a bare machine. */
  workload?: Workload;
  /** Interfaces, the first is the primary one. */
  interfaces: MachineInterface[];
  /** True when it forwards packets for others. Defaults to false. */
  forwarding?: boolean;
  /** Id in the back end it was captured from. */
  sourceId?: string;
  /** What only the lab knows. */
  lab?: LabMachineExtras;
  /** What only AWS knows of the machine. */
  aws?: AwsMachineExtras;
}

/** Processor and memory of a machine. */
export interface MachineSize {
  /** Instance type where the back end has such names. */
  type?: string;
  /** Processors, decimals allowed. */
  cpus?: number;
  memoryMegabytes?: number;
}

/** One disk. */
export interface MachineDisk {
  name: string;
  sizeGigabytes?: number;
  /** Id of the newest usable snapshot. */
  snapshot?: string;
}

/** The program that a machine runs. */
export interface Workload {
  /** Program and arguments. */
  command: string[];
  /** Folder it starts in. Defaults to the machine's data folder, `/srv`. */
  workingDirectory?: string;
  /** Environment variables. Defaults to a minimal PATH. */
  environment?: Record<string, string>;
}

/** One interface of a machine; together with its subnet it is a link, named `machine/interface`. */
export interface MachineInterface {
  /** Name in the machine, for example `eth0`. */
  name: string;
  /** Name of the subnet. */
  subnet: string;
  /** IPv4 and IPv6 addresses without prefix length. */
  addresses: string[];
  /** Hardware address. Defaults to one derived from the names. */
  mac?: string;
  /** Names of the security groups. Defaults to none: open. */
  securityGroups?: string[];
  /** What only AWS knows of the interface. */
  aws?: AwsInterfaceExtras;
}

/** What only the lab knows of a machine. */
export interface LabMachineExtras {
  /** Folder that holds the machine's data; inside the machine it is `/srv`. */
  dataFolder?: string;
  /**
   * Size of a disk of the machine's own for its data, from 4: it can run full without filling the host's disk. Defaults
   * to a folder on the host's disk.
   */
  diskMegabytes?: number;
  /** Programs seen running, one command line each. */
  processes?: string[];
}

/** What clients talk to. */
export interface Service {
  name: string;
  protocol: IpProtocol;
  port: number;
  /** Names of the machines behind it. */
  machines: string[];
  /** True when clients outside reach it, so that its inbound traffic is mirrored. */
  edge: boolean;
  /** Application protocol where known, for example `http`. */
  application?: string;
}

/** A load balancer in front of machines. */
export interface LoadBalancer {
  name: string;
  /** Addresses that clients use. */
  addresses: string[];
  /** Port that clients use. */
  port: number;
  /** Names of the machines behind it. */
  machines: string[];
  /** Port on the machines. */
  targetPort: number;
  /** True when the load balancer ends TLS. */
  terminatesTls?: boolean;
  /** What only AWS knows of the load balancer. */
  aws?: AwsLoadBalancerExtras;
}

/** A zone of names that machines resolve. */
export interface DnsZone {
  name: string;
  records: DnsRecord[];
  /** What only AWS knows of the zone. */
  aws?: AwsDnsZoneExtras;
}

/** One name. */
export interface DnsRecord {
  /** Full name. */
  name: string;
  /** `A`, `AAAA`, `CNAME` … */
  type: string;
  values: string[];
}

/** Where the network touches the outside. */
export interface Boundary {
  name: string;
  kind: BoundaryKind;
  /** Ranges that lie behind it. An internet boundary has `0.0.0.0/0` and `::/0`. */
  cidrs: string[];
  /** What takes its place in the shadow. Defaults to Sink. */
  replacement?: BoundaryReplacement;
  /** What only AWS knows of the boundary. */
  aws?: AwsBoundaryExtras;
}

/** What lies behind a boundary. */
export const BoundaryKind = {
  Internet: "internet",
  Nat: "nat",
  Peering: "peering",
  Vpn: "vpn",
  ManagedService: "managedService",
} as const;
export type BoundaryKind = (typeof BoundaryKind)[keyof typeof BoundaryKind];

/** What takes a boundary's place in the shadow: silence, a refusal, or a stand-in that answers. */
export const BoundaryReplacement = { Sink: "sink", Reject: "reject", Stub: "stub" } as const;
export type BoundaryReplacement = (typeof BoundaryReplacement)[keyof typeof BoundaryReplacement];
