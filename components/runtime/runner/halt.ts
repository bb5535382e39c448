import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

import { writeAtomically } from "../../internal/files";
import { ExitCode, ShadownetError } from "../../internal/problems";

/** Why and since when no run may start. */
export interface HaltRecord {
  reason: string;
  /** ISO 8601. */
  since: string;
}

/**
 * Forbids every run of this state folder until {@link release}; running ones see it within a step, undo and end.
 * Undoing what dead runs left is the driver's `halt`, which the caller calls for each shadow.
 */
export async function halt(stateFolder: string, reason: string): Promise<HaltRecord> {
  const record: HaltRecord = { reason, since: new Date().toISOString() };
  await writeAtomically(haltFile(stateFolder), `${JSON.stringify(record)}\n`);
  return record;
}

/** Allows runs again; says whether they were forbidden. */
export async function release(stateFolder: string): Promise<boolean> {
  const was = isHalted(stateFolder) !== undefined;
  await rm(haltFile(stateFolder), { force: true });
  return was;
}

/** Why runs are forbidden; undefined when they are allowed. A switch that cannot be read counts as pulled. */
export function isHalted(stateFolder: string): HaltRecord | undefined {
  let text: string;
  try {
    text = readFileSync(haltFile(stateFolder), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return { reason: `the halt switch cannot be read: ${(error as Error).message}`, since: "" };
  }
  try {
    return JSON.parse(text) as HaltRecord;
  } catch {
    return { reason: "the halt switch is pulled; its file says nothing readable", since: "" };
  }
}

/** Throws when runs are forbidden. */
export function refuseWhenHalted(stateFolder: string): void {
  const record = isHalted(stateFolder);
  if (record === undefined) return;
  const since = record.since === "" ? "" : ` since ${record.since}`;
  const message = `runs are halted${since}: ${record.reason}; \`shadownet release\` allows them again`;
  throw new ShadownetError("halted", message, ExitCode.NotPossibleHere);
}

function haltFile(stateFolder: string): string {
  return join(stateFolder, "halt.json");
}
