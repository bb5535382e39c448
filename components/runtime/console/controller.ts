import { join } from "node:path";

import { refuse } from "../../internal/problems";
import { type Metric, counter, gauge } from "../telemetry/metric";
import { alarmMetrics, mirrorMetrics, signalMetrics } from "../telemetry/signals";
import { type Clock, systemClock, within } from "../runner/clock";
import type { SkippedChecks } from "../runner/context";
import type { MirrorState, ShadowDescription } from "../runner/driver";
import { type HaltRecord, halt, isHalted, refuseWhenHalted, release } from "../runner/halt";
import type { NotifySettings } from "../runner/notify";
import type { ConsoleBackEnd } from "./backEnd";
import { ExperimentBook, type KnownExperiment } from "./experiments";
import { History } from "./history";
import { RunBook, type RunListener, type RunSummary } from "./runs";
import { Scheduler, type ScheduleRecord } from "./schedule";
import { type AlarmRecord, Watchers } from "./watchers";

/** What {@link Controller} needs. */
export interface ControllerOptions {
  backEnd: ConsoleBackEnd;
  /** Folder with halt switch, locks, and what the controller keeps. */
  stateFolder: string;
  runsFolder: string;
  versions: Record<string, string>;
  /** Seed of scheduled runs and of the schedules' jitter. Defaults to 1. */
  seed?: number;
  /** Told of alarms beside whom the stack's monitors name. Defaults to nobody. */
  notify?: NotifySettings;
  /** Told of runs. Defaults to nobody. */
  listeners?: RunListener[];
  /** Told of what goes wrong outside a request. Defaults to nobody. */
  onProblem?: (problem: string) => void;
  clock?: Clock;
}

/** What to run. */
export interface StartRequest {
  shadow: string;
  /** Names of known experiments. */
  experiments: string[];
  /** Experiments of this request alone, by name. */
  definitions: Record<string, unknown>;
  seed: number;
  /** Checks of the preflight to leave out. Defaults to none. */
  skip?: SkippedChecks;
}

/** The one process that holds runs, schedules and alarms of the shadows of a state folder. */
export class Controller {
  readonly experiments: ExperimentBook;
  readonly runs: RunBook;
  readonly scheduler: Scheduler;
  readonly watchers: Watchers;
  readonly alarmHistory: History<AlarmRecord>;
  readonly scheduleHistory: History<ScheduleRecord>;
  private readonly clock: Clock;
  private readonly ended = new AbortController();
  private readonly outcomes = new Map<string, number>();
  private loops: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: ControllerOptions) {
    const { backEnd, stateFolder, runsFolder, versions, clock = systemClock, onProblem = () => undefined } = options;
    const folder = join(stateFolder, "controller");
    this.clock = clock;
    this.experiments = new ExperimentBook(backEnd, join(folder, "experiments"));
    this.alarmHistory = new History<AlarmRecord>(join(folder, "alarms.ndjson"));
    this.scheduleHistory = new History<ScheduleRecord>(join(folder, "schedule.ndjson"));
    const listeners = [...(options.listeners ?? []), this.countOutcomes()];
    const open = (shadow: string): ReturnType<ConsoleBackEnd["open"]> => backEnd.open(shadow);
    this.runs = new RunBook({ open, runsFolder, stateFolder, versions, clock, listeners, onProblem });
    const history = this.alarmHistory;
    this.watchers = new Watchers({ backEnd, clock, stateFolder, notify: options.notify ?? {}, history, onProblem });
    this.scheduler = new Scheduler({
      clock,
      seed: options.seed ?? 1,
      file: join(folder, "schedule.json"),
      history: this.scheduleHistory,
      shadows: () => backEnd.shadows(),
      experiments: (shadow) => this.experiments.list(shadow),
      start: (shadow, known) => this.startScheduled(shadow, known),
    });
  }

  /** Begins to watch shadows and schedules, until {@link close}. */
  start(): void {
    const watching = this.every(5000, "watching the shadows", () => this.watchers.reconcile());
    const scheduling = this.every(1000, "the schedule", () => this.scheduler.tick());
    this.loops = Promise.all([watching, scheduling]);
  }

  /** Undoes every fault, ends every run, and stops watching. */
  async close(reason: string): Promise<void> {
    this.ended.abort();
    await this.runs.close(reason);
    await this.loops;
    await this.watchers.close();
  }

  /** Names of the shadows. */
  shadows(): Promise<string[]> {
    return this.options.backEnd.shadows();
  }

  /** What a shadow is made of; throws when there is none of this name. */
  async describe(shadow: string): Promise<ShadowDescription> {
    await this.experiments.requireShadow(shadow);
    const watched = this.watchers.driver(shadow);
    if (watched !== undefined) return watched.describe();
    const driver = await this.options.backEnd.open(shadow);
    try {
      return await driver.describe();
    } finally {
      await driver.close();
    }
  }

  /** Starts a run of known and given experiments; throws with every problem at once. */
  async startRun({ shadow, experiments: names, definitions, seed, skip }: StartRequest): Promise<RunSummary> {
    refuseWhenHalted(this.options.stateFolder);
    await this.experiments.requireShadow(shadow);
    const chosen: Record<string, KnownExperiment["experiment"]> = {};
    for (const name of names) {
      const { experiment } = await this.experiments.get(shadow, name);
      chosen[name] = await this.experiments.check(shadow, name, experiment);
    }
    for (const [name, definition] of Object.entries(definitions)) {
      const twice = chosen[name] !== undefined;
      refuse("run", twice ? [{ path: `definitions.${name}`, reason: "named in experiments too; name it once" }] : []);
      chosen[name] = await this.experiments.check(shadow, name, definition);
    }
    const files = Object.keys(definitions).flatMap((name) => ["--file", `${name}.json`]);
    const command = ["shadownet", "run", ...names, ...files, "--network", shadow, "--seed", String(seed)];
    const alarms = (await this.options.backEnd.monitor(shadow)).alarms ?? [];
    return this.runs.start({ shadow, experiments: chosen, seed, command, alarms, skip });
  }

  /** Why runs are forbidden; undefined when they are allowed. */
  get halted(): HaltRecord | undefined {
    return isHalted(this.options.stateFolder);
  }

  /** Forbids runs and undoes every fault of every shadow; says where that failed. */
  async halt(reason: string): Promise<{ shadows: string[]; failures: string[] }> {
    await halt(this.options.stateFolder, reason);
    const shadows = await this.shadows();
    const results = await Promise.allSettled(shadows.map((shadow) => this.haltOne(shadow)));
    const failures = results.flatMap((result, index) =>
      result.status === "rejected" ? [`${shadows[index]}: ${(result.reason as Error).message}`] : [],
    );
    return { shadows, failures };
  }

  /** Allows runs again; says whether they were forbidden. */
  release(): Promise<boolean> {
    return release(this.options.stateFolder);
  }

  /** State of a shadow's mirror; undefined when it cannot be read in time. */
  mirror(shadow: string): Promise<MirrorState | undefined> {
    const driver = this.watchers.driver(shadow);
    if (driver === undefined) return Promise.resolve(undefined);
    return within(2000, `reading the mirror of "${shadow}"`, driver.mirror()).catch(() => undefined);
  }

  /** Everything that is measured now. */
  async metrics(): Promise<Metric[]> {
    const shadows = await this.shadows();
    const mirrors = await Promise.all(shadows.map((shadow) => this.mirror(shadow)));
    const known = mirrors.flatMap((state, index) => (state === undefined ? [] : [{ shadow: shadows[index]!, state }]));
    const active = this.runs.running;
    const faults = active.flatMap(({ shadow, id, progress }) =>
      (progress?.activeFaults ?? []).map((fault) => ({ labels: { shadow, run: id, fault }, value: 1 })),
    );
    const running = shadows.map((shadow) => ({
      labels: { shadow },
      value: active.filter((run) => run.shadow === shadow).length,
    }));
    const ended = [...this.outcomes].map(([key, value]) => {
      const [status = "", verdict = ""] = key.split("/");
      return { labels: { status, verdict }, value };
    });
    return [
      ...signalMetrics(shadows.map((shadow) => ({ shadow, points: this.watchers.newest(shadow) }))),
      ...mirrorMetrics(known),
      ...alarmMetrics(this.watchers.standing()),
      gauge("shadownet_runs_running", "Runs that go on", running),
      gauge("shadownet_fault_active", "1 while a fault is on", faults),
      counter("shadownet_runs_ended", "Runs that ended since the controller started", ended),
      gauge("shadownet_halted", "1 while runs are forbidden", [
        { labels: {}, value: this.halted === undefined ? 0 : 1 },
      ]),
    ];
  }

  private async startScheduled(shadow: string, { name }: KnownExperiment): Promise<string> {
    const seed = this.options.seed ?? 1;
    return (await this.startRun({ shadow, experiments: [name], definitions: {}, seed })).id;
  }

  private async haltOne(shadow: string): Promise<void> {
    const driver = await this.options.backEnd.open(shadow);
    try {
      await within(60_000, `halting "${shadow}"`, driver.halt());
    } finally {
      await driver.close();
    }
  }

  private countOutcomes(): RunListener {
    return {
      ended: ({ status, verdict = "" }) => {
        const key = `${status}/${verdict}`;
        this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
      },
    };
  }

  private async every(milliseconds: number, what: string, work: () => Promise<void>): Promise<void> {
    let problem: string | undefined;
    while (!this.ended.signal.aborted) {
      try {
        await work();
        problem = undefined;
      } catch (error) {
        const message = `${what} failed: ${(error as Error).message}`;
        if (message !== problem) this.options.onProblem?.(message);
        problem = message;
      }
      await this.clock.sleep(milliseconds, this.ended.signal).catch(() => undefined);
    }
  }
}
