import type { AlarmRule } from "../../monitor";
import { type Clock, within } from "./clock";
import type { Driver } from "./driver";
import { isHalted } from "./halt";
import { IntakeHold } from "./intakeHold";
import { isLocked } from "./lock";

/** What {@link StandingIntake} needs. */
export interface StandingIntakeOptions {
  driver: Driver;
  network: string;
  /** Folder with the halt switch, the locks and the holds on the intake. */
  stateFolder: string;
  clock: Clock;
  /** A breach, or why the intake cannot be opened. */
  onProblem: (problem: string) => void;
  /** Ends it. */
  signal: AbortSignal;
}

/** How often the state of the intake is looked at. */
const lookSeconds = 5;

/** How often the shadow is probed again while the intake is open. */
const probeSeconds = 300;

/** How long after a failure it is tried again. */
const retrySeconds = 30;

const probeLimit = 120_000;

/** True for an alarm that only mirrored traffic can answer: all but those on machines. */
export function needsTraffic({ signal }: AlarmRule): boolean {
  return !signal.startsWith("machine.");
}

/**
 * Keeps a shadow's intake open while alarms on its traffic are watched. It opens only after a containment probe that held,
 * probes again every five minutes, and closes at a halt. After a breach it stays closed until the watch begins anew, so that
 * somebody has to look. While a run holds the shadow the run does the probing.
 */
export class StandingIntake {
  private readonly hold: IntakeHold;
  private probedAt = -Infinity;

  constructor(private readonly options: StandingIntakeOptions) {
    const { driver, stateFolder, network } = options;
    this.hold = new IntakeHold(driver, stateFolder, network, `watch-${process.pid}`);
  }

  /** Keeps it open until told to end, then lets go. The same problem is told once in a row. */
  async keep(): Promise<void> {
    const { clock, signal, onProblem } = this.options;
    let told: string | undefined;
    let breached = false;
    while (!signal.aborted && !breached) {
      let pause = lookSeconds;
      try {
        breached = (await this.look()) === "breached";
        told = undefined;
      } catch (error) {
        const problem = `the intake cannot be kept open: ${(error as Error).message}`;
        if (problem !== told) onProblem(problem);
        told = problem;
        pause = retrySeconds;
      }
      if (!breached) await clock.sleep(pause * 1000, signal).catch(() => undefined);
    }
    await this.hold.letGo();
  }

  private async look(): Promise<"breached" | undefined> {
    const { driver, stateFolder, network, clock } = this.options;
    if (isHalted(stateFolder) !== undefined) {
      await this.hold.letGo();
      return undefined;
    }
    const { intakeOpen } = await within(60_000, "reading the mirror's state", driver.mirror());
    const held = this.hold.stands && intakeOpen;
    if (isLocked(stateFolder, network)) {
      if (intakeOpen && this.hold.isShared()) await this.hold.take();
      return undefined;
    }
    if (held && clock.now() - this.probedAt < probeSeconds * 1000) return undefined;
    if (!(await this.isContained())) return "breached";
    await this.hold.take();
    return undefined;
  }

  private async isContained(): Promise<boolean> {
    const { driver, clock, onProblem } = this.options;
    const findings = await within(probeLimit, "the containment probe", driver.probeContainment());
    if (findings.length === 0) throw new Error("the containment probe tried nothing, so nothing is proven");
    const breaches = findings.filter(({ reached }) => reached);
    this.probedAt = clock.now();
    if (breaches.length === 0) return true;
    await this.hold.breach();
    const list = breaches.map(({ from, attempt, detail }) => `${from} reached ${attempt} (${detail})`).join("; ");
    onProblem(`the shadow is not contained, so its intake was closed and stays closed: ${list}`);
    return false;
  }
}
