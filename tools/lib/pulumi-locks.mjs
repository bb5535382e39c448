// Locks of Pulumi's file back end that a killed engine left: they would stop every later operation.
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

function lockFiles(folder) {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true });
  return names.filter((name) => name.endsWith(".json")).map((name) => join(folder, name));
}

/** When a process was started, in milliseconds since 1970; undefined when it does not run or only waits to be reaped. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    if (["Z", "X"].includes(stat.slice(stat.lastIndexOf(")") + 2)[0])) return undefined;
    return statSync(`/proc/${pid}`).ctimeMs;
  } catch {
    return undefined;
  }
}

/** True when the process runs that took the lock, or when that cannot be known; a later one of its number does not count. */
function isHeld({ pid, hostname: host, timestamp }) {
  if (host !== hostname()) return true;
  if (process.platform !== "linux") {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return error.code === "EPERM";
    }
  }
  const started = startOf(pid);
  return started !== undefined && started <= Date.parse(timestamp) + 1000;
}

/** The locks in a back end's folder that no living process holds, as paths. */
export function staleLocks(backend) {
  return lockFiles(join(backend, ".pulumi", "locks")).filter((file) => {
    try {
      return !isHeld(JSON.parse(readFileSync(file, "utf8")));
    } catch (error) {
      // A killed engine can leave half a file; one that has just gone is no lock any more.
      return error instanceof SyntaxError && Date.now() - statSync(file).mtimeMs > 10_000;
    }
  });
}

/** Removes them, and returns how many there were. */
export function clearStaleLocks(backend) {
  const stale = staleLocks(backend);
  for (const file of stale) for (const path of [file, `${file}.attrs`]) rmSync(path, { force: true });
  return stale.length;
}
