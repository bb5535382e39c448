/**
 * What the parts of a shadow on AWS tell each other: the network makes it, mirror, experiments and monitor take it. All
 * of it is known to Pulumi only when the network has been made; how many of each there are is known from the topology.
 */
export interface AwsShadowReference {
  /** Name of the shadow, the value of the tag {@link shadowTag} on everything that belongs to it. */
  shadowName: string;
  /** Region of the shadow. */
  region: string;
  /** Account of the shadow. */
  accountId: string;
  /** `aws`, `aws-cn` or `aws-us-gov`: the first part of every ARN. */
  partition: string;
  /** Id of the shadow's VPC. */
  vpcId: string;
  /** Ranges of the shadow's VPC, the appliances' range among them. */
  cidrs: string[];
  /** Ids of the subnets by their names in the topology. */
  subnetIds: Record<string, string>;
  /** Ids of the instances by the machines' names; copies by scaling are among them. */
  machineIds: Record<string, string>;
  /** Ids of the network interfaces by the links' names, `machine/interface`. */
  interfaceIds: Record<string, string>;
  /** Ids of the data and root volumes by `machine/device`. Only those that Pulumi knows. */
  volumeIds: Record<string, string>;
  /** Ids of the VPC endpoints by service, for example `s3`. */
  endpointIds: Record<string, string>;
  /** ARNs of the Auto Scaling groups by their names in the topology; only those that are groups here too. */
  autoScalingGroupArns: Record<string, string>;
  /** Names of the load balancers in metrics, `app/NAME/ID`, by their names in the topology. */
  loadBalancerSuffixes: Record<string, string>;
  /** Where the project's own appliances stand, one entry a zone that has machines. */
  zones: AwsShadowZone[];
  /** Id of the security group of the gateways. */
  gatewaySecurityGroupId: string;
  /** Name of the log group of the shadow's flow log. */
  flowLogGroupName: string;
  /** Managed policy that bounds every role of the shadow. */
  permissionsBoundaryArn: string;
  /** Role of the machines. */
  machineRoleArn: string;
  /** Path of every role of the shadow, `/shadownet/NAME/`; the VPC endpoints let nobody else through. */
  rolePath: string;
  /** Name for the shadow's one private bucket; the S3 endpoint lets through to it and to AWS's own buckets only. */
  bucketName: string;
  /** Key that everything of the shadow is encrypted with. */
  kmsKeyArn: string;
}

/** The appliances of a shadow in one availability zone. */
export interface AwsShadowZone {
  /** Zone id, for example `euc1-az2`. */
  zoneId: string;
  /** Name of the zone in the shadow's account. */
  zoneName: string;
  /** Subnet of the gateways. */
  gatewaySubnetId: string;
  /** Subnet of the Gateway Load Balancer's nodes. */
  loadBalancerSubnetId: string;
  /** Range of the load balancer's subnet. */
  loadBalancerCidr: string;
  /** Interface that the zone's default routes lead to; the zone's gateway attaches it as its second one. */
  gatewayInterfaceId: string;
  /** Address of that interface. */
  gatewayAddress: string;
}

/** Tag on everything that belongs to a shadow; its value is the shadow's name. */
export const shadowTag = "shadownet:shadow";

/** Tag that says which part a resource is: `network`, `machine`, `gateway`, `experiment`, `monitor` or `production`. */
export const roleTag = "shadownet:role";

/** Tag with a machine's name in the topology, on its instance, interfaces and volumes. */
export const machineTag = "shadownet:machine";

/** Tag with a fault's id on the experiment template that carries out this one fault, for the runner. */
export const faultTag = "shadownet:fault";

/** Tag with the name of the action on such a template. */
export const actionTag = "shadownet:action";

/** Tag on what is made in production's account: the mirror's parts and nothing else. */
export const productionRole = "production";

/** Range that the project's own appliances stand in, outside every captured one. */
export const applianceCidr = "100.64.0.0/10";

/** Tag with an experiment's name, on its templates and everything else that it is made of. */
export const experimentTag = "shadownet:experiment";
