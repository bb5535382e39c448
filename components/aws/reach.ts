import { cidrContains, cidrsOverlap } from "../internal/cidr";
import { parsePortRange } from "../validation/portRanges";
import type { LoadBalancer, MachineInterface, SecurityRule, Topology, TopologySubnet } from "../topology";

/** The parts of a topology that decide who reaches what. */
export type Ways = Pick<Topology, "networks" | "routeTables" | "acls" | "securityGroups" | "boundaries">;

/** A port that something may serve on. */
export interface Port {
  protocol: string;
  port: number;
}

/** Who reaches a load balancer: nobody outside, only clients outside, or these and what stands inside. */
export type BalancerReach = "inside" | "outside" | "both";

/** Whether clients behind a boundary reach a port of an interface: by route and back, security group and network ACL. */
export function isReachedFromOutside(card: MachineInterface, port: Port, ways: Ways): boolean {
  const subnet = subnetOf(card.subnet, ways);
  const outside = outsideOf(card, ways);
  return rulesOf(card.securityGroups ?? [], ways).some(
    (rule) => isAbout(rule, port) && admitsOutside(rule, port, outside, subnet, ways),
  );
}

/** Ranges behind boundaries from which packets reach an interface and to which its answers find a way. */
export function outsideOf({ subnet, addresses, aws }: MachineInterface, ways: Ways): string[] {
  const hasSix = addresses.some((address) => address.includes(":"));
  return routedOutside(subnetOf(subnet, ways), ways, (isSix) => (isSix ? hasSix : aws?.publicAddress !== undefined));
}

function routedOutside(
  subnet: TopologySubnet | undefined,
  { routeTables = [], boundaries = [] }: Ways,
  isPublic: (isSix: boolean) => boolean,
): string[] {
  const table = routeTables.find(({ name }) => name === subnet?.routeTable);
  const kinds = new Map(boundaries.map(({ name, kind }) => [name, kind]));
  return (table?.routes ?? []).flatMap(({ destination, boundary }) => {
    const kind = boundary === undefined ? undefined : kinds.get(boundary);
    if (kind === "peering" || kind === "vpn") return [destination];
    return kind === "internet" && isPublic(destination.includes(":")) ? [destination] : [];
  });
}

/** Whether a rule and the network ACL let addresses of these outside ranges at a port. */
export function admitsOutside(
  { cidrs, securityGroups }: SecurityRule,
  { protocol, port }: Port,
  outside: readonly string[],
  subnet: TopologySubnet | undefined,
  ways: Ways,
): boolean {
  if (cidrs === undefined && securityGroups !== undefined) return false;
  const inside = ways.networks.flatMap((network) => network.cidrs);
  const peers = (cidrs ?? everybody).filter((cidr) => !inside.some((range) => cidrContains(range, cidr)));
  const reaching = peers.filter((peer) => outside.some((range) => cidrsOverlap(range, peer)));
  return reaching.some((peer) => aclAdmits(peer, protocol, port, subnet, ways));
}

const everybody = ["0.0.0.0/0", "::/0"];

/** The first rule that is about the port and about a range that holds all the peers decides; narrower ones do not. */
function aclAdmits(
  peer: string,
  protocol: string,
  port: number,
  subnet: TopologySubnet | undefined,
  { acls = [] }: Ways,
): boolean {
  const acl = acls.find(({ name }) => name === subnet?.acl);
  if (acl === undefined) return true;
  const first = acl.rules.find((rule) => {
    const range = parsePortRange(rule.ports ?? "0-65535")!;
    const isOfProtocol = rule.protocol === "any" ? rule.aws?.protocolNumber === undefined : rule.protocol === protocol;
    const holds =
      rule.cidr === undefined ||
      (rule.action === "deny" ? cidrContains(rule.cidr, peer) : cidrsOverlap(rule.cidr, peer));
    return rule.direction === "ingress" && isOfProtocol && range.first <= port && port <= range.last && holds;
  });
  return first?.action === "allow";
}

/** Who reaches an internal load balancer over peerings, VPN and transit gateways, and who else does. */
export function balancerReach({ port, aws }: LoadBalancer, ways: Ways): BalancerReach {
  const subnets = (aws?.subnets ?? []).map((name) => subnetOf(name, ways));
  const inside = ways.networks.flatMap(({ cidrs }) => cidrs);
  const groups = aws?.securityGroups ?? [];
  // A network load balancer may have no security group, and then nothing keeps anybody out.
  const open: SecurityRule[] = [{ direction: "ingress", protocol: "any" }];
  const rules = groups.length === 0 && aws?.type === "network" ? open : rulesOf(groups, ways);
  const ports = (aws?.listeners ?? [{ port, protocol: "TCP" }]).flatMap(listenerPorts);
  const meant = rules.filter((rule) => ports.some((one) => isAbout(rule, one)));
  const isReached = meant.some((rule) =>
    subnets.some((subnet) => {
      const outside = routedOutside(subnet, ways, () => false);
      return ports.some((one) => isAbout(rule, one) && admitsOutside(rule, one, outside, subnet, ways));
    }),
  );
  if (!isReached) return "inside";
  return meant.some((rule) => admitsInside(rule, inside)) ? "both" : "outside";
}

function listenerPorts({ port, protocol }: { port: number; protocol: string }): Port[] {
  if (protocol === "TCP_UDP") return ["tcp", "udp"].map((one) => ({ protocol: one, port }));
  return [{ protocol: protocol === "UDP" ? "udp" : "tcp", port }];
}

function admitsInside({ cidrs, securityGroups }: SecurityRule, inside: readonly string[]): boolean {
  if ((securityGroups ?? []).length > 0) return true;
  return (cidrs ?? everybody).some((peer) => inside.some((range) => cidrsOverlap(range, peer)));
}

/** Whether a rule says something about a port. */
export function isAbout({ protocol, ports }: SecurityRule, { protocol: wanted, port }: Port): boolean {
  const { first, last } = parsePortRange(ports ?? "0-65535")!;
  return (protocol === "any" || protocol === wanted) && first <= port && port <= last;
}

function rulesOf(groups: readonly string[], { securityGroups = [] }: Ways): SecurityRule[] {
  return securityGroups
    .filter(({ name }) => groups.includes(name))
    .flatMap(({ rules }) => rules.filter(({ direction }) => direction === "ingress"));
}

/** The subnet of this name. */
export function subnetOf(name: string, { networks }: Ways): TopologySubnet | undefined {
  return networks.flatMap(({ subnets }) => subnets).find((subnet) => subnet.name === name);
}
