import { type Finding, type Rule } from "../rule";
import { isGiven } from "../values";

const defaultServices = ["ssm", "ssmmessages", "ec2messages", "logs", "monitoring", "ec2", "kms", "s3"];
const cure = "keep to gateway and interface endpoints of the services that the shadow needs";

export const rule: Rule = {
  description: "VPC endpoints are gateway or interface endpoints of an allowed service in the shadow's own region.",
  types: ["aws:ec2/vpcEndpoint:VpcEndpoint"],
  config: {
    properties: {
      allowedServices: {
        type: "array",
        items: { type: "string" },
        default: defaultServices,
        description: "Last part of the service names that a shadow may have endpoints of.",
      },
    },
  },
  checks: [
    ({ vpcEndpointType = "Gateway" }) =>
      vpcEndpointType === "Gateway" || vpcEndpointType === "Interface"
        ? []
        : [
            {
              property: "vpcEndpointType",
              value: vpcEndpointType,
              reason: "endpoints of this type lead into other networks",
              cure,
            },
          ],
    ({ serviceName }, { config }) => {
      if (!isGiven(serviceName)) return [];
      const allowed = config.allowedServices as string[];
      const match = /^com\.amazonaws\.[a-z0-9-]+\.([a-z0-9-]+)$/.exec(String(serviceName));
      if (match !== null && allowed.includes(match[1]!)) return [];
      const reason = `allowed are ${allowed.join(", ")} of the shadow's region`;
      return [{ property: "serviceName", value: serviceName, reason, cure: `${cure}, or allow it in allowedServices` }];
    },
    (props) =>
      ["serviceRegion", "resourceConfigurationArn", "serviceNetworkArn"].flatMap((property): Finding[] =>
        isGiven(props[property])
          ? [{ property, value: props[property], reason: "it leads to another region or network", cure }]
          : [],
      ),
  ],
};
