import { type FidelityItem, FidelityOutcome } from "../../network";
import { droppedItem, subnetsOf } from "../../shadowScaling";
import type { Route, Topology, TopologySubnet } from "../../topology";
import type { PlannedRoute, PlannedRouteTable } from "./planTypes";
import { linkAt } from "./shadowTopology";

const everywhere = "0.0.0.0/0";

/** Key of the table of subnets that name none; a table of the topology may have any other name. */
const unnamedTable = "";

/** Route tables of a shadow, and what they lead elsewhere than in production. */
export interface PlannedRoutes {
  routeTables: PlannedRouteTable[];
  fidelity: FidelityItem[];
}

/**
 * One table for each of production's and each zone, because the default route of a zone leads to the zone's own standing
 * interface. Nothing else leads out: not a single kind of gateway of AWS is among the targets.
 */
export function planRoutes(topology: Topology, zones: readonly string[]): PlannedRoutes {
  const used = new Map<string, { table: string; zone: string; subnets: TopologySubnet[] }>();
  for (const subnet of subnetsOf(topology)) {
    const [table, zone] = [subnet.routeTable ?? unnamedTable, subnet.aws!.zoneId];
    const entry = used.get(`${table}/${zone}`) ?? { table, zone, subnets: [] };
    used.set(`${table}/${zone}`, { ...entry, subnets: [...entry.subnets, subnet] });
  }
  const routeTables = [...used].map(([key, { table, zone, subnets }]) => ({
    key,
    subnets: subnets.map(({ name }) => name),
    routes: [
      ...(zones.includes(zone) ? [{ destination: everywhere, gatewayZone: zone }] : []),
      ...routesOf(topology, table).flatMap((route) => planRoute(topology, route)),
    ],
  }));
  const fidelity = (topology.routeTables ?? []).flatMap(({ name, routes }) =>
    routes.map((route) => routeItem(topology, name, route)),
  );
  return { routeTables, fidelity };
}

function routesOf(topology: Topology, table: string): Route[] {
  return topology.routeTables?.find(({ name }) => name === table)?.routes ?? [];
}

function planRoute(topology: Topology, { destination, via }: Route): PlannedRoute[] {
  const link = via === undefined || destination === everywhere ? undefined : linkAt(topology, via);
  return link === undefined ? [] : [{ destination, link }];
}

function routeItem(topology: Topology, table: string, route: Route): FidelityItem {
  const { destination, via, boundary, blackhole, aws } = route;
  const subject = `routeTables/${table}/${destination}`;
  const target = aws?.target === undefined ? "" : ` (${aws.target})`;
  if (planRoute(topology, route).length > 0) {
    return { subject, outcome: FidelityOutcome.Cloned, reason: "to the same machine's interface" };
  }
  if (blackhole === true) return droppedItem(subject, `it led nowhere${target}; the shadow's gateway swallows it`);
  const led = boundary === undefined ? `the machine at ${via ?? "an unknown address"}` : `the boundary ${boundary}`;
  const reason = `it led to ${led}${target}; the default route to the shadow's gateway takes its place`;
  return { subject, outcome: FidelityOutcome.Substituted, reason };
}
