import type { FidelityItem } from "../../network";
import type { Problem } from "../../internal/problems";
import type { ShadowSettings } from "../../shadowScaling";
import type { Topology } from "../../topology";
import type { FirstBootRule } from "./firstBoot";
import type { ApplianceLayout } from "./layout";

/** How a shadow on AWS is to differ from production. */
export interface AwsNetworkSettings extends ShadowSettings {
  applianceCidr?: string;
  /** Production's Auto Scaling groups that become groups. */
  autoScalingGroups?: string[];
  /** Whether a certificate is given for listeners that end TLS. */
  hasCertificate?: boolean;
  /** What clones do before their services start. */
  firstBoot?: FirstBootRule[];
  /** Whether snapshots of production are copied under the shadow's key first. */
  copySnapshots?: boolean;
}

/** Everything that a shadow's network on AWS consists of, as plain data; what refers to what is by name. */
export interface AwsNetworkPlan {
  region: string;
  /** Topology of the shadow. */
  topology: Topology;
  /** Primary range first. */
  cidrs: string[];
  /** All ranges of the shadow, the appliances' among them. */
  ranges: string[];
  dhcp: PlannedDhcp;
  appliances: ApplianceLayout;
  subnets: PlannedSubnet[];
  routeTables: PlannedRouteTable[];
  acls: PlannedAcl[];
  securityGroups: PlannedSecurityGroup[];
  /** Snapshots of volumes that are copied before they are used. */
  copies: PlannedCopy[];
  images: PlannedImage[];
  machines: PlannedMachine[];
  groups: PlannedGroup[];
  balancers: PlannedBalancer[];
  databases: PlannedDatabase[];
  zones: PlannedZone[];
  endpoints: PlannedEndpoint[];
  /** Names that the shadow's resolver answers; it refuses all others. */
  resolvable: string[];
  fidelity: FidelityItem[];
  problems: Problem[];
}

/** What instances learn by DHCP. */
export interface PlannedDhcp {
  domainName?: string;
  ntpServers?: string[];
}

/** A subnet of the topology. */
export interface PlannedSubnet {
  name: string;
  cidr: string;
  zoneId: string;
}

/** One production route table in one zone. */
export interface PlannedRouteTable {
  /** `TABLE/ZONE`. */
  key: string;
  subnets: string[];
  routes: PlannedRoute[];
}

/** A route to the zone's standing interface or to a machine's. */
export interface PlannedRoute {
  destination: string;
  /** Zone whose standing interface it leads to. */
  gatewayZone?: string;
  /** Machine interface that it leads to, `machine/interface`. */
  link?: string;
}

/** A network ACL with the subnets that it lies on. */
export interface PlannedAcl {
  name: string;
  subnets: string[];
  ingress: PlannedAclRule[];
  egress: PlannedAclRule[];
}

/** One entry of a network ACL, in the provider's words. */
export interface PlannedAclRule {
  ruleNo: number;
  action: string;
  protocol: string;
  fromPort: number;
  toPort: number;
  cidrBlock: string;
  icmpType?: number;
  icmpCode?: number;
}

/** A security group with its rules. */
export interface PlannedSecurityGroup {
  name: string;
  description: string;
  rules: PlannedRule[];
}

/** One rule of a security group: exactly one peer. */
export interface PlannedRule {
  /** Unique in the shadow and derived from what the rule says. */
  key: string;
  direction: string;
  protocol: string;
  fromPort?: number;
  toPort?: number;
  cidr?: string;
  /** Name of the security group that is the peer. */
  group?: string;
  /** Service whose gateway endpoint is the peer. */
  endpoint?: string;
}

/** A snapshot of production that is copied under the shadow's key. */
export interface PlannedCopy {
  snapshotId: string;
  /** `MACHINE` for its root volume, else `MACHINE/DEVICE`. */
  key: string;
  /** Name of the machine in production. */
  machine: string;
}

/** An image made for the shadow. */
export interface PlannedImage {
  /** Name of the machine that it is of. */
  machine: string;
  /** Instance that it is taken of, without a reboot; else it is registered from the snapshot. */
  instanceId?: string;
  snapshotId?: string;
  rootDevice: string;
  architecture: string;
  bootMode?: string;
  volume: PlannedVolume;
}

/** A disk of an instance. */
export interface PlannedVolume {
  device: string;
  sizeGigabytes?: number;
  type?: string;
  iops?: number;
  throughputMegabytes?: number;
  /** Snapshot that it starts with; left out when the image brings it. */
  snapshotId?: string;
}

/** An instance. */
export interface PlannedMachine {
  name: string;
  type: string;
  /** Image that exists. */
  imageId?: string;
  /** Machine whose planned image it starts from. */
  imageOf?: string;
  root?: PlannedVolume;
  volumes: PlannedVolume[];
  /** What it does at boot, as user data. */
  userData?: string;
  interfaces: PlannedInterface[];
  cpuCredits?: string;
  ebsOptimized?: boolean;
}

/** A machine's interface with production's addresses. */
export interface PlannedInterface {
  /** `machine/interface`. */
  link: string;
  subnet: string;
  /** The first is the primary one. */
  addresses: string[];
  securityGroups: string[];
  deviceIndex: number;
  sourceDestCheck: boolean;
}

/** An Auto Scaling group in place of single machines. */
export interface PlannedGroup {
  name: string;
  /** Machine that its instances are like. */
  template: PlannedMachine;
  subnets: string[];
  minimum: number;
  maximum: number;
  desired: number;
  /** Keys of target groups. */
  targetGroups: string[];
}

/** An internal load balancer. */
export interface PlannedBalancer {
  name: string;
  /** `application` or `network`. */
  type: string;
  subnets: string[];
  securityGroups: string[];
  targetGroups: PlannedTargetGroup[];
  listeners: PlannedListener[];
}

/** A target group with what is registered in it. */
export interface PlannedTargetGroup {
  /** `BALANCER/GROUP`. */
  key: string;
  port: number;
  protocol: string;
  protocolVersion?: string;
  targetType: string;
  healthCheck: PlannedHealthCheck;
  targets: PlannedTarget[];
}

/** How a target group tells whether a target is well. */
export interface PlannedHealthCheck {
  path?: string;
  protocol?: string;
  port?: string;
}

/** One registration in a target group. */
export interface PlannedTarget {
  machine: string;
  port: number;
  /** Address for target groups of addresses. */
  address?: string;
}

/** A listener of a load balancer. */
export interface PlannedListener {
  /** `BALANCER/PORT`. */
  key: string;
  port: number;
  protocol: string;
  /** Key of the target group; left out when requests are answered with 503. */
  targetGroup?: string;
  rules: PlannedListenerRule[];
}

/** A rule of a listener. */
export interface PlannedListenerRule {
  key: string;
  priority: number;
  paths: string[];
  hosts: string[];
  targetGroup?: string;
}

/** A database restored from its newest snapshot. */
export interface PlannedDatabase {
  /** Name of the boundary. */
  name: string;
  isCluster: boolean;
  snapshotId: string;
  /** Whether a cluster's snapshot is copied first, as an instance's always is. */
  isCopied: boolean;
  instanceClass: string;
  engine: string;
  engineVersion?: string;
  port?: number;
  subnets: string[];
  securityGroups: string[];
}

/** A private zone of the shadow. */
export interface PlannedZone {
  name: string;
  records: PlannedRecord[];
}

/** A name, with its values, or with the load balancer or database that it stands for. */
export interface PlannedRecord {
  /** `NAME/TYPE`. */
  key: string;
  name: string;
  type: string;
  values: string[];
  balancer?: string;
  database?: string;
}

/** A VPC endpoint. */
export interface PlannedEndpoint {
  /** `ssm`, `s3` … */
  service: string;
  serviceName: string;
  /** `Interface` or `Gateway`. */
  type: string;
}
