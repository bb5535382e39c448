import { BoundaryKind, type Boundary, type NetworkAcl, type RouteTable, type TopologyNetwork } from "../topology";
import type { NamespaceState } from "./kernel/read";
import type { LabSubnetSpec } from "./kernel/specs";
import { boundaryAlias, subnetAlias, subnetOf } from "./kernel/subnet";

/** What a lab network has beside its machines. */
export interface CapturedNetwork {
  /** Name of the topology that it was built from. */
  topology: string;
  /** Subnets that are not behind a boundary. */
  subnets: LabSubnetSpec[];
  networks: TopologyNetwork[];
  routeTables: RouteTable[];
  acls: NetworkAcl[];
  boundaries: Boundary[];
  /** Index of a port of the switch to the name of the subnet it is in; undefined stands for behind a boundary. */
  subnetOfPort: Map<number, string | undefined>;
}

/** Reads subnets, routes, ACLs and boundaries from the router, and from the switch which port is in which subnet. */
export function captureSubnets(
  topology: string,
  network: string,
  router: NamespaceState,
  hub: NamespaceState,
): CapturedNetwork {
  const devices = router.links.filter(
    ({ alias = "" }) => alias.startsWith(subnetAlias) || alias.startsWith(boundaryAlias),
  );
  const all = devices.flatMap(({ name }) => subnetOf(router, name, network) ?? []).sort(byName);
  const subnets = all.filter(({ boundary }) => boundary === undefined);
  const routing = routeTablesOf(subnets);
  const lists = aclsOf(subnets);
  return {
    topology,
    subnets,
    networks: networksOf(topology, subnets, routing.ofSubnet, lists.ofSubnet),
    routeTables: routing.tables,
    acls: lists.acls,
    boundaries: boundariesOf(all),
    subnetOfPort: portsOf(router, hub),
  };
}

function byName(a: LabSubnetSpec, b: LabSubnetSpec): number {
  return a.subnet < b.subnet ? -1 : 1;
}

/** A port's bridge has one port whose cable ends at the router; that end says which subnet it is. */
function portsOf(router: NamespaceState, hub: NamespaceState): Map<number, string | undefined> {
  const subnetOfBridge = new Map<string, string>();
  for (const { master, peerIndex } of hub.links) {
    const end = router.links.find(({ index }) => index === peerIndex);
    if (master === undefined || end?.alias?.startsWith(subnetAlias) !== true) continue;
    // Indexes are counted in each namespace by itself: only the router's own end points back at this port.
    const port = hub.links.find((link) => link.master === master && link.index === end.peerIndex);
    if (port !== undefined) subnetOfBridge.set(master, end.alias.slice(subnetAlias.length));
  }
  return new Map(hub.links.map(({ index, master = "" }) => [index, subnetOfBridge.get(master)]));
}

/** Subnets with the same routes share one table, named after the first of them. */
function routeTablesOf(subnets: LabSubnetSpec[]): { tables: RouteTable[]; ofSubnet: Map<string, string> } {
  const byRoutes = new Map<string, RouteTable>();
  const ofSubnet = new Map<string, string>();
  for (const { subnet, routes } of subnets) {
    const key = JSON.stringify(routes);
    const table = byRoutes.get(key) ?? { name: `${subnet}-routes`, routes };
    byRoutes.set(key, table);
    ofSubnet.set(subnet, table.name);
  }
  return { tables: [...byRoutes.values()], ofSubnet };
}

/** Subnets with the same list under one name share it; another list under that name gets the subnet's name too. */
function aclsOf(subnets: LabSubnetSpec[]): { acls: NetworkAcl[]; ofSubnet: Map<string, string> } {
  const acls: NetworkAcl[] = [];
  const ofSubnet = new Map<string, string>();
  for (const { subnet, acl, aclName } of subnets) {
    if (aclName === undefined) continue;
    const known = acls.find(({ name }) => name === aclName);
    const isOther = known !== undefined && JSON.stringify(known.rules) !== JSON.stringify(acl);
    const name = isOther ? `${aclName}-${subnet}` : aclName;
    if (known === undefined || isOther) acls.push({ name, rules: acl });
    ofSubnet.set(subnet, name);
  }
  return { acls, ofSubnet };
}

/** Subnets that the router serves with the same local ranges are one network. */
function networksOf(
  topology: string,
  subnets: LabSubnetSpec[],
  routeTables: Map<string, string>,
  acls: Map<string, string>,
): TopologyNetwork[] {
  const networks = new Map<string, TopologyNetwork>();
  for (const { subnet, cidr, ipv6Cidr, gatewayAddresses, localCidrs = [] } of subnets) {
    const key = localCidrs.join(" ");
    const name = networks.size === 0 ? topology : `${topology}-${networks.size + 1}`;
    const network = networks.get(key) ?? { name, cidrs: localCidrs, subnets: [] };
    networks.set(key, network);
    const acl = acls.get(subnet);
    network.subnets.push({
      name: subnet,
      cidr,
      ...(ipv6Cidr === undefined ? {} : { ipv6Cidr }),
      gatewayAddresses,
      routeTable: routeTables.get(subnet),
      ...(acl === undefined ? {} : { acl }),
    });
  }
  return [...networks.values()];
}

function boundariesOf(all: LabSubnetSpec[]): Boundary[] {
  const ranges = new Map<string, Set<string>>();
  const add = (name: string, cidrs: string[]): void => {
    ranges.set(name, new Set([...(ranges.get(name) ?? []), ...cidrs]));
  };
  for (const { boundary, boundaryCidrs = [], routes } of all) {
    if (boundary !== undefined) add(boundary, boundaryCidrs);
    for (const route of routes) if (route.boundary !== undefined) add(route.boundary, []);
  }
  for (const [name, cidrs] of ranges) {
    // No subnet lies behind it, so all that is known of it are the routes that lead there.
    if (cidrs.size > 0) continue;
    for (const { routes } of all) {
      add(
        name,
        routes.flatMap(({ boundary, destination }) => (boundary === name ? [destination] : [])),
      );
    }
  }
  return [...ranges].map(([name, cidrs]) => ({ name, kind: kindOf(cidrs), cidrs: [...cidrs].sort() }));
}

function kindOf(cidrs: Set<string>): BoundaryKind {
  return cidrs.has("0.0.0.0/0") || cidrs.has("::/0") ? BoundaryKind.Internet : BoundaryKind.Peering;
}
