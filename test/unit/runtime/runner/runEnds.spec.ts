import assert from "node:assert/strict";
import { rmSync } from "node:fs";

import { ShadownetError } from "../../../../components/internal/problems";
import { shadowGoneCode } from "../../../../components/runtime/runner/driver";
import { halt, release } from "../../../../components/runtime/runner/halt";
import { readJournal } from "../../../../components/runtime/runner/journalWriter";
import { RunBench, asWritten, eventKinds, slowApp } from "./support";
import type { FakeBehaviour } from "../../../support/fakeDriver";

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
