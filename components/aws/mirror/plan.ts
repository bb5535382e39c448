import { aggregateCidrs, cidrContains, hostRange, parseCidr } from "../../internal/cidr";
import type { Problem } from "../../internal/problems";
import { type MirrorSettings, SampleBy, type TrafficSelector } from "../../mirror";
import { validateMirror } from "../../validation/mirror";
import type { FidelityItem } from "../../network";
import { parsePortRange } from "../../validation/portRanges";
import type { Topology } from "../../topology";
import { chooseSources, type MirrorSource } from "./chosenSources";
import { filterRules, type FilterPlan, matchesOf } from "./filterRules";
import { AwsMirrorTargetMode, type AwsMirrorSettings, commonFields, ownSettingsProblems } from "./settings";

/** What gateways read again and again from the parameter store. */
export interface GatewaySettings {
  percent: number;
  seed: number;
  sampleBy: SampleBy;
  /** Left out when the edge services decide. */
  include?: TrafficSelector[];
  exclude: TrafficSelector[];
  maxMegabitsPerSecond?: number;
}

/** What gateways are told when they start; another topology gives another one, and new gateways. */
export interface GatewayBasis {
  /** What is carried when the settings do not say: the edge services. */
  include: TrafficSelector[];
  /** Never carried, whatever the settings say: flows between the cloned machines, which the clones make themselves. */
  exclude: TrafficSelector[];
  /** Names of machines by address, for metrics of each. */
  machines: Record<string, string>;
  /** Ranges of the clones. */
  shadowCidrs: string[];
  /** `original` or `any`. */
  source: "original" | "any";
  responseTimeoutSeconds: number;
}

/** Production's side of one zone. */
export interface MirrorZone {
  zoneId: string;
  /** Id of the production subnet that gets the endpoint. */
  subnetId: string;
}

/** Everything about a mirror on AWS that is known before anything is made. */
export interface MirrorPlan {
  targetMode: AwsMirrorTargetMode;
  vpcId: string;
  sources: MirrorSource[];
  zones: MirrorZone[];
  filter: FilterPlan;
  /** Bytes of each packet that are copied; left out for whole packets. */
  packetLength?: number;
  settings: GatewaySettings;
  basis: GatewayBasis;
  fidelity: FidelityItem[];
}

/** A plan, or what is wrong. */
export interface PlannedMirror {
  /** Undefined when there are problems. */
  plan: MirrorPlan | undefined;
  problems: Problem[];
}

/** A Gateway Load Balancer drops what is longer than 8,500 bytes, of which VXLAN takes 54. */
export const gatewayPacketLength = 8446;

/** Sources of one target that is a network interface, unless it is of the largest instance sizes. */
const sourcesPerInterface = 10;

/** Longest value of a parameter. */
const longestParameter = 8192;

/** What a mirror of this topology will be; all problems at once. The topology must have been checked. */
export function planMirror(topology: Topology, settings: AwsMirrorSettings): PlannedMirror {
  const common = pick(settings, commonFields);
  const problems = [
    ...sourcesInsteadOfEdge(settings, validateMirror(common, topology)),
    ...ownSettingsProblems(settings),
  ];
  if (problems.length > 0) return { plan: undefined, problems };
  const chosen = chooseSources(topology, settings);
  problems.push(...chosen.problems, ...selectorProblems(topology, settings), ...accountProblems(topology, settings));
  if (chosen.encrypted.length > 0) problems.push(...encryptedProblems(settings));
  const { sources } = chosen;
  const zones = zonesOf(topology, settings, sources, problems);
  const targetMode = settings.targetMode ?? AwsMirrorTargetMode.GatewayLoadBalancer;
  problems.push(...targetProblems(targetMode, sources));
  const basis = basisOf(topology, settings, sources, chosen.encrypted.length > 0);
  const thinned = thin(settings, basis, problems);
  const filter = filterRules(thinned.include, settings.exclude ?? []);
  const hot = gatewaySettings(settings, thinned.percent);
  const bytes = Buffer.byteLength(JSON.stringify(hot));
  if (bytes > longestParameter) {
    const reason = `the selectors are ${bytes} bytes, a parameter holds ${longestParameter}; use fewer`;
    problems.push({ path: "include", reason });
  }
  if (problems.length > 0) return { plan: undefined, problems };
  const plan: MirrorPlan = {
    targetMode,
    vpcId: topology.aws!.vpcId,
    sources,
    zones,
    filter,
    ...(targetMode === AwsMirrorTargetMode.GatewayLoadBalancer ? { packetLength: gatewayPacketLength } : {}),
    settings: hot,
    basis,
    fidelity: [],
  };
  plan.fidelity = [
    ...chosen.fidelity,
    ...fidelityOf(
      topology,
      settings,
      plan,
      chosen.encrypted.map(({ name }) => name),
    ),
  ];
  return { plan, problems };
}

/** With `sources`, the topology needs no edge service. */
function sourcesInsteadOfEdge({ sources }: AwsMirrorSettings, problems: Problem[]): Problem[] {
  if (sources === undefined) return problems;
  return problems.filter(({ path, reason }) => path !== "include" || !reason.startsWith("no service of the topology"));
}

function pick(settings: AwsMirrorSettings, fields: readonly (keyof MirrorSettings)[]): MirrorSettings {
  return Object.fromEntries(fields.flatMap((key) => (settings[key] === undefined ? [] : [[key, settings[key]]])));
}

function selectorProblems(topology: Topology, { include = [] }: AwsMirrorSettings): Problem[] {
  const machines = machineRanges(topology);
  return include.flatMap((selector, index): Problem[] => {
    if (matchesOf(selector).length === 0) {
      const reason = "IPv6 addresses cannot be cloned on AWS, so that nothing could be replayed; select IPv4 ranges";
      return [{ path: `include[${index}]`, reason }];
    }
    const { sourceCidr } = selector;
    if (sourceCidr === undefined || !machines.some((range) => cidrContains(range, sourceCidr))) return [];
    const reason = `${sourceCidr} are machines of the topology: their clones make this traffic themselves; select clients outside`;
    return [{ path: `include[${index}].sourceCidr`, reason }];
  });
}

/** Where TLS is copied to be counted alone, a selector of TLS has nothing to carry. */
function encryptedProblems({ include = [] }: AwsMirrorSettings): Problem[] {
  const reason =
    "the gateways count TLS and carry none of it, as `allowEncrypted` says, so that no flow can match; leave it out";
  return include.flatMap(({ application, serverName }, index): Problem[] => {
    if (serverName !== undefined) return [{ path: `include[${index}].serverName`, reason }];
    return application === "tls" ? [{ path: `include[${index}].application`, reason }] : [];
  });
}

function accountProblems(topology: Topology, settings: AwsMirrorSettings): Problem[] {
  if (topology.aws === undefined) {
    return [{ path: "topology.aws", reason: "missing; capture the topology with `shadownet capture aws`" }];
  }
  if (settings.productionAccountId !== undefined || topology.source?.account !== undefined) return [];
  return [{ path: "productionAccountId", reason: "missing, and the topology does not say it in `source.account`" }];
}

function zonesOf(
  topology: Topology,
  { endpointSubnets = {} }: AwsMirrorSettings,
  sources: readonly MirrorSource[],
  problems: Problem[],
): MirrorZone[] {
  const subnets = new Map(
    topology.networks.flatMap((network) => network.subnets.map((subnet) => [subnet.name, subnet])),
  );
  const zoneIds = [...new Set(sources.map(({ zoneId }) => zoneId))].sort();
  for (const zoneId of Object.keys(endpointSubnets).filter((id) => !zoneIds.includes(id))) {
    problems.push({
      path: `endpointSubnets.${zoneId}`,
      reason: `no source is in this zone; zones with sources: ${zoneIds.join(", ")}`,
    });
  }
  return zoneIds.flatMap((zoneId) => {
    const named = endpointSubnets[zoneId];
    const subnet = subnets.get(named ?? sources.find((source) => source.zoneId === zoneId)!.subnet);
    const path = named === undefined ? "endpointSubnets" : `endpointSubnets.${zoneId}`;
    if (subnet === undefined) problems.push({ path, reason: `the topology has no subnet "${named ?? ""}"` });
    else if (subnet.aws === undefined)
      problems.push({ path, reason: `subnet "${subnet.name}" has no \`aws.id\`; capture the topology from AWS` });
    else if (subnet.aws.zoneId !== zoneId)
      problems.push({ path, reason: `subnet "${subnet.name}" is in ${subnet.aws.zoneId}` });
    else return [{ zoneId, subnetId: subnet.aws.id }];
    return [];
  });
}

function targetProblems(mode: AwsMirrorTargetMode, sources: readonly MirrorSource[]): Problem[] {
  if (mode !== AwsMirrorTargetMode.NetworkInterface) return [];
  const zones = new Set(sources.map(({ zoneId }) => zoneId));
  return [...zones].flatMap((zone) => {
    const count = sources.filter(({ zoneId }) => zoneId === zone).length;
    if (count <= sourcesPerInterface) return [];
    const reason = `${count} sources in ${zone}, a target that is a network interface takes ${sourcesPerInterface}; use gatewayLoadBalancer`;
    return [{ path: "targetMode", reason }];
  });
}

function basisOf(
  topology: Topology,
  { gatewaysPerZone = 1, responseTimeoutSeconds = 10 }: AwsMirrorSettings,
  sources: readonly MirrorSource[],
  encrypted: boolean,
): GatewayBasis {
  const selectors = sources.flatMap(({ addresses, services }) =>
    addresses.flatMap((address) => serviceSelectors(hostRange(address), services)),
  );
  const machines = sources.flatMap(({ addresses, machine }) =>
    addresses.map((address): [string, string] => [address, machine]),
  );
  return {
    include: selectors,
    exclude: [
      ...machineRanges(topology).map((sourceCidr) => ({ sourceCidr })),
      ...(encrypted ? [{ application: "tls" }] : []),
    ],
    machines: Object.fromEntries(machines),
    shadowCidrs: topology.networks.flatMap(({ cidrs }) => cidrs).filter((cidr) => parseCidr(cidr)?.family === 4),
    source: gatewaysPerZone > 1 ? "any" : "original",
    responseTimeoutSeconds,
  };
}

/** A source without a service was named by the user: all that reaches it is copied. */
function serviceSelectors(destinationCidr: string, services: MirrorSource["services"]): TrafficSelector[] {
  if (services.length === 0) return [{ destinationCidr }];
  return services.map(({ protocol, port }) => ({ destinationCidr, protocol, destinationPorts: [String(port)] }));
}

function machineRanges({ machines }: Topology): string[] {
  const addresses = machines.flatMap(({ interfaces }) => interfaces.flatMap((one) => one.addresses));
  return aggregateCidrs(addresses.map(hostRange)).filter((cidr) => parseCidr(cidr)?.family === 4);
}

/**
 * What the filter is asked for. The filter is the same for all sources, and each sees its own packets only, so that the
 * default leaves addresses out. With `preThin` a slice of the clients' ports stands for the share, twice as wide as it
 * must be, and the gateways choose the rest of the share inside it.
 */
function thin(
  settings: AwsMirrorSettings,
  basis: GatewayBasis,
  problems: Problem[],
): { include: TrafficSelector[]; percent: number } {
  const percent = settings.percent ?? 100;
  const asked = settings.include ?? withoutAddresses(basis.include);
  if (settings.preThin !== true) return { include: asked, percent };
  const named = asked.some(({ sourcePorts }) => sourcePorts !== undefined);
  if (named)
    problems.push({
      path: "preThin",
      reason: "cannot be combined with `sourcePorts` in include; leave one of them out",
    });
  const slice = Math.min(1, (2 * percent) / 100);
  if (named || slice === 1 || percent === 0) return { include: asked, percent };
  const { first, last } = parsePortRange(settings.clientPorts ?? "1024-65535")!;
  const width = Math.max(1, Math.ceil((last - first + 1) * slice));
  const sourcePorts = [`${first}-${first + width - 1}`];
  const inside = percent / (width / (last - first + 1));
  return { include: asked.map((selector) => ({ ...selector, sourcePorts })), percent: Math.min(100, inside) };
}

function withoutAddresses(selectors: readonly TrafficSelector[]): TrafficSelector[] {
  const distinct = new Map<string, TrafficSelector>();
  for (const { protocol, destinationPorts } of selectors) {
    const selector = {
      ...(protocol === undefined ? {} : { protocol }),
      ...(destinationPorts === undefined ? {} : { destinationPorts }),
    };
    distinct.set(JSON.stringify(selector), selector);
  }
  return [...distinct.values()];
}

function gatewaySettings(settings: AwsMirrorSettings, percent: number): GatewaySettings {
  const { seed = 1, sampleBy = SampleBy.Flow, include, exclude = [], maxMegabitsPerSecond } = settings;
  return {
    percent,
    seed,
    sampleBy,
    ...(include === undefined ? {} : { include }),
    exclude,
    ...(maxMegabitsPerSecond === undefined ? {} : { maxMegabitsPerSecond }),
  };
}

function fidelityOf(
  topology: Topology,
  settings: AwsMirrorSettings,
  { filter, sources, basis, targetMode }: MirrorPlan,
  encrypted: readonly string[],
): FidelityItem[] {
  const items: FidelityItem[] = encrypted.map((name) => ({
    subject: `services/${name}`,
    outcome: "dropped",
    reason: "its bytes are TLS where they are copied; its flows are counted and not replayed",
  }));
  const say = (subject: string, reason: string): void => void items.push({ subject, outcome: "substituted", reason });
  for (const reason of filter.broadened) say("mirror/filter", reason);
  if (basis.source === "any") {
    say(
      "mirror/clients",
      "with several gateways in a zone the shadow sees the gateways' addresses instead of the clients'",
    );
  } else {
    const ranges = basis.shadowCidrs.join(", ");
    say(
      "mirror/clients",
      `clients in ${ranges}, load balancers among them, appear under the gateways' addresses; others under their own`,
    );
  }
  if (settings.preThin === true)
    say("mirror/share", "clients' ports thin the traffic before it is copied; read the true share from the counters");
  if (targetMode === AwsMirrorTargetMode.GatewayLoadBalancer) {
    say("mirror/packets", `packets longer than ${gatewayPacketLength} bytes are cut short and counted as truncated`);
  }
  const v6 = topology.machines.filter(
    ({ name, interfaces }) =>
      sources.some(({ machine }) => machine === name) &&
      interfaces.some(({ addresses }) => addresses.some((one) => one.includes(":"))),
  );
  for (const { name } of v6) {
    items.push({
      subject: `machines/${name}`,
      outcome: "dropped",
      reason: "its IPv6 traffic is not copied: IPv6 addresses cannot be cloned on AWS",
    });
  }
  return items;
}
