import type { AutoScalingGroup } from "@aws-sdk/client-auto-scaling";
import type {
  AvailabilityZone,
  CarrierGateway,
  DhcpOptions,
  EgressOnlyInternetGateway,
  Image,
  Instance,
  InstanceTypeInfo,
  InternetGateway,
  NatGateway,
  NetworkAcl,
  NetworkInterface,
  RouteTable,
  SecurityGroup,
  Snapshot,
  Subnet,
  TrafficMirrorSession,
  TransitGatewayVpcAttachment,
  Volume,
  Vpc,
  VpcEndpoint,
  VpcPeeringConnection,
  VpnGateway,
} from "@aws-sdk/client-ec2";
import type {
  Listener,
  LoadBalancer,
  Rule,
  TargetGroup,
  TargetHealthDescription,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import type { DBCluster, DBInstance } from "@aws-sdk/client-rds";
import type { ResourceRecordSet } from "@aws-sdk/client-route-53";

/** What is read and how. */
export interface ReadSettings {
  vpcId: string;
  includeTags: boolean;
  onProgress: (line: string) => void;
}

/** What AWS said of a VPC, in the SDK's own types; mapping it to a topology needs no further call. */
export interface AwsReading {
  account?: string;
  region: string;
  /** ISO 8601. */
  capturedAt: string;
  vpc: Vpc;
  dnsSupport?: boolean;
  dnsHostnames?: boolean;
  zones: AvailabilityZone[];
  dhcp?: DhcpOptions;
  subnets: Subnet[];
  routeTables: RouteTable[];
  acls: NetworkAcl[];
  groups: SecurityGroup[];
  interfaces: NetworkInterface[];
  instances: Instance[];
  gateways: AwsGateways;
  endpoints: VpcEndpoint[];
  /** Ranges of the prefix lists that routes and rules use, by id. */
  prefixLists: Map<string, string[]>;
  mirrorSessions: TrafficMirrorSession[];
  volumes: Volume[];
  /** Newest completed snapshot of each volume, by the volume's id. */
  snapshots: Map<string, Snapshot>;
  /** Images that instances were launched from and that still exist. */
  images: Image[];
  /** Images that were made of the instances. */
  ownImages: Image[];
  instanceTypes: InstanceTypeInfo[];
  /** `standard` or `unlimited` of burstable instances, by instance id. */
  credits: Map<string, string>;
  balancers: AwsBalancerReading[];
  targetGroups: AwsTargetGroupReading[];
  /** Database instances, those of clusters among them. */
  databases: DBInstance[];
  clusters: DBCluster[];
  /** Newest usable snapshot of each database or cluster, by its identifier. */
  databaseSnapshots: Map<string, AwsDatabaseSnapshot>;
  scalingGroups: AutoScalingGroup[];
  privateZones: AwsZoneReading[];
  /** Whether tags are wanted in the topology. */
  includeTags: boolean;
  /** What could not be read, one sentence each. */
  unreadable: string[];
}

/** Gateways and attachments of a VPC. */
export interface AwsGateways {
  internet: InternetGateway[];
  egressOnly: EgressOnlyInternetGateway[];
  nat: NatGateway[];
  vpn: VpnGateway[];
  carrier: CarrierGateway[];
  transit: TransitGatewayVpcAttachment[];
  peerings: VpcPeeringConnection[];
}

/** A load balancer with its listeners. */
export interface AwsBalancerReading {
  balancer: LoadBalancer;
  listeners: { listener: Listener; rules: Rule[] }[];
}

/** A target group with what is registered in it. */
export interface AwsTargetGroupReading {
  group: TargetGroup;
  targets: TargetHealthDescription[];
}

/** A snapshot of a database. */
export interface AwsDatabaseSnapshot {
  id: string;
  at: Date;
}

/** A private zone with its records. */
export interface AwsZoneReading {
  id: string;
  name: string;
  records: ResourceRecordSet[];
}
