import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { tryRun } from "../internal/exec";
import { networkFolder } from "./kernel/names";

/** Folder of one fault on a shadow: its plan, its script, the script's state. */
export function faultFolder(network: string, id: string): string {
  return join(networkFolder(network), "faults", id);
}

/** The script that starts, shows and ends one fault. */
export function faultScript(network: string, id: string): string {
  return join(faultFolder(network, id), "fault.sh");
}

/** Every fault that has a folder, on or ended by itself. */
export async function faultIds(network: string): Promise<string[]> {
  return readdir(faultFolder(network, "")).catch(() => []);
}

/** The faults that are on, or about to be. */
export async function armedFaultsOf(network: string): Promise<string[]> {
  const ids = await faultIds(network);
  const found = await Promise.all(
    ids.map(async (id) => ({ id, ...(await tryRun(["sh", faultScript(network, id), "status"])) })),
  );
  return found.filter(({ stdout }) => /"event":"(active|armed)"/.test(stdout)).map(({ id }) => id);
}
