import * as ec2 from "@pulumi/aws/ec2";
import * as lb from "@pulumi/aws/lb";
import * as route53 from "@pulumi/aws/route53";
import type * as pulumi from "@pulumi/pulumi";

import type { PlannedRecord } from "../planTypes";
import { type Site, child, made, tagsOf } from "./site";

/** Seconds that an answer may be kept: a fault must be seen soon. */
const ttl = 10;

/** Makes the private zones, known in the shadow's VPC and nowhere else, with their records. */
export function makeZones(
  site: Site,
  vpc: ec2.Vpc,
  balancers: ReadonlyMap<string, lb.LoadBalancer>,
  databases: ReadonlyMap<string, pulumi.Output<string>>,
): void {
  for (const { name, records } of site.plan.zones) {
    const zone = new route53.Zone(
      `${site.name}-zone-${name}`,
      {
        name,
        comment: `Known in the shadow ${site.shadowName} only`,
        vpcs: [{ vpcId: vpc.id }],
        forceDestroy: true,
        tags: tagsOf(site, `zone ${name}`),
      },
      child(site),
    );
    for (const record of records) {
      new route53.Record(
        `${site.name}-record-${name}/${record.key}`,
        { zoneId: zone.id, name: record.name, ...valueOf(record, balancers, databases) },
        child(site),
      );
    }
  }
}

function valueOf(
  { type, values, balancer, database }: PlannedRecord,
  balancers: ReadonlyMap<string, lb.LoadBalancer>,
  databases: ReadonlyMap<string, pulumi.Output<string>>,
): Pick<route53.RecordArgs, "type" | "aliases" | "records" | "ttl"> {
  if (balancer !== undefined) {
    const { dnsName, zoneId } = made(balancers, balancer);
    return { type: "A", aliases: [{ name: dnsName, zoneId, evaluateTargetHealth: false }] };
  }
  if (database !== undefined) return { type: "A", ttl, records: [made(databases, database)] };
  return { type, ttl, records: values };
}
