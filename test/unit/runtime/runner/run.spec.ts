import assert from "node:assert/strict";

import { loadRun } from "../../../../components/runtime/runner/store";
import { RunBench, asWritten, slowApp } from "./support";
import type { FakeBehaviour } from "../../../support/fakeDriver";

describe("a run", () => {
  let bench: RunBench;
  const make = (behaviour: FakeBehaviour = {}): RunBench => (bench = new RunBench(behaviour));
  afterEach(() => bench.remove());

  it("goes through its phases in order and opens the intake only after the containment probe", async () => {
    const journal = await make().run({ slow: slowApp() });
    assert.equal(journal.status, "completed");
    const phases = journal.phases.map(({ name }) => name);
    assert.deepEqual(phases, ["preflight", "baseline", "fault", "recovery", "analysis"]);
    assert.deepEqual(bench.steps, [
      "leftovers",
      "probeContainment",
      "setIntake true",
      "startSampling",
      "start",
      "probeContainment",
      "stop",
      "leftovers",
      "stopSampling",
      "setIntake false",
    ]);
  });

  it("finds a delay and no more than it", async () => {
    const journal = await make().run({ slow: slowApp() });
    assert.equal(journal.verdict, "degraded");
    const effect = journal.experiments[0]!.effects.find(({ signal }) => signal === "app.latency.p50")!;
    assert.ok(effect.low! < 80 && 80 < effect.high! + 5, `interval ${effect.low} to ${effect.high}`);
    const errors = journal.experiments[0]!.effects.find(({ signal }) => signal === "app.errors")!;
    assert.equal(errors.verdict, "pass");
  });

  it("gives every experiment its own baseline after the recovery of the one before", async () => {
    const journal = await make().run({ first: slowApp(), second: slowApp() });
    const named = journal.phases.map(({ name, experiment }) => `${experiment ?? ""} ${name}`);
    assert.deepEqual(named.slice(1, 7), [
      "first baseline",
      "first fault",
      "first recovery",
      "second baseline",
      "second fault",
      "second recovery",
    ]);
    for (const [before, after] of journal.phases.slice(1).map((phase, index) => [journal.phases[index]!, phase])) {
      assert.ok(before!.endedAt! <= after!.startedAt);
    }
    assert.equal(bench.driver.calls.filter((call) => call === "probeContainment").length, 3);
  });

  it("keeps the samples and the journal so that the analysis can be redone", async () => {
    const journal = await make().run({ slow: slowApp() });
    const recorded = await loadRun(bench.folder);
    assert.deepEqual(recorded.journal, asWritten(journal));
    assert.ok(recorded.points.length > 60 * 9);
  });

  it("sends heartbeats only while the fault is on, and proves the effect before it ends", async () => {
    const journal = await make().run({ slow: slowApp() });
    const [window] = journal.experiments[0]!.faults[0]!.windows;
    const beats = bench.driver.heartbeats.map(({ time }) => time);
    assert.ok(beats.length >= 8, `${beats.length} heartbeats`);
    assert.ok(beats.every((time) => time >= window!.start && time <= window!.end));
    assert.equal(journal.experiments[0]!.faults[0]!.effect?.proven, true);
    assert.ok(journal.experiments[0]!.faults[0]!.commands.length > 0);
  });

  it("draws no verdict when the fault is not proven", async () => {
    const journal = await make({ proven: false }).run({ slow: slowApp() });
    assert.equal(journal.invalid, true);
    assert.equal(journal.verdict, "inconclusive");
  });

  it("switches pulses on and off when the definition says", async () => {
    const pulse = { initialDelaySeconds: 5, activeSeconds: 10, dormantSeconds: 20, repeat: 4 };
    const experiment = slowApp({
      actions: { slow: { fault: "latency", target: { machine: "app-1" }, delayMilliseconds: 80, pulse } },
    });
    const journal = await make().run({ pulses: experiment });
    const start = journal.phases.find(({ name }) => name === "fault")!.startedAt;
    const windows = journal.experiments[0]!.faults[0]!.windows.map((window) => [
      Math.round((window.start - start) / 1000),
      Math.round((window.end - start) / 1000),
    ]);
    assert.deepEqual(windows, [
      [5, 15],
      [35, 45],
      [65, 75],
      [95, 105],
    ]);
  });

  it("carries out actions in the order of their graph", async () => {
    const experiment = slowApp({
      actions: {
        settle: { waitSeconds: 7 },
        slow: {
          fault: "latency",
          target: { machine: "app-1" },
          delayMilliseconds: 80,
          durationSeconds: 10,
          startAfter: ["settle"],
        },
        look: {
          probe: { name: "p50", signal: "app.latency.p50", tolerance: { maximum: 500 } },
          startAfter: ["slow"],
        },
        restore: { command: ["true"], target: { machine: "web-1" }, objectiveSeconds: 5, startAfter: ["slow"] },
        resize: { change: { machine: "data-1", cpus: 2 }, durationSeconds: 12, startAfter: ["restore"] },
      },
    });
    const journal = await make().run({ drill: experiment });
    assert.equal(journal.status, "completed");
    const [slow, resize] = journal.experiments[0]!.faults;
    const start = journal.phases.find(({ name }) => name === "fault")!.startedAt;
    assert.equal(Math.round((slow!.windows[0]!.start - start) / 1000), 7);
    assert.equal(resize!.kind, "change");
    assert.ok(resize!.windows[0]!.start >= slow!.windows[0]!.end);
    const [command] = journal.experiments[0]!.commands;
    assert.deepEqual([command!.exitCode, command!.seconds, command!.withinObjective], [0, 3, true]);
    assert.equal(journal.experiments[0]!.probes[0]!.ok, true);
    assert.deepEqual([...bench.driver.changes], []);
  });

  it("brings a machine that stays down back when the experiment ends", async () => {
    const down = { fault: "machineCrash" as const, target: { machine: "app-1" }, durationSeconds: 10, staysDown: true };
    const journal = await make().run({ crash: slowApp({ actions: { down } }) });
    const recovery = journal.phases.find(({ name }) => name === "recovery")!;
    assert.ok(bench.driver.windows[0]!.end! >= recovery.endedAt! - 1);
    assert.equal(journal.status, "completed");
    assert.equal(bench.driver.active.size, 0);
  });

  it("tells phase, remaining time and live figures", async () => {
    await make().run({ slow: slowApp() });
    const during = bench.progress.filter(({ kind, phase }) => kind === "step" && phase === "fault");
    assert.ok(during.length >= 18);
    const { figures, remainingSeconds, activeFaults, runRemainingSeconds } = during.at(-3)!;
    assert.ok(remainingSeconds < 5 && runRemainingSeconds >= 15);
    assert.deepEqual(activeFaults, ["slow"]);
    assert.equal(figures.requestsLive, 100);
    assert.ok(figures.p95Shadow! > figures.p95Live! + 60);
    assert.equal(bench.progress.at(-1)!.kind, "end");
  });
});
