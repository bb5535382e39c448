/** What only AWS knows of a captured network as a whole. */
export interface AwsTopologyExtras {
  /** Id of the VPC. */
  vpcId: string;
  /** Zones in use: the id is the same in every account, the name is not. */
  zones: AwsZone[];
  /** Whether the VPC has AWS's resolver. Defaults to true. */
  dnsSupport?: boolean;
  /** Whether instances get public DNS names. Defaults to false. */
  dnsHostnames?: boolean;
  /** What instances learn by DHCP. Defaults to AWS's own settings. */
  dhcp?: AwsDhcpOptions;
  /** Endpoints of the VPC. Defaults to none. */
  endpoints?: AwsVpcEndpoint[];
  /** Mirror sessions on interfaces of the VPC, whoever made them. Defaults to none. */
  mirrorSessions?: AwsMirrorSession[];
  /** What AWS says of the instance types in use. Defaults to not known. */
  instanceTypes?: AwsInstanceType[];
  /** Auto Scaling groups whose instances are among the machines. Defaults to none. */
  autoScalingGroups?: AwsAutoScalingGroup[];
}

/** An availability zone. */
export interface AwsZone {
  /** For example `euc1-az2`. */
  id: string;
  /** Name in the captured account, for example `eu-central-1a`. */
  name: string;
}

/** DHCP options of a VPC. */
export interface AwsDhcpOptions {
  domainName?: string;
  /** Addresses of resolvers, or `AmazonProvidedDNS`. */
  domainNameServers?: string[];
  ntpServers?: string[];
}

/** An endpoint of a VPC. */
export interface AwsVpcEndpoint {
  id: string;
  /** For example `com.amazonaws.eu-central-1.s3`. */
  serviceName: string;
  /** `Gateway`, `Interface`, `GatewayLoadBalancer`, `Resource`, `ServiceNetwork` or `Tunnel`. */
  type: string;
  /** Names of the subnets that it has interfaces in. Defaults to none. */
  subnets?: string[];
  privateDns?: boolean;
}

/** A traffic mirror session that exists already. */
export interface AwsMirrorSession {
  id: string;
  /** Network interface whose packets it copies. */
  interfaceId: string;
  /** Order among the interface's sessions: the lowest whose filter matches gets a packet. */
  sessionNumber: number;
  filterId?: string;
  targetId?: string;
  /** Account that owns it. */
  owner?: string;
  /** Name of the shadow that it belongs to, by its tag `shadownet:shadow`. Defaults to none: somebody else's. */
  shadow?: string;
}

/** Properties of an instance type. */
export interface AwsInstanceType {
  type: string;
  cpus?: number;
  memoryMegabytes?: number;
  /** `x86_64` or `arm64`. */
  architecture?: string;
  /** `nitro`, `xen`, or left out for bare metal. */
  hypervisor?: string;
  maximumInterfaces?: number;
  addressesPerInterface?: number;
}

/** An Auto Scaling group. */
export interface AwsAutoScalingGroup {
  name: string;
  /** Names of the machines that are its instances. */
  machines: string[];
  minimum?: number;
  maximum?: number;
  desired?: number;
}

/** What only AWS knows of a subnet. */
export interface AwsSubnetExtras {
  id: string;
  /** Zone id, for example `euc1-az2`. */
  zoneId: string;
  mapPublicIpOnLaunch?: boolean;
}

/** What only AWS knows of a machine. */
export interface AwsMachineExtras {
  /** Instance id. */
  id: string;
  /** `x86_64` or `arm64`. */
  architecture?: string;
  /** `linux` or `windows`. Defaults to linux. */
  platform?: string;
  /** Image it was launched from. */
  imageId?: string;
  /** False when the image is gone or not usable any more. Defaults to true. */
  imageAvailable?: boolean;
  /** Account that the image belongs to. */
  imageOwner?: string;
  /** Newest image made of this very instance. Defaults to none. */
  newestImageId?: string;
  /** Device of the root volume, for example `/dev/xvda`. */
  rootDevice?: string;
  /** Volumes, the root volume among them. Defaults to none. */
  volumes?: AwsVolume[];
  /** Whether it has user data; the text itself is never captured. Defaults to not known: AWS tells it only with the text. */
  hasUserData?: boolean;
  /** ARN of its instance profile; never given to a clone. */
  instanceProfile?: string;
  /** `unlimited` or `standard` on burstable types. */
  cpuCredits?: string;
  ebsOptimized?: boolean;
  /** `legacy-bios`, `uefi` or `uefi-preferred`. */
  bootMode?: string;
  /** `eks` or `ecs` when its containers are managed from outside. */
  managedBy?: string;
  /** Tags that were asked for. Defaults to none. */
  tags?: Record<string, string>;
}

/** One volume of a machine. */
export interface AwsVolume {
  id: string;
  /** For example `/dev/sdf`. */
  device: string;
  sizeGigabytes: number;
  /** `gp3`, `io2` … */
  type?: string;
  iops?: number;
  throughputMegabytes?: number;
  encrypted?: boolean;
  kmsKeyId?: string;
  deleteOnTermination?: boolean;
  /** Newest completed snapshot. Defaults to none. */
  snapshotId?: string;
  /** When that snapshot was started, ISO 8601. */
  snapshotAt?: string;
}

/** What only AWS knows of a machine's interface. */
export interface AwsInterfaceExtras {
  id: string;
  /** Position on the instance, 0 for the primary one. */
  deviceIndex?: number;
  /** Whether packets to and from other addresses are refused. Defaults to true. */
  sourceDestCheck?: boolean;
  /** Public address; never given to a clone. */
  publicAddress?: string;
  /** Delegated prefixes. Defaults to none. */
  prefixes?: string[];
}

/** What only AWS knows of a security group. */
export interface AwsSecurityGroupExtras {
  id: string;
  description?: string;
  /** Rules whose peers lie outside the captured VPC or that the topology has no word for, one sentence each. Defaults to none. */
  dropped?: string[];
}

/** What only AWS knows of a network ACL's rules. */
export interface AwsAclRuleExtras {
  /** Protocol number, where `protocol` has no word for it. */
  protocolNumber?: number;
  icmpType?: number;
  icmpCode?: number;
}

/** What only AWS knows of a route. */
export interface AwsRouteExtras {
  /** What the route led to in production, for example `igw-0123`. */
  target?: string;
  /** `CreateRoute`, `CreateRouteTable` or `EnableVgwRoutePropagation`. */
  origin?: string;
  /** Prefix list that the destination came from. */
  prefixListId?: string;
}

/** What only AWS knows of a load balancer. */
export interface AwsLoadBalancerExtras {
  arn: string;
  /** `application`, `network`, `gateway` or `classic`. */
  type: string;
  /** `internet-facing` or `internal`. */
  scheme?: string;
  /** Its DNS name in production. */
  dnsName?: string;
  /** Names of subnets. */
  subnets?: string[];
  /** Names of security groups. */
  securityGroups?: string[];
  listeners?: AwsListener[];
  targetGroups?: AwsTargetGroup[];
}

/** A listener of a load balancer. */
export interface AwsListener {
  port: number;
  /** `HTTP`, `HTTPS`, `TCP`, `TLS`, `UDP`, `TCP_UDP`. */
  protocol: string;
  /** Name of the target group of the default action; left out when it forwards nowhere. */
  targetGroup?: string;
  rules?: AwsListenerRule[];
  /** What it does that cannot be carried over, one sentence each, for example sign-in through a provider. Defaults to none. */
  dropped?: string[];
}

/** A rule of a listener. */
export interface AwsListenerRule {
  priority: number;
  /** Path patterns. Defaults to any path. */
  paths?: string[];
  /** Host patterns. Defaults to any host. */
  hosts?: string[];
  /** Name of the target group. */
  targetGroup?: string;
}

/** A target group. */
export interface AwsTargetGroup {
  name: string;
  port: number;
  protocol: string;
  /** `HTTP1`, `HTTP2` or `GRPC`. */
  protocolVersion?: string;
  /** `instance` or `ip`; others are not cloned. */
  targetType: string;
  healthCheckPath?: string;
  healthCheckProtocol?: string;
  healthCheckPort?: string;
  /** Machines registered, with their port when it differs. */
  targets: AwsTarget[];
}

/** One registration in a target group. */
export interface AwsTarget {
  /** Name of the machine. */
  machine: string;
  port?: number;
  /** `healthy`, `unhealthy` … */
  health?: string;
}

/** What only AWS knows of a private zone. */
export interface AwsDnsZoneExtras {
  id: string;
  /** Records that cannot be carried over, one sentence each. Defaults to none. */
  dropped?: string[];
}

/** What only AWS knows of a boundary. */
export interface AwsBoundaryExtras {
  /** `internetGateway`, `natGateway`, `rdsInstance`, `rdsCluster`, `vpcEndpoint`, `peering`, `transitGateway`, `vpnGateway` … */
  kind: string;
  /** Id or ARN. */
  id: string;
  /** Names under which the machines know it, for example the endpoint of a database. Defaults to none. */
  names?: string[];
  port?: number;
  /** Database engine and version. */
  engine?: string;
  engineVersion?: string;
  instanceClass?: string;
  /** Newest automatic or manual snapshot that can be restored. Defaults to none. */
  snapshotId?: string;
  snapshotAt?: string;
  encrypted?: boolean;
  /** ARN of the key that encrypts it. */
  kmsKeyId?: string;
  /** Names of the subnets that it lies in. Defaults to none. */
  subnets?: string[];
  /** Names of its security groups. Defaults to none. */
  securityGroups?: string[];
  /** Number of instances of a database cluster. */
  members?: number;
}
