import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";

import { ProblemsError, ShadownetError } from "../../../../components/internal/problems";
import { shadowGoneCode } from "../../../../components/runtime/runner/driver";
import { halt, release } from "../../../../components/runtime/runner/halt";
import { readJournal } from "../../../../components/runtime/runner/journalWriter";
import { loadRun } from "../../../../components/runtime/runner/store";
import { RunBench, asWritten, eventKinds, slowApp } from "./support";
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

describe("a run that must not go on", () => {
  let bench: RunBench;
  const make = (behaviour: FakeBehaviour = {}): RunBench => (bench = new RunBench(behaviour));
  afterEach(() => bench.remove());

  it("closes the intake and fails when the shadow leaks before anything begins", async () => {
    const journal = await make({ breach: () => true }).run({ slow: slowApp() });
    assert.equal(journal.status, "failed");
    assert.equal(journal.verdict, "fail");
    assert.match(journal.statusReason!, /web-1 reached tcp 198\.51\.100\.7/);
    assert.ok(!bench.driver.calls.includes("setIntake true"));
    assert.deepEqual(bench.driver.everStarted, []);
  });

  it("closes the intake, undoes and fails when the shadow leaks during a fault", async () => {
    const leaks = (): boolean => bench.driver.active.size > 0;
    const journal = await make({ breach: leaks }).run({ slow: slowApp() });
    assert.equal(journal.status, "failed");
    assert.equal(journal.verdict, "fail");
    assert.equal(bench.driver.intakeOpen, false);
    assert.equal(bench.driver.active.size, 0);
    const closed = bench.driver.calls.indexOf("setIntake false");
    assert.ok(closed > 0 && closed < bench.driver.calls.lastIndexOf("stop"), "the intake is closed first");
    assert.ok(eventKinds(journal).includes("containment-breach"));
  });

  it("undoes everything when a stop condition is reached", async () => {
    const stopConditions = [{ signal: "app.errors", above: 0.2, forSeconds: 5 }];
    const journal = await make({ faultErrors: 0.5 }).run({ slow: slowApp({ stopConditions }), never: slowApp() });
    assert.equal(journal.status, "aborted");
    assert.equal(journal.verdict, "fail");
    assert.match(journal.statusReason!, /stop condition: shadow app\.errors of service above 0\.2/);
    assert.deepEqual(bench.driver.everStarted.length, 1);
    const [window] = journal.experiments[0]!.faults[0]!.windows;
    const seconds = (window!.end - window!.start) / 1000;
    assert.ok(seconds >= 5 && seconds <= 10, `ended after ${seconds} seconds`);
  });

  it("says so when a stop condition has no data, and does not take it for kept or breached", async () => {
    const stopConditions = [{ signal: "machine.cpu", target: "app-1", above: 90 }];
    const journal = await make().run({ slow: slowApp({ stopConditions }) });
    assert.equal(journal.status, "completed");
    assert.equal(eventKinds(journal).filter((kind) => kind === "unmeasured-stop-condition").length, 1);
  });

  it("breaks nothing when the hypothesis does not hold before", async () => {
    const hypothesis = { probes: [{ name: "fast", signal: "app.latency.p50", tolerance: { maximum: 1 } }] };
    const journal = await make().run({ slow: slowApp({ hypothesis }) });
    assert.deepEqual(bench.driver.everStarted, []);
    assert.equal(journal.verdict, "inconclusive");
    assert.equal(journal.experiments[0]!.deviated, false);
    const told = journal.events.find(({ kind }) => kind === "hypothesis-not-met")!;
    assert.match(told.message, /nothing was broken, because the hypothesis does not hold: fast: response time, median/);
  });

  it("fails when the hypothesis breaks", async () => {
    const hypothesis = { probes: [{ name: "fast", signal: "app.latency.p50", tolerance: { maximum: 60 } }] };
    const journal = await make().run({ slow: slowApp({ hypothesis }) });
    assert.deepEqual(
      journal.experiments[0]!.probes.map(({ when, ok }) => [when, ok]),
      [
        ["before", true],
        ["during", false],
        ["after", true],
      ],
    );
    assert.equal(journal.verdict, "fail");
  });

  for (const [what, behaviour, message] of [
    ["coverage", { coverage: 0.5 }, /coverage: only 50\.0 % of \d+ requests were replayed/],
    [
      "what nobody saw",
      { unseen: 50 },
      /coverage: only 66\.0 % of \d+ requests and \d+ packets that the gateway's kernel dropped unseen were replayed/,
    ],
    ["answers", { silent: 0.3 }, /answers: the shadow answered only 70\.\d % of \d+ replayed requests \(\d+ timeout\)/],
    ["errors", { shadowErrors: 0.4 }, /errors: live fails 0\.0 % of its requests, the shadow 40\.0 %/],
    ["latency", { slowness: 8 }, /latency: half of live's answers take up to [\d.]+ ms, of the shadow's 1\d\d/],
  ] as const) {
    it(`stops at the fidelity gate because of ${what}, and goes on when told to`, async () => {
      const journal = await make(behaviour).run({ slow: slowApp() });
      assert.equal(journal.status, "failed");
      assert.match(journal.statusReason!, message);
      assert.deepEqual(bench.driver.everStarted, []);
      bench.remove();
      const skipped = await make(behaviour).run({ slow: slowApp() }, { skip: { fidelityGate: true } });
      assert.equal(skipped.status, "completed");
      assert.ok(eventKinds(skipped).includes("skipped"));
    });
  }

  it("says what is missing when no live traffic flows", async () => {
    const journal = await make({ requests: 0 }).run({ slow: slowApp() });
    assert.equal(journal.status, "failed");
    assert.match(journal.statusReason!, /no live traffic flows through the shadow: in 60 seconds the gateway saw 0/);
  });

  it("refuses an ill mirror and what earlier runs left behind", async () => {
    const ill = await make({ problems: ["the gateway is dead"] }).run({ slow: slowApp() });
    assert.match(ill.statusReason!, /the mirror is not healthy: the gateway is dead/);
    bench.remove();
    const dirty = await make({ leftovers: ["a rule on app-1"] }).run({ slow: slowApp() });
    assert.match(dirty.statusReason!, /earlier runs left something behind: a rule on app-1/);
    assert.ok(!bench.driver.calls.includes("probeContainment"));
  });

  it("ends as interrupted when it is told to, with every fault undone", async () => {
    const controller = new AbortController();
    const onProgress = ({ event }: { event?: { kind: string } }): void => {
      if (event?.kind === "fault-started") controller.abort(new Error("interrupted by SIGINT"));
    };
    const journal = await make().run({ slow: slowApp() }, { signal: controller.signal, onProgress });
    assert.equal(journal.status, "interrupted");
    assert.equal(journal.statusReason, "interrupted by SIGINT");
    assert.equal(bench.driver.active.size, 0);
    assert.deepEqual(await readJournal(bench.folder), asWritten(journal));
  });

  it("ends when the halt switch is pulled, and no run starts until it is released", async () => {
    make();
    const onProgress = ({ event }: { event?: { kind: string } }): void => {
      if (event?.kind === "fault-started") void halt(bench.stateFolder, "incident 4711");
    };
    const journal = await bench.run({ slow: slowApp() }, { onProgress });
    assert.equal(journal.status, "aborted");
    assert.match(journal.statusReason!, /incident 4711/);
    assert.equal(bench.driver.active.size, 0);
    const before = bench.driver.calls.length;
    await assert.rejects(bench.run({ slow: slowApp() }), /runs are halted since .*incident 4711/);
    assert.equal(bench.driver.calls.length, before, "a refused run does not touch the back end");
    assert.equal(await release(bench.stateFolder), true);
    assert.equal((await bench.run({ slow: slowApp() })).status, "completed");
  });

  it("ends, with every fault undone, when its journal cannot be written any more", async () => {
    make();
    const onProgress = ({ event }: { event?: { kind: string } }): void => {
      if (event?.kind === "fault-started") rmSync(bench.folder, { recursive: true });
    };
    const journal = await bench.run({ slow: slowApp() }, { onProgress });
    assert.equal(journal.status, "failed");
    assert.match(journal.statusReason!, /the journal .* cannot be written/);
    assert.equal(bench.driver.active.size, 0);
  });

  it("ends when the target loses its heartbeat", async () => {
    const before = (call: string): void => {
      if (call === "heartbeat") throw new Error("the target is gone");
    };
    const journal = await make({ before }).run({ slow: slowApp() });
    assert.equal(journal.status, "failed");
    assert.match(journal.statusReason!, /lost its heartbeat: the target is gone/);
    assert.equal(bench.driver.active.size, 0);
  });

  it("ends at the first heartbeat that says that the shadow was destroyed, and says so", async () => {
    const before = (call: string): void => {
      if (call === "heartbeat") throw new ShadownetError(shadowGoneCode, "the shadow is gone");
    };
    const journal = await make({ before }).run({ slow: slowApp() });
    assert.equal(journal.status, "failed");
    assert.equal(journal.statusReason, "the shadow is gone");
    assert.ok(!eventKinds(journal).includes("heartbeat-missed"));
    assert.equal(bench.driver.active.size, 0);
  });
});

describe("bad input of a run", () => {
  let bench: RunBench;
  beforeEach(() => (bench = new RunBench()));
  afterEach(() => bench.remove());

  const refused = async (experiment: ReturnType<typeof slowApp>, patterns: RegExp[]): Promise<void> => {
    await assert.rejects(bench.run({ bad: experiment }), (error: unknown) => {
      assert.ok(error instanceof ProblemsError);
      for (const pattern of patterns) assert.match(error.message, pattern);
      assert.equal(error.problems.length, patterns.length, error.message);
      return true;
    });
    assert.ok(!existsSync(bench.folder), "no journal");
    assert.deepEqual(bench.steps, [], "nothing touched");
  };

  it("names every problem at once", async () => {
    await refused(
      slowApp({
        actions: {
          both: {
            fault: "latency",
            target: { machine: "app-1" },
            delayMilliseconds: 1,
            durationSeconds: 5,
            waitSeconds: 1,
          },
          endless: { fault: "linkDown", target: { machine: "app-1" }, startAfter: ["bth"] },
          nothing: {},
        },
      }),
      [
        /bad\.actions\.both: sets fault and waitSeconds; exactly one/,
        /bad\.actions\.endless\.durationSeconds: a fault needs an end/,
        /bad\.actions\.endless\.startAfter\[0\]: no action "bth".*did you mean "both"/,
        /bad\.actions\.nothing: does nothing/,
      ],
    );
  });

  it("finds actions that wait for each other", async () => {
    const actions = { a: { waitSeconds: 1, startAfter: ["b"] }, b: { waitSeconds: 1, startAfter: ["a"] } };
    await refused(slowApp({ actions }), [/wait for each other in a circle: a → b → a/]);
  });

  it("refuses targets that are not there and parameters that do not fit, with the action's path", async () => {
    await refused(
      slowApp({
        actions: {
          where: { fault: "linkDown", target: { machine: "prod-1" }, durationSeconds: 5 },
          what: { fault: "linkDown", target: { machine: "app-1" }, durationSeconds: 5, delayMilliseconds: 5 },
        },
      }),
      [/bad\.actions\.where\.target: no machine "prod-1"/, /bad\.actions\.what\..*delayMilliseconds/],
    );
  });

  it("refuses what exceeds the blast radius", async () => {
    const all = { fault: "linkDown" as const, target: { machine: "*" }, durationSeconds: 700 };
    await refused(slowApp({ actions: { all } }), [
      /3 of 3 machines would be hit \(web-1, app-1, data-1\), at most 2/,
      /faults would last 700 seconds; 600 are allowed/,
    ]);
    const blastRadius = { machines: 3, links: 1, durationSeconds: 700 };
    await refused(slowApp({ actions: { all }, blastRadius }), [/3 links would be hit .* at most 1/]);
  });

  it("lets only one run use a shadow at a time", async () => {
    const first = bench.run({ slow: slowApp() });
    await assert.rejects(bench.run({ slow: slowApp() }, { folder: `${bench.folder}-2` }), (error: unknown) => {
      assert.ok(error instanceof ShadownetError);
      assert.match(error.message, /"shop" is in use by run run-1 \(process \d+/);
      return true;
    });
    assert.equal((await first).status, "completed");
    assert.equal((await bench.run({ slow: slowApp() }, { folder: `${bench.folder}-2` })).status, "completed");
  });
});

describe("a dry run", () => {
  let bench: RunBench;
  beforeEach(() => (bench = new RunBench()));
  afterEach(() => bench.remove());

  const reads = ["describe", "capabilities", "resolve", "leftovers", "mirror"];

  it("calls nothing at all with `nothing`, but checks the experiments", async () => {
    await bench.run({ slow: slowApp() }, { dryRun: "nothing" });
    assert.deepEqual(bench.driver.calls, []);
    await assert.rejects(bench.run({ slow: slowApp({ actions: { a: {} } }) }, { dryRun: "nothing" }), ProblemsError);
  });

  for (const level of ["reads", "plan"] as const) {
    it(`touches nothing with \`${level}\``, async () => {
      const journal = await bench.run({ slow: slowApp() }, { dryRun: level });
      assert.ok(
        bench.driver.calls.every((call) => reads.includes(call)),
        bench.driver.calls.join(" "),
      );
      assert.ok(!existsSync(bench.folder) && !existsSync(bench.stateFolder));
      const [fault] = journal.experiments[0]!.faults;
      assert.equal(fault!.target, "app-1");
      assert.equal(fault!.commands.length > 0, level === "plan");
      assert.deepEqual(fault!.windows, []);
    });
  }
});
