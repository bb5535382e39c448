import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Experiment } from "../../../../components/experiment";
import type { Journal } from "../../../../components/runtime/runner/journal";
import { type RunOptions, type RunProgress, runExperiments } from "../../../../components/runtime/runner/run";
import { type FakeBehaviour, FakeDriver } from "../../../support/fakeDriver";
import { VirtualClock } from "../../../support/virtualClock";

/** One run on a fake shadow, in a folder of its own. */
export class RunBench {
  readonly root = mkdtempSync(join(tmpdir(), "shadownet-runner-"));
  readonly clock = new VirtualClock();
  readonly driver: FakeDriver;
  readonly progress: RunProgress[] = [];
  readonly folder = join(this.root, "runs", "run-1");
  readonly stateFolder = join(this.root, "state");

  constructor(behaviour: FakeBehaviour = {}) {
    this.driver = new FakeDriver(this.clock, behaviour);
  }

  run(experiments: Record<string, Experiment>, options: Partial<RunOptions> = {}): Promise<Journal> {
    const { driver, clock, folder, stateFolder } = this;
    const onProgress = (progress: RunProgress): void => void this.progress.push(progress);
    return runExperiments({ driver, clock, folder, stateFolder, experiments, onProgress, ...options });
  }

  /** Calls that matter for the order of things. */
  get steps(): string[] {
    const noise = ["mirror", "heartbeat", "resolve", "effect", "describe", "capabilities"];
    return this.driver.calls.filter((call) => !noise.includes(call));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** 80 ms on one machine, with short phases. */
export function slowApp(overrides: Partial<Experiment> = {}): Experiment {
  return {
    actions: {
      slow: { fault: "latency", target: { machine: "app-1" }, delayMilliseconds: 80, durationSeconds: 20 },
    },
    analysis: { baselineSeconds: 30, recoverySeconds: 15 },
    ...overrides,
  };
}

/** Kinds of a journal's events, in order. */
export function eventKinds({ events }: Journal): string[] {
  return events.map(({ kind }) => kind);
}

/** A journal as a reader of its file sees it. */
export function asWritten(journal: Journal): Journal {
  return JSON.parse(JSON.stringify(journal)) as Journal;
}
