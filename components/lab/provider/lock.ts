import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { stateFolder } from "../kernel/names";

const held = new Set<string>();

/**
 * Takes a network for this process until it ends; throws when another live process has it. A lock that a killed process
 * left is taken over: it names the process together with its start time.
 */
export function lockNetwork(network: string): void {
  const file = join(stateFolder(), "locks", network);
  if (held.has(file)) return;
  mkdirSync(join(stateFolder(), "locks"), { recursive: true });
  const own = join(stateFolder(), "locks", `.${network}.${process.pid}`);
  writeFileSync(own, identity(process.pid) ?? "");
  try {
    while (!tryLink(own, file)) clearStale(file, network);
  } finally {
    rmSync(own, { force: true });
  }
  held.add(file);
  if (held.size === 1) process.on("exit", releaseAll);
}

function tryLink(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function clearStale(file: string, network: string): void {
  let owner: string;
  try {
    owner = readFileSync(file, "utf8");
  } catch {
    return;
  }
  const pid = Number(owner.split(" ")[0]);
  if (identity(pid) === owner) {
    const cure = "wait until it has ended, then run this again";
    const message = `another operation (process ${pid}) is changing "${network}"; ${cure}`;
    throw new ShadownetError("network-busy", message, ExitCode.NotPossibleHere);
  }
  rmSync(file, { force: true });
}

/** Process id and start time: together they name one process for ever. */
function identity(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields[0] === "Z" ? undefined : `${pid} ${fields[19] ?? ""}`;
  } catch {
    return undefined;
  }
}

function releaseAll(): void {
  for (const file of held) rmSync(file, { force: true });
}
