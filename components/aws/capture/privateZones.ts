import type { ResourceRecordSet } from "@aws-sdk/client-route-53";

import type { DnsRecord, DnsZone, LoadBalancer } from "../../topology";
import type { AwsZoneReading } from "./reading";

/** A private zone in the topology's words; records that have no one answer are said in `dropped`. */
export function mapPrivateZone(zone: AwsZoneReading, balancers: readonly LoadBalancer[]): DnsZone {
  const name = plainDomain(zone.name);
  const dropped: string[] = [];
  const records = zone.records.flatMap((record) => mapRecord(record, name, balancers, dropped));
  return { name, records, aws: { id: zone.id, ...(dropped.length === 0 ? {} : { dropped }) } };
}

/** A domain name without the last dot, with the characters that Route 53 writes as octal numbers. */
function plainDomain(name: string): string {
  const text = name.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return text.replace(/\.$/, "");
}

function mapRecord(
  record: ResourceRecordSet,
  zone: string,
  balancers: readonly LoadBalancer[],
  dropped: string[],
): DnsRecord[] {
  const { Name = "", Type: type = "", AliasTarget, SetIdentifier, ResourceRecords = [] } = record;
  const name = plainDomain(Name);
  if (name === zone && (type === "NS" || type === "SOA")) return [];
  if (SetIdentifier !== undefined) {
    dropped.push(`${type} record ${name} has several answers by a rule (${SetIdentifier} is one)`);
    return [];
  }
  if (AliasTarget === undefined) {
    const values = ResourceRecords.flatMap(({ Value }) => (Value === undefined ? [] : [Value]));
    return [{ name, type, values: type === "CNAME" ? values.map(plainDomain) : values }];
  }
  const target = plainDomain(AliasTarget.DNSName ?? "").replace(/^dualstack\./, "");
  const isBalancer = balancers.some(({ aws }) => aws?.dnsName?.toLowerCase() === target.toLowerCase());
  if (isBalancer && name !== zone && type === "A") return [{ name, type: "CNAME", values: [target] }];
  // The CNAME made of the alias of type A answers for IPv6 too.
  if (!isBalancer || name === zone) dropped.push(`${type} record ${name} is an alias of ${target}`);
  return [];
}
