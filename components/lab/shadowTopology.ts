import { matchesPattern } from "../internal/patterns";
import type { Problem } from "../internal/problems";
import { type BoundaryOverride, DiskState, FidelityOutcome, type ScaleRule, type StateRule } from "../network";
import {
  type ShadowSettings,
  type ShadowTopology,
  boundaryProblems,
  droppedItem,
  replacementProblems,
  replacements,
  scaled,
  selectorProblems,
  subnetsOf,
  withoutOutside,
} from "../shadowScaling";
import { BoundaryReplacement, type Machine, type Topology } from "../topology";
import { gatewayAddressesOf } from "./plan";

/** What is wrong with the settings of a shadow of this topology in the lab. */
export function shadowProblems(topology: Topology, settings: ShadowSettings): Problem[] {
  return [
    ...selectorProblems(topology, settings),
    ...(settings.scale ?? []).flatMap((rule, s) => sizeProblems(`scale[${s}]`, rule)),
    ...(settings.state ?? []).flatMap(({ memory }, s) =>
      memory === true
        ? [{ path: `state[${s}].memory`, reason: "the lab cannot copy memory; leave it out, processes start anew" }]
        : [],
    ),
    ...boundaryProblems(topology, settings.boundaries ?? []),
    ...(settings.boundaries ?? []).flatMap(({ restore }, b) =>
      restore === true
        ? [{ path: `boundaries[${b}].restore`, reason: "the lab has no snapshots of managed databases; leave it out" }]
        : [],
    ),
    ...replacementProblems(topology, settings.boundaries ?? [], (replacement) =>
      replacement === BoundaryReplacement.Stub
        ? "the lab has no stubs; take sink or reject, or add the stand-in to the topology as a machine"
        : undefined,
    ),
  ];
}

function sizeProblems(path: string, { cpus, memoryMegabytes, type }: ScaleRule): Problem[] {
  const problems: Problem[] = [];
  for (const [field, value] of Object.entries({ cpus, memoryMegabytes })) {
    if (value === undefined || value > 0) continue;
    problems.push({ path: `${path}.${field}`, reason: `${value} is not above 0` });
  }
  if (type !== undefined) {
    problems.push({ path: `${path}.type`, reason: "the lab has no instance types; give cpus and memoryMegabytes" });
  }
  return problems;
}

/** Applies valid settings to a topology. Data that machines start with is what production has when they are made. */
export function shadowTopology(topology: Topology, settings: ShadowSettings): ShadowTopology {
  const inside = withoutOutside(topology);
  const grown = scaled(inside, settings.scale ?? [], { reserved: gatewayAddressesOf, resize });
  const stated = (settings.state ?? []).reduce(applyState, grown);
  return withBoundaries(withCloned(stated), settings.boundaries ?? []);
}

function resize(machine: Machine, { cpus, memoryMegabytes }: ScaleRule): Machine {
  const size = {
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryMegabytes === undefined ? {} : { memoryMegabytes }),
  };
  return { ...machine, size: { ...machine.size, ...size } };
}

function applyState(shadow: ShadowTopology, rule: StateRule): ShadowTopology {
  if (rule.disk !== DiskState.None) return shadow;
  const isMeant = ({ name, lab }: Machine): boolean =>
    matchesPattern(name, rule.machines) && lab?.dataFolder !== undefined;
  const machines = shadow.topology.machines.map((machine) => {
    if (!isMeant(machine)) return machine;
    const lab = { ...machine.lab };
    delete lab.dataFolder;
    return { ...machine, lab };
  });
  const items = shadow.topology.machines
    .filter(isMeant)
    .map(({ name }) => droppedItem(`machines/${name}/data`, "its disk starts empty by a state rule"));
  return { topology: { ...shadow.topology, machines }, fidelity: [...shadow.fidelity, ...items] };
}

/** Everything that no rule has touched is there as it was. */
function withCloned({ topology, fidelity }: ShadowTopology): ShadowTopology {
  const touched = new Set(fidelity.map(({ subject }) => subject));
  const subjects = [
    ...subnetsOf(topology).map(({ name }) => `subnets/${name}`),
    ...topology.machines.map(({ name }) => `machines/${name}`),
  ];
  const cloned = subjects
    .filter((subject) => !touched.has(subject))
    .map((subject) => ({ subject, outcome: FidelityOutcome.Cloned, reason: "same addresses, filters and program" }));
  const unreadable = (topology.unreadable ?? []).map((reason) => droppedItem("capture", reason));
  return { topology, fidelity: [...cloned, ...fidelity, ...unreadable] };
}

function withBoundaries(
  { topology, fidelity }: ShadowTopology,
  overrides: readonly BoundaryOverride[],
): ShadowTopology {
  const chosen = replacements(topology, overrides);
  const boundaries = (topology.boundaries ?? []).map((boundary, index) => ({
    ...boundary,
    replacement: chosen[index]!.replacement,
  }));
  const reasons = {
    sink: "what is sent there is swallowed",
    reject: "what is sent there is refused",
    stub: "a stand-in",
  };
  const items = boundaries.map(({ name, replacement }) => ({
    subject: `boundaries/${name}`,
    outcome: FidelityOutcome.Substituted,
    reason: `by the gateway: ${reasons[replacement]}`,
  }));
  const next = topology.boundaries === undefined ? topology : { ...topology, boundaries };
  return { topology: next, fidelity: [...fidelity, ...items] };
}
