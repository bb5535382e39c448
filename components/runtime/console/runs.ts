import { readdir } from "node:fs/promises";
import { join } from "node:path";

import type { Experiment } from "../../experiment";
import { ShadownetError } from "../../internal/problems";
import type { AlarmRule } from "../../monitor";
import { writeReports } from "../report/write";
import type { Clock } from "../runner/clock";
import type { SkippedChecks } from "../runner/context";
import type { Driver } from "../runner/driver";
import type { Journal } from "../runner/journal";
import { readJournal } from "../runner/journalWriter";
import type { RunProgress } from "../runner/progress";
import { runExperiments } from "../runner/run";
import { newRunId } from "../runner/runId";
import { loadRun } from "../runner/store";
import { conflict, notFound } from "./errors";
import { RunStream } from "./runStream";

/** What {@link RunBook.start} needs. */
export interface RunRequest {
  shadow: string;
  /** Checked experiments by name. */
  experiments: Record<string, Experiment>;
  seed: number;
  /** Command that does the same, for the journal. */
  command: string[];
  alarms: AlarmRule[];
  /** Checks of the preflight to leave out. Defaults to none. */
  skip?: SkippedChecks;
}

/** A run in few words. */
export interface RunSummary {
  id: string;
  shadow: string;
  /** `running`, `completed`, `failed`, `aborted` or `interrupted`. */
  status: string;
  experiments: string[];
  startedAt: string;
  endedAt?: string;
  verdict?: string;
  sentence?: string;
  folder: string;
  /** What it does now, while it runs. */
  progress?: RunProgress;
}

/** Told of what happens in runs. */
export interface RunListener {
  progress?(shadow: string, run: string, progress: RunProgress): void;
  ended?(journal: Journal): void;
}

interface ActiveRun {
  id: string;
  shadow: string;
  experiments: string[];
  startedAt: string;
  stop: AbortController;
  stream: RunStream;
  progress?: RunProgress;
  done: Promise<unknown>;
}

/** What {@link RunBook} needs. */
export interface RunBookOptions {
  open: (shadow: string) => Promise<Driver>;
  runsFolder: string;
  stateFolder: string;
  versions: Record<string, string>;
  clock: Clock;
  listeners: RunListener[];
  /** Told when the report of a run could not be written. */
  onProblem: (problem: string) => void;
}

/** The runs of this controller: starts and aborts them, and reads those that are over. */
export class RunBook {
  private readonly active = new Map<string, ActiveRun>();
  private closed = false;

  constructor(private readonly options: RunBookOptions) {}

  /**
   * Starts a run and returns when it has begun. Throws when the input is bad, runs are halted, another run uses the shadow
   * or the controller is ending.
   */
  async start(request: RunRequest): Promise<RunSummary> {
    const { shadow, experiments } = request;
    if (this.closed) throw conflict("ending", "the controller is ending; no run is started any more");
    const other = this.runOn(shadow);
    if (other !== undefined) throw conflict("shadow-in-use", `"${shadow}" is in use by run ${other}; abort it or wait`);
    const { clock } = this.options;
    const started = clock.now();
    const run: ActiveRun = {
      id: newRunId(new Date(started)),
      shadow,
      experiments: Object.keys(experiments),
      startedAt: new Date(started).toISOString(),
      stop: new AbortController(),
      stream: new RunStream(),
      done: Promise.resolve(),
    };
    this.active.set(run.id, run);
    await new Promise<void>((resolve, reject) => {
      const carriedOut = this.carryOut(run, request, resolve);
      carriedOut.then(() => resolve(), reject);
      run.done = carriedOut.catch(() => undefined);
    });
    return this.summaryOf(run);
  }

  /** The run that uses a shadow now. */
  runOn(shadow: string): string | undefined {
    return [...this.active.values()].find((run) => run.shadow === shadow)?.id;
  }

  /** Ends a run, all its faults undone first; returns when that is done. */
  async abort(id: string, reason: string): Promise<void> {
    const run = this.active.get(id);
    if (run === undefined) {
      const { status } = await this.get(id);
      throw conflict("not-running", `run ${id} is over: ${status}`);
    }
    run.stop.abort(new ShadownetError("aborted", reason));
    await run.done;
  }

  /** Ends every run and starts none any more. */
  async close(reason: string): Promise<void> {
    this.closed = true;
    const running = [...this.active.values()];
    for (const { stop } of running) stop.abort(new ShadownetError("interrupted", reason));
    await Promise.all(running.map(({ done }) => done));
  }

  /** The newest runs first; one that is cut off or unreadable is left out. */
  async list(most: number): Promise<RunSummary[]> {
    const names = await readdir(this.options.runsFolder).catch(() => [] as string[]);
    const ids = [...new Set([...names, ...this.active.keys()])].sort().reverse();
    const found: RunSummary[] = [];
    for (const id of ids) {
      if (found.length === most) break;
      const summary = await this.get(id).catch(() => undefined);
      if (summary !== undefined) found.push(summary);
    }
    return found;
  }

  /** One run; throws when there is none. */
  async get(id: string): Promise<RunSummary> {
    const running = this.active.get(id);
    return running === undefined ? summaryOfJournal(await this.journal(id), this.folder(id)) : this.summaryOf(running);
  }

  /** The journal of a run, also while it goes on; throws when there is none. */
  async journal(id: string): Promise<Journal> {
    const names = await readdir(this.options.runsFolder).catch(() => [] as string[]);
    if (!names.includes(id)) throw notFound("run", id, names.sort().slice(-5));
    return readJournal(this.folder(id));
  }

  /** Status stream of a run that goes on. */
  stream(id: string): RunStream | undefined {
    return this.active.get(id)?.stream;
  }

  /** Every run that goes on. */
  get running(): RunSummary[] {
    return [...this.active.values()].map((run) => this.summaryOf(run));
  }

  /** Folder of a run. */
  folder(id: string): string {
    return join(this.options.runsFolder, id);
  }

  private async carryOut(run: ActiveRun, request: RunRequest, onBegun: () => void): Promise<void> {
    const { open, stateFolder, versions, clock } = this.options;
    const { experiments, seed, command, alarms, skip } = request;
    try {
      const driver = await open(run.shadow);
      try {
        const onProgress = (progress: RunProgress): void => {
          this.tell(run, progress);
          onBegun();
        };
        const settings = {
          experiments,
          folder: this.folder(run.id),
          stateFolder,
          seed,
          command,
          versions,
          alarms,
          skip,
          clock,
        };
        const journal = await runExperiments({ ...settings, driver, signal: run.stop.signal, onProgress });
        await this.report(run, journal);
      } finally {
        await driver.close();
      }
    } finally {
      this.active.delete(run.id);
    }
  }

  private tell(run: ActiveRun, progress: RunProgress): void {
    run.progress = progress;
    for (const listener of this.options.listeners) listener.progress?.(run.shadow, run.id, progress);
    if (progress.kind !== "end") run.stream.push(progress.kind, progress);
  }

  /** The stream ends when the reports are there, so that whoever waited for it can read them. */
  private async report(run: ActiveRun, journal: Journal): Promise<void> {
    const folder = this.folder(run.id);
    try {
      await writeReports(folder, await loadRun(folder));
    } catch (error) {
      this.options.onProblem(`the report of run ${run.id} could not be written: ${(error as Error).message}`);
    }
    this.active.delete(run.id);
    for (const listener of this.options.listeners) listener.ended?.(journal);
    run.stream.push("end", summaryOfJournal(journal, folder));
  }

  private summaryOf({ id, shadow, experiments, startedAt, progress }: ActiveRun): RunSummary {
    return { id, shadow, status: "running", experiments, startedAt, folder: this.folder(id), progress };
  }
}

/** A run in few words, from its journal. */
export function summaryOfJournal(journal: Journal, folder: string): RunSummary {
  const { id, network, status, experiments, startedAt, endedAt, verdict, sentence } = journal;
  const names = experiments.map(({ name }) => name);
  return { id, shadow: network, status, experiments: names, startedAt, endedAt, verdict, sentence, folder };
}
