import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ExperimentSchedule } from "../../../../components/experiment";
import { jitterOf, nextDue } from "../../../../components/runtime/console/dueTimes";
import type { KnownExperiment } from "../../../../components/runtime/console/experiments";
import { History } from "../../../../components/runtime/console/history";
import { type ScheduleRecord, Scheduler } from "../../../../components/runtime/console/schedule";
import { ConsoleBench, eventually, longOne } from "./support";

const minute = 60_000;
const hour = 60 * minute;

describe("schedules", () => {
  const iso = (time: number | undefined): string => new Date(time ?? NaN).toISOString();

  it("follow cron in its time zone, also over the change to summer time", () => {
    const at = (cron: string, timeZone: string | undefined, after: string): string =>
      iso(nextDue({ cron, timeZone }, Date.parse(after), 0));
    assert.equal(at("0 3 * * *", undefined, "2026-03-28T02:00:00Z"), "2026-03-28T03:00:00.000Z");
    assert.equal(at("0 3 * * *", "Europe/Berlin", "2026-03-28T03:00:00Z"), "2026-03-29T01:00:00.000Z");
    assert.equal(at("30 9 * * 1-5", "Asia/Tokyo", "2026-11-20T01:00:00Z"), "2026-11-23T00:30:00.000Z");
  });

  it("follow a rate from when they were first seen", () => {
    assert.equal(nextDue({ rate: "10 minutes" }, 7 * minute, 5 * minute), 15 * minute);
    assert.equal(nextDue({ rate: "10 minutes" }, 15 * minute, 5 * minute), 25 * minute);
    assert.equal(nextDue({ rate: "1 day" }, 0, 0), 24 * hour);
  });

  it("have a jitter that stays within its limit, differs from time to time, and is the same for the same seed", () => {
    const schedule = { rate: "1 hour", jitterSeconds: 300 };
    const delays = Array.from({ length: 200 }, (_, index) => jitterOf(schedule, "1/shop/a", index * hour));
    assert.ok(delays.every((delay) => delay >= 0 && delay < 300_000));
    assert.ok(new Set(delays).size > 190);
    assert.ok(Math.max(...delays) > 250_000 && Math.min(...delays) < 50_000);
    assert.equal(jitterOf(schedule, "1/shop/a", hour), delays[1]);
    assert.notEqual(jitterOf(schedule, "2/shop/a", hour), delays[1]);
  });

  describe("run by the controller", () => {
    let folder: string;
    let now: number;
    let started: string[];
    let failure: string | undefined;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "shadownet-schedule-"));
      now = Date.UTC(2026, 2, 14, 9, 30, 0);
      started = [];
      failure = undefined;
    });

    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    function scheduler(schedule: ExperimentSchedule): { it: Scheduler; history: History<ScheduleRecord> } {
      const history = new History<ScheduleRecord>(join(folder, "history.ndjson"));
      const known: KnownExperiment = { name: "a", source: "stack", experiment: { ...longOne, schedule } };
      const clock = { now: () => now, sleep: () => Promise.reject(new Error("nobody sleeps here")) };
      const it = new Scheduler({
        clock,
        seed: 1,
        file: join(folder, "schedule.json"),
        history,
        shadows: () => Promise.resolve(["shop"]),
        experiments: () => Promise.resolve([known]),
        start: () => {
          if (failure !== undefined) return Promise.reject(new Error(failure));
          started.push(iso(now));
          return Promise.resolve(`run-${started.length}`);
        },
      });
      return { it, history };
    }

    /** Lets time pass in steps of ten seconds. */
    async function pass(it: Scheduler, milliseconds: number): Promise<void> {
      for (const end = now + milliseconds; now < end; now += 10_000) await it.tick();
    }

    it("start at every due time, once", async () => {
      const { it, history } = scheduler({ cron: "0 * * * *" });
      await pass(it, 3 * hour);
      assert.deepEqual(
        started,
        ["10", "11", "12"].map((hours) => `2026-03-14T${hours}:00:00.000Z`),
      );
      assert.deepEqual(history.entries[0], {
        shadow: "shop",
        experiment: "a",
        due: Date.UTC(2026, 2, 14, 10),
        outcome: "started",
        run: "run-1",
      });
      assert.equal(iso((await it.list())[0]!.next), "2026-03-14T13:00:00.000Z");
    });

    it("do not start again after a restart, and skip and record what was missed, with how much it was", async () => {
      await pass(scheduler({ cron: "0 * * * *" }).it, hour);
      now += 5 * hour + 10 * minute;
      const { it, history } = scheduler({ cron: "0 * * * *" });
      await pass(it, 10_000);
      const missed = history.entries.at(-1)!;
      assert.deepEqual([missed.outcome, missed.count], ["skipped", 5]);
      assert.match(missed.why!, /was not running/);
      assert.equal(started.length, 1);
      await pass(it, hour);
      assert.equal(started.length, 2);
    });

    it("skip and record a time at which the run cannot start, and go on with the next", async () => {
      const { it, history } = scheduler({ rate: "30 minutes" });
      failure = `"shop" is in use by run run-0`;
      await pass(it, 31 * minute);
      failure = undefined;
      await pass(it, 30 * minute);
      assert.deepEqual(
        history.entries.map(({ outcome, why }) => [outcome, why]),
        [
          ["skipped", `"shop" is in use by run run-0`],
          ["started", undefined],
        ],
      );
    });

    it("start with their jitter", async () => {
      const { it } = scheduler({ cron: "0 * * * *", jitterSeconds: 600 });
      const { next } = (await it.list())[0]!;
      assert.ok(next! > Date.UTC(2026, 2, 14, 10) && next! < Date.UTC(2026, 2, 14, 10, 10));
      await pass(it, 41 * minute);
      assert.equal(started.length, 1);
      assert.ok(Date.parse(started[0]!) >= next! && Date.parse(started[0]!) < next! + 10_000);
    });

    it("begin anew when they are changed", async () => {
      await pass(scheduler({ rate: "1 hour" }).it, 10_000);
      now += 50 * minute;
      const { it } = scheduler({ rate: "20 minutes" });
      await pass(it, 19 * minute);
      assert.equal(started.length, 0);
      await pass(it, 2 * minute);
      assert.equal(started.length, 1);
    });
  });

  it("really start a run, and skip the next one while the first goes on", async () => {
    const bench = new ConsoleBench();
    try {
      bench.experiments["often"] = { ...longOne, schedule: { rate: "1 minute" } };
      bench.controller.start();
      await eventually("two records", () => bench.controller.scheduleHistory.entries.length >= 2);
      const [first, second] = bench.controller.scheduleHistory.entries;
      assert.equal(first!.outcome, "started");
      assert.equal(bench.controller.runs.runOn("shop"), first!.run);
      assert.equal(second!.outcome, "skipped");
      assert.match(second!.why!, /in use by run/);
    } finally {
      await bench.remove();
    }
    assert.ok(bench.drivers.every(({ active }) => active.size === 0));
    assert.deepEqual(bench.problems, []);
  });
});
