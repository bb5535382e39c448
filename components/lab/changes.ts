import { readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { imageCure } from "../validation/change";
import type { RehearsedRoute, RehearsedRule, ShadowChange } from "../experiment";
import { canonicalAddress, canonicalCidr } from "../internal/cidr";
import { readJson, writeAtomically } from "../internal/files";
import { ShadownetError } from "../internal/problems";
import type { ChangeHandle } from "../runtime/runner/driver";
import { type ProcessIdentity, isAlive, ownIdentity } from "../runtime/runner/processes";
import { AclAction, type MachineSize, type SecurityRule } from "../topology";
import { canonicalRules } from "./kernel/filters";
import { updateMachine, writtenMachine } from "./kernel/machine";
import { machineNamespace, networkFolder } from "./kernel/names";
import { namespaceExists } from "./kernel/namespaces";
import type { LabMachineSpec } from "./kernel/specs";

/** A change that is to be taken back, as it stands on disk before it is made. */
interface ChangeRecord {
  summary: string;
  before: LabMachineSpec;
  after: LabMachineSpec;
  /** Who takes it back at the moment. Defaults to nobody. */
  reverting?: ProcessIdentity;
}

/** How long somebody else may take who is taking a change back. */
const patience = 60_000;

/** Makes a rehearsed change; unless it is to be kept, what takes it back is on disk before anything changes. */
export async function makeChange(network: string, change: ShadowChange): Promise<ChangeHandle> {
  const { machine = "", keep = false } = change;
  const before = await writtenMachine(network, machine);
  if (before === undefined || !(await namespaceExists(machineNamespace(network, machine)))) {
    throw new ShadownetError("no-such-machine", `the shadow has no machine "${machine}"`);
  }
  const taken = (await listChanges(network)).find((other) => other.machine === machine);
  if (taken !== undefined) {
    const message = `machine "${machine}" is changed already (${taken.summary}); one change at a time can be taken back`;
    throw new ShadownetError("changed-already", message);
  }
  if (change.image !== undefined) await checkImage(change.image);
  const after = changed(before, change);
  const summary = summaryOf(change);
  const id = `change-${machine}-${Date.now()}`;
  if (!keep) await writeRecord(network, id, { summary, before, after });
  try {
    await updateMachine(before, after);
  } catch (error) {
    if (keep) await updateMachine(after, before);
    else await revertChange(network, id);
    throw error;
  }
  return { id, machine, summary };
}

/** Takes a change back; does nothing when it was taken back already. A machine that is gone has nothing to take back. */
export async function revertChange(network: string, id: string): Promise<void> {
  const record = await claim(network, id);
  if (record === undefined) return;
  const { before, after } = record;
  if (await namespaceExists(machineNamespace(network, before.machine))) await updateMachine(after, before);
  await rm(recordFile(network, id), { force: true });
}

/** The changes that nobody has taken back yet. */
export async function listChanges(network: string): Promise<ChangeHandle[]> {
  const files = await readdir(changesFolder(network)).catch(() => [] as string[]);
  const ids = files.filter((file) => file.endsWith(".json")).map((file) => basename(file, ".json"));
  const records = await Promise.all(ids.map(async (id) => ({ id, record: await readRecord(network, id) })));
  return records.flatMap(({ id, record }) =>
    record === undefined ? [] : [{ id, machine: record.before.machine, summary: record.summary }],
  );
}

/** The record, marked as this process's to take back; waits for another that is at it, unless that has died. */
async function claim(network: string, id: string): Promise<ChangeRecord | undefined> {
  const deadline = Date.now() + patience;
  for (;;) {
    const record = await readRecord(network, id);
    if (record === undefined) return undefined;
    const { reverting } = record;
    if (reverting === undefined || !isAlive(reverting)) {
      const mine = { ...record, reverting: ownIdentity() };
      await writeRecord(network, id, mine);
      return mine;
    }
    if (Date.now() > deadline) {
      throw new ShadownetError("change-busy", `process ${reverting.pid} has been taking "${id}" back for a minute`);
    }
    await delay(100);
  }
}

async function checkImage(image: string): Promise<void> {
  const found = await stat(image).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new ShadownetError("no-such-image", `image "${image}" is no folder on this host; ${imageCure}`);
}

function changed(before: LabMachineSpec, change: ShadowChange): LabMachineSpec {
  const { environment, workloadCommand, image, cpus, memoryMegabytes, routes = [], filterRules = [] } = change;
  const after = withRules(withRoutes(structuredClone(before), routes), filterRules);
  const size = Object.entries({ cpus, memoryMegabytes }).filter(([, value]) => value !== undefined);
  if (size.length > 0) after.size = { ...before.size, ...(Object.fromEntries(size) as MachineSize) };
  if ((workloadCommand ?? environment ?? image) === undefined) return after;
  if (before.workload === undefined) {
    const message = `machine "${before.machine}" runs nothing whose program, environment or image could change`;
    throw new ShadownetError("nothing-to-change", message);
  }
  if (image !== undefined) after.image = image;
  after.workload = {
    ...before.workload,
    ...(workloadCommand === undefined ? {} : { command: workloadCommand }),
    ...(environment === undefined ? {} : { environment: { ...before.workload.environment, ...environment } }),
  };
  return after;
}

function withRoutes(spec: LabMachineSpec, routes: readonly RehearsedRoute[]): LabMachineSpec {
  const added = routes.map(({ destination, via, blackhole }) => ({
    destination: canonicalCidr(destination),
    ...(via === undefined ? {} : { via: canonicalAddress(via) }),
    ...(blackhole === true ? { blackhole } : {}),
  }));
  const replaced = new Set(added.map(({ destination }) => destination));
  return { ...spec, routes: [...spec.routes.filter(({ destination }) => !replaced.has(destination)), ...added] };
}

/** What is allowed is so by every filter of the machine; an interface without one lets everything pass anyway. */
function withRules(spec: LabMachineSpec, rules: readonly RehearsedRule[]): LabMachineSpec {
  const ofAction = (action: AclAction): SecurityRule[] =>
    rules
      .filter((rule) => rule.action === action)
      .map(({ direction, protocol, ports, cidrs }) => ({
        direction,
        protocol,
        ...(ports === undefined ? {} : { ports }),
        ...(cidrs === undefined ? {} : { cidrs }),
      }));
  const [denied, allowed] = [ofAction(AclAction.Deny), ofAction(AclAction.Allow)];
  const group = "rehearsal";
  const interfaces = spec.interfaces.map((card) =>
    card.filtered && allowed.length > 0
      ? { ...card, rules: canonicalRules([...card.rules, ...allowed.map((rule) => ({ ...rule, group }))]) }
      : card,
  );
  return { ...spec, interfaces, ...(denied.length === 0 ? {} : { denied }) };
}

function summaryOf({ machine = "", ...change }: ShadowChange): string {
  const { environment, workloadCommand, image, cpus, memoryMegabytes, routes = [], filterRules = [] } = change;
  const parts = [
    image === undefined ? undefined : `image ${image}`,
    workloadCommand === undefined ? undefined : `runs ${workloadCommand.join(" ")}`,
    environment === undefined ? undefined : `environment ${Object.keys(environment).join(", ")}`,
    cpus === undefined ? undefined : `${cpus} processors`,
    memoryMegabytes === undefined ? undefined : `${memoryMegabytes} MB of memory`,
    ...routes.map(({ destination, via }) => `${destination} ${via === undefined ? "dropped" : `via ${via}`}`),
    ...filterRules.map(({ action, direction, protocol, ports, cidrs = ["everybody"] }) =>
      [action, direction, protocol, ports, "with", cidrs.join(", ")].filter((word) => word !== undefined).join(" "),
    ),
  ];
  return `${machine}: ${parts.filter((part) => part !== undefined).join(", ")}`;
}

function changesFolder(network: string): string {
  return join(networkFolder(network), "changes");
}

function recordFile(network: string, id: string): string {
  return join(changesFolder(network), `${id}.json`);
}

function readRecord(network: string, id: string): Promise<ChangeRecord | undefined> {
  return readJson<ChangeRecord>(recordFile(network, id));
}

/** The environment of a workload may hold what is nobody else's business. */
async function writeRecord(network: string, id: string, record: ChangeRecord): Promise<void> {
  await writeAtomically(recordFile(network, id), JSON.stringify(record), 0o600);
}
