import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { access, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { Experiment } from "../../components/experiment";
import { activeDisturbances, findLeftovers } from "../../components/lab/leftovers";
import { gatewayPid } from "../../components/lab/kernel/gatewayProcess";
import { killNow } from "../../components/lab/kernel/namespaces";
import { randomFrom } from "../../components/runtime/faults/pattern";
import type { Journal } from "../../components/runtime/runner/journal";
import { DrillBed, type DrillRun, difference } from "../support/drillBed";
import { randomExperiment } from "../support/drillFaults";
import { eventually } from "./networkFixture";

const rounds = Number(process.env.DRILL_ROUNDS ?? 8);
/** The same faults each time, so that two runs can be compared; `DRILL_SEED` and `DRILL_ROUNDS` go further. */
const seed = Number(process.env.DRILL_SEED ?? 42651);
const log = process.env.DRILL_LOG;

/** What the promise grants beyond the fault's own duration. */
const grace = 2000;
/** The last look within the promise begins so much before it is due, in milliseconds. */
const lookAhead = 30;
/** What a machine that does other work too may add; the proof is made with `DRILL_SLACK=0`. */
const slack = Number(process.env.DRILL_SLACK ?? 4000);

/**
 * `group` is the runner with every process that it has started; `controller` is `shadownet serve` that carries the run
 * out; `others` is all of them and gateway and relays; `all` is that and the watchers, with the controller as runner.
 */
const victims = ["runner", "group", "gateway", "relay", "watcher", "controller", "others", "all"] as const;
type Victim = (typeof victims)[number];

/** Whether the runner lives on, so that it is the runner who undoes. */
function survives(victim: Victim): boolean {
  return ["gateway", "relay", "watcher"].includes(victim);
}

interface Round {
  number: number;
  victim: Victim;
  experiment: Experiment;
  /** How long after the first fault began to start, in milliseconds. */
  moment: number;
}

function planRounds(): Round[] {
  const random = randomFrom(seed);
  return Array.from({ length: rounds }, (_, number) => {
    const victim = victims[number % victims.length]!;
    const experiment = randomExperiment(random, victim === "relay");
    const longest = Math.max(...Object.values(experiment.actions).map(({ durationSeconds = 0 }) => durationSeconds));
    return { number, victim, experiment, moment: random() * (longest + 1.5) * 1000 };
  });
}

function describeRound({ number, victim, experiment, moment }: Round): string {
  const faults = Object.values(experiment.actions).flatMap(({ fault, target, durationSeconds }) =>
    fault === undefined ? [] : [`${fault} ${JSON.stringify(target)} for ${durationSeconds} s`],
  );
  return `round ${number}, seed ${seed}: kill ${victim} ${Math.round(moment)} ms into ${faults.join(" and ")}`;
}

describe(`the crash drill (${rounds} rounds, seed ${seed})`, function () {
  this.timeout(120_000 + rounds * 60_000);
  let bed: DrillBed;
  const late: number[] = [];

  before(async () => {
    bed = await DrillBed.make("cd");
  });

  after(async () => {
    await bed.close();
    late.sort((a, b) => a - b);
    const [median, worst] = [late[Math.floor(late.length / 2)], late.at(-1)];
    console.log(`      clean ${median} ms (median) and ${worst} ms (worst) after the last fault's end, as first seen`);
  });

  for (const round of planRounds()) {
    it(`leaves nothing: ${describeRound(round)}`, async () => {
      const before = await bed.dump();
      const name = `round${round.number}`;
      const run = await (["controller", "all"].includes(round.victim)
        ? bed.startAtController(name, round.experiment, "--skip-fidelity-gate")
        : bed.start(name, round.experiment, "--skip-fidelity-gate"));
      const ends = new FaultEnds(bed);
      try {
        await run.event("fault-starting");
        const killAt = Date.now() + round.moment;
        while (Date.now() < killAt) {
          await ends.look();
          await delay(Math.min(100, Math.max(0, killAt - Date.now())));
        }
        await ends.look();
        await kill(round.victim, run);
        late.push(await cleanAfter(round, run, before, ends, Date.now()));
        if (survives(round.victim)) await run.ended;
        await assertNothingLeft(before);
      } finally {
        await run.kill(true);
        await run.ended;
      }
    });
  }

  async function kill(victim: Victim, run: DrillRun): Promise<void> {
    const gateway = await gatewayPid(bed.shadow);
    if (["group", "others", "all"].includes(victim)) await run.kill(true);
    if (["runner", "controller"].includes(victim)) await run.kill(false);
    if (["gateway", "others", "all"].includes(victim) && gateway !== undefined) killNow(gateway);
    if (["relay", "others", "all"].includes(victim)) await killNamed("relay.pid");
    if (["watcher", "all"].includes(victim)) await killNamed("watcher");
  }

  /** Ends the processes whose ids faults keep under this name. */
  async function killNamed(name: string): Promise<void> {
    for (const id of await readdir(bed.faultFolder("")).catch(() => [] as string[])) {
      const text = await readFile(join(bed.faultFolder(id), "state", name), "utf8").catch(() => "");
      const pid = Number(text.trim());
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (pid > 1 && line.includes(bed.faultFolder(id))) killNow(pid);
    }
  }

  /**
   * Waits until the shadow is as before; returns the milliseconds after the last fault's end at which the look began that
   * saw it. The last look within the promise begins when the promise is due.
   */
  async function cleanAfter(
    round: Round,
    run: DrillRun,
    before: string,
    ends: FaultEnds,
    killedAt: number,
  ): Promise<number> {
    const gateway = !["gateway", "others", "all"].includes(round.victim);
    const killed = !survives(round.victim);
    const wanted = gateway ? before : before.replace(/^process .*\/gateway\/main\.js.*\n/m, "");
    let took = 0;
    for (;;) {
      const on = await ends.look();
      const end = ends.last((await run.journal())!);
      const due = end + grace - lookAhead - Date.now();
      // A dump takes a while: none is begun before the faults say that they have ended, but one when the promise is due.
      if (due > 0 && (on || due < took)) {
        await delay(Math.min(20, due));
        continue;
      }
      const looked = Date.now();
      const now = await bed.dump(gateway);
      took = Date.now() - looked;
      if (now === wanted && (looked > end || killed)) {
        // A host whose disk stalls may show a fault's start, and so bring the kill, only after the fault's end.
        const after = looked - Math.max(end, killedAt);
        assert.ok(
          ends.lastOn <= end + grace + slack,
          `on for ${ends.lastOn - end} ms too long: ${describeRound(round)}`,
        );
        if (log !== undefined) appendFileSync(log, `${after} ${describeRound(round)}\n`);
        assert.ok(after <= grace + slack, `clean only after ${after} ms: ${describeRound(round)}`);
        return after;
      }
      if (looked >= end + grace + slack - lookAhead) {
        const left = difference(wanted, now);
        if (log !== undefined) appendFileSync(log, `FAILED ${describeRound(round)}\n${left.join("\n")}\n${run.said}\n`);
        assert.deepEqual(left, [], describeRound(round) + run.said);
      }
      await delay(20);
    }
  }

  async function assertNothingLeft(before: string): Promise<void> {
    const driver = await bed.driver();
    // A fault counts as on until its own script has checked that nothing is left of it, just after that is so.
    await eventually("no leftovers", async () => (await driver.leftovers()).length === 0);
    await driver.close();
    if ((await gatewayPid(bed.shadow)) === undefined) await bed.reviveGateway();
    assert.deepEqual(await activeDisturbances(), []);
    // Labs of others on this host are none of this drill's business.
    const leftovers = await findLeftovers({ ignoreKnownNetworks: true });
    assert.deepEqual(
      leftovers.filter((sentence) => [bed.shadow, bed.production].some((network) => sentence.includes(network))),
      [],
    );
    const left = difference(before, await bed.dump());
    if (log !== undefined && left.length > 0) appendFileSync(log, `LEFT ${left.join("\n")}\n`);
    assert.deepEqual(left, []);
  }
});

/** When the faults end by themselves, as their targets have written it down while they were on. */
class FaultEnds {
  /** When a fault was last seen on, in milliseconds since 1970; 0 when none ever was. */
  lastOn = 0;
  private latest = 0;

  constructor(private readonly bed: DrillBed) {}

  /** Reads the hard limit of every fault, which counts from when it was applied; says whether one is still on. */
  async look(): Promise<boolean> {
    let on = false;
    const uptime = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 1000;
    const now = Date.now();
    for (const id of await readdir(this.bed.faultFolder("")).catch(() => [] as string[])) {
      const state = join(this.bed.faultFolder(id), "state");
      on ||= (await exists(join(state, "watcher"))) && !(await exists(join(state, "clean")));
      if ((await readFile(join(state, "applied"), "utf8").catch(() => "")) === "") continue;
      const deadline = Number(await readFile(join(state, "deadline"), "utf8").catch(() => "0")) * 10;
      if (deadline > 0) this.latest = Math.max(this.latest, now - uptime + deadline);
    }
    if (on) this.lastOn = now;
    return on;
  }

  /** When the last fault that was started ends by itself, in milliseconds since 1970. */
  last({ experiments, startedAt }: Journal): number {
    const ends = experiments.flatMap(({ faults }) => faults.flatMap(({ windows }) => windows.map(({ end }) => end)));
    return Math.max(new Date(startedAt).getTime(), this.latest, ...ends);
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
