import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Experiment } from "../../../../components/experiment";
import type { AlarmRule } from "../../../../components/monitor";
import type { ConsoleBackEnd } from "../../../../components/runtime/console/backEnd";
import { Controller, type ControllerOptions } from "../../../../components/runtime/console/controller";
import { type Api, buildServer } from "../../../../components/runtime/console/server";
import { experimentsProblems } from "../../../../components/runtime/runner/plans";
import { FakeDriver } from "../../../support/fakeDriver";
import { FastClock } from "../../../support/fastClock";

export const token = "a-token-of-the-tests-and-no-other";

/** A short experiment: 80 ms on one machine. */
export const slowApp: Experiment = {
  actions: { slow: { fault: "latency", target: { machine: "app-1" }, delayMilliseconds: 80, durationSeconds: 10 } },
  analysis: { baselineSeconds: 20, recoverySeconds: 10 },
};

/** One that would take an hour. */
export const longOne: Experiment = {
  actions: { slow: { fault: "latency", target: { machine: "app-1" }, delayMilliseconds: 80, durationSeconds: 3600 } },
  blastRadius: { durationSeconds: 3600 },
  analysis: { baselineSeconds: 5, recoverySeconds: 5 },
};

/** A controller on a fake shadow "shop", with folders of its own and fast time. */
export class ConsoleBench {
  readonly root = mkdtempSync(join(tmpdir(), "shadownet-console-"));
  readonly clock = new FastClock();
  readonly drivers: FakeDriver[] = [];
  readonly problems: string[] = [];
  readonly experiments: Record<string, Experiment> = { slowApp, longOne };
  readonly alarms: AlarmRule[] = [];
  readonly controller: Controller;
  readonly stateFolder = join(this.root, "state");

  constructor(options: Partial<ControllerOptions> = {}) {
    this.controller = new Controller({
      backEnd: this.backEnd,
      stateFolder: this.stateFolder,
      runsFolder: join(this.root, "runs"),
      versions: {},
      clock: this.clock,
      onProblem: (problem) => this.problems.push(problem),
      ...options,
    });
  }

  get backEnd(): ConsoleBackEnd {
    return {
      shadows: () => Promise.resolve(["shop"]),
      open: () => {
        const driver = new FakeDriver(this.clock);
        this.drivers.push(driver);
        return Promise.resolve(driver);
      },
      experiments: () => Promise.resolve(this.experiments),
      monitor: () => Promise.resolve({ alarms: this.alarms }),
      problems: (_shadow, name, experiment) =>
        Promise.resolve(experimentsProblems({ [name]: experiment as Experiment })),
    };
  }

  server(): Promise<Api> {
    return buildServer({
      controller: this.controller,
      token,
      version: "1.2.3",
      hosts: () => new Set(["shop.test:80"]),
    });
  }

  async remove(): Promise<void> {
    await this.controller.close("the test is over");
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Waits until something holds; fails when it does not in time. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} seconds`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
