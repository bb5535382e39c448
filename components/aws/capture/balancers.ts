import type { Action, Listener, Rule, TargetGroup } from "@aws-sdk/client-elastic-load-balancing-v2";

import { parseAddress } from "../../internal/cidr";
import type { LoadBalancer, Machine } from "../../topology";
import type { AwsListener, AwsListenerRule, AwsTarget, AwsTargetGroup } from "../../topologyAws";
import { filled } from "./boundaries";
import { definedOnly } from "./databases";
import { balancerOf } from "./managedInterfaces";
import type { AwsBalancerReading, AwsReading, AwsTargetGroupReading } from "./reading";
import { present } from "./rules";

/** What load balancers refer to. */
export interface BalancerNames {
  balancers: ReadonlyMap<string, string>;
  subnets: ReadonlyMap<string, string>;
  groups: ReadonlyMap<string, string>;
}

/** The load balancers in the topology's words; `notes` takes a sentence for each that it has no words for. */
export function mapBalancers(
  reading: AwsReading,
  machines: readonly Machine[],
  names: BalancerNames,
  notes: string[],
): LoadBalancer[] {
  const groups = new Map(
    reading.targetGroups.map((one) => [one.group.TargetGroupArn!, mapTargetGroup(one, machines, notes)]),
  );
  return reading.balancers.flatMap((one) => mapBalancer(one, reading, groups, names, notes));
}

function mapBalancer(
  { balancer, listeners }: AwsBalancerReading,
  reading: AwsReading,
  groups: ReadonlyMap<string, AwsTargetGroup | undefined>,
  names: BalancerNames,
  notes: string[],
): LoadBalancer[] {
  const { LoadBalancerArn = "", LoadBalancerName = "", Type = "", Scheme, DNSName } = balancer;
  const left = (reason: string): LoadBalancer[] => {
    notes.push(`load balancer ${LoadBalancerName} is left out: ${reason}`);
    return [];
  };
  if (Type === "gateway")
    return left("it is a Gateway Load Balancer, which stands between networks and not before machines");
  const addresses = addressesOf(LoadBalancerArn, reading, balancer);
  if (addresses.length === 0) return left("none of its addresses could be read");
  const mapped = listeners
    .map(({ listener, rules }) => mapListener(listener, rules, groups))
    .sort((a, b) => a.port - b.port);
  const used = new Set(
    mapped.flatMap(({ targetGroup, rules = [] }) => [targetGroup, ...rules.map((rule) => rule.targetGroup)]),
  );
  const targetGroups = present([...groups.values()]).filter(({ name }) => used.has(name));
  const main = mainListener(mapped);
  const first = targetGroups.find(({ name }) => name === (main?.targetGroup ?? firstTarget(main)));
  if (main === undefined || first === undefined) return left("no listener of it forwards to machines or addresses");
  const subnets = present((balancer.AvailabilityZones ?? []).map(({ SubnetId = "" }) => names.subnets.get(SubnetId)));
  const securityGroups = present((balancer.SecurityGroups ?? []).map((id) => names.groups.get(id)));
  return [
    {
      name: names.balancers.get(LoadBalancerArn)!,
      addresses,
      port: main.port,
      machines: [...new Set(targetGroups.flatMap(({ targets }) => targets.map(({ machine }) => machine)))],
      targetPort: first.port,
      ...(endsTls(main.protocol) ? { terminatesTls: true } : {}),
      aws: {
        arn: LoadBalancerArn,
        type: Type,
        ...definedOnly({ scheme: Scheme, dnsName: DNSName }),
        ...filled({ subnets, securityGroups }),
        listeners: mapped,
        targetGroups,
      },
    },
  ];
}

/** Whether a listener's protocol means that the load balancer ends TLS. */
function endsTls(protocol: string): boolean {
  return protocol === "HTTPS" || protocol === "TLS";
}

function firstTarget(listener: AwsListener | undefined): string | undefined {
  return listener?.rules?.find(({ targetGroup }) => targetGroup !== undefined)?.targetGroup;
}

/** The listener that stands for the load balancer: one that forwards, one that ends TLS before others, the lowest port. */
function mainListener(listeners: readonly AwsListener[]): AwsListener | undefined {
  const forwarding = listeners.filter((listener) => (listener.targetGroup ?? firstTarget(listener)) !== undefined);
  return forwarding.find(({ protocol }) => endsTls(protocol)) ?? forwarding[0];
}

function addressesOf(arn: string, { interfaces }: AwsReading, balancer: AwsBalancerReading["balancer"]): string[] {
  const own = interfaces.filter((card) => {
    const suffix = balancerOf(card);
    return suffix !== undefined && arn.endsWith(`loadbalancer/${suffix}`);
  });
  const ofCards = own.flatMap(({ PrivateIpAddress, Ipv6Addresses = [] }) => [
    PrivateIpAddress,
    ...Ipv6Addresses.map(({ Ipv6Address }) => Ipv6Address),
  ]);
  const fixed = (balancer.AvailabilityZones ?? []).flatMap(({ LoadBalancerAddresses = [] }) =>
    LoadBalancerAddresses.map(({ PrivateIPv4Address }) => PrivateIPv4Address),
  );
  return [...new Set(present([...ofCards, ...fixed]).filter((address) => parseAddress(address) !== undefined))].sort();
}

function mapListener(
  listener: Listener,
  rules: readonly Rule[],
  groups: ReadonlyMap<string, AwsTargetGroup | undefined>,
): AwsListener {
  const dropped: string[] = [];
  const targetGroup = forwardTarget(listener.DefaultActions ?? [], "its default action", groups, dropped);
  const mapped = rules.flatMap((rule) => mapRule(rule, groups, dropped)).sort((a, b) => a.priority - b.priority);
  return {
    port: listener.Port ?? 0,
    protocol: listener.Protocol ?? "TCP",
    ...definedOnly({ targetGroup }),
    ...filled({ rules: mapped, dropped }),
  };
}

function mapRule(
  rule: Rule,
  groups: ReadonlyMap<string, AwsTargetGroup | undefined>,
  dropped: string[],
): AwsListenerRule[] {
  if (rule.IsDefault === true) return [];
  const priority = Number(rule.Priority);
  const conditions = rule.Conditions ?? [];
  const odd = conditions.find(({ Field }) => Field !== "path-pattern" && Field !== "host-header");
  if (odd !== undefined) {
    dropped.push(`rule ${priority} asks for ${odd.Field ?? "something"}, which the topology has no word for`);
    return [];
  }
  const targetGroup = forwardTarget(rule.Actions ?? [], `rule ${priority}`, groups, dropped);
  if (targetGroup === undefined) return [];
  const paths = conditions.flatMap(({ Field, Values, PathPatternConfig }) =>
    Field === "path-pattern" ? (PathPatternConfig?.Values ?? Values ?? []) : [],
  );
  const hosts = conditions.flatMap(({ Field, Values, HostHeaderConfig }) =>
    Field === "host-header" ? (HostHeaderConfig?.Values ?? Values ?? []) : [],
  );
  return [{ priority, ...filled({ paths, hosts }), targetGroup }];
}

/** The target group that actions forward to; what else they do is said in `dropped`. */
function forwardTarget(
  actions: readonly Action[],
  said: string,
  groups: ReadonlyMap<string, AwsTargetGroup | undefined>,
  dropped: string[],
): string | undefined {
  let found: string | undefined;
  for (const { Type, TargetGroupArn, ForwardConfig } of actions) {
    if (Type !== "forward") {
      dropped.push(`${said} does ${Type ?? "something else"}, which the topology has no word for`);
      continue;
    }
    const weighted = (ForwardConfig?.TargetGroups ?? []).filter(({ Weight = 1 }) => Weight > 0);
    const heaviest = [...weighted].sort((a, b) => (b.Weight ?? 1) - (a.Weight ?? 1))[0];
    if (weighted.length > 1)
      dropped.push(`${said} spreads over ${weighted.length} target groups; only the heaviest is kept`);
    const arn = TargetGroupArn ?? heaviest?.TargetGroupArn ?? "";
    found = groups.get(arn)?.name;
    if (found === undefined)
      dropped.push(`${said} forwards to target group ${arn.split("/")[1] ?? arn}, which was not captured`);
  }
  return found;
}

function mapTargetGroup(
  { group, targets }: AwsTargetGroupReading,
  machines: readonly Machine[],
  notes: string[],
): AwsTargetGroup | undefined {
  const { TargetGroupName = "", Port, Protocol, TargetType = "instance" } = group;
  if (Port === undefined || (TargetType !== "instance" && TargetType !== "ip")) {
    notes.push(`target group ${TargetGroupName} has targets of the type ${TargetType} and is left out`);
    return undefined;
  }
  const registered = targets.map((target) => mapTarget(target, Port, machines));
  const foreign = registered.filter((target) => target === undefined).length;
  if (foreign > 0)
    notes.push(`${foreign} of ${targets.length} targets of target group ${TargetGroupName} are no captured machines`);
  return {
    name: TargetGroupName,
    port: Port,
    protocol: Protocol ?? "TCP",
    targetType: TargetType,
    ...healthCheck(group),
    targets: present(registered),
  };
}

function healthCheck(group: TargetGroup): Partial<AwsTargetGroup> {
  return definedOnly({
    protocolVersion: group.ProtocolVersion,
    healthCheckPath: group.HealthCheckPath,
    healthCheckProtocol: group.HealthCheckProtocol,
    healthCheckPort: group.HealthCheckPort,
  });
}

function mapTarget(
  { Target, TargetHealth }: AwsTargetGroupReading["targets"][number],
  port: number,
  machines: readonly Machine[],
): AwsTarget | undefined {
  const id = Target?.Id ?? "";
  const machine = machines.find(
    ({ sourceId, interfaces }) => sourceId === id || interfaces.some(({ addresses }) => addresses.includes(id)),
  );
  if (machine === undefined) return undefined;
  return {
    machine: machine.name,
    ...definedOnly({ port: Target?.Port === port ? undefined : Target?.Port, health: TargetHealth?.State }),
  };
}
