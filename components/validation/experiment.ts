import { z } from "zod";

import { changeWithoutTopologyProblems } from "./change";
import type { Experiment, ExperimentAction, ExperimentSchedule, FaultTarget } from "../experiment";
import { experimentShape } from "./experimentShape";
import { parseCidr } from "../internal/cidr";
import { matchesPattern } from "../internal/patterns";
import { type Problem, didYouMean } from "../internal/problems";
import { portRangeProblem } from "./portRanges";
import { describeValue, shapeProblems } from "./shape";
import { signalProblems, thresholdProblems } from "./signal";
import type { Topology } from "../topology";

/** Longest time with faults where the blast radius does not say. */
const defaultDurationSeconds = 600;

/**
 * Everything that is wrong with an experiment on a shadow with this topology: its form, what it aims at, the order of
 * its actions, and its blast radius. Paths begin inside the experiment, for example `actions.dbLink.target.machine`.
 */
export function validateExperiment(name: string, experiment: unknown, topology: Topology): Problem[] {
  const problems = [...nameProblems(name), ...shapeProblems(experimentShape, experiment)];
  if (problems.length > 0) return problems;
  const checked = experiment as Experiment;
  const actions = Object.entries(checked.actions);
  return [
    ...(actions.length === 0 ? [{ path: "actions", reason: "give at least one action" }] : []),
    ...actions.flatMap(([key, action]) => actionProblems(`actions.${key}`, action, topology)),
    ...orderProblems(checked.actions),
    ...(checked.hypothesis?.probes ?? []).flatMap((probe, p) =>
      probeProblems(`hypothesis.probes[${p}]`, probe, topology),
    ),
    ...(checked.stopConditions ?? []).flatMap((condition, c) => [
      ...signalProblems(`stopConditions[${c}]`, condition, topology),
      ...thresholdProblems(`stopConditions[${c}]`, condition),
    ]),
    ...scheduleProblems(checked.schedule),
    ...radiusProblems(checked, topology),
  ];
}

/** JSON Schema of an experiment, for editors and for other tools. */
export function experimentJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(experimentShape);
}

function nameProblems(name: string): Problem[] {
  if (/^[A-Za-z][\w-]{0,62}$/.test(name)) return [];
  return [
    { path: "name", reason: `${describeValue(name)} is not a name of letters, digits and hyphens, a letter first` },
  ];
}

const kinds = ["fault", "waitSeconds", "probe", "command", "change"] as const;

function actionProblems(path: string, action: ExperimentAction, topology: Topology): Problem[] {
  const set = kinds.filter((kind) => action[kind] !== undefined);
  const problems: Problem[] = [];
  if (set.length !== 1) {
    const found = set.length === 0 ? "none is" : `${set.join(" and ")} are`;
    problems.push({ path, reason: `set exactly one of ${kinds.join(", ")}; ${found} set` });
  }
  const aims = action.fault !== undefined || action.command !== undefined;
  if (aims && action.target === undefined) {
    problems.push({ path: `${path}.target`, reason: "aimed at nothing; give a machine or a link" });
  }
  if (action.target !== undefined) problems.push(...targetProblems(`${path}.target`, action.target, topology));
  if (action.fault !== undefined) problems.push(...lengthProblems(path, action));
  if (action.probe !== undefined) problems.push(...probeProblems(`${path}.probe`, action.probe, topology));
  if (action.change !== undefined) problems.push(...changeProblems(`${path}.change`, action.change, topology));
  return problems;
}

/** A crash that stays and a single kill need no length; everything else ends by itself. */
function lengthProblems(path: string, action: ExperimentAction): Problem[] {
  if (action.durationSeconds !== undefined && action.pulse !== undefined) {
    return [{ path: `${path}.durationSeconds`, reason: "a pulse gives the length itself; leave one of the two out" }];
  }
  if (action.durationSeconds !== undefined || action.pulse !== undefined) return [];
  return [{ path: `${path}.durationSeconds`, reason: "missing; say how long the fault lasts, or give a pulse" }];
}

/** What is wrong with a target: it must name a machine or a link of the shadow, never both, never anything else. */
export function targetProblems(path: string, target: FaultTarget, topology: Topology): Problem[] {
  const problems: Problem[] = [];
  const machines = topology.machines.map(({ name }) => name);
  if (target.machine === undefined && target.link === undefined) {
    problems.push({ path, reason: "aimed at nothing; give `machine` or `link`" });
  }
  if (target.machine !== undefined && target.link !== undefined) {
    problems.push({ path, reason: "`machine` and `link` exclude each other; give one of them" });
  }
  if (target.machine !== undefined) problems.push(...unmatched(`${path}.machine`, "machine", target.machine, machines));
  if (target.link !== undefined) problems.push(...unmatched(`${path}.link`, "link", target.link, linksOf(topology)));
  return [...problems, ...flowProblems(`${path}.flow`, target.flow)];
}

function linksOf(topology: Topology): string[] {
  const ofMachines = topology.machines.flatMap(({ name, interfaces }) =>
    interfaces.map((card) => `${name}/${card.name}`),
  );
  return [...ofMachines, ...topology.networks.flatMap(({ subnets }) => subnets.map(({ name }) => name))];
}

function unmatched(path: string, kind: string, pattern: string, names: readonly string[]): Problem[] {
  if (names.some((name) => matchesPattern(name, pattern))) return [];
  return [{ path, reason: `no ${kind} of the shadow matches "${pattern}"${didYouMean(pattern, names)}` }];
}

function flowProblems(path: string, flow: FaultTarget["flow"]): Problem[] {
  if (flow === undefined) return [];
  const problems: Problem[] = [];
  for (const field of ["sourceCidr", "destinationCidr"] as const) {
    const cidr = flow[field];
    if (cidr !== undefined && parseCidr(cidr) === undefined) {
      problems.push({ path: `${path}.${field}`, reason: `"${cidr}" is not an address range such as 10.0.1.7/32` });
    }
  }
  problems.push(...portRangeProblem(`${path}.sourcePorts`, flow.sourcePorts));
  problems.push(...portRangeProblem(`${path}.destinationPorts`, flow.destinationPorts));
  if (flow.protocol === "icmp" && (flow.sourcePorts ?? flow.destinationPorts) !== undefined) {
    problems.push({ path: `${path}.protocol`, reason: "icmp has no ports; leave the ports out or take tcp or udp" });
  }
  const [source, destination] = [flow.sourceCidr, flow.destinationCidr].map((cidr) => parseCidr(cidr ?? ""));
  if (source !== undefined && destination !== undefined && source.family !== destination.family) {
    problems.push({ path, reason: "sourceCidr and destinationCidr are of different families; no packet has both" });
  }
  return problems;
}

function probeProblems(path: string, probe: NonNullable<ExperimentAction["probe"]>, topology: Topology): Problem[] {
  const { minimum, maximum } = probe.tolerance;
  const problems = signalProblems(path, probe, topology);
  if (minimum === undefined && maximum === undefined) {
    problems.push({ path: `${path}.tolerance`, reason: "give minimum, maximum or both" });
  }
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    problems.push({ path: `${path}.tolerance`, reason: `minimum ${minimum} is above maximum ${maximum}` });
  }
  return problems;
}

function changeProblems(path: string, change: NonNullable<ExperimentAction["change"]>, topology: Topology): Problem[] {
  const { machine, environment, workloadCommand, image, cpus, memoryMegabytes, routes, filterRules } = change;
  const names = topology.machines.map(({ name }) => name);
  const problems: Problem[] = [];
  if (machine === undefined)
    problems.push({ path: `${path}.machine`, reason: "missing; give the machine that changes" });
  else problems.push(...unmatched(`${path}.machine`, "machine", machine, names));
  const changes = { environment, workloadCommand, image, cpus, memoryMegabytes, routes, filterRules };
  if (Object.values(changes).every((value) => value === undefined)) {
    problems.push({ path, reason: `changes nothing; give one of ${Object.keys(changes).join(", ")}` });
  }
  return [...problems, ...changeWithoutTopologyProblems(path, change)];
}

function orderProblems(actions: Record<string, ExperimentAction>): Problem[] {
  const names = Object.keys(actions);
  const unknown = Object.entries(actions).flatMap(([name, { startAfter = [] }]) =>
    startAfter.flatMap((earlier, index) => {
      const path = `actions.${name}.startAfter[${index}]`;
      if (earlier in actions) return [];
      return [{ path, reason: `no action "${earlier}"${didYouMean(earlier, names)}` }];
    }),
  );
  return [...unknown, ...cycleProblems(actions)];
}

/** One problem per circle of actions that wait for each other. */
function cycleProblems(actions: Record<string, ExperimentAction>): Problem[] {
  const done = new Set<string>();
  const problems: Problem[] = [];
  const visit = (name: string, trail: string[]): void => {
    const at = trail.indexOf(name);
    if (at >= 0) {
      const circle = [...trail.slice(at), name].join(" → ");
      problems.push({ path: `actions.${name}.startAfter`, reason: `the actions wait for each other: ${circle}` });
      return;
    }
    if (done.has(name)) return;
    for (const earlier of actions[name]?.startAfter ?? []) visit(earlier, [...trail, name]);
    done.add(name);
  };
  for (const name of Object.keys(actions)) visit(name, []);
  return problems;
}

function scheduleProblems(schedule: ExperimentSchedule | undefined): Problem[] {
  if (schedule === undefined) return [];
  const { cron, rate, timeZone } = schedule;
  const problems: Problem[] = [];
  if ((cron === undefined) === (rate === undefined)) {
    problems.push({ path: "schedule", reason: "set exactly one of `cron` and `rate`" });
  }
  if (cron !== undefined && !isCron(cron)) {
    problems.push({
      path: "schedule.cron",
      reason: `"${cron}" is not a cron expression of five fields such as 0 3 * * 1-5`,
    });
  }
  if (rate !== undefined && !/^[1-9]\d* (minute|hour|day)s?$/.test(rate)) {
    problems.push({ path: "schedule.rate", reason: `"${rate}" is not a rate such as 10 minutes, 6 hours or 1 day` });
  }
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    problems.push({ path: "schedule.timeZone", reason: `no time zone "${timeZone}"; names are such as Europe/Berlin` });
  }
  return problems;
}

function isCron(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  return fields.length === 5 && fields.every((field) => /^[\d*/,A-Za-z-]+$/.test(field));
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Machines and links that an experiment can hit, counted over all of its faults. */
function reach(experiment: Experiment, topology: Topology): { machines: Set<string>; links: Set<string> } {
  const machines = new Set<string>();
  const links = new Set<string>();
  for (const { fault, target } of Object.values(experiment.actions)) {
    if (fault === undefined || target === undefined) continue;
    for (const { name } of topology.machines) {
      if (target.machine !== undefined && matchesPattern(name, target.machine)) machines.add(name);
    }
    for (const name of linksOf(topology)) {
      if (target.link !== undefined && matchesPattern(name, target.link)) links.add(name);
    }
  }
  return { machines, links };
}

function radiusProblems(experiment: Experiment, topology: Topology): Problem[] {
  const { machines, links } = reach(experiment, topology);
  const radius = experiment.blastRadius ?? {};
  const all = topology.machines.length;
  const share = Math.ceil((all * (radius.percent ?? (radius.machines === undefined ? 50 : 100))) / 100);
  const mostMachines = Math.min(radius.machines ?? all, share);
  const problems: Problem[] = [];
  if (machines.size > mostMachines) {
    const reason = `hits ${machines.size} of ${all} machines (${[...machines].join(", ")}), at most ${mostMachines} allowed`;
    problems.push({ path: "blastRadius.machines", reason: `${reason}; narrow the targets or raise the limit` });
  }
  if (radius.links !== undefined && links.size > radius.links) {
    const reason = `hits ${links.size} links (${[...links].join(", ")}), at most ${radius.links} allowed`;
    problems.push({ path: "blastRadius.links", reason: `${reason}; narrow the targets or raise the limit` });
  }
  const longest = radius.durationSeconds ?? defaultDurationSeconds;
  for (const [name, action] of Object.entries(experiment.actions)) {
    const length = faultSeconds(action);
    if (length <= longest) continue;
    const reason = `lasts ${length} s, at most ${longest} s allowed by blastRadius.durationSeconds`;
    problems.push({ path: `actions.${name}`, reason });
  }
  return problems;
}

function faultSeconds({ fault, durationSeconds, pulse }: ExperimentAction): number {
  if (fault === undefined) return 0;
  if (pulse === undefined) return durationSeconds ?? 0;
  const { initialDelaySeconds = 0, activeSeconds, dormantSeconds, repeat } = pulse;
  return initialDelaySeconds + repeat * activeSeconds + (repeat - 1) * dormantSeconds;
}
