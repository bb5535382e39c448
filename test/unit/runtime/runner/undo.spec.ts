import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";

import type { Experiment } from "../../../../components/experiment";
import type { Journal } from "../../../../components/runtime/runner/journal";
import { readJournal } from "../../../../components/runtime/runner/journalWriter";
import { RunBench, asWritten, eventKinds } from "./support";

/** Two faults at once, one of them in pulses, and a change: everything that has to be undone. */
const busy: Experiment = {
  actions: {
    slow: {
      fault: "latency",
      target: { machine: "app-1" },
      delayMilliseconds: 80,
      pulse: { activeSeconds: 4, dormantSeconds: 3, repeat: 3, randomise: true },
    },
    down: { fault: "linkDown", target: { link: "data-1/eth0" }, durationSeconds: 9 },
    resize: { change: { machine: "web-1", cpus: 1 }, durationSeconds: 6 },
  },
  analysis: { baselineSeconds: 20, recoverySeconds: 5 },
};

async function outcome(bench: RunBench, options: Parameters<RunBench["run"]>[1] = {}): Promise<Journal | Error> {
  try {
    return await bench.run({ busy, again: busy }, options);
  } catch (error) {
    return error as Error;
  }
}

async function assertClean(bench: RunBench, result: Journal | Error): Promise<void> {
  assert.deepEqual([...bench.driver.active.keys()], [], "a fault is still on");
  const locks = join(bench.stateFolder, "locks");
  assert.deepEqual(existsSync(locks) ? readdirSync(locks) : [], [], "the lock is still taken");
  if (result instanceof Error) {
    assert.deepEqual(bench.driver.everStarted, [], "a run that threw had started a fault");
    return;
  }
  assert.notEqual(result.status, "running");
  assert.ok(result.endedAt !== undefined && result.verdict !== undefined && result.sentence !== undefined);
  assert.deepEqual(await readJournal(bench.folder), asWritten(result));
}

describe("undoing", () => {
  it("happens whichever calls to the back end fail, before or after they had their effect", async function () {
    this.timeout(240_000);
    const failures = fc.array(fc.record({ at: fc.nat(160), late: fc.boolean() }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(failures, async (chosen) => {
        let [begun, ended] = [0, 0];
        const bench = new RunBench({
          before: (call) => {
            const number = begun++;
            if (chosen.some(({ at, late }) => !late && at === number)) throw new Error(`${call} failed`);
          },
          after: (call) => {
            const number = ended++;
            if (chosen.some(({ at, late }) => late && at === number)) throw new Error(`${call} failed late`);
          },
        });
        try {
          await assertClean(bench, await outcome(bench));
        } finally {
          bench.remove();
        }
      }),
      { numRuns: 60 },
    );
  });

  it("happens at whatever moment the run is told to end", async function () {
    this.timeout(240_000);
    await fc.assert(
      fc.asyncProperty(fc.nat(130_000), async (moment) => {
        const bench = new RunBench();
        const controller = new AbortController();
        void bench.clock.sleep(moment).then(() => controller.abort());
        try {
          const result = await outcome(bench, { signal: controller.signal });
          await assertClean(bench, result);
          assert.deepEqual([...bench.driver.changes], []);
          assert.ok(!(result instanceof Error));
          assert.ok(result.status === "interrupted" || result.status === "completed");
        } finally {
          bench.remove();
        }
      }),
      { numRuns: 40 },
    );
  });

  it("falls back to halting the whole shadow when a fault cannot be undone alone, and the run fails", async () => {
    const bench = new RunBench({
      before: (call) => {
        if (call === "stop") throw new Error("no answer");
      },
    });
    try {
      const journal = (await outcome(bench)) as Journal;
      await assertClean(bench, journal);
      assert.equal(journal.status, "failed");
      assert.match(journal.statusReason!, /could only be undone by halting the whole shadow: no answer/);
      assert.ok(eventKinds(journal).filter((kind) => kind === "undo-failed").length >= 3);
    } finally {
      bench.remove();
    }
  });
});
