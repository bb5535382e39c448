import { cidrContains, cidrsOverlap } from "../../internal/cidr";
import { parsePortRange } from "../../portRanges";
import type {
  LoadBalancer,
  Machine,
  MachineInterface,
  Service,
  SecurityRule,
  Topology,
  TopologySubnet,
} from "../../topology";
import { plainName } from "./names";

/** The parts of a topology that services follow from. */
export type ServiceSources = Pick<Topology, "networks" | "routeTables" | "acls" | "securityGroups" | "boundaries"> & {
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
 * when an internet-facing load balancer leads there, or when routes, security groups and network ACLs let addresses
 * behind a boundary reach it. `notes` takes a sentence for each opening whose ports do not tell what serves there.
 */
export function mapServices(sources: ServiceSources, notes: string[]): Service[] {
  const found: Found[] = sources.loadBalancers.flatMap(balancedServices);
  const byPlace = new Map<string, Found>();
  for (const service of found) for (const machine of service.machines) byPlace.set(place(machine, service), service);
  const direct = new Map<string, Found>();
  for (const opening of openings(sources, notes)) {
    const known = byPlace.get(place(opening.machine, opening));
    if (known !== undefined) {
      known.edge ||= opening.edge;
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
  return named([...merged(found), ...direct.values()]);
}

const place = (machine: string, { protocol, port }: { protocol: string; port: number }): string =>
  `${machine} ${protocol} ${port}`;

/** The services behind one load balancer: one for each target group, protocol and port. */
function balancedServices({ aws }: LoadBalancer): Found[] {
  const edge = aws?.scheme === "internet-facing";
  return (aws?.targetGroups ?? []).flatMap((group) => {
    const protocols: Transport[] =
      group.protocol === "TCP_UDP" ? ["tcp", "udp"] : [group.protocol === "UDP" ? "udp" : "tcp"];
    const ports = [...new Set(group.targets.map(({ port = group.port }) => port))];
    return protocols.flatMap((protocol) =>
      ports.map((port) => ({
        wanted: group.name,
        protocol,
        port,
        machines: new Set(
          group.targets.filter((target) => (target.port ?? group.port) === port).map(({ machine }) => machine),
        ),
        edge,
        application: targetApplication(group.protocol, group.protocolVersion, port),
      })),
    );
  });
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

function openings(sources: ServiceSources, notes: string[]): Opening[] {
  const groups = new Map((sources.securityGroups ?? []).map((group) => [group.name, group]));
  const subnets = new Map(
    sources.networks.flatMap((network) => network.subnets.map((subnet) => [subnet.name, subnet])),
  );
  const inside = sources.networks.flatMap(({ cidrs }) => cidrs);
  const said = new Set<string>();
  return sources.machines
    .flatMap((machine) =>
      machine.interfaces.flatMap((card) => {
        const subnet = subnets.get(card.subnet);
        const outside = subnet === undefined ? [] : reachableFrom(card, subnet, sources);
        return (card.securityGroups ?? []).flatMap((name) =>
          (groups.get(name)?.rules ?? []).flatMap((rule) => {
            if (rule.direction !== "ingress" || (rule.protocol !== "tcp" && rule.protocol !== "udp")) return [];
            const range = parsePortRange(rule.ports ?? "0-65535")!;
            const { protocol } = rule;
            const edge = admitsOutside(rule, range.first, outside, inside, subnet, sources);
            if (range.first !== range.last) {
              if (edge)
                said.add(
                  `security group ${name} opens ${protocol} ports ${rule.ports ?? "0-65535"} to the outside: which of them serve clients cannot be told; add them to \`services\``,
                );
              return [];
            }
            if (range.first === 0 || (!edge && administration.includes(range.first))) return [];
            return [{ machine: machine.name, protocol, port: range.first, edge }];
          }),
        );
      }),
    )
    .concat(flush(said, notes));
}

function flush(said: ReadonlySet<string>, notes: string[]): Opening[] {
  notes.push(...said);
  return [];
}

/** Ranges behind boundaries from which packets reach an interface and to which its answers find a way. */
function reachableFrom(card: MachineInterface, subnet: TopologySubnet, sources: ServiceSources): string[] {
  const table = (sources.routeTables ?? []).find(({ name }) => name === subnet.routeTable);
  const kinds = new Map((sources.boundaries ?? []).map(({ name, kind }) => [name, kind]));
  return (table?.routes ?? []).flatMap(({ destination, boundary }) => {
    const kind = boundary === undefined ? undefined : kinds.get(boundary);
    if (kind === "peering" || kind === "vpn") return [destination];
    if (kind !== "internet") return [];
    const isSix = destination.includes(":");
    const hasAddress = isSix
      ? card.addresses.some((address) => address.includes(":"))
      : card.aws?.publicAddress !== undefined;
    return hasAddress ? [destination] : [];
  });
}

function admitsOutside(
  { cidrs, securityGroups, protocol }: SecurityRule,
  port: number,
  outside: readonly string[],
  inside: readonly string[],
  subnet: TopologySubnet | undefined,
  sources: ServiceSources,
): boolean {
  if (cidrs === undefined && securityGroups !== undefined) return false;
  const peers = (cidrs ?? ["0.0.0.0/0", "::/0"]).filter((cidr) => !inside.some((range) => cidrContains(range, cidr)));
  const reaching = peers.filter((peer) => outside.some((range) => cidrsOverlap(range, peer)));
  return reaching.some((peer) => aclAdmits(peer, protocol as Transport, port, subnet, sources));
}

/** The first rule that is about the port and about a range that holds all the peers decides; narrower ones do not. */
function aclAdmits(
  peer: string,
  protocol: Transport,
  port: number,
  subnet: TopologySubnet | undefined,
  { acls = [] }: ServiceSources,
): boolean {
  const acl = acls.find(({ name }) => name === subnet?.acl);
  if (acl === undefined) return true;
  const first = acl.rules.find((rule) => {
    const range = parsePortRange(rule.ports ?? "0-65535")!;
    const isAbout = rule.protocol === "any" ? rule.aws?.protocolNumber === undefined : rule.protocol === protocol;
    const holds =
      rule.cidr === undefined ||
      (rule.action === "deny" ? cidrContains(rule.cidr, peer) : cidrsOverlap(rule.cidr, peer));
    return rule.direction === "ingress" && isAbout && range.first <= port && port <= range.last && holds;
  });
  return first?.action === "allow";
}
