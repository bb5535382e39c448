import type { Problem } from "../../internal/problems";
import { type FidelityItem, FidelityOutcome } from "../../network";
import { droppedItem, subnetsOf } from "../../shadowScaling";
import type { LoadBalancer, Topology } from "../../topology";
import type { AwsListener, AwsLoadBalancerExtras, AwsTargetGroup } from "../../topologyAws";
import { openGroup } from "./filters";
import type {
  PlannedBalancer,
  PlannedHealthCheck,
  PlannedListener,
  PlannedListenerRule,
  PlannedTargetGroup,
} from "./planTypes";

/** The load balancers of a shadow, all of them internal, and what differs in them. */
export interface PlannedBalancers {
  balancers: PlannedBalancer[];
  fidelity: FidelityItem[];
  problems: Problem[];
}

/** Plans the load balancers; machines that become groups are left to their Auto Scaling group to register. */
export function planBalancers(
  topology: Topology,
  hasCertificate: boolean,
  grouped: ReadonlySet<string>,
): PlannedBalancers {
  const planned = (topology.loadBalancers ?? []).map((balancer) =>
    planBalancer(balancer, { topology, hasCertificate, grouped }),
  );
  return {
    balancers: planned.flatMap(({ balancer }) => balancer ?? []),
    fidelity: planned.flatMap(({ fidelity }) => fidelity),
    problems: planned.flatMap(({ balancer }, index) =>
      balancer === undefined ? [] : zoneProblems(topology, balancer, `topology.loadBalancers[${index}].aws.subnets`),
    ),
  };
}

function zoneProblems(topology: Topology, { name, type, subnets }: PlannedBalancer, path: string): Problem[] {
  const own = subnetsOf(topology).filter((subnet) => subnets.includes(subnet.name));
  const zones = own.map(({ aws }) => aws!.zoneId);
  const twice = zones.filter((zone, index) => zones.indexOf(zone) !== index);
  return [
    ...(type === "application" && new Set(zones).size < 2
      ? [
          {
            path,
            reason: `application load balancer "${name}" needs subnets in two zones, it has one in ${zones.join()}`,
          },
        ]
      : []),
    ...twice.map((zone) => ({
      path,
      reason: `load balancer "${name}" has two subnets in ${zone}, AWS takes one a zone`,
    })),
  ];
}

interface Context {
  topology: Topology;
  hasCertificate: boolean;
  grouped: ReadonlySet<string>;
}

interface PlannedOne {
  balancer?: PlannedBalancer;
  fidelity: FidelityItem[];
}

function planBalancer({ name, aws }: LoadBalancer, context: Context): PlannedOne {
  const subject = `loadBalancers/${name}`;
  if (aws === undefined) return { fidelity: [droppedItem(subject, "nothing is known of its listeners")] };
  if (aws.type !== "application" && aws.type !== "network") {
    return { fidelity: [droppedItem(subject, `a load balancer of the type ${aws.type} is not cloned`)] };
  }
  const known = new Set(subnetsOf(context.topology).map((subnet) => subnet.name));
  const subnets = (aws.subnets ?? []).filter((subnet) => known.has(subnet));
  if (subnets.length === 0) return { fidelity: [droppedItem(subject, "none of its subnets is in the shadow")] };
  const targetGroups = (aws.targetGroups ?? []).filter(isCloned).map((group) => planTargets(name, group, context));
  const keys = new Set(targetGroups.map(({ key }) => key));
  const listeners = (aws.listeners ?? []).flatMap((listener) => planListener(name, aws, listener, keys, context) ?? []);
  const groups = aws.securityGroups ?? [];
  const balancer = {
    name,
    type: aws.type,
    subnets,
    securityGroups: groups.length === 0 && aws.type === "application" ? [openGroup] : groups,
    targetGroups,
    listeners,
  };
  return { balancer, fidelity: differences(name, aws, context, keys) };
}

function isCloned({ targetType }: AwsTargetGroup): boolean {
  return targetType === "instance" || targetType === "ip";
}

function planTargets(balancer: string, group: AwsTargetGroup, { topology, grouped }: Context): PlannedTargetGroup {
  const { name, port, protocol, protocolVersion, targetType, targets } = group;
  const machines = new Map(topology.machines.map((machine) => [machine.name, machine]));
  return {
    key: `${balancer}/${name}`,
    port,
    protocol,
    // AWS refuses the version for protocols of the transport layer.
    ...(protocolVersion === undefined || !protocol.startsWith("HTTP") ? {} : { protocolVersion }),
    targetType,
    healthCheck: healthCheckOf(group),
    targets: targets.flatMap((target) => {
      const machine = machines.get(target.machine);
      if (machine === undefined || grouped.has(target.machine)) return [];
      const address = targetType === "ip" ? machine.interfaces[0]!.addresses[0]! : undefined;
      return [{ machine: target.machine, port: target.port ?? port, ...(address === undefined ? {} : { address }) }];
    }),
  };
}

function healthCheckOf(group: AwsTargetGroup): PlannedHealthCheck {
  const { healthCheckPath: path, healthCheckProtocol: protocol, healthCheckPort: port } = group;
  const isWeb = protocol?.startsWith("HTTP") ?? group.protocol.startsWith("HTTP");
  return {
    ...(path === undefined || !isWeb ? {} : { path }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(port === undefined ? {} : { port }),
  };
}

/** What a listener that ends TLS is without a certificate. */
const plainProtocols: Record<string, string> = { HTTPS: "HTTP", TLS: "TCP" };

function planListener(
  balancer: string,
  aws: AwsLoadBalancerExtras,
  { port, protocol, targetGroup, rules = [] }: AwsListener,
  keys: ReadonlySet<string>,
  { hasCertificate }: Context,
): PlannedListener | undefined {
  const key = `${balancer}/${port}`;
  const target = targetOf(balancer, targetGroup, keys);
  // Only an application load balancer can answer by itself.
  if (target === undefined && aws.type === "network") return undefined;
  return {
    key,
    port,
    protocol: hasCertificate ? protocol : (plainProtocols[protocol] ?? protocol),
    ...(target === undefined ? {} : { targetGroup: target }),
    rules: rules.map(({ priority, paths = [], hosts = [], targetGroup: group }): PlannedListenerRule => {
      const forwarded = targetOf(balancer, group, keys);
      return {
        key: `${key}/${priority}`,
        priority,
        paths: paths.length === 0 && hosts.length === 0 ? ["*"] : paths,
        hosts,
        ...(forwarded === undefined ? {} : { targetGroup: forwarded }),
      };
    }),
  };
}

function targetOf(balancer: string, group: string | undefined, keys: ReadonlySet<string>): string | undefined {
  const key = `${balancer}/${group ?? ""}`;
  return group !== undefined && keys.has(key) ? key : undefined;
}

function differences(
  balancer: string,
  aws: AwsLoadBalancerExtras,
  { hasCertificate }: Context,
  keys: ReadonlySet<string>,
): FidelityItem[] {
  const subject = `loadBalancers/${balancer}`;
  const items: FidelityItem[] = [];
  const substituted = (at: string, reason: string): unknown =>
    items.push({ subject: at, outcome: FidelityOutcome.Substituted, reason });
  if (aws.scheme === "internet-facing")
    substituted(subject, "it faces the internet in production and is internal here");
  for (const group of (aws.targetGroups ?? []).filter((one) => !isCloned(one))) {
    items.push(droppedItem(`${subject}/${group.name}`, `targets of the type ${group.targetType} are not cloned`));
  }
  for (const listener of aws.listeners ?? []) {
    const at = `${subject}/${listener.port}`;
    const plain = plainProtocols[listener.protocol];
    if (plain !== undefined && !hasCertificate) {
      substituted(at, `plain ${plain} instead of ${listener.protocol}: production's certificate is not copied`);
    }
    items.push(...(listener.dropped ?? []).map((sentence) => droppedItem(at, sentence)));
    items.push(...unforwarded(at, aws, listener, (group) => targetOf(balancer, group, keys) !== undefined));
  }
  return items;
}

/** What forwards to no group of the shadow: an application load balancer answers 503 there, a network one is deaf. */
function unforwarded(
  at: string,
  { type }: AwsLoadBalancerExtras,
  { targetGroup, rules = [] }: AwsListener,
  isKnown: (group: string | undefined) => boolean,
): FidelityItem[] {
  const answer = "it forwards to no group of targets that is cloned, so it answers 503";
  const own = isKnown(targetGroup)
    ? []
    : [droppedItem(at, type === "network" ? "it forwards to no group of targets that is cloned" : answer)];
  return [
    ...own,
    ...rules
      .filter((rule) => !isKnown(rule.targetGroup))
      .map(({ priority }) => droppedItem(`${at}/${priority}`, answer)),
  ];
}
