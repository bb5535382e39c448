import type { TrafficSelector, SampleBy } from "../../mirror";
import type { AclRule, IpProtocol, MachineSize, Route, SecurityRule, Workload } from "../../topology";

/** A lab network: the namespaces of its router and switch, and its folder. Its subnets and machines come after it. */
export interface LabNetworkSpec {
  /** Name on this host; namespaces and folders carry it. */
  network: string;
  /** Production may have an outside; a shadow's default route leads to its gateway instead. */
  role: "production" | "shadow";
  /** Who made it (a resource's URN or a command); another owner's network is never touched. */
  owner: string;
  /** Name of the topology it was built from. */
  topology: string;
}

/** One subnet: a bridge on the switch, and the router's interface in it. */
export interface LabSubnetSpec {
  network: string;
  subnet: string;
  cidr: string;
  ipv6Cidr?: string;
  /** The router's addresses in this subnet, without prefix length. */
  gatewayAddresses: string[];
  /** Routes that the router uses for packets from this subnet, beside those to its neighbours. */
  routes: Route[];
  /** Stateless rules on the link to the router; none means open. */
  acl: AclRule[];
  /**
   * Ranges that the router serves by itself, as the network's own ranges: packets between subnets stay inside unless a
   * narrower route says otherwise, and addresses of no subnet are unreachable. Defaults to the subnet's own ranges.
   */
  localCidrs?: string[];
  /** Name of the network ACL, kept with its rules. Defaults to the subnet's name. */
  aclName?: string;
  /** Name of the boundary that it lies behind; only in a production. */
  boundary?: string;
  /** Ranges that lie behind that boundary and are reached through this subnet. Defaults to the subnet's own ranges. */
  boundaryCidrs?: string[];
}

/** One interface of a machine and the filter on it. */
export interface LabInterfaceSpec {
  name: string;
  subnet: string;
  /** Addresses with prefix length. */
  addresses: string[];
  mac: string;
  /** Addresses of the router in this subnet, for the default routes; empty on interfaces that are not the first. */
  gateways: string[];
  /** Filtered is false when no security group applies: everything passes. */
  filtered: boolean;
  /** Rules with groups already replaced by ranges. `group` keeps the name for capture. */
  rules: LabFilterRule[];
}

/** One permission with its security group's name. */
export interface LabFilterRule extends SecurityRule {
  group: string;
}

/** One machine: namespaces, links, control groups, data folder, processes. */
export interface LabMachineSpec {
  network: string;
  machine: string;
  role?: string;
  interfaces: LabInterfaceSpec[];
  forwarding: boolean;
  /** Routes of the machine itself beside the default ones. */
  routes: Route[];
  size?: MachineSize;
  workload?: Workload;
  /** Names that it resolves, name to addresses. */
  hosts: Record<string, string[]>;
  /** Folder whose content the data folder starts with; empty when left out. */
  dataSource?: string;
  /** Traffic that a rehearsed change drops, before any security group is asked. Defaults to none. */
  denied?: SecurityRule[];
  /** Size of a disk of its own for its data. Defaults to a folder on the host's disk. */
  diskMegabytes?: number;
  /** Folder on the host whose files the machine has as its own, below what it writes itself. Defaults to the host's. */
  image?: string;
}

/** The kernel rules that copy production's traffic towards the shadow's gateway. */
export interface LabMirrorSpec {
  /** Name of the shadow's network. */
  network: string;
  /** Name of production's network. */
  production: string;
  vni: number;
  percent: number;
  seed: number;
  sampleBy: SampleBy;
  include: TrafficSelector[];
  exclude: TrafficSelector[];
  /** Where clients knock: the addresses and ports of edge services. */
  services: { addresses: string[]; port: number; protocol: IpProtocol }[];
}

/** The shadow's gateway: its namespace, its addresses, its process. */
export interface LabGatewaySpec {
  network: string;
  vni: number;
  percent: number;
  seed: number;
  sampleBy: SampleBy;
  include: TrafficSelector[];
  exclude: TrafficSelector[];
  /** Ranges that the shadow keeps for itself; every other address is the outside, which the gateway plays. */
  shadowCidrs: string[];
  responseTimeoutSeconds: number;
  /** Ranges of the outside that refuse what the shadow sends there; the rest is silent. Defaults to none. */
  rejectCidrs?: string[];
}
