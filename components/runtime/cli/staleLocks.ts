import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { type ProcessIdentity, isAlive } from "../runner/processes";

/**
 * Names of the locks of runs in a state folder whose process has ended. Those of operations are left by every provider
 * that the engine stops, and say nothing.
 */
export function staleLocks(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
  return names.filter((name) => {
    const holder = holderOf(join(folder, name));
    return holder !== undefined && !isAlive(holder);
  });
}

/** Who took a lock; undefined when it has gone meanwhile or is not whole. */
function holderOf(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
