import { canonicalCidr, cidrContains, cidrsOverlap, parseCidr } from "../../internal/cidr";
import type { Problem } from "../../internal/problems";
import type { Topology } from "../../topology";
import { applianceCidr as appliances } from "../shadow";
import { addressAt } from "./shadowTopology";

/** Where the project's own appliances stand, outside every captured range. */
export interface ApplianceLayout {
  /** The whole range. */
  cidr: string;
  /** Subnet of the interface endpoints. */
  endpointsCidr: string;
  /** Zone of that subnet. */
  endpointsZoneId: string;
  zones: ApplianceZone[];
}

/** The appliances' subnets in one zone. */
export interface ApplianceZone {
  zoneId: string;
  gatewayCidr: string;
  loadBalancerCidr: string;
  /** Address of the interface that the zone's default routes lead to. */
  gatewayAddress: string;
}

/** Range of the appliances when none is asked for. */
export const defaultApplianceCidr = "100.64.0.0/20";

/** Sixteen equal blocks: one for the endpoints, the others for one zone each. */
const blockBits = 4;

/** What is wrong with the range that the appliances are to have. */
export function applianceProblems(cidr: string, topology: Topology): Problem[] {
  const path = "applianceCidr";
  const range = parseCidr(cidr);
  if (range === undefined) return [{ path, reason: `"${cidr}" is not an address range such as 100.64.0.0/20` }];
  if (range.length < 16 || range.length > 23) {
    return [{ path, reason: `"${cidr}" must have a prefix length from /16 to /23: AWS's largest range, our smallest` }];
  }
  if (!cidrContains(appliances, cidr)) {
    return [{ path, reason: `"${cidr}" must lie in ${appliances}, where no production network may have machines` }];
  }
  const taken = topology.networks.flatMap(({ cidrs }) => cidrs).filter((own) => cidrsOverlap(own, cidr));
  return taken.map((own) => ({
    path,
    reason: `"${cidr}" overlaps production's ${own}; choose another part of ${appliances}`,
  }));
}

/** Zones of a topology that have machines or restored databases, in the order of their ids. */
export function zonesOf(topology: Topology): string[] {
  const subnets = topology.networks.flatMap((network) => network.subnets);
  const used = new Set(topology.machines.flatMap(({ interfaces }) => interfaces.map(({ subnet }) => subnet)));
  const zones = subnets.flatMap(({ name, aws }) => (used.has(name) && aws !== undefined ? [aws.zoneId] : []));
  return [...new Set(zones)].sort();
}

/** Splits the appliances' range; a zone keeps its part when another zone comes or goes. */
export function applianceLayout(cidr: string, topology: Topology): ApplianceLayout {
  const { length } = parseCidr(cidr)!;
  const size = 1n << BigInt(32 - length - blockBits);
  const zones = zonesOf(topology);
  const slots = slotsOf(zones);
  const block = (slot: number, half: 0 | 1): string => {
    const start = addressAt(cidr, BigInt(slot) * size + (BigInt(half) * size) / 2n);
    return `${start}/${length + blockBits + 1}`;
  };
  return {
    cidr: canonicalCidr(cidr),
    endpointsCidr: block(0, 0),
    endpointsZoneId: zones[0] ?? "",
    zones: zones.map((zoneId, index) => {
      const gatewayCidr = block(slots[index]!, 0);
      // The first address that AWS leaves to others.
      const gatewayAddress = addressAt(gatewayCidr, 4n);
      return { zoneId, gatewayCidr, loadBalancerCidr: block(slots[index]!, 1), gatewayAddress };
    }),
  };
}

/** A zone's block is that of its number, `euc1-az2` has 2; where numbers repeat (local zones), that of its place. */
function slotsOf(zones: readonly string[]): number[] {
  const numbers = zones.map((zone) => Number(/az(\d+)$/.exec(zone)?.[1] ?? 0));
  const fit = numbers.every((number) => number >= 1 && number <= 15) && new Set(numbers).size === numbers.length;
  return fit ? numbers : zones.map((_, index) => index + 1);
}
