import * as ec2 from "@pulumi/aws/ec2";

import { endpointPolicy, s3EndpointPolicy } from "../../iam/network";
import type { MadeVpc } from "./vpc";
import { type Site, child, tagsOf } from "./site";

/** Makes the gateway endpoint of S3, known to every route table. */
export function makeS3Endpoint(
  site: Site,
  vpc: ec2.Vpc,
  tables: readonly ec2.RouteTable[],
  buckets: readonly string[],
): ec2.VpcEndpoint {
  const { serviceName } = site.plan.endpoints.find(({ type }) => type === "Gateway")!;
  return new ec2.VpcEndpoint(
    `${site.name}-endpoint-s3`,
    {
      vpcId: vpc.id,
      vpcEndpointType: "Gateway",
      serviceName,
      routeTableIds: tables.map(({ id }) => id),
      policy: site.place.apply((own) => JSON.stringify(s3EndpointPolicy(own, buckets))),
      tags: tagsOf(site, "endpoint s3"),
    },
    child(site),
  );
}

/** Makes the interface endpoints, in one zone, by service. */
export function makeInterfaceEndpoints(
  site: Site,
  { vpc, endpointsSubnet }: MadeVpc,
  group: ec2.SecurityGroup,
): Map<string, ec2.VpcEndpoint> {
  const planned = site.plan.endpoints.filter(({ type }) => type === "Interface");
  return new Map(
    planned.map(({ service, serviceName }) => [
      service,
      new ec2.VpcEndpoint(
        `${site.name}-endpoint-${service}`,
        {
          vpcId: vpc.id,
          vpcEndpointType: "Interface",
          serviceName,
          subnetIds: [endpointsSubnet.id],
          securityGroupIds: [group.id],
          privateDnsEnabled: true,
          policy: site.place.apply((own) => JSON.stringify(endpointPolicy(own, service))),
          tags: tagsOf(site, `endpoint ${service}`),
        },
        child(site),
      ),
    ]),
  );
}
