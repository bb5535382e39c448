import { rm } from "node:fs/promises";
import { join } from "node:path";

import { readJson, writeAtomically } from "../../internal/files";
import { type ProcessIdentity, isAlive, ownIdentity } from "../runner/processes";
import { conflict } from "./errors";

/** What a running controller tells the command line. */
export interface ControllerRecord extends ProcessIdentity {
  /** Address and port, for example `127.0.0.1:7425`. */
  address: string;
  /** File that holds the token. */
  tokenFile: string;
  /** Folder of the runs. */
  runsFolder: string;
}

function controllerFile(stateFolder: string): string {
  return join(stateFolder, "controller.json");
}

/** The controller that runs for this state folder; undefined when there is none. */
export async function runningController(stateFolder: string): Promise<ControllerRecord | undefined> {
  const record = await readJson<ControllerRecord>(controllerFile(stateFolder)).catch(() => undefined);
  return record !== undefined && isAlive(record) ? record : undefined;
}

/** Throws when a controller runs for this state folder already. */
export async function refuseSecondController(stateFolder: string): Promise<void> {
  const running = await runningController(stateFolder);
  if (running === undefined) return;
  const message = `a controller runs already: process ${running.pid} on http://${running.address}`;
  throw conflict("already-serving", message);
}

/** Makes the controller known; returns what takes that back. */
export async function announceController(
  stateFolder: string,
  found: Omit<ControllerRecord, keyof ProcessIdentity>,
): Promise<() => Promise<void>> {
  const file = controllerFile(stateFolder);
  await writeAtomically(file, `${JSON.stringify({ ...ownIdentity(), ...found }, null, 2)}\n`, 0o600);
  return () => rm(file, { force: true });
}
