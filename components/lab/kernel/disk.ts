import { mkdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import { run, tryRun } from "../../internal/exec";
import { machineFolder } from "./names";
import { quote } from "./namespaces";
import type { LabMachineSpec } from "./specs";

type DiskSpec = Pick<LabMachineSpec, "network" | "machine" | "diskMegabytes" | "dataSource">;

/** Folder of a machine's data, `/srv` inside it; with a disk of its own, where that is mounted. */
export function dataFolder({ network, machine }: Pick<DiskSpec, "network" | "machine">): string {
  return join(machineFolder(network, machine), "data");
}

function imageFile({ network, machine }: Pick<DiskSpec, "network" | "machine">): string {
  return join(machineFolder(network, machine), "disk.img");
}

/** Makes a machine's data folder, on a disk of its own where it has one, and copies into it what it starts with. */
export async function createData(spec: DiskSpec): Promise<void> {
  const data = dataFolder(spec);
  await mkdir(data, { recursive: true });
  if (spec.diskMegabytes !== undefined) await createDisk(spec, spec.diskMegabytes);
  if (spec.dataSource !== undefined) await run(["cp", "-a", "--reflink=auto", `${spec.dataSource}/.`, data]);
}

/**
 * The disk is a file that grows as it is filled and never beyond its size, so that a machine's disk can run full while
 * the host's does not. It has no journal: what is lost with the host is copied anew.
 */
async function createDisk(spec: DiskSpec, megabytes: number): Promise<void> {
  const [image, data] = [imageFile(spec), dataFolder(spec)];
  await run(["truncate", "-s", `${Math.round(megabytes * 1024)}K`, image]);
  const quick = ["-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard"];
  await run(["mkfs.ext4", "-q", "-F", "-m", "0", ...quick, image]);
  await run(["sh", "-c", mountCommand(spec)]);
  await rmdir(join(data, "lost+found"));
}

/** Shell text that mounts a machine's disk. */
function mountCommand(spec: DiskSpec): string {
  return `mount -o loop,noatime ${quote(imageFile(spec))} ${quote(dataFolder(spec))}`;
}

/** Shell text that mounts a machine's disk again after the host was started anew; empty where it has none. */
export function remountLines(spec: DiskSpec): string {
  if (spec.diskMegabytes === undefined) return "";
  return `mountpoint -q ${quote(dataFolder(spec))} || ${mountCommand(spec)} || exit 1`;
}

/** Size of the disk that is mounted; undefined when there is none. */
export async function readDisk(spec: DiskSpec): Promise<number | undefined> {
  if (!(await isMounted(dataFolder(spec)))) return undefined;
  const image = await stat(imageFile(spec)).catch(() => undefined);
  return image === undefined ? undefined : image.size / 1024 / 1024;
}

/** Takes a machine's disk and data away; a disk that something still uses goes when that ends. */
export async function deleteData(spec: Pick<DiskSpec, "network" | "machine">): Promise<void> {
  await releaseDisk(spec);
  await rm(imageFile(spec), { force: true });
  await rm(dataFolder(spec), { recursive: true, force: true, maxRetries: 3 });
}

/** Unmounts a machine's disk, where it has one. */
export async function releaseDisk(spec: Pick<DiskSpec, "network" | "machine">): Promise<void> {
  if (await isMounted(dataFolder(spec))) await tryRun(["umount", "-l", dataFolder(spec)]);
}

async function isMounted(folder: string): Promise<boolean> {
  const [own, parent] = await Promise.all([folder, dirname(folder)].map((path) => stat(path).catch(() => undefined)));
  return own !== undefined && own.dev !== parent?.dev;
}
