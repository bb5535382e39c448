import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { type ProcessIdentity, isAlive, ownIdentity } from "./processes";

/** Who holds a shadow. */
interface LockRecord extends ProcessIdentity {
  run: string;
  /** ISO 8601. */
  since: string;
}

/**
 * Takes a shadow for one run; returns what gives it back. A lock whose process is gone is taken over. Throws when
 * another run holds it, because two runs on one shadow would measure each other's faults.
 */
export function lockShadow(stateFolder: string, network: string, run: string): () => void {
  const folder = join(stateFolder, "locks");
  const file = join(folder, `${network}.json`);
  mkdirSync(folder, { recursive: true });
  const record: LockRecord = { ...ownIdentity(), run, since: new Date().toISOString() };
  const temporary = `${file}.${process.pid}.${run}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(record)}\n`);
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (linked(temporary, file)) return () => giveBack(file, run);
      const holder = readLock(file);
      if (holder !== undefined && isAlive(holder)) throw alreadyRunning(network, holder);
      removeStale(file, holder);
    }
    throw new ShadownetError("lock-failed", `cannot take the lock ${file}; others take it all the time`);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** True while a run holds the shadow. */
export function isLocked(stateFolder: string, network: string): boolean {
  const holder = readLock(join(stateFolder, "locks", `${network}.json`));
  return holder !== undefined && isAlive(holder);
}

/** A hard link either makes the whole file appear under its name, or fails because somebody was first. */
function linked(temporary: string, file: string): boolean {
  try {
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Taken aside before it is removed, and put back when another run has taken the shadow since it was read. */
function removeStale(file: string, holder: LockRecord | undefined): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (readLock(aside)?.run !== holder?.run) linked(aside, file);
  rmSync(aside, { force: true });
}

function readLock(file: string): LockRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as LockRecord;
  } catch {
    return undefined;
  }
}

function giveBack(file: string, run: string): void {
  if (readLock(file)?.run === run) rmSync(file, { force: true });
}

function alreadyRunning(network: string, holder: LockRecord): ShadownetError {
  const who = `run ${holder.run} (process ${holder.pid} on ${holder.host}, since ${holder.since})`;
  const message = `"${network}" is in use by ${who}; wait for it, or end it with Ctrl-C or \`shadownet halt\``;
  return new ShadownetError("shadow-in-use", message, ExitCode.NotPossibleHere);
}
