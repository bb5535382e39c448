import { parsePortRange } from "../../validation/portRanges";
import type { LoadBalancer, Machine, MachineInterface, SecurityRule, Service } from "../../topology";
import type { AwsTargetGroup } from "../../topologyAws";
import { type Ways, admitsOutside, balancerReach, isAbout, outsideOf, subnetOf } from "../reach";
import { plainName } from "./names";

/** The parts of a topology that services follow from. */
export type ServiceSources = Ways & {
  machines: Machine[];
  loadBalancers: LoadBalancer[];
  /** Name of the group of like machines by machine, for example of an Auto Scaling group. */
  tiers: ReadonlyMap<string, string>;
};

type Transport = "tcp" | "udp";

interface Found {
  /** What the service is called if nothing else is. */
  wanted: string;
  protocol: Transport;
  port: number;
  machines: Set<string>;
  edge: boolean;
  application: string | undefined;
  /** The load balancer whose own addresses its machines see; undefined where they see the clients'. */
  hiddenBehind?: string;
}

/** Application protocols by the port on which they are met; only said where nothing better is known. */
const portApplications: Record<number, string> = {
  22: "ssh",
  53: "dns",
  80: "http1",
  443: "tls",
  3306: "mysql",
  5432: "postgres",
  5672: "amqp",
  6379: "redis",
  8443: "tls",
  27017: "mongodb",
};

/**
 * What clients talk to: the targets of load balancers, and the single ports that security groups open. It is at the edge
 * when an internet-facing load balancer leads there, or an internal one that only clients outside reach, or when routes,
 * security groups and network ACLs let addresses behind a boundary reach the machines. `notes` takes a sentence for each
 * opening whose ports do not tell what serves there, and for each load balancer whose clients cannot be told apart.
 */
export function mapServices(sources: ServiceSources, notes: string[]): Service[] {
  const said = new Set<string>();
  const found: Found[] = sources.loadBalancers.flatMap((balancer) => balancedServices(balancer, sources, said));
  const byPlace = new Map<string, Found>();
  for (const service of found) for (const machine of service.machines) byPlace.set(place(machine, service), service);
  const direct = new Map<string, Found>();
  for (const opening of openings(sources, found, said)) {
    const known = byPlace.get(place(opening.machine, opening));
    if (known !== undefined) {
      if (known.hiddenBehind === undefined) known.edge ||= opening.edge;
      else if (opening.edge && !known.edge) said.add(besideReason(known));
      continue;
    }
    const tier = sources.tiers.get(opening.machine) ?? opening.machine;
    const key = `${tier} ${opening.protocol} ${opening.port}`;
    const service = direct.get(key) ?? {
      ...opening,
      wanted: tier,
      machines: new Set(),
      application: portApplications[opening.port],
    };
    service.machines.add(opening.machine);
    service.edge ||= opening.edge;
    direct.set(key, service);
  }
  notes.push(...said);
  return named([...merged(found), ...direct.values()]);
}

/** Whoever marks such a service as edge copies what clones ask for, too. */
const cure = "to copy all of it, requests that clones make again among them, set its `edge` in the topology";

function besideReason({ wanted, port, hiddenBehind = "" }: Found): string {
  return `machines of service ${wanted} (port ${port}) can be reached from outside beside their load balancer ${hiddenBehind}, whose requests look the same to them, so that it is not taken for the edge; ${cure}`;
}

function mixedReason(balancer: string, groups: readonly string[]): string {
  return `load balancer ${balancer} is reached from outside and from inside, and its targets see its own addresses either way, so that ${groups.join(", ")} is not taken for the edge; ${cure}`;
}

const place = (machine: string, { protocol, port }: { protocol: string; port: number }): string =>
  `${machine} ${protocol} ${port}`;

/** The services behind one load balancer: one for each target group, protocol and port. */
function balancedServices({ name, ...balancer }: LoadBalancer, ways: Ways, said: Set<string>): Found[] {
  const { aws } = balancer;
  const isPublic = aws?.scheme === "internet-facing";
  const reach = isPublic ? "outside" : balancerReach({ name, ...balancer }, ways);
  const groups = aws?.targetGroups ?? [];
  const hidden = groups.filter((group) => !keepsAddresses(aws?.type, group));
  if (reach === "both" && hidden.length > 0) {
    said.add(
      mixedReason(
        name,
        hidden.map((group) => group.name),
      ),
    );
  }
  return groups.flatMap((group) => {
    const protocols: Transport[] =
      group.protocol === "TCP_UDP" ? ["tcp", "udp"] : [group.protocol === "UDP" ? "udp" : "tcp"];
    const ports = [...new Set(group.targets.map(({ port = group.port }) => port))];
    const isHidden = hidden.includes(group);
    return protocols.flatMap((protocol) =>
      ports.map((port) => ({
        wanted: group.name,
        protocol,
        port,
        machines: new Set(
          group.targets.filter((target) => (target.port ?? group.port) === port).map(({ machine }) => machine),
        ),
        edge: isPublic || (isHidden && reach === "outside"),
        application: targetApplication(group.protocol, group.protocolVersion, port),
        ...(isHidden ? { hiddenBehind: name } : {}),
      })),
    );
  });
}

/** Network load balancers keep clients' addresses of UDP always, and of the rest unless targets are named by address. */
function keepsAddresses(type: string | undefined, { protocol, targetType }: AwsTargetGroup): boolean {
  return type === "network" && (targetType === "instance" || protocol === "UDP" || protocol === "TCP_UDP");
}

/** What the targets of a group speak: after TLS has ended at the load balancer, or still TLS. */
function targetApplication(protocol: string, version: string | undefined, port: number): string | undefined {
  if (protocol === "HTTPS" || protocol === "TLS") return "tls";
  if (protocol !== "HTTP") return portApplications[port];
  return version === "HTTP2" || version === "GRPC" ? "http2" : "http1";
}

/** Services that several load balancers lead to are one. */
function merged(services: readonly Found[]): Found[] {
  const byKey = new Map<string, Found>();
  for (const service of services) {
    const key = `${service.wanted} ${service.protocol} ${service.port}`;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, service);
    else {
      known.edge ||= service.edge;
      service.machines.forEach((machine) => known.machines.add(machine));
    }
  }
  return [...byKey.values()];
}

/** Names that say what the services are: the wanted one where it is the only one, else with application and port. */
function named(services: readonly Found[]): Service[] {
  const counts = new Map<string, number>();
  for (const { wanted } of services) counts.set(wanted, (counts.get(wanted) ?? 0) + 1);
  const taken = new Set<string>();
  return services.map(({ wanted, protocol, port, machines, edge, application }) => {
    const isOnly = counts.get(wanted) === 1;
    const base = plainName(isOnly ? wanted : `${wanted}-${application ?? protocol}-${port}`) || "service";
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
    taken.add(name);
    const members = [...machines].sort();
    return { name, protocol, port, machines: members, edge, ...(application === undefined ? {} : { application }) };
  });
}

interface Opening {
  machine: string;
  protocol: Transport;
  port: number;
  edge: boolean;
}

/** Ports over which machines are administered: said as services only where they are open to the outside. */
const administration = [22, 3389];

/** Single ports that security groups open, and those of wider openings on which a load balancer's target is known. */
function openings(sources: ServiceSources, balanced: readonly Found[], said: Set<string>): Opening[] {
  const groups = new Map((sources.securityGroups ?? []).map((group) => [group.name, group]));
  const known = new Map<string, Found[]>();
  for (const service of balanced) {
    for (const machine of service.machines) known.set(machine, [...(known.get(machine) ?? []), service]);
  }
  return sources.machines.flatMap(({ name: machine, interfaces }) =>
    interfaces.flatMap((card) => {
      const outside = outsideOf(card, sources);
      return (card.securityGroups ?? []).flatMap((name) =>
        (groups.get(name)?.rules ?? []).flatMap((rule) => {
          if (rule.direction !== "ingress" || rule.protocol === "icmp") return [];
          const place: OpenedAt = { machine, card, outside, sources };
          const range = parsePortRange(rule.ports ?? "0-65535")!;
          if (rule.protocol === "any" || range.first !== range.last) {
            sayWide(name, rule, range.first, place, said);
            return (known.get(machine) ?? []).flatMap((service) =>
              isAbout(rule, service) ? opened(rule, service, place) : [],
            );
          }
          return range.first === 0 ? [] : opened(rule, { protocol: rule.protocol, port: range.first }, place);
        }),
      );
    }),
  );
}

interface OpenedAt {
  machine: string;
  card: MachineInterface;
  /** Ranges from which packets reach the interface. */
  outside: readonly string[];
  sources: ServiceSources;
}

function opened(
  rule: SecurityRule,
  { protocol, port }: { protocol: Transport; port: number },
  { machine, card, outside, sources }: OpenedAt,
): Opening[] {
  const edge = admitsOutside(rule, { protocol, port }, outside, subnetOf(card.subnet, sources), sources);
  return !edge && administration.includes(port) ? [] : [{ machine, protocol, port, edge }];
}

/** A range of ports that is open to the outside says nothing about what listens. */
function sayWide(
  group: string,
  rule: SecurityRule,
  port: number,
  { card, outside, sources }: OpenedAt,
  said: Set<string>,
): void {
  const protocol = rule.protocol === "any" ? "tcp" : rule.protocol;
  if (!admitsOutside(rule, { protocol, port }, outside, subnetOf(card.subnet, sources), sources)) return;
  const what = rule.protocol === "any" ? "all protocols" : `${rule.protocol} ports ${rule.ports ?? "0-65535"}`;
  said.add(
    `security group ${group} opens ${what} to the outside: which of them serve clients cannot be told; add them to \`services\``,
  );
}
