import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** Enough to tell a process from a later one with the same number. */
export interface ProcessIdentity {
  pid: number;
  host: string;
  /** The kernel's start time; left out where it cannot be read. */
  startTime?: string;
}

/** The identity of the process that asks. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), startTime: startTime(process.pid) };
}

/** True while that very process runs; a process of another host counts as alive, because it cannot be asked. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.host !== hostname()) return true;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  // A zombie has ended; only nobody has asked yet how.
  if (statFields(identity.pid)?.[0] === "Z") return false;
  const now = startTime(identity.pid);
  return now === undefined || identity.startTime === undefined || now === identity.startTime;
}

function startTime(pid: number): string | undefined {
  return statFields(pid)?.[19];
}

/**
 * Fields of /proc/PID/stat from the third on, the state: those after the program's name, which may hold anything but
 * ends with the last parenthesis. Undefined where it cannot be read.
 */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
