import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { within } from "./clock";
import type { Driver } from "./driver";
import { type ProcessIdentity, isAlive, ownIdentity } from "./processes";

const callLimit = 60_000;

/** Mark that shadownet opened the intake, so that the last who leaves closes it; a hand that opened it closes it itself. */
const openedMark = "opened";

/**
 * Somebody's need for an open intake: a run, or the standing watch of its alarms. Whoever needs it leaves a mark in the state
 * folder, and the last one to go closes the intake, so that neither takes the traffic away from the other. Marks of processes
 * that are gone count for nothing.
 */
export class IntakeHold {
  private readonly folder: string;
  private readonly file: string;

  constructor(
    private readonly driver: Driver,
    stateFolder: string,
    network: string,
    holder: string,
  ) {
    this.folder = join(stateFolder, "intake", network);
    this.file = join(this.folder, `${holder}.json`);
  }

  /** Takes hold, and opens the intake where it is closed; says whether it was. Only after a containment probe that held. */
  async take(): Promise<boolean> {
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(this.file, JSON.stringify(ownIdentity()), { mode: 0o600 });
    const { intakeOpen } = await within(callLimit, "reading the mirror's state", this.driver.mirror());
    if (intakeOpen) return false;
    writeFileSync(join(this.folder, openedMark), "");
    await this.set(true);
    return true;
  }

  /** True while this holder's mark stands: a breach that anybody finds takes the marks of all away. */
  get stands(): boolean {
    return readHolder(this.file) !== undefined;
  }

  /** True while somebody else holds it. */
  isShared(): boolean {
    return holdersIn(this.folder).some((file) => file !== this.file);
  }

  /** Lets go, and closes the intake when nobody else needs it and shadownet opened it; says whether it did. */
  async letGo(): Promise<boolean> {
    if (!this.stands) return false;
    rmSync(this.file, { force: true });
    const mark = join(this.folder, openedMark);
    if (this.isShared() || readHolder(mark) === undefined) return false;
    await this.set(false);
    if (this.isShared()) {
      // Somebody took hold of an intake that was still open: it stays so.
      await this.set(true);
      return false;
    }
    rmSync(mark, { force: true });
    return true;
  }

  /** Closes the intake at once, whoever holds it. */
  async breach(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
    await this.set(false);
  }

  private set(open: boolean): Promise<void> {
    return within(callLimit, `${open ? "opening" : "closing"} the intake`, this.driver.setIntake(open));
  }
}

/** Files of the holders that are alive. */
function holdersIn(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => name !== openedMark)
    .map((name) => join(folder, name))
    .filter((file) => {
      const holder = readHolder(file);
      return holder !== undefined && holder !== "" && isAlive(JSON.parse(holder) as ProcessIdentity);
    });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function readHolder(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
