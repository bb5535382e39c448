import { shadowTag } from "../../components/aws/shadow";
import type { AwsStandInAnswers } from "./awsStandIn";
import { awsId, productionAccount } from "./awsTopologyParts";

const item = (content: string): string => `<item>${content}</item>`;
const tags = (pairs: Record<string, string>): string =>
  `<tagSet>${Object.entries(pairs)
    .map(([key, value]) => item(`<key>${key}</key><value>${value}</value>`))
    .join("")}</tagSet>`;

/** Id of the VPC of {@link fleetAnswers}. */
export const fleetVpc = awsId("vpc", 77);

const subnetsOfFleet = 12;
const address = (index: number): string =>
  `10.80.${(index % subnetsOfFleet) * 16}.${10 + Math.floor(index / subnetsOfFleet)}`;
const subnetOf = (index: number): string => awsId("subnet", 1 + (index % subnetsOfFleet));

/** Twenty tags, as instances of a company have. */
const manyTags = (index: number): Record<string, string> => ({
  Name: `web-${index}`,
  ...Object.fromEntries(
    Array.from({ length: 19 }, (_, at) => [`company:tag-number-${at}`, `a value of usual length, ${at}`]),
  ),
});

function card(index: number): string {
  return `<networkInterfaceId>${awsId("eni", index)}</networkInterfaceId><subnetId>${subnetOf(index)}</subnetId><vpcId>${fleetVpc}</vpcId><description>Primary network interface</description><ownerId>${productionAccount}</ownerId><status>in-use</status><macAddress>06:00:00:01:${(index >> 8).toString(16).padStart(2, "0")}:${(index & 255).toString(16).padStart(2, "0")}</macAddress><privateIpAddress>${address(index)}</privateIpAddress><privateDnsName>ip-${address(index).replaceAll(".", "-")}.eu-central-1.compute.internal</privateDnsName><sourceDestCheck>true</sourceDestCheck><groupSet>${item(`<groupId>${awsId("sg", 1)}</groupId><groupName>web</groupName>`)}</groupSet><attachment><attachmentId>${awsId("eni-attach", index)}</attachmentId><deviceIndex>0</deviceIndex><instanceId>${awsId("i", index)}</instanceId><status>attached</status><attachTime>2026-01-01T00:00:00.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></attachment><privateIpAddressesSet>${item(`<privateIpAddress>${address(index)}</privateIpAddress><primary>true</primary>`)}</privateIpAddressesSet><ipv6AddressesSet/><interfaceType>interface</interfaceType>`;
}

function instance(index: number): string {
  const disk = (device: string, volume: number): string =>
    item(
      `<deviceName>${device}</deviceName><ebs><volumeId>${awsId("vol", volume)}</volumeId><status>attached</status><attachTime>2026-01-01T00:00:00.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></ebs>`,
    );
  return `<instanceId>${awsId("i", index)}</instanceId><imageId>${awsId("ami", 1 + (index % 10))}</imageId><instanceState><code>16</code><name>running</name></instanceState><privateDnsName>ip-${address(index).replaceAll(".", "-")}.eu-central-1.compute.internal</privateDnsName><instanceType>t3.small</instanceType><launchTime>2026-01-01T00:00:00.000Z</launchTime><placement><availabilityZone>eu-central-1${"abc"[index % 3]!}</availabilityZone><tenancy>default</tenancy></placement><subnetId>${subnetOf(index)}</subnetId><vpcId>${fleetVpc}</vpcId><privateIpAddress>${address(index)}</privateIpAddress><sourceDestCheck>true</sourceDestCheck><architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping>${disk("/dev/xvda", index)}${disk("/dev/sdf", 100_000 + index)}</blockDeviceMapping><virtualizationType>hvm</virtualizationType>${tags(manyTags(index))}<hypervisor>xen</hypervisor><networkInterfaceSet>${item(card(index))}</networkInterfaceSet><iamInstanceProfile><arn>arn:aws:iam::${productionAccount}:instance-profile/web</arn><id>AIPA</id></iamInstanceProfile><ebsOptimized>true</ebsOptimized><enaSupport>true</enaSupport><cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions><metadataOptions><state>applied</state><httpTokens>required</httpTokens><httpPutResponseHopLimit>1</httpPutResponseHopLimit></metadataOptions><bootMode>uefi-preferred</bootMode>`;
}

function volume(number: number): string {
  return item(
    `<volumeId>${awsId("vol", number)}</volumeId><size>20</size><snapshotId/><availabilityZone>eu-central-1a</availabilityZone><status>in-use</status><createTime>2026-01-01T00:00:00.000Z</createTime><volumeType>gp3</volumeType><iops>3000</iops><throughput>125</throughput><encrypted>true</encrypted>${tags(manyTags(number))}`,
  );
}

function snapshot(volumeNumber: number, day: number): string {
  return item(
    `<snapshotId>${awsId("snap", volumeNumber * 10 + day)}</snapshotId><volumeId>${awsId("vol", volumeNumber)}</volumeId><status>completed</status><startTime>2026-01-0${day}T03:00:00.000Z</startTime><progress>100%</progress><ownerId>${productionAccount}</ownerId><volumeSize>20</volumeSize><description>Created by the nightly policy</description>${tags({ Name: "nightly", policy: "nightly" })}`,
  );
}

/** Answers of realistic size for a VPC with this many instances: each with two volumes that have a week of snapshots. */
export function fleetAnswers(instances: number): AwsStandInAnswers {
  const indexes = Array.from({ length: instances }, (_, at) => at + 1);
  const volumes = indexes.flatMap((index) => [index, 100_000 + index]);
  const days = [1, 2, 3, 4, 5, 6, 7];
  const subnets = Array.from({ length: subnetsOfFleet }, (_, at) =>
    item(
      `<subnetId>${awsId("subnet", 1 + at)}</subnetId><vpcId>${fleetVpc}</vpcId><cidrBlock>10.80.${at * 16}.0/20</cidrBlock><availabilityZone>eu-central-1${"abc"[at % 3]!}</availabilityZone><availabilityZoneId>euc1-az${1 + (at % 3)}</availabilityZoneId>${tags({ Name: `web-${at}` })}`,
    ),
  );
  return {
    ec2: {
      DescribeVpcs: {
        list: "vpcSet",
        items: [
          item(
            `<vpcId>${fleetVpc}</vpcId><ownerId>${productionAccount}</ownerId><cidrBlock>10.80.0.0/16</cidrBlock>${tags({ Name: "fleet" })}`,
          ),
        ],
      },
      DescribeSubnets: { list: "subnetSet", items: subnets },
      DescribeSecurityGroups: {
        list: "securityGroupInfo",
        items: [
          item(
            `<groupId>${awsId("sg", 1)}</groupId><groupName>web</groupName><groupDescription>web</groupDescription><vpcId>${fleetVpc}</vpcId>`,
          ),
        ],
      },
      DescribeNetworkInterfaces: {
        list: "networkInterfaceSet",
        items: indexes.map((index) => item(`${card(index)}${tags(manyTags(index))}`)),
      },
      DescribeInstances: {
        list: "reservationSet",
        items: indexes.map((index) =>
          item(
            `<reservationId>${awsId("r", index)}</reservationId><ownerId>${productionAccount}</ownerId><instancesSet>${item(instance(index))}</instancesSet>`,
          ),
        ),
      },
      DescribeVolumes: { list: "volumeSet", items: volumes.map(volume) },
      DescribeSnapshots: {
        list: "snapshotSet",
        items: volumes.flatMap((number) => days.map((day) => snapshot(number, day))),
      },
      DescribeImages: {
        list: "imagesSet",
        items: Array.from({ length: 9 }, (_, at) =>
          item(`<imageId>${awsId("ami", 1 + at)}</imageId><imageState>available</imageState>`),
        ),
      },
      DescribeTrafficMirrorSessions: {
        list: "trafficMirrorSessionSet",
        items: [1, 999_999].map((index) =>
          item(
            `<trafficMirrorSessionId>${awsId("tms", index)}</trafficMirrorSessionId><networkInterfaceId>${awsId("eni", index)}</networkInterfaceId><sessionNumber>1</sessionNumber><trafficMirrorFilterId>${awsId("tmf", 1)}</trafficMirrorFilterId><ownerId>444455556666</ownerId>${tags({ [shadowTag]: "shop" })}`,
          ),
        ),
      },
    },
  };
}

const arn = (kind: string, id: string): string =>
  `arn:aws:elasticloadbalancing:eu-central-1:${productionAccount}:${kind}/${id}`;
const answer = (name: string, result: string): string =>
  `<${name}Response><${name}Result>${result}</${name}Result></${name}Response>`;

/** One of each thing about which capture makes a call of its own: balancer, databases, zone, prefix list, DHCP options. */
export function oneOfEach(answers: AwsStandInAnswers): AwsStandInAnswers {
  const balancer = arn("loadbalancer", "app/front/0000000000000001");
  const listener = arn("listener", "app/front/0000000000000001/0000000000000002");
  const group = arn("targetgroup", "web/0000000000000003");
  const vpc = `<vpcId>${fleetVpc}</vpcId><ownerId>${productionAccount}</ownerId><cidrBlock>10.80.0.0/16</cidrBlock><dhcpOptionsId>${awsId("dopt", 1)}</dhcpOptionsId>`;
  const route = `<destinationPrefixListId>${awsId("pl", 1)}</destinationPrefixListId><gatewayId>${awsId("vgw", 1)}</gatewayId><state>active</state><origin>CreateRoute</origin>`;
  const entry = "<cidr>172.16.0.0/12</cidr>";
  const database = (id: string, cluster: string): string =>
    `<DBInstance><DBInstanceIdentifier>${id}</DBInstanceIdentifier>${cluster}<DBSubnetGroup><VpcId>${fleetVpc}</VpcId></DBSubnetGroup></DBInstance>`;
  const inCluster = "<DBClusterIdentifier>store</DBClusterIdentifier>";
  const zone =
    "<HostedZoneSummary><HostedZoneId>Z1</HostedZoneId><Name>fleet.internal.</Name><Owner><OwningAccount>1</OwningAccount></Owner></HostedZoneSummary>";
  return {
    ...answers,
    ec2: {
      ...answers.ec2,
      DescribeVpcs: { list: "vpcSet", items: [item(vpc)] },
      DescribeRouteTables: {
        list: "routeTableSet",
        items: [item(`<routeTableId>${awsId("rtb", 1)}</routeTableId><routeSet>${item(route)}</routeSet>`)],
      },
      GetManagedPrefixListEntries: { list: "entrySet", items: [item(entry)] },
    },
    others: {
      "elasticloadbalancing:DescribeLoadBalancers": answer(
        "DescribeLoadBalancers",
        `<LoadBalancers><member><LoadBalancerArn>${balancer}</LoadBalancerArn><LoadBalancerName>front</LoadBalancerName><VpcId>${fleetVpc}</VpcId><Type>application</Type></member></LoadBalancers>`,
      ),
      "elasticloadbalancing:DescribeListeners": answer(
        "DescribeListeners",
        `<Listeners><member><ListenerArn>${listener}</ListenerArn><Port>80</Port><Protocol>HTTP</Protocol></member></Listeners>`,
      ),
      "elasticloadbalancing:DescribeTargetGroups": answer(
        "DescribeTargetGroups",
        `<TargetGroups><member><TargetGroupArn>${group}</TargetGroupArn><TargetGroupName>web</TargetGroupName><Protocol>HTTP</Protocol><Port>80</Port><VpcId>${fleetVpc}</VpcId><TargetType>instance</TargetType><LoadBalancerArns><member>${balancer}</member></LoadBalancerArns></member></TargetGroups>`,
      ),
      "rds:DescribeDBInstances": answer(
        "DescribeDBInstances",
        `<DBInstances>${database("orders", "")}${database("store-1", inCluster)}</DBInstances>`,
      ),
      "rds:DescribeDBClusters": answer(
        "DescribeDBClusters",
        `<DBClusters><DBCluster>${inCluster}</DBCluster></DBClusters>`,
      ),
      "route53:ListHostedZonesByVPC": `<ListHostedZonesByVPCResponse><HostedZoneSummaries>${zone}</HostedZoneSummaries><MaxItems>100</MaxItems></ListHostedZonesByVPCResponse>`,
      "route53:ListResourceRecordSets":
        "<ListResourceRecordSetsResponse><ResourceRecordSets/><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>",
    },
  };
}
