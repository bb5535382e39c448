import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { ShadownetError } from "../../internal/problems";
import type { MachineSize } from "../../topology";
import { killNow } from "./namespaces";

/** Control group folders of a machine: `unified` where the host has cgroup v2 controllers, else one per v1 controller. */
export interface MachineCgroups {
  unified?: string;
  cpu?: string;
  cpuacct?: string;
  memory?: string;
  freezer?: string;
  blkio?: string;
  pids?: string;
}

const controllers = ["cpu", "cpuacct", "memory", "freezer", "blkio", "pids"] as const;
const period = 100_000;

let mounts: MachineCgroups | undefined;

/** Where the host has its control groups; read once. */
function cgroupMounts(): MachineCgroups {
  if (mounts !== undefined) return mounts;
  const found: MachineCgroups = {};
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [, folder = "", type, options = ""] = line.split(" ");
    if (type === "cgroup2" && hasController(folder, "memory")) found.unified ??= folder;
    if (type !== "cgroup") continue;
    for (const controller of controllers) if (options.split(",").includes(controller)) found[controller] ??= folder;
  }
  mounts = found.unified === undefined ? found : { unified: found.unified };
  return mounts;
}

function hasController(folder: string, controller: string): boolean {
  const file = join(folder, "cgroup.controllers");
  return existsSync(file) && readFileSync(file, "utf8").trim().split(" ").includes(controller);
}

/** The control groups of a machine, whether they exist yet or not. */
export function machineCgroups(network: string, machine: string): MachineCgroups {
  const entries = Object.entries(cgroupMounts()).map(([name, mount]) => [
    name,
    join(mount as string, "shadownet", network, machine),
  ]);
  return Object.fromEntries(entries) as MachineCgroups;
}

/** Files with which a size is enforced, and their content; a side that the size leaves out is unlimited. */
export function limitFiles(cgroups: MachineCgroups, size: MachineSize = {}): { file: string; value: string }[] {
  const { unified, cpu, memory } = cgroups;
  const quota = size.cpus === undefined ? undefined : Math.max(1000, Math.round(size.cpus * period));
  const bytes = size.memoryMegabytes === undefined ? undefined : Math.round(size.memoryMegabytes * 1024 * 1024);
  if (unified !== undefined) {
    return [
      { file: join(unified, "cpu.max"), value: `${quota ?? "max"} ${period}` },
      { file: join(unified, "memory.max"), value: `${bytes ?? "max"}` },
    ];
  }
  return [
    ...(cpu === undefined ? [] : [{ file: join(cpu, "cpu.cfs_quota_us"), value: `${quota ?? -1}` }]),
    ...(memory === undefined ? [] : [{ file: join(memory, "memory.limit_in_bytes"), value: `${bytes ?? -1}` }]),
  ];
}

/** Makes a machine's control groups and sets their limits; existing ones get the limits in place. */
export async function applyCgroups(cgroups: MachineCgroups, size?: MachineSize): Promise<void> {
  await Promise.all(Object.values(cgroups).map((folder) => mkdir(folder as string, { recursive: true })));
  if (cgroups.unified !== undefined) await delegateControllers(cgroups.unified);
  for (const { file, value } of limitFiles(cgroups, size)) {
    await writeFile(file, value).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ShadownetError("limit-refused", `${file} does not take ${value}: ${reason}`);
    });
  }
}

async function delegateControllers(group: string): Promise<void> {
  const network = dirname(group);
  for (const parent of [dirname(dirname(network)), dirname(network), network]) {
    await writeFile(join(parent, "cgroup.subtree_control"), "+cpu +memory +pids +io");
  }
}

/** The limits that a machine's control groups have now; undefined when it has none. */
export async function readSize(cgroups: MachineCgroups): Promise<MachineSize | undefined> {
  const { cpus, memoryMegabytes } = await (cgroups.unified === undefined
    ? readV1(cgroups)
    : readUnified(cgroups.unified));
  if (cpus === undefined && memoryMegabytes === undefined) return undefined;
  return { ...(cpus === undefined ? {} : { cpus }), ...(memoryMegabytes === undefined ? {} : { memoryMegabytes }) };
}

async function readUnified(folder: string): Promise<MachineSize> {
  const [quota, of] = (await readText(folder, "cpu.max")).split(" ");
  const bytes = await readText(folder, "memory.max");
  return {
    cpus: quota === "" || quota === "max" ? undefined : Number(quota) / Number(of),
    memoryMegabytes: bytes === "" || bytes === "max" ? undefined : Number(bytes) / 1024 / 1024,
  };
}

async function readV1({ cpu, memory }: MachineCgroups): Promise<MachineSize> {
  const quota = Number(await readText(cpu, "cpu.cfs_quota_us"));
  const of = Number(await readText(cpu, "cpu.cfs_period_us"));
  const bytes = Number(await readText(memory, "memory.limit_in_bytes"));
  return {
    cpus: quota > 0 ? quota / of : undefined,
    // Without a limit the kernel says the largest number of whole pages.
    memoryMegabytes: bytes > 0 && bytes < 2 ** 62 ? bytes / 1024 / 1024 : undefined,
  };
}

async function readText(folder: string | undefined, file: string): Promise<string> {
  if (folder === undefined) return "";
  return (await readFile(join(folder, file), "utf8").catch(() => "")).trim();
}

/** Lets a machine's processes run again that a fault had frozen: frozen processes cannot be killed on v1. */
export async function thaw({ unified, freezer }: MachineCgroups): Promise<void> {
  if (unified !== undefined) await writeFile(join(unified, "cgroup.freeze"), "0").catch(() => undefined);
  if (freezer !== undefined) await writeFile(join(freezer, "freezer.state"), "THAWED").catch(() => undefined);
}

/** Ends what is left in control groups and removes them; those that are gone already are no error. */
export async function removeCgroups(cgroups: MachineCgroups): Promise<void> {
  await thaw(cgroups);
  const folders = Object.values(cgroups) as string[];
  const deadline = Date.now() + 10_000;
  for (const folder of folders) {
    while (!(await tryRemove(folder))) {
      if (Date.now() > deadline) {
        throw new ShadownetError("cgroup-busy", `${folder} still has processes after 10 s`);
      }
      for (const pid of (await readText(folder, "cgroup.procs")).split("\n")) if (pid !== "") killNow(Number(pid));
      await delay(10);
    }
  }
}

async function tryRemove(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code !== "EBUSY") throw error;
    return removeChildren(folder);
  }
}

/** Groups that something made inside the machine's; false, because the machine's own is still to be removed. */
async function removeChildren(folder: string): Promise<false> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory()) continue;
    const child = join(folder, entry.name);
    for (const pid of (await readText(child, "cgroup.procs")).split("\n")) if (pid !== "") killNow(Number(pid));
    await tryRemove(child);
  }
  return false;
}

/** Removes the folders that hold the control groups of a network's machines, when they are empty. */
export async function removeNetworkCgroups(network: string): Promise<void> {
  for (const folder of Object.values(machineCgroups(network, "."))) {
    await rmdir(folder as string).catch(() => undefined);
    await rmdir(dirname(folder as string)).catch(() => undefined);
  }
}
