import { type IamDocument, iamDocument, partitionOf } from "../iam/document";

/** Every call that capture makes and that a policy can allow, in the order of the services. */
export const captureActions = [
  "autoscaling:DescribeAutoScalingGroups",
  "ec2:DescribeAvailabilityZones",
  "ec2:DescribeCarrierGateways",
  "ec2:DescribeDhcpOptions",
  "ec2:DescribeEgressOnlyInternetGateways",
  "ec2:DescribeImages",
  "ec2:DescribeInstanceCreditSpecifications",
  "ec2:DescribeInstanceTypes",
  "ec2:DescribeInstances",
  "ec2:DescribeInternetGateways",
  "ec2:DescribeNatGateways",
  "ec2:DescribeNetworkAcls",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeRouteTables",
  "ec2:DescribeSecurityGroups",
  "ec2:DescribeSnapshots",
  "ec2:DescribeSubnets",
  "ec2:DescribeTrafficMirrorSessions",
  "ec2:DescribeTransitGatewayVpcAttachments",
  "ec2:DescribeVolumes",
  "ec2:DescribeVpcAttribute",
  "ec2:DescribeVpcEndpoints",
  "ec2:DescribeVpcPeeringConnections",
  "ec2:DescribeVpcs",
  "ec2:DescribeVpnGateways",
  "ec2:GetManagedPrefixListEntries",
  "elasticloadbalancing:DescribeListeners",
  "elasticloadbalancing:DescribeLoadBalancers",
  "elasticloadbalancing:DescribeRules",
  "elasticloadbalancing:DescribeTargetGroups",
  "elasticloadbalancing:DescribeTargetHealth",
  "rds:DescribeDBClusterSnapshots",
  "rds:DescribeDBClusters",
  "rds:DescribeDBInstances",
  "rds:DescribeDBSnapshots",
  "route53:ListHostedZonesByVPC",
  "route53:ListResourceRecordSets",
] as const;

/** One of the calls that capture makes. */
export type CaptureAction = (typeof captureActions)[number];

/**
 * The smallest policy that a capture needs: reading only, and in the given region only. Route 53 has no regions;
 * `ec2:DescribeVpcs` is needed for the answer to a mistyped id too.
 */
export function awsCapturePolicy(region?: string): IamDocument {
  const isOfRoute53 = (action: string): boolean => action.startsWith("route53:");
  const inRegion = region === undefined ? {} : { Condition: { StringEquals: { "aws:RequestedRegion": region } } };
  const partition = partitionOf(region);
  const of = (service: (action: string) => boolean): string[] => captureActions.filter(service);
  return iamDocument([
    {
      Sid: "ReadNetworkAndMachines",
      Effect: "Allow",
      Action: of((action) => !isOfRoute53(action) && action !== "ec2:GetManagedPrefixListEntries"),
      // These calls list; AWS offers no narrower resource for them.
      Resource: ["*"],
      ...inRegion,
    },
    {
      Sid: "ReadPrefixLists",
      Effect: "Allow",
      Action: ["ec2:GetManagedPrefixListEntries"],
      Resource: [`arn:${partition}:ec2:${region ?? "*"}:*:prefix-list/*`],
    },
    { Sid: "FindPrivateZones", Effect: "Allow", Action: ["route53:ListHostedZonesByVPC"], Resource: ["*"] },
    {
      Sid: "ReadPrivateZones",
      Effect: "Allow",
      Action: ["route53:ListResourceRecordSets"],
      Resource: [`arn:${partition}:route53:::hostedzone/*`],
    },
  ]);
}
