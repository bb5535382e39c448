import { shadowTag } from "../../components/aws/shadow";
import { tagsOf } from "../membership";
import type { Rule } from "../rule";

export const rule: Rule = {
  description: "What belongs to a shadow carries its tag, by which experiments aim and leftovers are found.",
  side: "both",
  types: [
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/instance:Instance",
    "aws:ec2/networkInterface:NetworkInterface",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/networkAcl:NetworkAcl",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ec2/vpcEndpointService:VpcEndpointService",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/trafficMirrorTarget:TrafficMirrorTarget",
    "aws:ec2/trafficMirrorFilter:TrafficMirrorFilter",
    "aws:ec2/trafficMirrorSession:TrafficMirrorSession",
    "aws:ebs/volume:Volume",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:route53/zone:Zone",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:fis/experimentTemplate:ExperimentTemplate",
    "aws:ssm/document:Document",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
  ],
  checks: [
    (props) => {
      const known = props.tagsAll ?? props.tags;
      const value = tagsOf(props)[shadowTag];
      if (value !== undefined && value !== "") return [];
      const cure = `set the tag ${shadowTag} to the shadow's name`;
      return [{ property: "tags", value: known, reason: "nobody could tell that it belongs to a shadow", cure }];
    },
  ],
};
