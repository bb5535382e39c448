import { cidrContains, cidrsOverlap } from "../internal/cidr";
import { AclAction, IpProtocol, type Service, TrafficDirection } from "../topology";
import type { CapturedMachine, ListeningSocket } from "./captureMachine";
import type { CapturedNetwork } from "./captureSubnets";
import type { LabFilterRule, LabSubnetSpec } from "./kernel/specs";

/** Application protocols of programs that speak only one. */
const applications: Record<string, string> = {
  nginx: "http1",
  apache2: "http1",
  "redis-server": "redis",
  valkey: "redis",
  postgres: "postgres",
  sshd: "ssh",
  dnsmasq: "dns",
  named: "dns",
};

/**
 * The services that waiting sockets offer: machines whose names differ only in their number and that listen on the same
 * port are behind one service. A service is at the edge when routes and filters let clients behind a boundary reach it.
 */
export function captureServices(machines: readonly CapturedMachine[], captured: CapturedNetwork): Service[] {
  const found = new Map<string, { tier: string; socket: ListeningSocket; members: CapturedMachine[] }>();
  for (const member of machines) {
    for (const socket of member.sockets) {
      const tier = member.machine.name.replace(/-?\d+$/, "") || member.machine.name;
      const key = `${tier} ${socket.protocol} ${socket.port}`;
      const service = found.get(key) ?? { tier, socket, members: [] };
      service.members.push(member);
      found.set(key, service);
    }
  }
  const services = [...found.values()];
  return services.map(({ tier, socket, members }) => {
    const isOnly = services.filter((other) => other.tier === tier).length === 1;
    const application = applications[socket.program ?? ""];
    return {
      name: isOnly ? tier : `${tier}-${socket.program ?? socket.protocol}-${socket.port}`,
      protocol: socket.protocol,
      port: socket.port,
      machines: members.map(({ machine }) => machine.name),
      edge: members.some((member) => isReachable(member, socket, captured)),
      ...(application === undefined ? {} : { application }),
    };
  });
}

function isReachable(
  { machine, filters }: CapturedMachine,
  socket: ListeningSocket,
  captured: CapturedNetwork,
): boolean {
  return machine.interfaces.some((card, index) => {
    const subnet = captured.subnets.find((candidate) => candidate.subnet === card.subnet);
    if (subnet === undefined || !subnet.routes.some(({ boundary }) => boundary !== undefined)) return false;
    const outside = outsideTest(captured);
    return filterAdmits(filters[index], socket, outside) && aclAdmits(subnet, socket, outside);
  });
}

/** Whether a range holds addresses behind a boundary that are not the network's own. */
function outsideTest({ boundaries, subnets }: CapturedNetwork): (cidr: string) => boolean {
  const locals = subnets.flatMap(({ localCidrs = [] }) => localCidrs);
  const behind = boundaries.flatMap(({ cidrs }) => cidrs);
  return (cidr) =>
    behind.some((range) => cidrsOverlap(range, cidr)) && !locals.some((local) => cidrContains(local, cidr));
}

function filterAdmits(
  rules: LabFilterRule[] | undefined,
  socket: ListeningSocket,
  outside: (cidr: string) => boolean,
): boolean {
  if (rules === undefined) return true;
  return rules.some(
    ({ direction, protocol, ports, cidrs }) =>
      direction === TrafficDirection.Ingress &&
      covers(protocol, ports, socket) &&
      (cidrs === undefined || cidrs.some(outside)),
  );
}

/** The first rule that is about the socket and about outside addresses decides; narrower exceptions do not. */
function aclAdmits(
  { acl, aclName }: LabSubnetSpec,
  socket: ListeningSocket,
  outside: (cidr: string) => boolean,
): boolean {
  if (aclName === undefined) return true;
  const first = acl.find(
    ({ direction, protocol, ports, cidr }) =>
      direction === TrafficDirection.Ingress &&
      covers(protocol, ports, socket) &&
      (cidr === undefined || outside(cidr)),
  );
  return first?.action === AclAction.Allow;
}

function covers(protocol: IpProtocol, ports: string | undefined, socket: ListeningSocket): boolean {
  if (protocol !== IpProtocol.Any && protocol !== socket.protocol) return false;
  if (ports === undefined) return true;
  const [from = 0, to = from] = ports.split("-").map(Number);
  return socket.port >= from && socket.port <= to;
}
