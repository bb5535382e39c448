import type { AwsShadowReference } from "../../components/aws/shadow";
import type { Topology } from "../../components/topology";
import { awsId } from "./awsTopologyParts";

/** Account that the tests' shadows lie in. */
export const shadowAccount = "222233334444";

/** A shadow of a topology as its network would describe it, with made-up ids that are the same each time. */
export function shadowOf(topology: Topology, shadowName = "shop-shadow"): AwsShadowReference {
  const subnets = topology.networks.flatMap((network) => network.subnets);
  const numbered = <T>(list: readonly T[], name: (item: T) => string, prefix: string): Record<string, string> =>
    Object.fromEntries(list.map((item, index) => [name(item), awsId(prefix, 0x500 + index)]));
  const links = topology.machines.flatMap((machine) =>
    machine.interfaces.map((card) => `${machine.name}/${card.name}`),
  );
  const volumes = topology.machines.flatMap(({ name, aws }) =>
    (aws?.volumes ?? []).map(({ device }) => `${name}/${device}`),
  );
  return {
    shadowName,
    region: "eu-central-1",
    accountId: shadowAccount,
    partition: "aws",
    vpcId: awsId("vpc", 0x500),
    cidrs: [...topology.networks.flatMap(({ cidrs }) => cidrs), "100.64.0.0/20"],
    subnetIds: numbered(subnets, ({ name }) => name, "subnet"),
    machineIds: numbered(topology.machines, ({ name }) => name, "i"),
    interfaceIds: numbered(links, (name) => name, "eni"),
    volumeIds: numbered(volumes, (name) => name, "vol"),
    endpointIds: { s3: awsId("vpce", 0x501), ssm: awsId("vpce", 0x502), logs: awsId("vpce", 0x503) },
    autoScalingGroupArns: Object.fromEntries(
      (topology.aws?.autoScalingGroups ?? []).map(({ name }) => [name, scalingGroupArn(shadowName, name)]),
    ),
    loadBalancerSuffixes: {},
    zones: (topology.aws?.zones ?? []).map(({ id, name }, index) => ({
      zoneId: id,
      zoneName: name,
      gatewaySubnetId: awsId("subnet", 0x600 + index),
      loadBalancerSubnetId: awsId("subnet", 0x700 + index),
      loadBalancerCidr: `100.64.${index + 1}.0/28`,
      gatewayInterfaceId: awsId("eni", 0x800 + index),
      gatewayAddress: `100.64.0.${16 * index + 4}`,
    })),
    gatewaySecurityGroupId: awsId("sg", 0x500),
    flowLogGroupName: `/shadownet/${shadowName}/flow`,
    permissionsBoundaryArn: `arn:aws:iam::${shadowAccount}:policy/shadownet/${shadowName}/boundary`,
    machineRoleArn: `arn:aws:iam::${shadowAccount}:role/shadownet/${shadowName}/${shadowName}-machines-role`,
    rolePath: `/shadownet/${shadowName}/`,
    bucketName: `shadownet-${shadowAccount}-0123456789abcdef`,
    kmsKeyArn: `arn:aws:kms:eu-central-1:${shadowAccount}:key/00000000-0000-4000-8000-000000000001`,
  };
}

/** ARN of an Auto Scaling group of such a shadow. */
export function scalingGroupArn(shadowName: string, group: string): string {
  const uuid = "00000000-0000-4000-8000-000000000002";
  return `arn:aws:autoscaling:eu-central-1:${shadowAccount}:autoScalingGroup:${uuid}:autoScalingGroupName/${shadowName}-${group}`;
}
