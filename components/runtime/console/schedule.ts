import { readJson, writeAtomically } from "../../internal/files";
import type { ExperimentSchedule } from "../../experiment";
import type { Clock } from "../runner/clock";
import { jitterOf, nextDue } from "./dueTimes";
import type { KnownExperiment } from "./experiments";
import type { History } from "./history";

/** What became of one due time. */
export interface ScheduleRecord {
  shadow: string;
  experiment: string;
  /** When it was due, before its jitter; milliseconds since 1970. */
  due: number;
  outcome: "started" | "skipped";
  /** The run that was started. */
  run?: string;
  /** Why it was skipped. */
  why?: string;
  /** How many due times this stands for, when several were missed. */
  count?: number;
}

/** A schedule and its next start. */
export interface ScheduleState {
  shadow: string;
  experiment: string;
  schedule: ExperimentSchedule;
  /** Next start with its jitter, milliseconds since 1970; undefined when there is none. */
  next?: number;
}

/** What {@link Scheduler} needs. */
export interface SchedulerOptions {
  clock: Clock;
  seed: number;
  /** File that says up to when due times were dealt with. */
  file: string;
  history: History<ScheduleRecord>;
  shadows: () => Promise<string[]>;
  experiments: (shadow: string) => Promise<KnownExperiment[]>;
  /** Starts one; gives the run. Throws when it cannot be started. */
  start: (shadow: string, experiment: KnownExperiment) => Promise<string>;
}

interface Progress {
  /** The schedule as it was; another one begins anew. */
  schedule: string;
  /** Rates count from here. */
  anchor: number;
  /** Due times up to here were dealt with. */
  done: number;
}

/** A start that is later than this is a missed one. */
const graceMilliseconds = 60_000;

/**
 * Starts experiments by their schedule. A due time that passed while the controller was down, or that finds the shadow
 * in use or runs halted, is skipped and recorded; it is never caught up, so that faults never come in a burst.
 */
export class Scheduler {
  private progress?: Record<string, Progress>;

  constructor(private readonly options: SchedulerOptions) {}

  /** Starts what is due now; called about every second. */
  async tick(): Promise<void> {
    const all = await this.scheduled();
    for (const { shadow, known, schedule, key, state } of all) {
      const now = this.options.clock.now();
      const due = nextDue(schedule, state.done, state.anchor);
      if (due === undefined) continue;
      const start = due + jitterOf(schedule, this.jitterKey(key), due);
      if (start > now) continue;
      if (now - start > graceMilliseconds) await this.skipMissed(shadow, known.name, schedule, state, now);
      else await this.startOne(shadow, known, state, due);
    }
  }

  /** Every schedule and when it starts next. */
  async list(): Promise<ScheduleState[]> {
    return (await this.scheduled()).map(({ shadow, known, schedule, key, state }) => {
      const due = nextDue(schedule, state.done, state.anchor);
      const next = due === undefined ? undefined : due + jitterOf(schedule, this.jitterKey(key), due);
      return { shadow, experiment: known.name, schedule, next };
    });
  }

  private async startOne(shadow: string, known: KnownExperiment, state: Progress, due: number): Promise<void> {
    state.done = due;
    await this.save();
    const common = { shadow, experiment: known.name, due };
    try {
      const run = await this.options.start(shadow, known);
      this.options.history.add({ ...common, outcome: "started", run });
    } catch (error) {
      this.options.history.add({ ...common, outcome: "skipped", why: (error as Error).message });
    }
  }

  private async skipMissed(
    shadow: string,
    experiment: string,
    schedule: ExperimentSchedule,
    state: Progress,
    now: number,
  ): Promise<void> {
    let count = 0;
    let last = state.done;
    for (let due = nextDue(schedule, last, state.anchor); due !== undefined;) {
      if (due + (schedule.jitterSeconds ?? 0) * 1000 > now - graceMilliseconds) break;
      [last, count] = [due, count + 1];
      if (count === mostMissedCounted) last = now - graceMilliseconds;
      due = nextDue(schedule, last, state.anchor);
    }
    if (count === 0) [last, count] = [nextDue(schedule, state.done, state.anchor)!, 1];
    state.done = last;
    await this.save();
    const why = "the controller was not running, or not in time";
    this.options.history.add({ shadow, experiment, due: last, outcome: "skipped", why, count });
  }

  private async scheduled(): Promise<
    { shadow: string; known: KnownExperiment; schedule: ExperimentSchedule; key: string; state: Progress }[]
  > {
    this.progress ??= (await readJson<Record<string, Progress>>(this.options.file)) ?? {};
    const found = [];
    for (const shadow of await this.options.shadows()) {
      for (const known of await this.options.experiments(shadow)) {
        const { schedule } = known.experiment;
        if (schedule === undefined) continue;
        const key = `${shadow}/${known.name}`;
        found.push({ shadow, known, schedule, key, state: await this.progressOf(key, schedule) });
      }
    }
    return found;
  }

  private async progressOf(key: string, schedule: ExperimentSchedule): Promise<Progress> {
    const text = JSON.stringify(schedule);
    const known = this.progress![key];
    if (known?.schedule === text) return known;
    const now = this.options.clock.now();
    const fresh = { schedule: text, anchor: now, done: now };
    this.progress![key] = fresh;
    await this.save();
    return fresh;
  }

  private jitterKey(key: string): string {
    return `${this.options.seed}/${key}`;
  }

  private save(): Promise<void> {
    return writeAtomically(this.options.file, `${JSON.stringify(this.progress)}\n`, 0o600);
  }
}

/** Beyond this many missed due times they are no longer counted one by one. */
const mostMissedCounted = 1000;
