import type { Problem } from "../../internal/problems";
import { type FidelityItem, FidelityOutcome } from "../../network";
import { droppedItem } from "../../shadowScaling";
import type { DnsRecord, DnsZone, Topology } from "../../topology";
import type { PlannedDatabase, PlannedRecord, PlannedZone } from "./planTypes";

/** The private zones of a shadow, what its resolver answers, and what differs. */
export interface PlannedNames {
  zones: PlannedZone[];
  fidelity: FidelityItem[];
  problems: Problem[];
}

/** Types of record that a private zone takes. */
const recordTypes = ["A", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SPF", "SRV", "TXT"];

/**
 * Copies the private zones, and makes one more for each name under which machines know a load balancer or a restored
 * database: a zone that is called exactly so, and therefore overrides no other name.
 */
export function planZones(
  topology: Topology,
  balancers: readonly string[],
  databases: readonly PlannedDatabase[],
): PlannedNames {
  const owners = new Map<string, Pick<PlannedRecord, "balancer" | "database">>();
  for (const { name, aws } of topology.loadBalancers ?? []) {
    if (aws?.dnsName !== undefined && balancers.includes(name)) owners.set(plain(aws.dnsName), { balancer: name });
  }
  for (const { name } of databases) {
    const names = topology.boundaries?.find((boundary) => boundary.name === name)?.aws?.names ?? [];
    for (const known of names) owners.set(plain(known), { database: name });
  }
  const copied = (topology.dnsZones ?? []).map((zone) => planZone(zone, owners));
  const own = [...owners].map(([name, owner]): PlannedZone => ({
    name,
    records: [{ key: `${name}/A`, name, type: "A", values: [], ...owner }],
  }));
  const taken = new Set(copied.map(({ name }) => name));
  return {
    zones: [...copied, ...own.filter(({ name }) => !taken.has(name))],
    fidelity: (topology.dnsZones ?? []).flatMap((zone) => zoneItems(zone, owners)),
    problems: repeatedZones(topology.dnsZones ?? []),
  };
}

/** AWS refuses two zones of one name in one VPC, whatever their case. */
function repeatedZones(zones: readonly DnsZone[]): Problem[] {
  const names = zones.map(({ name }) => plain(name));
  return names.flatMap((name, index) => {
    const first = names.indexOf(name);
    if (first === index) return [];
    const reason = `"${zones[index]!.name}" is the zone of topology.dnsZones[${first}] again; merge their records`;
    return [{ path: `topology.dnsZones[${index}].name`, reason }];
  });
}

/** A name without its last dot, in lower case, and without the prefix by which AWS asks for both families. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/\.$/, "")
    .replace(/^dualstack\./, "");
}

type Owners = ReadonlyMap<string, Pick<PlannedRecord, "balancer" | "database">>;

function planZone({ name, records }: DnsZone, owners: Owners): PlannedZone {
  const zone = plain(name);
  const merged = new Map<string, PlannedRecord>();
  for (const record of records.filter((one) => isCopied(one, zone))) {
    const planned = planRecord(record, owners);
    const earlier = merged.get(planned.key);
    const values = [...new Set([...(earlier?.values ?? []), ...planned.values])];
    merged.set(planned.key, { ...planned, ...earlier, values });
  }
  return { name: zone, records: [...merged.values()] };
}

/** Route 53 makes the zone's own NS and SOA records. */
function isCopied({ name, type }: DnsRecord, zone: string): boolean {
  return recordTypes.includes(type) && !(type === "NS" && plain(name) === zone);
}

function planRecord({ name, type, values }: DnsRecord, owners: Owners): PlannedRecord {
  const record = { key: `${plain(name)}/${type}`, name: plain(name), type };
  const [only] = values;
  const balancer = values.length === 1 ? owners.get(plain(only!))?.balancer : undefined;
  if (balancer !== undefined && (type === "A" || type === "CNAME")) return { ...record, values: [], balancer };
  // What Route 53 writes around a text is added again when it is sent.
  return { ...record, values: type === "TXT" ? values.map((value) => value.replaceAll(/^"|"$/g, "")) : values };
}

function zoneItems(zone: DnsZone, owners: Owners): FidelityItem[] {
  const subject = `dnsZones/${zone.name}`;
  const lost = zone.records.filter((record) => record.type !== "SOA" && !recordTypes.includes(record.type));
  const outside = zone.records.filter(
    ({ type, values }) => type === "CNAME" && values.some((value) => leadsOut(plain(value), plain(zone.name), owners)),
  );
  return [
    { subject, outcome: FidelityOutcome.Cloned, reason: "a zone of its own with the same records" },
    ...lost.map(({ name, type }) => droppedItem(`${subject}/${name}`, `a record of the type ${type} is not copied`)),
    ...outside.map(({ name, values }) => ({
      subject: `${subject}/${name}`,
      outcome: FidelityOutcome.Substituted,
      reason: `it stands for ${values.join(", ")}, which does not resolve in the shadow`,
    })),
    ...(zone.aws?.dropped ?? []).map((sentence) => droppedItem(subject, sentence)),
  ];
}

function leadsOut(value: string, zone: string, owners: Owners): boolean {
  return !owners.has(value) && value !== zone && !value.endsWith(`.${zone}`);
}
