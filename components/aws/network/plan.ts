import { canonicalCidr, cidrContains } from "../../internal/cidr";
import { type FidelityItem, FidelityOutcome } from "../../network";
import { droppedItem, subnetsOf } from "../../shadowScaling";
import type { Topology } from "../../topology";
import { planBalancers } from "./balancers";
import { planCopies } from "./copies";
import { planDatabases } from "./databases";
import { endpointItems, planEndpoints, resolvableNames } from "./endpoints";
import { planAcls, planSecurityGroups } from "./filters";
import { planGroups, withOwnGroups } from "./groups";
import { applianceLayout, defaultApplianceCidr, zonesOf } from "./layout";
import { planMachines } from "./machines";
import type { AwsNetworkPlan, AwsNetworkSettings, PlannedDhcp } from "./planTypes";
import { planRoutes } from "./routes";
import { awsShadowTopology } from "./shadowTopology";
import { planZones } from "./zones";

/**
 * Everything that a shadow of the topology consists of on AWS. It needs a topology that was captured from AWS and settings
 * without problems; what can be seen only now is among the plan's own problems. Throws a RangeError when a subnet is full.
 */
export function planAwsNetwork(production: Topology, settings: AwsNetworkSettings): AwsNetworkPlan {
  const { topology, fidelity } = awsShadowTopology(production, settings);
  const region = production.source?.region ?? "";
  const cidrs = topology.networks.flatMap((network) => network.cidrs.map(canonicalCidr));
  const appliances = applianceLayout(settings.applianceCidr ?? defaultApplianceCidr, production);
  const ranges = [...cidrs, appliances.cidr];
  const routes = planRoutes(topology, zonesOf(production));
  const groups = planSecurityGroups(topology, ranges, appliances.endpointsCidr);
  const acls = planAcls(topology, appliances.cidr);
  const machines = planMachines(topology, production, settings);
  const grouped = planGroups(topology, machines.machines, settings.autoScalingGroups ?? []);
  const balancers = planBalancers(topology, settings.hasCertificate === true, grouped.members);
  const databases = planDatabases(topology, settings.boundaries ?? [], settings.copySnapshots === true);
  const names = planZones(
    topology,
    balancers.balancers.map(({ name }) => name),
    databases.databases,
  );
  const endpoints = planEndpoints(region);
  const started = [
    ...machines.machines.filter(({ name }) => !grouped.members.has(name)),
    ...grouped.groups.map(({ template }) => template),
  ];
  const images = machines.images.filter(({ machine }) => started.some(({ imageOf }) => imageOf === machine));
  const parts = [routes, groups, acls, machines, grouped, balancers, databases, names];
  return {
    region,
    topology: withOwnGroups(topology, settings.autoScalingGroups),
    cidrs,
    ranges,
    dhcp: planDhcp(topology),
    appliances,
    subnets: subnetsOf(topology).map(({ name, cidr, aws }) => ({ name, cidr, zoneId: aws!.zoneId })),
    routeTables: routes.routeTables,
    acls: acls.acls,
    securityGroups: groups.securityGroups,
    copies: settings.copySnapshots === true ? planCopies(production, images, started) : [],
    images,
    machines: machines.machines.filter(({ name }) => !grouped.members.has(name)),
    groups: grouped.groups,
    balancers: balancers.balancers,
    databases: databases.databases,
    zones: names.zones,
    endpoints,
    resolvable: resolvableNames(names.zones, endpoints, region),
    fidelity: withCloned(topology, [
      ...fidelity,
      ...parts.flatMap((part) => part.fidelity),
      ...endpointItems(production, endpoints),
      ...vpcItems(production),
    ]),
    problems: [...machines.problems, ...grouped.problems, ...balancers.problems, ...names.problems],
  };
}

/** AWS's own clock is inside every VPC; servers elsewhere are out of reach. */
const ownClock = "169.254.169.123";

function planDhcp({ aws, networks }: Topology): PlannedDhcp {
  const { domainName, ntpServers = [] } = aws?.dhcp ?? {};
  const ranges = networks.flatMap(({ cidrs }) => cidrs);
  const reachable = ntpServers.filter((server) => server === ownClock || isInside(server, ranges));
  return {
    ...(domainName === undefined ? {} : { domainName }),
    ...(reachable.length === 0 ? {} : { ntpServers: reachable }),
  };
}

function isInside(address: string, ranges: readonly string[]): boolean {
  return ranges.some((range) => cidrContains(range, address));
}

function vpcItems(topology: Topology): FidelityItem[] {
  const { aws, unreadable = [] } = topology;
  const ranges = topology.networks.flatMap(({ cidrs }) => cidrs);
  const foreign = (aws?.dhcp?.domainNameServers ?? []).filter((server) => server !== "AmazonProvidedDNS");
  const clocks = (aws?.dhcp?.ntpServers ?? []).filter((server) => server !== ownClock && !isInside(server, ranges));
  const substituted = (subject: string, reason: string): FidelityItem => ({
    subject,
    outcome: FidelityOutcome.Substituted,
    reason,
  });
  const openSubnets = subnetsOf(topology).filter((subnet) => subnet.aws?.mapPublicIpOnLaunch === true);
  return [
    ...(foreign.length === 0
      ? []
      : [
          substituted(
            "vpc/resolvers",
            `AWS's own resolver behind a firewall of names, instead of ${foreign.join(", ")}`,
          ),
        ]),
    ...(clocks.length === 0 ? [] : [droppedItem("vpc/clocks", `${clocks.join(", ")} lie outside the shadow`)]),
    ...(aws?.dnsSupport === false || aws?.dnsHostnames !== true
      ? [substituted("vpc/dns", "names are on, because the endpoints that steer the machines need them")]
      : []),
    ...openSubnets.map(({ name }) => droppedItem(`subnets/${name}/publicAddresses`, "nothing gets a public address")),
    ...(aws?.mirrorSessions ?? []).map(({ id }) => droppedItem(`mirrorSessions/${id}`, "clones are not mirrored")),
    ...unreadable.map((sentence) => droppedItem("capture", sentence)),
  ];
}

/** Everything of which nothing else is said is there as it was. */
function withCloned(topology: Topology, fidelity: FidelityItem[]): FidelityItem[] {
  const { machines, securityGroups = [], acls = [], loadBalancers = [] } = topology;
  const touched = new Set(fidelity.map(({ subject }) => subject));
  const named = (kind: string, list: readonly { name: string }[]): string[] =>
    list.map(({ name }) => `${kind}/${name}`);
  const subjects = [
    ...named("subnets", subnetsOf(topology)),
    ...named("machines", machines),
    ...named("securityGroups", securityGroups),
    ...named("acls", acls),
    ...named("loadBalancers", loadBalancers),
  ];
  const cloned = subjects.filter((subject) => !touched.has(subject));
  return [
    ...cloned.map((subject) => ({
      subject,
      outcome: FidelityOutcome.Cloned,
      reason: "same names, addresses and rules",
    })),
    ...fidelity,
  ];
}
