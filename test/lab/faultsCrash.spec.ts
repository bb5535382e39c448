import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { FaultKind, FaultParameters } from "../../components/experiment";
import { run, tryRun } from "../../components/internal/exec";
import { compile } from "../../components/runtime/faults/compile";
import { randomFrom } from "../../components/runtime/faults/pattern";
import { FaultBed, eventually, startPlan } from "./faultsBed";

const faults: [FaultKind, FaultParameters][] = [
  ["linkDown", {}],
  ["blackhole", { mode: "reset" }],
  ["latency", { delayMilliseconds: 20 }],
  ["packetLoss", { percent: 30 }],
  ["corruption", { percent: 30 }],
  ["payloadCorruption", { percent: 30 }],
  ["duplicate", { percent: 30 }],
  ["reorder", { percent: 30 }],
  ["bandwidth", { bitsPerSecond: 1e6 }],
];
const rounds = Number(process.env.SHADOWNET_CRASH_DRILLS ?? 12);
const seed = Number(process.env.SHADOWNET_CRASH_SEED ?? Date.now() % 1e6);

describe(`faults whose helpers are killed (seed ${seed})`, function () {
  this.timeout(60_000 + rounds * 30_000);
  let bed: FaultBed;
  let before: string;

  beforeEach(async () => {
    bed = await FaultBed.make();
    before = await bed.dump();
  });

  afterEach(() => bed.close());

  const clean = async (): Promise<boolean> => (await bed.dump()) === before;

  it("heals when starting is killed at random moments", async () => {
    const random = randomFrom(seed);
    for (let round = 0; round < rounds; round++) {
      const [kind, parameters] = faults[Math.floor(random() * faults.length)]!;
      const plan = compile(
        { kind, ...parameters, id: `${bed.name}r${round}`, durationSeconds: 2 },
        bed.target(),
        bed.capabilities,
      );
      const after = random() * 0.6;
      const starting = startPlan(bed, plan).then(
        () => undefined,
        () => undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, 1000 * after));
      await tryRun(["sh", "-c", `kill -9 $(pgrep -f '${plan.id}.sh start')`]);
      await starting;
      await eventually(clean, `${kind} killed after ${after.toFixed(3)} s, seed ${seed}`, 25);
    }
  });

  it("ends in time when nobody stops it and nobody sends heartbeats", async () => {
    for (const [kind, parameters] of faults) {
      const plan = compile(
        { kind, ...parameters, id: `${bed.name}${kind}`, durationSeconds: 1 },
        bed.target(),
        bed.capabilities,
      );
      const fault = await startPlan(bed, plan, false);
      await eventually(clean, kind, 20);
      assert.deepEqual(await fault.call("status"), { fault: plan.id, event: "ended", reason: "timer" });
      assert.deepEqual((await fault.stop()).ended, "timer");
    }
  });

  it("ends early when heartbeats stop, and lives while they come", async () => {
    const fault = await bed.start({ kind: "packetLoss", percent: 100, direction: "ingress" });
    for (let beat = 0; beat < 5; beat++) {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      assert.equal((await fault.call("heartbeat")).event, "alive");
    }
    assert.equal(await bed.pings(4, 2), 0);
    await eventually(async () => (await fault.call("status")).reason === "heartbeat", "heartbeats are missed");
    assert.equal(await bed.pings(4), 1);
  });

  it("is ended by the kernel when the timer is dead too", async () => {
    const fault = await bed.start({ kind: "packetLoss", percent: 100 });
    assert.equal(await bed.pings(4, 2), 0);
    const keepers = ["guard", "watcher"].map((name) => readFile(join(fault.state, name), "utf8"));
    await run(["kill", "-9", ...(await Promise.all(keepers)).map((text) => text.trim())]);
    await eventually(async () => (await bed.pings(4, 2)) === 1, "the kernel ends the fault", 15);
    assert.equal((await fault.call("status")).event, "active");
  });

  it("ends in time when the timer is killed again and again, because what guards it starts it again", async () => {
    const fault = await bed.start({ kind: "linkDown", durationSeconds: 3 }, bed.target());
    for (let time = 0; time < 3; time++) {
      const pid = (await readFile(join(fault.state, time === 1 ? "guard" : "watcher"), "utf8")).trim();
      await run(["kill", "-9", pid]);
      await new Promise((resolve) => setTimeout(resolve, 900));
    }
    await eventually(clean, "the timer ends the fault", 10);
    assert.deepEqual(await fault.call("status"), { fault: fault.plan.id, event: "ended", reason: "timer" });
  });

  it("heals when the relay dies", async () => {
    const fault = await bed.start({ kind: "latency", delayMilliseconds: 30 });
    await run(["kill", "-9", (await readFile(join(fault.state, "relay.pid"), "utf8")).trim()]);
    await eventually(clean, "the dead relay is noticed", 15);
    assert.equal((await fault.call("heartbeat")).reason, "process");
    assert.equal(await bed.pings(4), 1);
  });

  it("stops more than once, and on a target that is gone", async () => {
    const first = await bed.start({ kind: "latency", delayMilliseconds: 5 });
    await first.stop();
    await first.stop();
    const gone = await bed.start({ kind: "linkDown" });
    const half = await bed.start({ kind: "corruption", percent: 10 });
    for (const of of ["a", "b", "s"] as const) await run(["ip", "netns", "delete", bed.namespace(of)]);
    await gone.stop();
    await half.stop();
  });
});
