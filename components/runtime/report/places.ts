import type { Journal } from "../runner/journal";
import { spaced } from "./format";
import type { Figures } from "./figures";

/** One column of the topology picture: the machines of one subnet, or that do the same where subnets are not known. */
export interface Tier {
  name: string;
  /** Services that these machines offer, `shop :80`. */
  services: string[];
  edge: boolean;
  machines: Place[];
  /** Machines that are not drawn because there are too many. */
  more: number;
  /** Faults on the subnet's attachment to the router. */
  faults: PlaceFault[];
}

/** One machine in the picture. */
interface Place {
  name: string;
  /** Its other subnets. */
  also: string[];
  faults: PlaceFault[];
}

/** A fault where it hit. */
export interface PlaceFault {
  letter: string;
  /** `link down on eth0`, `machine crash`. */
  text: string;
}

const mostMachines = 12;

/** The shadow as tiers from its edge inwards, with the faults where they hit; a machine stands in its first subnet. */
export function tiersOf(journal: Journal, letters: Figures["letters"]): Tier[] {
  const { shadow } = journal;
  if (shadow === undefined) return [];
  const hits = faultsByPlace(journal, letters);
  const services = [...shadow.services].sort((a, b) => Number(b.edge) - Number(a.edge));
  const order = (machine: string): number => {
    const found = services.findIndex(({ machines }) => machines.includes(machine));
    return found < 0 ? services.length : found;
  };
  const tiers = new Map<string, Tier & { order: number }>();
  for (const { name, role, subnets = [] } of shadow.machines) {
    const [subnet, ...also] = subnets;
    const key = subnet ?? role ?? services.find(({ machines }) => machines.includes(name))?.name ?? "machines";
    const offered = services.filter(({ machines }) => machines.includes(name));
    const empty = {
      name: key,
      services: [],
      edge: false,
      machines: [],
      more: 0,
      faults: hits.get(key) ?? [],
      order: order(name),
    };
    const tier = tiers.get(key) ?? empty;
    tier.services = [...new Set([...tier.services, ...offered.map((service) => `${service.name} :${service.port}`)])];
    tier.edge ||= offered.some(({ edge }) => edge);
    tier.order = Math.min(tier.order, order(name));
    tier.machines.push({ name, also, faults: hits.get(name) ?? [] });
    tiers.set(key, tier);
  }
  return [...tiers.values()].sort((a, b) => a.order - b.order).map(shortened);
}

/** Faults on links of subnets that no tier is named after: `front` where the tier is called `web`. */
export function subnetFaults(
  journal: Journal,
  letters: Figures["letters"],
  tiers: Tier[],
): { link: string; faults: PlaceFault[] }[] {
  const known = new Set([
    ...tiers.map(({ name }) => name),
    ...(journal.shadow?.machines.map(({ name }) => name) ?? []),
  ]);
  return [...faultsByPlace(journal, letters)]
    .filter(([place]) => !known.has(place))
    .map(([link, faults]) => ({ link, faults }));
}

function shortened(tier: Tier): Tier {
  const { name, services, edge, faults } = tier;
  const machines = [...tier.machines].sort((a, b) => Number(b.faults.length > 0) - Number(a.faults.length > 0));
  const shown = tier.machines.length <= mostMachines ? tier.machines : machines.slice(0, mostMachines);
  return { name, services, edge, faults, machines: shown, more: tier.machines.length - shown.length };
}

function faultsByPlace({ experiments }: Journal, letters: Figures["letters"]): Map<string, PlaceFault[]> {
  const hits = new Map<string, PlaceFault[]>();
  const hit = (place: string, fault: PlaceFault): void => void hits.set(place, [...(hits.get(place) ?? []), fault]);
  for (const fault of experiments.flatMap(({ faults }) => faults)) {
    const mark = letters.get(fault)!;
    for (const machine of fault.touches.machines) hit(machine, { letter: mark, text: spaced(fault.kind) });
    for (const link of fault.touches.links) {
      const [machine = "", card] = link.split("/");
      if (card === undefined) hit(link, { letter: mark, text: `${spaced(fault.kind)} on its link to the router` });
      else if (!fault.touches.machines.includes(machine))
        hit(machine, { letter: mark, text: `${spaced(fault.kind)} on ${card}` });
    }
  }
  return hits;
}
