import type { Capabilities } from "../faults/plan";
import type { ActiveFaults } from "./activeFaults";
import type { Clock } from "./clock";
import type { RunControl } from "./control";
import type { Driver, ShadowDescription } from "./driver";
import type { IntakeHold } from "./intakeHold";
import type { Journal } from "./journal";
import type { JournalWriter } from "./journalWriter";
import type { RecentPoints } from "./recent";
import type { Watch } from "./watch";

/** Checks of the preflight that may be left out; what protects production is not among them. */
export interface SkippedChecks {
  /** Leave what earlier runs left behind. Defaults to false. */
  leftovers?: boolean;
  /** Go on although mirror or gateway report problems. Defaults to false. */
  mirrorHealth?: boolean;
  /** Go on although live and shadow differ before anything is broken. Defaults to false. */
  fidelityGate?: boolean;
}

/** What the parts of a run share. */
export interface RunContext {
  driver: Driver;
  clock: Clock;
  control: RunControl;
  writer: JournalWriter;
  journal: Journal;
  recent: RecentPoints;
  faults: ActiveFaults;
  intake: IntakeHold;
  watch: Watch;
  shadow: ShadowDescription;
  capabilities: Capabilities;
  seed: number;
  stepSeconds: number;
  skip: SkippedChecks;
}
