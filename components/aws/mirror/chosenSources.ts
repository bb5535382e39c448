import { createHash } from "node:crypto";

import { addressFamily } from "../../internal/cidr";
import { matchesPattern } from "../../internal/patterns";
import { didYouMean, type Problem } from "../../internal/problems";
import type { FidelityItem } from "../../network";
import type { Machine, MachineInterface, Service, Topology } from "../../topology";
import { mirrorObstacle } from "../mirrorSupport";
import { isReachedFromOutside, subnetOf } from "../reach";
import type { AwsMirrorSettings } from "./settings";

/** One production interface whose packets are copied. */
export interface MirrorSource {
  /** Name of the link, `machine/interface`. */
  link: string;
  machine: string;
  /** Id of the machine's instance in production; left out when the topology does not say. */
  instanceId?: string;
  /** Id of the interface in production. */
  interfaceId: string;
  /** Name of the subnet. */
  subnet: string;
  zoneId: string;
  /** Its IPv4 addresses. */
  addresses: string[];
  /** Services that it is copied for. */
  services: Service[];
  /** Network identifier that its copies carry, so that a gateway knows whose they are. */
  vni: number;
  /** Order among the mirror sessions of the interface. */
  sessionNumber: number;
}

/** The sources, with what is wrong with them and what is lost. */
export interface ChosenSources {
  sources: MirrorSource[];
  /** Edge services whose bytes are TLS where they are copied; copied only when that is allowed. */
  encrypted: Service[];
  problems: Problem[];
  fidelity: FidelityItem[];
}

/** Mirror sessions on one interface; not adjustable. */
export const mostSessions = 3;
const highestSessionNumber = 32_766;

/** The interfaces that are copied: those behind the edge services unless others are named, each of them once. */
export function chooseSources(topology: Topology, settings: AwsMirrorSettings): ChosenSources {
  const chosen: ChosenSources = {
    sources: [],
    encrypted: [],
    problems: patternProblems(topology, settings),
    fidelity: [],
  };
  const wanted = wantedMachines(topology, settings, chosen);
  topology.machines.forEach((machine, index) => {
    const services = wanted.get(machine.name);
    if (services !== undefined) addSource(chosen, { topology, settings, machine, index, services });
  });
  chooseVnis(topology, chosen.sources);
  if (chosen.sources.length === 0 && chosen.problems.length === 0) {
    chosen.problems.push({
      path: "sources",
      reason: "no machine is left to copy from; name some, or mark a service as edge",
    });
  }
  return chosen;
}

/** Machines to copy from, with the edge services that they are copied for. */
function wantedMachines(
  topology: Topology,
  { sources, allowEncrypted = false }: AwsMirrorSettings,
  chosen: ChosenSources,
): Map<string, Service[]> {
  const wanted = new Map<string, Service[]>();
  for (const { name } of topology.machines) {
    if (sources?.some((pattern) => matchesPattern(name, pattern)) === true) wanted.set(name, []);
  }
  (topology.services ?? []).forEach((service, index) => {
    const named = sources !== undefined && service.machines.some((machine) => wanted.has(machine));
    if (sources === undefined ? !service.edge : !named) return;
    const tls = tlsReason(service, topology);
    if (tls !== undefined) {
      chosen.encrypted.push(service);
      if (!allowEncrypted) chosen.problems.push(encryptedProblem(service, index, tls));
    }
    for (const machine of service.machines) {
      if (sources === undefined || wanted.has(machine)) wanted.set(machine, [...(wanted.get(machine) ?? []), service]);
    }
  });
  return wanted;
}

function encryptedProblem({ name }: Service, index: number, why: string): Problem {
  const cure =
    "mirror behind what ends TLS: let the load balancer end it and speak plainly to the machines, or set " +
    "`allowEncrypted: true` to copy it and count it as not replayable";
  return {
    path: `topology.services[${index}]`,
    reason: `the bytes of "${name}" are TLS where they would be copied (${why}); ${cure}`,
  };
}

/** Why a service's bytes are TLS at its machines; undefined when they are not. */
function tlsReason({ application, port, machines }: Service, topology: Topology): string | undefined {
  if (application === "tls" || application === "https") return `its application is ${application}`;
  const groups = (topology.loadBalancers ?? []).flatMap(({ aws }) => aws?.targetGroups ?? []);
  const group = groups.find(
    ({ protocol, port: groupPort, targets }) =>
      (protocol === "HTTPS" || protocol === "TLS") &&
      targets.some((target) => machines.includes(target.machine) && (target.port ?? groupPort) === port),
  );
  if (group !== undefined) return `target group "${group.name}" speaks ${group.protocol}`;
  return application === undefined && port === 443 ? "its port is 443 and no `application` says otherwise" : undefined;
}

function patternProblems({ machines }: Topology, { sources = [] }: AwsMirrorSettings): Problem[] {
  const names = machines.map(({ name }) => name);
  return sources.flatMap((pattern, index) =>
    names.some((name) => matchesPattern(name, pattern))
      ? []
      : [{ path: `sources[${index}]`, reason: `no machine matches "${pattern}"${didYouMean(pattern, names)}` }],
  );
}

interface Candidate {
  topology: Topology;
  settings: AwsMirrorSettings;
  machine: Machine;
  index: number;
  services: Service[];
}

function addSource(chosen: ChosenSources, candidate: Candidate): void {
  const { settings, machine, index } = candidate;
  const obstacles = machineObstacles(machine, settings);
  if (obstacles.length > 0) leaveOut(chosen, settings, machine.name, `topology.machines[${index}]`, obstacles);
  for (const [card, services] of interfacesOf(candidate)) {
    addInterface(chosen, candidate, card, services, obstacles.length > 0);
  }
}

/** The interfaces on which a machine's clients arrive, each with the services that they come for. */
function interfacesOf({ topology, machine, services }: Candidate): Map<MachineInterface, Service[]> {
  const found = new Map<MachineInterface, Service[]>();
  const add = (card: MachineInterface, service?: Service): void => {
    found.set(card, [...(found.get(card) ?? []), ...(service === undefined ? [] : [service])]);
  };
  for (const service of services) {
    const reached = machine.interfaces.filter((card) => isReachedFromOutside(card, service, topology));
    const balanced = isBalanced(topology, machine.name, service) ? [firstInterface(machine)] : [];
    const cards = new Set([...balanced, ...reached]);
    if (cards.size === 0) cards.add(usualInterface(machine));
    for (const card of cards) add(card, service);
  }
  if (services.length === 0) add(usualInterface(machine));
  return found;
}

/** Whether a load balancer sends a service's requests to a machine. */
function isBalanced({ loadBalancers = [] }: Topology, machine: string, { port }: Service): boolean {
  const groups = loadBalancers.flatMap(({ aws }) => aws?.targetGroups ?? []);
  return groups.some((group) =>
    group.targets.some((target) => target.machine === machine && (target.port ?? group.port) === port),
  );
}

/** The interface that load balancers send to. */
function firstInterface({ interfaces }: Machine): MachineInterface {
  return interfaces.find(({ aws }) => aws?.deviceIndex === 0) ?? interfaces[0]!;
}

/** Where nothing tells on which interface clients arrive: the one with a public address, else the first. */
function usualInterface(machine: Machine): MachineInterface {
  return machine.interfaces.find(({ aws }) => aws?.publicAddress !== undefined) ?? firstInterface(machine);
}

function addInterface(
  chosen: ChosenSources,
  { topology, settings, machine, index }: Candidate,
  card: MachineInterface,
  services: Service[],
  isLeftOut: boolean,
): void {
  const at = `topology.machines[${index}]`;
  const session = sessionNumber(topology, card.aws?.id, settings);
  if (session.obstacle !== undefined) leaveOut(chosen, settings, machine.name, at, [session.obstacle]);
  if (isLeftOut || session.obstacle !== undefined) return;
  const subnet = subnetOf(card.subnet, topology);
  const zoneId = subnet?.aws?.zoneId ?? topology.aws?.zones.find(({ name }) => name === subnet?.zone)?.id;
  const addresses = card.addresses.filter((address) => addressFamily(address) === 4);
  const missing = [
    ...(card.aws?.id === undefined ? ["the id of its interface (`interfaces[].aws.id`)"] : []),
    ...(zoneId === undefined ? [`the zone id of its subnet "${card.subnet}" (\`aws.zoneId\`)`] : []),
    ...(addresses.length === 0
      ? ["an IPv4 address; IPv6 addresses cannot be cloned, so that nothing could be replayed to it"]
      : []),
  ];
  if (missing.length > 0) {
    chosen.problems.push({
      path: at,
      reason: `"${machine.name}" lacks ${missing.join(" and ")}; capture the topology from AWS`,
    });
    return;
  }
  if (session.beside !== undefined) {
    chosen.fidelity.push({ subject: `machines/${machine.name}`, outcome: "substituted", reason: session.beside });
  }
  chosen.sources.push({
    link: `${machine.name}/${card.name}`,
    machine: machine.name,
    ...(machine.aws === undefined ? {} : { instanceId: machine.aws.id }),
    interfaceId: card.aws!.id,
    subnet: card.subnet,
    zoneId: zoneId!,
    addresses,
    services,
    vni: 0,
    sessionNumber: session.number,
  });
}

/** Why nothing can be copied from a machine, or nothing would answer for it in the shadow. */
function machineObstacles({ size, aws }: Machine, { mirrorableTypes }: AwsMirrorSettings): string[] {
  const type = size?.type === undefined ? undefined : mirrorObstacle(size.type, mirrorableTypes);
  return [
    ...(type === undefined ? [] : [`${type} (add it to \`mirrorableTypes\` when AWS has it now)`]),
    ...(aws?.managedBy === undefined ? [] : [`its containers are managed by ${aws.managedBy} and are not cloned`]),
  ];
}

/** Left out with a line in the fidelity report where that is allowed, else refused by name. */
function leaveOut(
  chosen: ChosenSources,
  { allowUncovered = false }: AwsMirrorSettings,
  name: string,
  at: string,
  obstacles: readonly string[],
): void {
  for (const obstacle of obstacles) {
    if (allowUncovered) {
      const reason = `its traffic is not copied: ${obstacle}`;
      chosen.fidelity.push({ subject: `machines/${name}`, outcome: "dropped", reason });
    } else {
      const cure = "choose other `sources`, or set `allowUncovered: true` to go on without it";
      chosen.problems.push({ path: at, reason: `"${name}" cannot be copied: ${obstacle}; ${cure}` });
    }
  }
}

interface SessionPlace {
  number: number;
  /** What sharing the interface with others' sessions means; undefined when there are none. */
  beside?: string;
  /** Why there is no place; undefined when there is one. */
  obstacle?: string;
}

/** A packet goes to the lowest session that matches it: others' sessions stay before ours unless that is asked for. */
function sessionNumber(
  { aws }: Topology,
  interfaceId: string | undefined,
  { takeFromOthers = false }: AwsMirrorSettings,
): SessionPlace {
  const others = (aws?.mirrorSessions ?? []).filter(
    (one) => one.interfaceId === interfaceId && one.shadow === undefined,
  );
  if (others.length === 0) return { number: 1 };
  const ids = others.map(({ id }) => id).join(", ");
  const numbers = others.map((one) => one.sessionNumber);
  const number = takeFromOthers ? Math.min(...numbers) - 1 : Math.max(...numbers) + 1;
  if (others.length >= mostSessions) {
    return {
      number,
      obstacle: `its interface has ${others.length} mirror sessions already (${ids}), AWS allows ${mostSessions}`,
    };
  }
  if (number < 1 || number > highestSessionNumber) {
    const cure = takeFromOthers ? "leave `takeFromOthers` out" : "set `takeFromOthers: true`";
    return { number, obstacle: `no session number is left on its interface beside ${ids} (${cure})` };
  }
  const beside = takeFromOthers
    ? `its packets are copied to the shadow before ${ids}, which gets only what this mirror's filter does not match`
    : `${ids} on its interface comes first: what its filter matches is not copied to the shadow`;
  return { number, beside };
}

function chooseVnis(topology: Topology, sources: MirrorSource[]): void {
  const taken = new Set<number>();
  for (const source of [...sources].sort((a, b) => (a.link < b.link ? -1 : 1))) {
    let vni = createHash("sha256").update(`${topology.name}/${source.link}`).digest().readUIntBE(0, 3);
    while (vni === 0 || taken.has(vni)) vni = (vni + 1) % 0x1000000;
    taken.add(vni);
    source.vni = vni;
  }
}
