import type { AwsShadowRecord } from "../../components/aws/driver/recordFormat";
import { smallAws } from "./awsTopologies";

/** Name of the shadow that {@link recordOf} describes. */
export const shadowName = "shop";

/** What the stack of a small shadow leaves for the driver. */
export function recordOf(vpcId: string, machineIds: Record<string, string>): AwsShadowRecord {
  return {
    version: 1,
    topology: smallAws,
    fidelity: [],
    experiments: {},
    monitor: {},
    shadow: {
      shadowName,
      region: "eu-central-1",
      accountId: "123456789012",
      partition: "aws",
      vpcId,
      cidrs: ["10.20.0.0/16"],
      subnetIds: {},
      machineIds,
      interfaceIds: { "web-1/eth0": "eni-1" },
      volumeIds: {},
      endpointIds: {},
      autoScalingGroupArns: {},
      loadBalancerSuffixes: {},
      zones: [],
      gatewaySecurityGroupId: "sg-1",
      flowLogGroupName: "flow",
      permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/shop",
      machineRoleArn: "arn:aws:iam::123456789012:role/shadownet/shop/machines",
      rolePath: "/shadownet/shop/",
      bucketName: "shop",
      kmsKeyArn: "arn:aws:kms:eu-central-1:123456789012:key/1",
    },
    parameterPath: "/shadownet/shop/mirror",
    production: { accountId: "123456789012", region: "eu-central-1" },
    percent: 10,
  };
}
