import type { Experiment, ExperimentAction } from "../../experiment";
import type { Problem } from "../../internal/problems";
import { separateWays } from "../../runtime/faults/directions";
import { validateFault } from "../../runtime/faults/parameters";
import { conditionProblems, haltAlarm, haltKey, probeAlarm, probeAlarmProblems, stopAlarm } from "./alarms";
import { awsActionProblems } from "./awsActionProblems";
import { type AwsFaultAction, awsActionParts } from "./awsActions";
import { commandParts, documentParts } from "./documentFaults";
import { type ExperimentPlan, type PlannedAction, type PlannedAlarm, fisLimits } from "./model";
import { cutsSubnets, nativeParts, waitAction } from "./nativeFaults";
import { lastOf, longestSeconds, mostAtOnce, splitIntoTemplates } from "./order";
import { type ActionParts, type PlanSettings, type Report, lengthProblems, noParts, together } from "./parts";
import { scheduleProblems } from "./schedule";
import { singleFaults } from "./singleFaults";
import { hitResources, machinesIn } from "./targets";

/** A plan, or everything that keeps AWS from carrying the experiment out. */
export interface Planned {
  plan: ExperimentPlan;
  problems: Problem[];
}

/** Turns an experiment, whose form and targets have been checked, into what AWS needs for it; only data, no call. */
export function planExperiment(
  experiment: Experiment,
  awsActions: Record<string, AwsFaultAction>,
  settings: PlanSettings,
): Planned {
  const problems: Problem[] = [];
  const report: Report = (problem) => problems.push(problem);
  const parts = new Map<string, ActionParts>();
  for (const [name, action] of Object.entries(experiment.actions)) {
    parts.set(name, actionParts(name, action, settings, report));
  }
  for (const [name, action] of Object.entries(awsActions)) {
    const path = `awsActions.${name}`;
    if (parts.has(name)) report({ path, reason: "there is an action of this name already" });
    const own = awsActionProblems(path, action, settings.topology);
    own.push(...orderProblems(path, action, [...Object.keys(experiment.actions), ...Object.keys(awsActions)]));
    problems.push(...own);
    parts.set(name, own.length > 0 ? noParts : awsActionParts(name, action, settings.topology));
  }
  const startAfter = (name: string): string[] => (experiment.actions[name] ?? awsActions[name])?.startAfter ?? [];
  const all = together([...parts.values()]);
  const actions = inOrder(parts, startAfter);
  const alarms = alarmsOf(experiment, settings, report);
  const gates = alarms.filter(({ key }) => key !== haltKey).map(({ key }) => key);
  const frame = framed(actions, gates, experiment);
  const templates = splitIntoTemplates(frame.actions, all.targets, 0) ?? [];
  const seconds = longestSeconds(frame.actions);
  problems.push(
    ...nameProblems(frame.actions),
    ...sizeProblems(frame.actions, templates.length),
    ...scheduleProblems(experiment.schedule, seconds * (settings.repetitions ?? 1)),
  );
  const plan: ExperimentPlan = {
    templates,
    documents: all.documents,
    alarms: [...alarms, ...all.alarms],
    stop: alarms.filter(({ key }) => key === haltKey || key.startsWith("stop")).map(({ key }) => key),
    gates,
    seconds,
    single: singleFaults(experiment, parts, (name, action) => {
      const alone: Problem[] = [];
      const planned = faultParts(name, action, settings, (problem) => alone.push(problem));
      return alone.length > 0 ? undefined : planned;
    }),
    notes: [...all.notes, ...frame.notes],
  };
  return { plan, problems };
}

function actionParts(name: string, action: ExperimentAction, settings: PlanSettings, report: Report): ActionParts {
  const { topology } = settings;
  const path = `actions.${name}`;
  if (action.fault !== undefined) return faultParts(name, action, settings, report);
  if (action.command !== undefined) {
    return commandParts(name, action, hitResources(topology, action.target ?? {}).machines);
  }
  if (action.waitSeconds !== undefined) {
    lengthProblems(`${path}.waitSeconds`, "a wait", action.waitSeconds, fisLimits.shortestSeconds).forEach(report);
    return { ...noParts, actions: [waitAction(name, action.waitSeconds, [])] };
  }
  if (action.probe !== undefined) {
    const problems = probeAlarmProblems(`${path}.probe`, action.probe, topology);
    problems.forEach(report);
    if (problems.length > 0) return noParts;
    const alarm = probeAlarm(`probe-${name}`, action.probe, topology);
    return { ...noParts, actions: [assertion(name, [alarm.key], [])], alarms: [alarm] };
  }
  const cure = "change the shadow's own arguments and run `pulumi up`, or rehearse it in the lab";
  const image = action.change?.image === undefined ? "" : ", and an instance gets another image only by being replaced";
  report({ path: `${path}.change`, reason: `FIS cannot change machines${image}; ${cure}` });
  return noParts;
}

function faultParts(name: string, action: ExperimentAction, settings: PlanSettings, report: Report): ActionParts {
  const { target = {} } = action;
  const path = `actions.${name}`;
  const kind = target.flow !== undefined ? "flow" : target.link !== undefined ? "link" : "machine";
  const problems = validateFault(action.fault!, action, kind, path);
  problems.forEach(report);
  if (problems.length > 0) return noParts;
  const hit = hitResources(settings.topology, target);
  const native = nativeParts(name, action, hit, report);
  if (native.actions.length > 0 && action.probePackets === true) {
    const cure = "leave it out, or aim at the machines' own links";
    report({
      path: `${path}.probePackets`,
      reason: `FIS does this by itself, without a script that could send them; ${cure}`,
    });
  }
  if (native.actions.length > 0 && !cutsSubnets(action)) return native;
  const machines = { suffix: native.actions.length === 0 ? "" : "machines", machines: hit.machines };
  const bySubnet = cutsSubnets(action) ? [] : hit.subnets;
  const inSubnets = bySubnet.map((subnet) => ({
    suffix: bySubnet.length === 1 && hit.machines.length === 0 ? "" : subnet.name,
    machines: machinesIn(settings.topology, subnet),
    inside: [subnet.cidr, ...(subnet.ipv6Cidr === undefined ? [] : [subnet.ipv6Cidr])],
  }));
  if (separateWays(action).length > 0 && inSubnets.length > 0 && hit.machines.length > 0) {
    const cure = "make one action for the machines and one for the subnets";
    const reason = `matches links of machines and of subnets, whose directions cannot be counted apart together; ${cure}`;
    report({ path: `${path}.target.link`, reason });
  }
  for (const { suffix, machines: inside } of inSubnets) {
    if (inside.length > 0) continue;
    report({
      path: `${path}.target.link`,
      reason: `there is no machine in ${suffix === "" ? (target.link ?? "") : suffix}, so nothing would happen`,
    });
  }
  const hits = [...(hit.machines.length === 0 ? [] : [machines]), ...inSubnets];
  return together([native, ...hits.map((one) => documentParts(name, action, one, settings, report))]);
}

function orderProblems(path: string, { startAfter = [] }: AwsFaultAction, names: readonly string[]): Problem[] {
  return startAfter.flatMap((earlier, index) =>
    names.includes(earlier) ? [] : [{ path: `${path}.startAfter[${index}]`, reason: `no action "${earlier}"` }],
  );
}

/** All actions, those of a part that begin first waiting for the parts before it. */
function inOrder(parts: Map<string, ActionParts>, startAfter: (name: string) => string[]): PlannedAction[] {
  return [...parts].flatMap(([name, { actions }]) => {
    const before = startAfter(name).flatMap((earlier) => lastOf(parts.get(earlier)?.actions ?? []));
    return actions.map((action) => (action.startAfter.length > 0 ? action : { ...action, startAfter: before }));
  });
}

function alarmsOf(experiment: Experiment, { topology, guards = 0 }: PlanSettings, report: Report): PlannedAlarm[] {
  const stops = experiment.stopConditions ?? [];
  const most = fisLimits.stopConditions - 1;
  if (stops.length + guards > most) {
    const reason = `${stops.length} conditions and ${guards} guard alarms; FIS takes ${fisLimits.stopConditions} alarms, one of which is for the halt, so at most ${most} are left`;
    report({ path: "stopConditions", reason });
  }
  const alarms: PlannedAlarm[] = [haltAlarm()];
  stops.forEach((condition, index) => {
    const problems = conditionProblems(`stopConditions[${index}]`, condition, topology);
    problems.forEach(report);
    if (problems.length === 0) alarms.push(stopAlarm(`stop-${index + 1}`, condition, topology));
  });
  (experiment.hypothesis?.probes ?? []).forEach((probe, index) => {
    const problems = probeAlarmProblems(`hypothesis.probes[${index}]`, probe, topology);
    problems.forEach(report);
    if (problems.length === 0) alarms.push(probeAlarm(`hypothesis-${index + 1}`, probe, topology));
  });
  return alarms;
}

/** Actions between two gates: nothing begins while an alarm is on, and after the recovery none may be. */
function framed(actions: PlannedAction[], gates: readonly string[], { analysis }: Experiment) {
  if (gates.length === 0) return { actions, notes: [] };
  const asked = analysis?.recoverySeconds ?? 30;
  const seconds = Math.max(fisLimits.shortestSeconds, Math.ceil(asked));
  const size = fisLimits.alarmsPerAssertion;
  const groups = Array.from({ length: Math.ceil(gates.length / size) }, (_, index) =>
    gates.slice(index * size, (index + 1) * size),
  );
  const name = (base: string, index: number): string => (groups.length === 1 ? base : `${base}-${index + 1}`);
  const before = groups.map((keys, index) => assertion(name("gate-before", index), keys, []));
  const recovery = { ...waitAction("gate-recovery", seconds, []), startAfter: lastOf(actions) };
  const after = groups.map((keys, index) => assertion(name("gate-after", index), keys, [recovery.name]));
  const first = before.map((gate) => gate.name);
  const between = actions.map((action) => (action.startAfter.length > 0 ? action : { ...action, startAfter: first }));
  const rounded = `recovery is given ${seconds} s before the last gate, as FIS waits at least a minute`;
  return { actions: [...before, ...between, recovery, ...after], notes: seconds === asked ? [] : [rounded] };
}

function assertion(name: string, alarms: string[], startAfter: string[]): PlannedAction {
  return {
    name,
    actionId: "aws:cloudwatch:assert-alarm-state",
    description: `goes on when ${alarms.join(", ")} ${alarms.length === 1 ? "is" : "are"} OK`,
    parameters: { alarmStates: "OK" },
    startAfter,
    alarms,
    seconds: 0,
  };
}

function nameProblems(actions: readonly PlannedAction[]): Problem[] {
  const seen = new Set<string>();
  return actions.flatMap(({ name }) => {
    const path = `actions.${name}`;
    if (name.length > 64)
      return [{ path, reason: `has ${name.length} characters in FIS, at most 64 are allowed; shorten it` }];
    if (seen.has(name)) return [{ path, reason: `two actions of the template would be called ${name}; rename one` }];
    seen.add(name);
    return [];
  });
}

function sizeProblems(actions: readonly PlannedAction[], templates: number): Problem[] {
  const problems: Problem[] = [];
  if (templates === 0 && actions.length > 0) {
    const reason = `need ${actions.length} actions of FIS that cannot be run one part after the other; a template takes ${fisLimits.actionsPerTemplate}`;
    problems.push({ path: "actions", reason: `${reason}; let some wait for others, or make two experiments` });
  }
  const most = mostAtOnce(actions);
  if (most > fisLimits.parallelActions) {
    const reason = `up to ${most} actions would run at once, FIS allows ${fisLimits.parallelActions}; let some wait for others`;
    problems.push({ path: "actions", reason });
  }
  return problems;
}
