import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";

import type { Experiment } from "../experiment";
import { readJson } from "../internal/files";
import type { MonitorSettings } from "../monitor";
import { networkFolder } from "./kernel/names";

/** Folder that holds a network's experiment definitions, one file each, written by the stack. */
export function experimentsFolder(network: string): string {
  return join(networkFolder(network), "experiments");
}

/** The experiments that the stack defines for a shadow, by name. */
export async function experimentsOf(network: string): Promise<Record<string, Experiment>> {
  const folder = experimentsFolder(network);
  const files = (await readdir(folder).catch(() => [] as string[])).filter((file) => file.endsWith(".json")).sort();
  const entries = await Promise.all(
    files.map(async (file) => [basename(file, ".json"), await readJson<Experiment>(join(folder, file))] as const),
  );
  return Object.fromEntries(entries.filter((entry): entry is [string, Experiment] => entry[1] !== undefined));
}

/** File of a network's monitor, written by the stack. */
export function monitorFile(network: string): string {
  return join(networkFolder(network), "monitor.json");
}

/** What the stack wants watched on a shadow; nothing where it defines no monitor. */
export async function monitorOf(network: string): Promise<MonitorSettings> {
  return (await readJson<MonitorSettings>(monitorFile(network))) ?? {};
}
