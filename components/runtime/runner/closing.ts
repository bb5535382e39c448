import { within } from "./clock";
import { conclude } from "./conclude";
import type { RunContext } from "./context";
import { coverageBetween } from "./coverage";
import type { MirrorState } from "./driver";
import type { RunStatus } from "./journal";
import type { AlarmNotifier } from "./notify";
import type { SampleStore } from "./store";

const callLimit = 60_000;

/** What a run leaves for its end. */
export interface RunRemains {
  store: SampleStore;
  notifier: AlarmNotifier;
  /** Counters of the gateway when the first experiment began; undefined when none did. */
  mirrorAtStart?: MirrorState;
}

/** Ends a run, whatever state it is in: every step is tried even when those before it failed. */
export class Closing {
  private readonly failures: string[] = [];

  constructor(
    private readonly context: RunContext,
    private readonly remains: RunRemains,
  ) {}

  async close(): Promise<void> {
    const { driver, faults, watch, clock, control, writer, journal, intake } = this.context;
    const { store, notifier } = this.remains;
    await this.attempt("undoing the faults", () => faults.stopAll());
    if (control.ended !== undefined) {
      writer.event(control.ended.status, control.ended.message);
      await this.attempt("halting the shadow", () => within(callLimit, "halting the shadow", driver.halt()));
    }
    await this.attempt("looking for leftovers", () => this.checkNothingLeft());
    if (control.ended === undefined) await clock.sleep(2000 * this.context.stepSeconds);
    await this.attempt("reading the coverage", () => this.readCoverage());
    await this.attempt("stopping the sampling", () =>
      within(callLimit, "stopping the sampling", driver.stopSampling()),
    );
    await this.attempt("closing the intake", async () => {
      await intake.letGo();
    });
    await watch.stop();
    watch.endExperiment();
    watch.beginPhase("analysis", 1, 0);
    journal.status = this.finalStatus();
    await this.attempt("telling of alarms", () => notifier.drain());
    await this.attempt("the analysis", () =>
      conclude(journal, { points: store.points(), exchanges: store.exchanges() }, control.ended),
    );
    await this.attempt("closing the samples", () => store.close());
    this.closeJournal();
    watch.tell("end");
    control.release();
  }

  private closeJournal(): void {
    const { control, journal, writer, clock } = this.context;
    const { ended } = control;
    journal.status = this.finalStatus();
    const reasons = [...(ended === undefined ? [] : [ended.message]), ...this.failures];
    if (reasons.length > 0) journal.statusReason = reasons.join("; ");
    if (journal.verdict === undefined) {
      journal.verdict = ended?.verdict ?? "inconclusive";
      journal.sentence = `no verdict: ${reasons.join("; ")}`;
    }
    writer.endPhase();
    journal.endedAt = new Date(clock.now()).toISOString();
    writer.write();
  }

  private finalStatus(): RunStatus {
    return this.failures.length > 0 ? "failed" : (this.context.control.ended?.status ?? "completed");
  }

  private async attempt(what: string, step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      const message = `${what} failed: ${error instanceof Error ? error.message : String(error)}`;
      this.failures.push(message);
      this.context.writer.event("closing-failed", message);
    }
  }

  private async checkNothingLeft(): Promise<void> {
    const { driver, writer, skip } = this.context;
    const leftovers = await within(callLimit, "looking for leftovers", driver.leftovers());
    if (leftovers.length === 0) {
      writer.event("undone", "nothing is left of the faults");
      return;
    }
    if (skip.leftovers === true) {
      writer.event("leftovers", leftovers.join("; "));
      return;
    }
    await within(callLimit, "halting the shadow", driver.halt());
    throw new Error(`faults were left behind and were undone by halting the shadow: ${leftovers.join("; ")}`);
  }

  private async readCoverage(): Promise<void> {
    const { driver, journal } = this.context;
    const before = this.remains.mirrorAtStart;
    if (before === undefined) return;
    journal.coverage = coverageBetween(before, await within(callLimit, "reading the mirror's state", driver.mirror()));
  }
}
