import type { Experiment, StopCondition } from "../../experiment";
import type { ActiveFaults } from "./activeFaults";
import type { AlarmEngine } from "./alarms";
import type { Clock } from "./clock";
import { type RunControl, RunEnded } from "./control";
import { isHalted } from "./halt";
import type { JournalEvent, JournalPhase } from "./journal";
import type { JournalWriter } from "./journalWriter";
import { type RunProgress, liveFigures } from "./progress";
import type { RecentPoints } from "./recent";
import { checkThreshold, describeThreshold } from "./thresholds";

/** What {@link Watch} looks at. */
export interface WatchContext {
  clock: Clock;
  control: RunControl;
  writer: JournalWriter;
  recent: RecentPoints;
  faults: ActiveFaults;
  alarms: AlarmEngine;
  stateFolder: string;
  stepSeconds: number;
  experimentCount: number;
  onProgress?: (progress: RunProgress) => void;
}

/**
 * Looks after a run at every step: the halt switch, the journal, stop conditions, the time limit of the blast radius and
 * alarms; and tells the progress.
 */
export class Watch {
  private phase: JournalPhase["name"] = "preflight";
  private experiment?: { name: string; definition: Experiment; number: number };
  private phaseEnd = 0;
  /** Expected seconds of everything after the present phase. */
  private later = 0;
  private faultDeadline = Infinity;
  private measuring = false;
  private readonly unmeasured = new Set<StopCondition>();
  private readonly stopped = new AbortController();
  private looping: Promise<void> = Promise.resolve();

  constructor(private readonly context: WatchContext) {
    context.writer.onEvent = (event) => this.tell("event", event);
  }

  start(): void {
    this.looping = this.loop();
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.looping;
  }

  /** Says which phase begins, how long it and all after it are expected to take. */
  beginPhase(name: JournalPhase["name"], seconds: number, later: number): void {
    const { clock, writer } = this.context;
    this.phase = name;
    this.phaseEnd = clock.now() + seconds * 1000;
    this.later = later;
    writer.beginPhase(name, this.experiment?.name);
    this.tell("phase");
  }

  /** From now on samples are expected, so that an alarm without any has no data. */
  expectSamples(): void {
    this.measuring = true;
  }

  beginExperiment(name: string, definition: Experiment, number: number): void {
    this.experiment = { name, definition, number };
  }

  endExperiment(): void {
    this.experiment = undefined;
    this.faultDeadline = Infinity;
  }

  /** Ends the run when faults are still on after so many seconds; called with Infinity when they are over. */
  limitFaults(seconds: number): void {
    this.faultDeadline = this.context.clock.now() + seconds * 1000;
  }

  tell(kind: RunProgress["kind"], event?: JournalEvent): void {
    const { clock, recent, faults, experimentCount, stepSeconds, onProgress } = this.context;
    if (onProgress === undefined) return;
    const now = clock.now();
    const remaining = Math.max(0, (this.phaseEnd - now) / 1000);
    onProgress({
      kind,
      time: now,
      phase: this.phase,
      experiment: this.experiment?.name,
      experimentNumber: this.experiment?.number ?? 0,
      experimentCount,
      remainingSeconds: Math.round(remaining),
      runRemainingSeconds: Math.round(remaining + this.later),
      activeFaults: faults.actions,
      figures: liveFigures(recent, now, stepSeconds),
      event,
    });
  }

  private async loop(): Promise<void> {
    const { clock, control, stepSeconds } = this.context;
    for (;;) {
      try {
        await clock.sleep(stepSeconds * 1000, this.stopped.signal);
      } catch {
        return;
      }
      try {
        this.step();
      } catch (error) {
        control.end(error);
      }
    }
  }

  private step(): void {
    const { clock, control, writer, stateFolder, alarms } = this.context;
    const halted = isHalted(stateFolder);
    if (halted !== undefined) control.end(new RunEnded("aborted", `halted: ${halted.reason}`));
    if (writer.problem !== undefined) control.end(new RunEnded("failed", writer.problem));
    if (clock.now() > this.faultDeadline) {
      control.end(new RunEnded("aborted", "faults lasted longer than the blast radius allows", "fail"));
    }
    for (const condition of this.experiment?.definition.stopConditions ?? []) this.checkStop(condition);
    if (this.measuring) alarms.evaluate(clock.now());
    writer.refresh();
    this.tell("step");
  }

  private checkStop(condition: StopCondition): void {
    const { clock, control, recent, writer, stepSeconds } = this.context;
    const seconds = condition.forSeconds ?? 5;
    const { state, value } = checkThreshold(recent, condition, seconds, stepSeconds, clock.now());
    const what = describeThreshold(condition);
    if (state === "noData" && !this.unmeasured.has(condition)) {
      this.unmeasured.add(condition);
      writer.event("unmeasured-stop-condition", `${what}: there is no data to check it with`);
    }
    if (state === "kept") this.unmeasured.delete(condition);
    if (state !== "breached" || control.ended !== undefined) return;
    const message = `stop condition: ${what} for ${seconds} seconds, it was ${value!.toPrecision(4)}`;
    writer.event("stop-condition", message);
    control.end(new RunEnded("aborted", message, "fail"));
  }
}
