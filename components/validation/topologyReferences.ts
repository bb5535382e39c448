import {
  cidrContains,
  cidrsOverlap,
  canonicalAddress,
  canonicalCidr,
  firstHost,
  parseAddress,
  parseCidr,
} from "../internal/cidr";
import { type Problem, didYouMean } from "../internal/problems";
import { portRangeProblem } from "./portRanges";
import type { Machine, Route, Topology, TopologySubnet } from "../topology";

/** The appliances' own ranges; nothing captured may lie there. */
const applianceCidrs = ["100.64.0.0/10", "fd64::/32"];

interface Placed<T> {
  path: string;
  value: T;
}

/** Broken addresses, names and references of a topology whose form is right. */
export function referenceProblems(topology: Topology): Problem[] {
  return [
    ...duplicateNames(topology),
    ...rangeProblems(topology),
    ...subnetProblems(topology),
    ...machineProblems(topology),
    ...routeProblems(topology),
    ...filterProblems(topology),
    ...serviceProblems(topology),
    ...boundaryProblems(topology),
  ];
}

function duplicateNames(topology: Topology): Problem[] {
  const lists: [string, readonly { name: string }[]][] = [
    ["networks", topology.networks],
    ["routeTables", topology.routeTables ?? []],
    ["securityGroups", topology.securityGroups ?? []],
    ["acls", topology.acls ?? []],
    ["machines", topology.machines],
    ["services", topology.services ?? []],
    ["loadBalancers", topology.loadBalancers ?? []],
    ["boundaries", topology.boundaries ?? []],
    ...topology.machines.map((machine, index): [string, { name: string }[]] => [
      `machines[${index}].interfaces`,
      machine.interfaces,
    ]),
  ];
  const named = lists.map(([path, list]) =>
    list.map(({ name }, index) => ({ path: `${path}[${index}].name`, value: name })),
  );
  const subnets = placedSubnets(topology).map(({ path, value }) => ({ path: `${path}.name`, value: value.name }));
  return [...named, subnets].flatMap((list) => repeated(list, (name) => `the name "${name}"`));
}

/** One problem for each value that an earlier one of the list has too. */
function repeated(list: readonly Placed<string>[], say: (value: string) => string): Problem[] {
  const first = new Map<string, string>();
  return list.flatMap(({ path, value }) => {
    const earlier = first.get(value);
    if (earlier !== undefined) return [{ path, reason: `${say(value)} is taken by ${earlier} already` }];
    first.set(value, path);
    return [];
  });
}

function placedSubnets(topology: Topology): Placed<TopologySubnet>[] {
  return topology.networks.flatMap((network, n) =>
    network.subnets.map((value, s) => ({ path: `networks[${n}].subnets[${s}]`, value })),
  );
}

function networkRanges(topology: Topology): Placed<string>[] {
  return topology.networks.flatMap(({ cidrs }, n) =>
    cidrs.map((value, c) => ({ path: `networks[${n}].cidrs[${c}]`, value })),
  );
}

function subnetRanges(topology: Topology): Placed<string>[] {
  return placedSubnets(topology).flatMap(({ path, value: { cidr, ipv6Cidr } }) => [
    { path: `${path}.cidr`, value: cidr },
    ...(ipv6Cidr === undefined ? [] : [{ path: `${path}.ipv6Cidr`, value: ipv6Cidr }]),
  ]);
}

function rangeProblems(topology: Topology): Problem[] {
  const ofNetworks = networkRanges(topology);
  const ofSubnets = subnetRanges(topology);
  return [...ofNetworks, ...ofSubnets]
    .flatMap(({ path, value }) => cidrProblems(path, value))
    .concat(
      overlaps(ofNetworks),
      overlaps(ofSubnets),
      // On AWS the appliances' range is an argument of the shadow, which checks that it is free.
      topology.aws === undefined ? applianceRangeProblems(topology) : [],
    );
}

/** Ranges of a topology that the shadow's own appliances use by default. */
export function applianceRangeProblems(topology: Topology): Problem[] {
  return [...networkRanges(topology), ...subnetRanges(topology)].flatMap(({ path, value }) =>
    applianceProblems(path, value),
  );
}

function cidrProblems(path: string, cidr: string): Problem[] {
  if (parseCidr(cidr) === undefined) {
    return [{ path, reason: `"${cidr}" is not an address range such as 10.0.1.0/24 or fd00:1::/64` }];
  }
  const canonical = canonicalCidr(cidr);
  if (sameText(cidr, canonical)) return [];
  return [{ path, reason: `"${cidr}" has bits after its prefix length; did you mean "${canonical}"?` }];
}

function sameText(given: string, canonical: string): boolean {
  const [address = "", length = ""] = given.split("/");
  return `${canonicalAddress(address)}/${length}` === canonical;
}

function overlaps(list: readonly Placed<string>[]): Problem[] {
  const ranges = list.filter(({ value }) => parseCidr(value) !== undefined);
  return ranges.flatMap(({ path, value }, index) => {
    const other = ranges.slice(0, index).find((earlier) => cidrsOverlap(earlier.value, value));
    return other === undefined ? [] : [{ path, reason: `"${value}" overlaps ${other.path} "${other.value}"` }];
  });
}

function applianceProblems(path: string, cidr: string): Problem[] {
  if (parseCidr(cidr) === undefined) return [];
  const own = applianceCidrs.find((range) => cidrsOverlap(range, cidr));
  return own === undefined
    ? []
    : [{ path, reason: `"${cidr}" overlaps ${own}, which the shadow's own appliances use` }];
}

function subnetProblems(topology: Topology): Problem[] {
  const boundaries = (topology.boundaries ?? []).map(({ name }) => name);
  return topology.networks.flatMap((network, n) =>
    network.subnets.flatMap((subnet, s) => {
      const path = `networks[${n}].subnets[${s}]`;
      return [
        ...insideNetwork(`${path}.cidr`, subnet.cidr, network.cidrs),
        ...(subnet.ipv6Cidr === undefined ? [] : insideNetwork(`${path}.ipv6Cidr`, subnet.ipv6Cidr, network.cidrs)),
        ...familyProblems(path, subnet),
        ...unknownName(`${path}.routeTable`, "route table", subnet.routeTable, topology.routeTables ?? []),
        ...unknownName(`${path}.acl`, "network ACL", subnet.acl, topology.acls ?? []),
        ...unknownName(
          `${path}.boundary`,
          "boundary",
          subnet.boundary,
          boundaries.map((name) => ({ name })),
        ),
        ...(subnet.gatewayAddresses ?? []).flatMap((address, a) =>
          addressInSubnet(`${path}.gatewayAddresses[${a}]`, address, subnet),
        ),
      ];
    }),
  );
}

function familyProblems(path: string, subnet: TopologySubnet): Problem[] {
  const problems: Problem[] = [];
  if (parseCidr(subnet.cidr)?.family === 6) {
    problems.push({ path: `${path}.cidr`, reason: `"${subnet.cidr}" is IPv6; it belongs in ipv6Cidr` });
  }
  if (subnet.ipv6Cidr !== undefined && parseCidr(subnet.ipv6Cidr)?.family === 4) {
    problems.push({ path: `${path}.ipv6Cidr`, reason: `"${subnet.ipv6Cidr}" is IPv4; it belongs in cidr` });
  }
  return problems;
}

function insideNetwork(path: string, cidr: string, networks: readonly string[]): Problem[] {
  const valid = networks.filter((range) => parseCidr(range) !== undefined);
  if (parseCidr(cidr) === undefined || valid.some((range) => cidrContains(range, cidr))) return [];
  return [{ path, reason: `"${cidr}" lies outside the network's ranges ${networks.join(", ")}` }];
}

function unknownName(
  path: string,
  kind: string,
  given: string | undefined,
  known: readonly { name: string }[],
): Problem[] {
  if (given === undefined || known.some(({ name }) => name === given)) return [];
  return [
    {
      path,
      reason: `no ${kind} "${given}"${didYouMean(
        given,
        known.map(({ name }) => name),
      )}`,
    },
  ];
}

function machineProblems(topology: Topology): Problem[] {
  const subnets = placedSubnets(topology).map(({ value }) => value);
  const cards = topology.machines.flatMap((machine, m) =>
    machine.interfaces.map((card, i) => ({ path: `machines[${m}].interfaces[${i}]`, value: card })),
  );
  const addresses = cards.flatMap(({ path, value }) =>
    value.addresses.map((address, a) => ({ path: `${path}.addresses[${a}]`, value: comparable(address) })),
  );
  const gateways = placedSubnets(topology).flatMap(({ path, value }) =>
    gatewaysOf(value).map((address) => ({ path: `${path} (its router)`, value: comparable(address) })),
  );
  const macs = cards.flatMap(({ path, value }) =>
    value.mac === undefined ? [] : [{ path: `${path}.mac`, value: value.mac.toLowerCase() }],
  );
  return [
    ...cards.flatMap(({ path, value }) => {
      const subnet = subnets.find(({ name }) => name === value.subnet);
      if (subnet === undefined) return unknownName(`${path}.subnet`, "subnet", value.subnet, subnets);
      return value.addresses.flatMap((address, a) => addressInSubnet(`${path}.addresses[${a}]`, address, subnet));
    }),
    ...cards.flatMap(({ path, value }) =>
      (value.securityGroups ?? []).flatMap((group, g) =>
        unknownName(`${path}.securityGroups[${g}]`, "security group", group, topology.securityGroups ?? []),
      ),
    ),
    ...repeated([...gateways, ...addresses], (address) => `the address ${address}`),
    ...repeated(macs, (mac) => `the hardware address ${mac}`),
  ];
}

function comparable(address: string): string {
  return parseAddress(address) === undefined ? address : canonicalAddress(address);
}

function gatewaysOf(subnet: TopologySubnet): string[] {
  if (subnet.gatewayAddresses !== undefined) return subnet.gatewayAddresses;
  const ranges = [subnet.cidr, ...(subnet.ipv6Cidr === undefined ? [] : [subnet.ipv6Cidr])];
  return ranges.filter((range) => parseCidr(range) !== undefined).map(firstHost);
}

function addressInSubnet(path: string, address: string, subnet: TopologySubnet): Problem[] {
  const parsed = parseAddress(address);
  if (parsed === undefined) {
    const cure = address.includes("/") ? "; leave the prefix length out, the subnet has it" : "";
    return [{ path, reason: `"${address}" is not an IPv4 or IPv6 address${cure}` }];
  }
  const range = parsed.family === 4 ? subnet.cidr : subnet.ipv6Cidr;
  if (range === undefined)
    return [{ path, reason: `"${address}" is IPv6, but subnet "${subnet.name}" has no ipv6Cidr` }];
  if (parseCidr(range) === undefined) return [];
  if (!cidrContains(range, address))
    return [{ path, reason: `"${address}" lies outside subnet "${subnet.name}" ${range}` }];
  return reservedProblem(path, address, range);
}

function reservedProblem(path: string, address: string, range: string): Problem[] {
  const { family, base, length } = parseCidr(range)!;
  const value = parseAddress(address)!.value;
  const size = 1n << BigInt((family === 4 ? 32 : 128) - length);
  if (size <= 2n) return [];
  if (value === base) return [{ path, reason: `"${address}" is the address of the range ${range} itself` }];
  if (family === 6 || value !== base + size - 1n) return [];
  return [{ path, reason: `"${address}" is the broadcast address of ${range}` }];
}

function routeProblems(topology: Topology): Problem[] {
  return (topology.routeTables ?? []).flatMap((table, t) =>
    table.routes.flatMap((route, r) => oneRoute(`routeTables[${t}].routes[${r}]`, route, topology)),
  );
}

function oneRoute(path: string, route: Route, topology: Topology): Problem[] {
  const set = [route.via !== undefined, route.boundary !== undefined, route.blackhole === true].filter(Boolean).length;
  const problems = cidrProblems(`${path}.destination`, route.destination);
  if (set !== 1) problems.push({ path, reason: "set exactly one of `via`, `boundary` and `blackhole: true`" });
  if (route.via !== undefined) problems.push(...viaProblems(`${path}.via`, route.via, topology.machines));
  return [...problems, ...unknownName(`${path}.boundary`, "boundary", route.boundary, topology.boundaries ?? [])];
}

function viaProblems(path: string, via: string, machines: readonly Machine[]): Problem[] {
  if (parseAddress(via) === undefined) return [{ path, reason: `"${via}" is not an IPv4 or IPv6 address` }];
  const wanted = comparable(via);
  const owner = machines.find(({ interfaces }) =>
    interfaces.some(({ addresses }) => addresses.some((address) => comparable(address) === wanted)),
  );
  if (owner === undefined) return [{ path, reason: `no machine has the address ${via}` }];
  if (owner.forwarding === true) return [];
  return [{ path, reason: `machine "${owner.name}" at ${via} does not forward; set its \`forwarding\` to true` }];
}

function filterProblems(topology: Topology): Problem[] {
  const groups = topology.securityGroups ?? [];
  const ofGroups = groups.flatMap(({ rules }, g) =>
    rules.flatMap((rule, r) => {
      const path = `securityGroups[${g}].rules[${r}]`;
      return [
        ...portRangeProblem(`${path}.ports`, rule.ports),
        ...(rule.cidrs ?? []).flatMap((cidr, c) => cidrProblems(`${path}.cidrs[${c}]`, cidr)),
        ...(rule.securityGroups ?? []).flatMap((peer, p) =>
          unknownName(`${path}.securityGroups[${p}]`, "security group", peer, groups),
        ),
      ];
    }),
  );
  const ofAcls = (topology.acls ?? []).flatMap(({ rules }, a) => {
    const numbers = rules.map(({ number, direction }, r) => ({
      path: `acls[${a}].rules[${r}]`,
      value: `${direction} ${number}`,
    }));
    const fields = rules.flatMap((rule, r) => [
      ...portRangeProblem(`acls[${a}].rules[${r}].ports`, rule.ports),
      ...(rule.cidr === undefined ? [] : cidrProblems(`acls[${a}].rules[${r}].cidr`, rule.cidr)),
    ]);
    return [...fields, ...repeated(numbers, (number) => `the number of "${number}"`)];
  });
  return [...ofGroups, ...ofAcls];
}

function serviceProblems(topology: Topology): Problem[] {
  const lists: [string, readonly { machines: string[] }[]][] = [
    ["services", topology.services ?? []],
    ["loadBalancers", topology.loadBalancers ?? []],
  ];
  const machines = lists.flatMap(([kind, list]) =>
    list.flatMap((entry, index) =>
      entry.machines.flatMap((machine, m) =>
        unknownName(`${kind}[${index}].machines[${m}]`, "machine", machine, topology.machines),
      ),
    ),
  );
  const addresses = (topology.loadBalancers ?? []).flatMap((balancer, index) =>
    balancer.addresses
      .map((address, a) => ({ path: `loadBalancers[${index}].addresses[${a}]`, address }))
      .filter(({ address }) => parseAddress(address) === undefined)
      .map(({ path, address }) => ({ path, reason: `"${address}" is not an IPv4 or IPv6 address` })),
  );
  const protocols = (topology.services ?? []).flatMap(({ protocol }, index) =>
    protocol === "tcp" || protocol === "udp"
      ? []
      : [{ path: `services[${index}].protocol`, reason: `"${protocol}" has no ports; a service is tcp or udp` }],
  );
  return [...machines, ...addresses, ...protocols];
}

function boundaryProblems(topology: Topology): Problem[] {
  return (topology.boundaries ?? []).flatMap(({ cidrs }, b) =>
    cidrs.flatMap((cidr, c) => cidrProblems(`boundaries[${b}].cidrs[${c}]`, cidr)),
  );
}
