import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openLabDriver } from "../../components/lab/driver";
import type { FalseAlarmRate } from "../../components/runtime/analysis";
import { loadRun } from "../../components/runtime/runner/store";
import { type LiveLab, openLiveLab } from "../support/liveLab";
import { eventually } from "../unit/runtime/console/support";

/** What `shadownet calibrate --json` prints. */
interface Calibration {
  runs: { id: string; tests: number; alarms: unknown[] }[];
  tests: FalseAlarmRate;
  verdicts: FalseAlarmRate;
  runsWithAlarm: FalseAlarmRate;
}

const program = join(__dirname, "../../tools/bin/shadownet.mjs");

describe("shadownet calibrate on a real lab", function () {
  this.timeout(420_000);
  let lab: LiveLab;
  const root = mkdtempSync(join(tmpdir(), "shadownet-calibrate-"));

  before(async () => {
    lab = await openLiveLab("cal", 20);
  });

  after(async () => {
    await lab.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** Starts it with short runs; `said` and `printed` grow while it goes on. */
  function start(runs: number, folder: string) {
    const times = ["--baseline", "22", "--fault", "9", "--recovery", "1"];
    const argv = [program, "calibrate", "--network", lab.shadow, "--runs", String(runs), ...times];
    const child: ChildProcess = spawn(process.execPath, [...argv, "--folder", folder, "--json"]);
    const output = { child, said: "", printed: "", ended: Promise.resolve<number | null>(null) };
    child.stderr!.on("data", (part: Buffer) => (output.said += part.toString()));
    child.stdout!.on("data", (part: Buffer) => (output.printed += part.toString()));
    output.ended = new Promise((resolve) => child.once("close", resolve));
    return output;
  }

  it("makes the runs, tells how far it is, and prints the rates with their intervals", async () => {
    const folder = join(root, "whole");
    const calibration = start(2, folder);
    assert.equal(await calibration.ended, 0, calibration.said);
    assert.match(calibration.said, /run 1 of 2[^]*run 2 of 2/);
    const { runs, tests, verdicts, runsWithAlarm } = JSON.parse(calibration.printed) as Calibration;
    assert.equal(runs.length, 2, calibration.said);
    assert.equal(
      tests.judged,
      runs.reduce((sum, run) => sum + run.tests, 0),
    );
    assert.ok(tests.judged >= 6, "latency, requests and errors were tested in both");
    for (const { alarms, judged, rate, low, high } of [tests, verdicts, runsWithAlarm]) {
      assert.ok(alarms <= judged && low <= rate && rate <= high && low >= 0 && high <= 1);
    }
    for (const { id } of runs) assert.equal((await loadRun(join(folder, id))).journal.status, "completed");
  });

  it("ends on Ctrl-C with the rates over what was completed, and leaves the intake closed", async () => {
    const folder = join(root, "cut");
    const calibration = start(50, folder);
    await eventually("the second run", () => /run 2 of 50/.test(calibration.said), 180);
    await eventually("its journal", () => readdirSync(folder).length === 2, 60);
    calibration.child.kill("SIGINT");
    await calibration.ended;
    assert.match(calibration.said, /SIGINT[^]*the rates are over the 1 of 50 runs that were completed/);
    const { runs } = JSON.parse(calibration.printed) as Calibration;
    assert.equal(runs.length, 1, calibration.said);
    const journals = await Promise.all(readdirSync(folder).map((id) => loadRun(join(folder, id))));
    assert.deepEqual(journals.map(({ journal }) => journal.status).sort(), ["completed", "interrupted"]);
    assert.equal((await (await openLabDriver(lab.shadow)).mirror()).intakeOpen, false);
  });
});
