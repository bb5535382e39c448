import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { IntakeHold } from "../../../../components/runtime/runner/intakeHold";
import { lockShadow } from "../../../../components/runtime/runner/lock";
import { runExperiments } from "../../../../components/runtime/runner/run";
import { StandingIntake, needsTraffic } from "../../../../components/runtime/runner/standingIntake";
import { type FakeBehaviour, FakeDriver } from "../../../support/fakeDriver";
import { VirtualClock } from "../../../support/virtualClock";
import { slowApp } from "./support";

/** A standing intake on a fake shadow; `at` does something at a second of its time. */
class Bench {
  readonly root = mkdtempSync(join(tmpdir(), "shadownet-intake-"));
  readonly clock = new VirtualClock();
  readonly driver: FakeDriver;
  readonly problems: string[] = [];
  private readonly stop = new AbortController();
  private readonly start = this.clock.now();
  private readonly planned: Promise<unknown>[] = [];

  constructor(behaviour: FakeBehaviour = {}) {
    this.driver = new FakeDriver(this.clock, behaviour);
  }

  at(second: number, what: () => unknown): void {
    const wait = this.start + second * 1000 - this.clock.now();
    this.planned.push(this.clock.sleep(wait).then(what));
  }

  get intake(): StandingIntake {
    const { driver, clock, root: stateFolder, stop } = this;
    const onProblem = (problem: string): void => void this.problems.push(problem);
    return new StandingIntake({ driver, network: "shop", stateFolder, clock, onProblem, signal: stop.signal });
  }

  async keepFor(seconds: number): Promise<void> {
    this.at(seconds, () => this.stop.abort());
    await this.intake.keep();
    await Promise.all(this.planned);
  }

  get probes(): number {
    return this.driver.calls.filter((call) => call === "probeContainment").length;
  }
}

describe("an intake that is kept open for alarms", () => {
  const benches: Bench[] = [];
  const openBench = (behaviour: FakeBehaviour = {}): Bench => {
    const bench = new Bench(behaviour);
    benches.push(bench);
    return bench;
  };
  afterEach(() => benches.splice(0).forEach(({ root }) => rmSync(root, { recursive: true, force: true })));

  it("opens after the probe, is probed again, and closes at its end", async () => {
    const bench = openBench();
    const states: boolean[] = [];
    for (const second of [20, 400, 700]) bench.at(second, () => states.push(bench.driver.intakeOpen));
    await bench.keepFor(710);
    assert.deepEqual(states, [true, true, true]);
    assert.equal(bench.driver.intakeOpen, false);
    assert.equal(bench.probes, 3, "at its start and every five minutes");
    const steps = bench.driver.calls.filter((call) => /probe|Intake/.test(call));
    assert.match(steps.join(), /^probeContainment,setIntake/);
    assert.deepEqual(bench.problems, []);
  });

  it("closes on a breach and stays closed", async () => {
    let breached = false;
    const bench = openBench({ breach: () => breached });
    bench.at(100, () => (breached = true));
    bench.at(400, () => (breached = false));
    let openBefore = false;
    bench.at(99, () => (openBefore = bench.driver.intakeOpen));
    await bench.keepFor(1000);
    assert.equal(openBefore, true);
    assert.equal(bench.driver.intakeOpen, false);
    assert.equal(bench.probes, 2);
    assert.match(bench.problems.join(), /not contained.*stays closed.*web-1 reached tcp 198\.51\.100\.7 port 80/);
  });

  it("closes while runs are halted, and opens after the release with a new probe", async () => {
    const bench = openBench();
    const seen: boolean[] = [];
    // Written at once: this clock's time goes on while a file is written piece by piece.
    const halt = join(bench.root, "halt.json");
    bench.at(20, () => writeFileSync(halt, JSON.stringify({ reason: "incident", since: "" })));
    bench.at(30, () => seen.push(bench.driver.intakeOpen));
    bench.at(40, () => rmSync(halt));
    bench.at(60, () => seen.push(bench.driver.intakeOpen));
    await bench.keepFor(70);
    assert.deepEqual(seen, [false, true]);
    assert.equal(bench.probes, 2);
  });

  it("opens again, after a probe, when the gateway was started anew", async () => {
    const bench = openBench();
    bench.at(50, () => (bench.driver.intakeOpen = false));
    let again = false;
    bench.at(60, () => (again = bench.driver.intakeOpen));
    await bench.keepFor(70);
    assert.equal(again, true);
    assert.equal(bench.probes, 2);
  });

  it("tells once why it cannot open, and tries on", async () => {
    let dead = true;
    const before = (call: string): void => {
      if (call.startsWith("setIntake") && dead) throw new Error("the gateway does not answer");
    };
    const bench = openBench({ before });
    bench.at(100, () => (dead = false));
    let open = false;
    bench.at(140, () => (open = bench.driver.intakeOpen));
    await bench.keepFor(150);
    assert.equal(open, true);
    assert.equal(bench.problems.length, 1);
    assert.match(bench.problems[0]!, /cannot be kept open: the gateway does not answer/);
  });

  it("is left open by a run that finds it open", async () => {
    const bench = openBench();
    const { driver, clock, root } = bench;
    let [status, after] = ["", false];
    bench.at(10, async () => {
      const experiments = { slow: slowApp() };
      const journal = await runExperiments({ driver, clock, experiments, folder: join(root, "r"), stateFolder: root });
      [status, after] = [journal.status, driver.intakeOpen];
      assert.ok(!journal.events.some(({ kind }) => kind === "intake-opened"));
    });
    await bench.keepFor(400);
    assert.deepEqual([status, after], ["completed", true]);
    assert.equal(driver.intakeOpen, false);
  });

  it("is left open for a run that goes on, which closes it then", async () => {
    const bench = openBench();
    const { driver, root } = bench;
    const unlock = lockShadow(root, "shop", "run-1");
    const run = new IntakeHold(driver, root, "shop", "run-1");
    assert.equal(await run.take(), true);
    await bench.keepFor(30);
    assert.equal(bench.probes, 0, "the run does the probing");
    assert.equal(driver.intakeOpen, true);
    unlock();
    assert.equal(await run.letGo(), true);
    assert.equal(driver.intakeOpen, false);
  });

  it("leaves an intake alone that somebody opened by hand", async () => {
    const bench = openBench();
    bench.driver.intakeOpen = true;
    await bench.keepFor(30);
    assert.equal(bench.driver.intakeOpen, true);
  });

  it("is not asked for by alarms on machines", () => {
    assert.equal(needsTraffic({ name: "a", signal: "machine.cpu", above: 1 }), false);
    assert.equal(needsTraffic({ name: "a", signal: "app.errors", above: 1 }), true);
    assert.equal(needsTraffic({ name: "a", signal: "replay.lag", above: 1 }), true);
  });
});
