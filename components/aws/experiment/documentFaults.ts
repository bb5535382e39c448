import type { ExperimentAction, FaultKind } from "../../experiment";
import { ProblemsError } from "../../internal/problems";
import { quote } from "../../runtime/faults/commands";
import { fromOtherEnd } from "../../runtime/faults/directions";
import type { Fault } from "../../runtime/faults/plan";
import { commandDocument, longestDocument } from "./document";
import { type CommandDocument, type PlannedAction, type PlannedTarget, fisLimits } from "./model";
import { instancesTarget } from "./nativeFaults";
import {
  type ActionParts,
  type PlanSettings,
  type Report,
  isoDuration,
  noParts,
  quietBefore,
  together,
  totalSeconds,
  windowsOf,
} from "./parts";
import { documentScript, guestCapabilities, vpcGuard } from "./script";
import { type GroupLayout, type HitMachine, type MachineGroup, groupsOf, guestTarget, targetText } from "./targets";

/** Time beside the fault itself: for the agent, for applying and for undoing. */
const marginSeconds = 60;
/** Slice of systemd in which a fault on control groups keeps its timer. */
const timerSlice = "shadownet.slice";
/** Kinds that work on control groups, whose files differ between the two versions. */
const groupKinds: FaultKind[] = ["cpuExhaustion", "memoryExhaustion", "ioExhaustion"];

/** Some machines that one fault hits by the same document. */
export interface DocumentHit {
  /** What tells it apart from its siblings; empty when it has none. */
  suffix: string;
  machines: HitMachine[];
  /** Ranges inside which packets are let be: those of a subnet whose link is hit. */
  inside?: string[];
}

/** A fault that is carried out inside the machines by SSM documents, one for each group of like machines. */
export function documentParts(
  name: string,
  action: ExperimentAction,
  hit: DocumentHit,
  settings: PlanSettings,
  report: Report,
): ActionParts {
  const windows = hit.machines.map(({ machine }) => machine).filter(({ aws }) => aws?.platform === "windows");
  if (windows.length > 0) {
    const reason = `${windows.map((machine) => machine.name).join(", ")} run Windows, where ${action.fault ?? "it"} cannot be done; use machineCrash, machineHang or ioExhaustion of 100 %`;
    report({ path: `actions.${name}.target`, reason });
    return noParts;
  }
  // Machines see what a subnet's router sends as what they get.
  const inside = hit.inside === undefined ? action : fromOtherEnd(action);
  const groups = groupsOf(hit.machines);
  const base = hit.suffix === "" ? name : `${name}-${hit.suffix}`;
  return together(
    groups.map((group) => {
      const key = groups.length === 1 ? base : `${base}-${group.addresses.length}nics`;
      return groupParts({ name, key, action: inside, group, hit, settings, report });
    }),
  );
}

interface GroupSettings {
  name: string;
  key: string;
  action: ExperimentAction;
  group: MachineGroup;
  hit: DocumentHit;
  settings: PlanSettings;
  report: Report;
}

function groupParts(given: GroupSettings): ActionParts {
  const { name, key, action, group, report } = given;
  const windows = windowsOf(name, action);
  const seconds = totalSeconds(windows) + marginSeconds;
  if (seconds > fisLimits.longestSeconds) {
    const reason = `lasts ${totalSeconds(windows)} s; FIS ends every action after ${fisLimits.longestSeconds} s, of which ${marginSeconds} s are for the agent`;
    report({ path: `actions.${name}`, reason });
  }
  const script = compiled(given);
  if (script === undefined) return noParts;
  const content = commandDocument({
    description: `${script.plan.fault.kind} on ${targetText(action.target ?? {})}, by ${script.plan.mechanism}; made by shadownet`,
    step: key,
    text: script.text,
    timeoutSeconds: Math.ceil(seconds + marginSeconds),
  });
  const size = Buffer.byteLength(JSON.stringify(content));
  if (size > longestDocument) {
    const reason = `its SSM document has ${size} bytes, at most ${longestDocument} are allowed; name fewer hosts or machines`;
    report({ path: `actions.${name}`, reason });
  }
  return {
    ...sending(key, content, group, seconds),
    notes: [...noteOf(action, script.plan.fault.kind), ...script.plan.notes.map((note) => `${name}: ${note}`)],
  };
}

function noteOf({ fault }: ExperimentAction, done: FaultKind): string[] {
  if (fault !== "linkDown" || done === "linkDown") return [];
  return [
    "linkDown on a machine's first interface lets nothing through but Systems Manager, so that it can be ended early; the carrier stays up",
  ];
}

/** The script, or nothing when the compiler refused: its paths are those of the action. */
function compiled({ name, key, action, group, hit, settings, report }: GroupSettings) {
  const { experimentName, capabilities = guestCapabilities, workloadGroup = "system.slice" } = settings;
  const { target = {} } = action;
  const kind = kindDone(action, hit.machines);
  const usesGroups = groupKinds.includes(kind);
  const kindOfTarget = target.flow !== undefined ? "flow" : target.link !== undefined ? "link" : "machine";
  const at = (layout: GroupLayout) =>
    guestTarget({
      kind: kindOfTarget,
      name: targetText(target),
      flow: target.flow,
      devices: group.addresses.length,
      group: workloadGroup,
      inside: hit.inside,
      layout,
    });
  const windows = windowsOf(name, action);
  const fault: Fault = {
    ...action,
    kind,
    id: `${experimentName}.${key}`.slice(0, 100),
    durationSeconds: windows[0]?.seconds ?? 0,
  };
  try {
    return documentScript({
      fault,
      target: at("unified"),
      ...(usesGroups ? { legacyTarget: at("legacy"), slice: timerSlice } : {}),
      capabilities,
      addresses: kindOfTarget === "machine" && !usesNetwork(kind) ? [] : group.addresses,
      quiet: quietBefore(windows).map((beforeSeconds) => ({ beforeSeconds })),
    });
  } catch (error) {
    if (!(error instanceof ProblemsError)) throw error;
    for (const { path, reason } of error.problems) {
      report({
        path: path.replace(/^fault(?=\.|$)/, `actions.${name}`).replace(/^target/, `actions.${name}.target`),
        reason,
      });
    }
    return undefined;
  }
}

/** Without a carrier Systems Manager could not end the fault, so only interfaces that it does not use lose theirs. */
function kindDone({ fault }: ExperimentAction, machines: readonly HitMachine[]): FaultKind {
  if (fault !== "linkDown") return fault!;
  const first = machines.some(({ machine, interfaces }) =>
    interfaces.some((index) => (machine.interfaces[index]?.aws?.deviceIndex ?? index) === 0),
  );
  return first ? "blackhole" : "linkDown";
}

function usesNetwork(kind: FaultKind): boolean {
  const inside: FaultKind[] = [...groupKinds, "diskExhaustion", "processKill", "machineHang", "machineCrash"];
  return !inside.includes(kind);
}

/** A run-book step: a command inside the machines, whose objective ends it. */
export function commandParts(
  name: string,
  { command = [], objectiveSeconds = 60, target = {} }: ExperimentAction,
  machines: readonly HitMachine[],
): ActionParts {
  const seconds = Math.max(fisLimits.shortestSeconds, objectiveSeconds);
  const content = commandDocument({
    description: `run-book step ${name} on ${targetText(target)}; made by shadownet`,
    step: name,
    text: `ID=${quote(name)}\n${vpcGuard}\nexec ${command.map(quote).join(" ")}\n`,
    timeoutSeconds: Math.ceil(objectiveSeconds),
  });
  const group = { machines: machines.map(({ machine }) => machine), addresses: [] };
  const notes = objectiveSeconds < seconds ? [`${name}: its objective ends it, FIS itself waits a minute`] : [];
  return { ...sending(name, content, group, seconds), notes };
}

function sending(key: string, content: CommandDocument, { machines }: MachineGroup, seconds: number): ActionParts {
  const minutes = Math.ceil(seconds / 60) * 60;
  const action: PlannedAction = {
    name: key,
    actionId: "aws:ssm:send-command",
    description: content.description.slice(0, 500),
    parameters: { duration: isoDuration(minutes) },
    target: { key: "Instances", name: key },
    startAfter: [],
    document: key,
    seconds: minutes,
  };
  const target: PlannedTarget = { name: key, ...instancesTarget(machines) };
  return { ...noParts, actions: [action], targets: [target], documents: [{ key, content }] };
}
