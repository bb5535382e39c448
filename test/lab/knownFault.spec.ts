import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Experiment } from "../../components/experiment";
import { openLabDriver } from "../../components/lab/driver";
import { stateFolder } from "../../components/lab/kernel/names";
import type { Effect, Journal } from "../../components/runtime/runner/journal";
import { runExperiments } from "../../components/runtime/runner/run";
import { type LiveLab, openLiveLab } from "../support/liveLab";

const addedMilliseconds = 20;

/** The fault promises no more: packets count as late only beyond a millisecond. And one interval in twenty misses by a little. */
const slackMilliseconds = 1;

/** Every request crosses this link; only answers are delayed, so that each takes exactly so much longer. */
const experiment: Experiment = {
  title: "answers leave 20 ms late",
  actions: {
    delay: {
      fault: "latency",
      target: { link: "web-1/eth0" },
      direction: "egress",
      delayMilliseconds: addedMilliseconds,
      durationSeconds: 25,
    },
  },
  blastRadius: { machines: 1, percent: 100 },
  analysis: { baselineSeconds: 40, recoverySeconds: 12 },
};

describe("a fault of known size, in a real run", function () {
  this.timeout(300_000);
  let lab: LiveLab | undefined;
  let folder: string;
  let journal: Journal;

  before(async () => {
    lab = await openLiveLab("kf");
    folder = await mkdtemp(join(tmpdir(), "shadownet-known-"));
    const driver = await openLabDriver(lab.shadow);
    try {
      journal = await runExperiments({
        driver,
        experiments: { known: experiment },
        folder: join(folder, "known"),
        stateFolder: stateFolder(),
      });
    } finally {
      await driver.close();
    }
    assert.equal(journal.status, "completed", journal.statusReason);
  });

  after(async () => {
    await lab?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const median = (): Effect => {
    const effects = journal.experiments[0]!.effects;
    return effects.find(({ signal, target }) => signal === "app.latency.p50" && target === "service")!;
  };

  it("is proven to have happened", () => {
    const [fault] = journal.experiments[0]!.faults;
    assert.equal(fault!.effect?.proven, true, fault!.effect?.why);
  });

  it("is found", () => {
    assert.equal(median().verdict, "degraded", median().why);
    assert.equal(journal.verdict, "degraded", journal.sentence);
    assert.ok(median().q! < 0.01, median().why);
  });

  it("is found with the right size: the interval contains it, to a millisecond", () => {
    const { low, high, why } = median();
    assert.ok(low! <= addedMilliseconds + slackMilliseconds && addedMilliseconds - slackMilliseconds <= high!, why);
    assert.ok(high! - low! < addedMilliseconds / 2, `an interval that says something: ${why}`);
  });

  it("shows in the response times of all requests, and not in live's", () => {
    const rows = journal.experiments[0]!.latencies!;
    const median = (phase: string, side: string): number =>
      rows.find((row) => row.phase === phase && row.side === side)!.p50!;
    const moved = (side: string): number => median("fault", side) - median("baseline", side);
    assert.ok(
      moved("shadow") > 0.7 * addedMilliseconds && moved("shadow") < 1.5 * addedMilliseconds,
      JSON.stringify(rows),
    );
    assert.ok(Math.abs(moved("live")) < addedMilliseconds / 2, `live moved by ${moved("live")} ms`);
    assert.ok(rows.every(({ requests, failed }) => requests > 100 && failed < requests / 20));
  });

  it("is found at the right time", () => {
    const { onset, timeToDetect, why } = median();
    assert.ok(onset !== null && onset >= 0 && onset <= 2, `onset ${onset} s; ${why}`);
    assert.ok(timeToDetect! > onset && timeToDetect! <= 8, `detected after ${timeToDetect} s; ${why}`);
  });
});
