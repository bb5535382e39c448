import { aggregateCidrs, cidrContains, cidrsOverlap, canonicalCidr } from "../../internal/cidr";
import type { FidelityItem } from "../../network";
import { FidelityOutcome } from "../../network";
import { droppedItem, subnetsOf } from "../../shadowScaling";
import {
  type AclRule,
  IpProtocol,
  type SecurityGroup,
  type SecurityRule,
  type Topology,
  TrafficDirection,
} from "../../topology";
import type { PlannedAcl, PlannedAclRule, PlannedRule, PlannedSecurityGroup } from "./planTypes";

/** Group for interfaces and load balancers that have none in the topology, where that means open. */
export const openGroup = "shadownet-open";

const everywhere = "0.0.0.0/0";

/** The security groups with the ranges that anything may be sent to, and what changed in them. */
export interface PlannedFilters {
  securityGroups: PlannedSecurityGroup[];
  fidelity: FidelityItem[];
}

/**
 * Copies the security groups. What comes in is as in production, and replayed clients beside it; what goes out stays
 * within the shadow's ranges, and the endpoints that steer the machines can always be reached.
 */
export function planSecurityGroups(
  topology: Topology,
  ranges: readonly string[],
  endpointsCidr: string,
): PlannedFilters {
  const planned = (topology.securityGroups ?? []).map((group) => planGroup(group, ranges));
  const groups = [...planned.map(({ group }) => group), ...(needsOpenGroup(topology) ? [openGroupWithin(ranges)] : [])];
  const clients = replayRules(topology);
  const extra = (name: string): PlannedRule[] => [
    ...(clients.get(name) ?? []),
    ruleTo(name, steering, { cidr: endpointsCidr }),
    ruleTo(name, steering, { endpoint: "s3" }),
  ];
  return {
    securityGroups: groups.map((group) => ({ ...group, rules: uniqueRules([...group.rules, ...extra(group.name)]) })),
    fidelity: [
      ...planned.flatMap(({ fidelity }) => fidelity),
      ...[...clients].map(([name, rules]) => ({
        subject: `securityGroups/${name}/clients`,
        outcome: FidelityOutcome.Substituted,
        reason: `replayed clients come in from any address: ${rules.map(({ protocol, fromPort }) => `${protocol} ${fromPort ?? ""}`).join(", ")}`,
      })),
    ],
  };
}

const steering: SecurityRule = { direction: TrafficDirection.Egress, protocol: IpProtocol.Tcp, ports: "443" };

function uniqueRules(rules: readonly PlannedRule[]): PlannedRule[] {
  return [...new Map(rules.map((rule) => [rule.key, rule])).values()];
}

/**
 * Rules by which machines of edge services take what the gateway replays. It comes from the address of a client or of
 * production's load balancer, which no interface of the shadow has, so that a rule that names a group would drop it.
 */
function replayRules({ services = [], machines }: Topology): Map<string, PlannedRule[]> {
  const rules = new Map<string, PlannedRule[]>();
  for (const { protocol, port, machines: behind } of services.filter(({ edge }) => edge)) {
    for (const { interfaces } of machines.filter(({ name }) => behind.includes(name))) {
      const group = interfaces[0]?.securityGroups?.[0];
      if (group === undefined) continue;
      const rule = { direction: TrafficDirection.Ingress, protocol, ports: String(port) };
      rules.set(group, uniqueRules([...(rules.get(group) ?? []), ruleTo(group, rule, { cidr: everywhere })]));
    }
  }
  return rules;
}

function needsOpenGroup({ machines, loadBalancers = [] }: Topology): boolean {
  return (
    machines.some(({ interfaces }) => interfaces.some(({ securityGroups = [] }) => securityGroups.length === 0)) ||
    loadBalancers.some(({ aws }) => aws?.type === "application" && (aws.securityGroups ?? []).length === 0)
  );
}

function openGroupWithin(ranges: readonly string[]): PlannedSecurityGroup {
  const any: SecurityRule = { direction: TrafficDirection.Ingress, protocol: IpProtocol.Any };
  const out = { ...any, direction: TrafficDirection.Egress };
  const description = "What has no group in the topology is open, within the shadow";
  return {
    name: openGroup,
    description,
    rules: [
      ruleTo(openGroup, any, { cidr: everywhere }),
      ...ranges.map((cidr) => ruleTo(openGroup, out, { cidr: canonicalCidr(cidr) })),
    ],
  };
}

function planGroup(
  group: SecurityGroup,
  ranges: readonly string[],
): { group: PlannedSecurityGroup; fidelity: FidelityItem[] } {
  const subject = `securityGroups/${group.name}`;
  const lost = group.rules.flatMap((rule) =>
    rule.direction === TrafficDirection.Egress
      ? peersOf(rule).filter((cidr) => !ranges.some((range) => cidrsOverlap(range, cidr)))
      : [],
  );
  const narrowed = group.rules.some(
    (rule) =>
      rule.direction === TrafficDirection.Egress &&
      peersOf(rule).some((cidr) => !ranges.some((range) => cidrContains(range, cidr))),
  );
  return {
    group: {
      name: group.name,
      description: describe(group),
      rules: group.rules.flatMap((rule) => planRule(group.name, rule, ranges)),
    },
    fidelity: [
      ...(narrowed ? [{ subject, outcome: FidelityOutcome.Substituted, reason: narrowedReason(lost) }] : []),
      ...(group.aws?.dropped ?? []).map((sentence) => droppedItem(subject, sentence)),
    ],
  };
}

function narrowedReason(lost: readonly string[]): string {
  const gone = lost.length === 0 ? "" : `; ${[...new Set(lost)].join(", ")} lie outside and are left out`;
  return `what it lets out reaches the shadow's own ranges only${gone}`;
}

/** AWS takes letters, digits and some marks, 255 of them. */
function describe({ name, aws }: SecurityGroup): string {
  const text = aws?.description ?? `Copy of ${name}`;
  return text.replaceAll(/[^\w .:/()#,@[\]+=&;{}!$*-]/g, " ").slice(0, 255) || `Copy of ${name}`;
}

function peersOf({ cidrs, securityGroups }: SecurityRule): string[] {
  if (cidrs === undefined && securityGroups === undefined) return [everywhere];
  return cidrs ?? [];
}

function planRule(group: string, rule: SecurityRule, ranges: readonly string[]): PlannedRule[] {
  const isEgress = rule.direction === TrafficDirection.Egress;
  const cidrs = peersOf(rule).flatMap((cidr) => (isEgress ? within(cidr, ranges) : [canonicalCidr(cidr)]));
  return [
    ...[...new Set(cidrs)].map((cidr) => ruleTo(group, rule, { cidr })),
    ...(rule.securityGroups ?? []).map((peer) => ruleTo(group, rule, { group: peer })),
  ];
}

/** The part of a range that lies in the shadow. */
export function within(cidr: string, ranges: readonly string[]): string[] {
  const parts = ranges.flatMap((range) => {
    if (cidrContains(cidr, range)) return [canonicalCidr(range)];
    return cidrContains(range, cidr) ? [canonicalCidr(cidr)] : [];
  });
  return aggregateCidrs(parts);
}

function ruleTo(
  group: string,
  rule: SecurityRule,
  peer: { cidr?: string; group?: string; endpoint?: string },
): PlannedRule {
  const { direction, protocol, ports } = rule;
  const said = [
    direction,
    protocol,
    ...(ports === undefined ? [] : [ports]),
    peer.cidr ?? peer.group ?? `endpoint:${peer.endpoint ?? ""}`,
  ];
  return {
    key: [group, ...said].join("/"),
    direction,
    protocol: protocol === IpProtocol.Any ? "-1" : protocol,
    ...portsOf(protocol, ports),
    ...peer,
  };
}

function portsOf(protocol: IpProtocol, ports: string | undefined): { fromPort?: number; toPort?: number } {
  if (protocol === IpProtocol.Any) return {};
  if (protocol === IpProtocol.Icmp) return { fromPort: -1, toPort: -1 };
  const [from = 0, to = 65535] = bounds(ports);
  return { fromPort: from, toPort: to };
}

function bounds(ports: string | undefined): [number?, number?] {
  if (ports === undefined) return [];
  const [from = "0", to = from] = ports.split("-");
  return [Number(from), Number(to)];
}

/** Protocol numbers that a network ACL takes; -1 is every protocol. */
const numbers: Record<IpProtocol, string> = { tcp: "6", udp: "17", icmp: "1", any: "-1" };

/** The network ACLs of a shadow, and what was added to them. */
export interface PlannedAcls {
  acls: PlannedAcl[];
  fidelity: FidelityItem[];
}

/** Copies the network ACLs with the subnets that they lie on, and lets the project's appliances through them. */
export function planAcls(topology: Topology, appliances: string): PlannedAcls {
  const acls = (topology.acls ?? []).map(({ name, rules }) => {
    const entries = (direction: TrafficDirection): PlannedAclRule[] => {
      const own = rules.filter((rule) => rule.direction === direction).map(planAclRule);
      return [applianceRule(own, appliances), ...own];
    };
    return {
      name,
      subnets: subnetsOf(topology).flatMap((subnet) => (subnet.acl === name ? [subnet.name] : [])),
      ingress: entries(TrafficDirection.Ingress),
      egress: entries(TrafficDirection.Egress),
    };
  });
  const reason = `one rule more each way: ${appliances} passes, where the endpoints and the gateways stand`;
  const fidelity = acls.map(({ name }) => ({
    subject: `acls/${name}`,
    outcome: FidelityOutcome.Substituted,
    reason,
  }));
  return { acls, fidelity };
}

/** A rule before all others, or as far before them as there is room. */
function applianceRule(rules: readonly PlannedAclRule[], cidrBlock: string): PlannedAclRule {
  const taken = new Set(rules.map(({ ruleNo }) => ruleNo));
  let ruleNo = 1;
  while (taken.has(ruleNo)) ruleNo++;
  return { ruleNo, action: "allow", protocol: "-1", fromPort: 0, toPort: 0, cidrBlock };
}

function planAclRule({ number, action, protocol, ports, cidr, aws }: AclRule): PlannedAclRule {
  const hasPorts = protocol === IpProtocol.Tcp || protocol === IpProtocol.Udp;
  const [from = 0, to = 65535] = bounds(ports);
  return {
    ruleNo: number,
    action,
    protocol: aws?.protocolNumber === undefined ? numbers[protocol] : String(aws.protocolNumber),
    fromPort: hasPorts ? from : 0,
    toPort: hasPorts ? to : 0,
    cidrBlock: cidr ?? everywhere,
    ...(protocol === IpProtocol.Icmp ? { icmpType: aws?.icmpType ?? -1, icmpCode: aws?.icmpCode ?? -1 } : {}),
  };
}
