import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import type { Experiment, ExperimentAction, ShadowChange } from "../../components/experiment";
import { tryRun } from "../../components/internal/exec";
import { machineNamespace } from "../../components/lab/kernel/names";
import { initProcess } from "../../components/lab/kernel/process";
import { machineCgroups, readSize } from "../../components/lab/kernel/cgroups";
import { ExitCode } from "../../components/internal/problems";
import type { Journal } from "../../components/runtime/runner/journal";
import { DrillBed, type DrillRun, difference } from "../support/drillBed";
import { eventually } from "./networkFixture";

const skip = "--skip-fidelity-gate";

function experiment(actions: Record<string, ExperimentAction>, more: Partial<Experiment> = {}): Experiment {
  return {
    actions,
    blastRadius: { percent: 100 },
    analysis: { baselineSeconds: 0.5, recoverySeconds: 0.5, settleSeconds: 0, stepSeconds: 0.5 },
    ...more,
  };
}

const slow: ExperimentAction = {
  fault: "latency",
  target: { machine: "web-1" },
  delayMilliseconds: 30,
  durationSeconds: 40,
};
const busy: ExperimentAction = {
  fault: "cpuExhaustion",
  target: { machine: "web-2" },
  sharePercent: 50,
  durationSeconds: 40,
};

describe("shadownet run on the real lab", function () {
  this.timeout(120_000);
  let bed: DrillBed;
  let original: string;

  before(async () => {
    bed = await DrillBed.make("rn");
    original = await bed.dump();
  });

  after(() => bed.close());

  async function started(name: string, what: Experiment, kind: string): Promise<DrillRun> {
    const run = await bed.start(name, what, skip);
    await run.event(kind);
    return run;
  }

  const asBefore = (): Promise<void> =>
    eventually("the shadow is as before", async () => difference(original, await bed.dump()).length === 0);

  const moment = ({ events }: Journal, kind: string): number => events.find((event) => event.kind === kind)!.time;

  it("says every command of a dry run and touches nothing", async () => {
    const run = await bed.start("dry", experiment({ slow, busy }), "--dry-run", "plan");
    assert.equal(await run.ended, 0, run.said);
    const journal = JSON.parse(run.printed) as Journal;
    const [first, second] = journal.experiments[0]!.faults;
    assert.ok(first!.commands.some((line) => line.startsWith("apply: ") && line.includes("nft -f -")));
    assert.ok(first!.commands.some((line) => line.startsWith("undo: ") && line.includes("nft delete table netdev")));
    assert.ok(second!.commands.some((line) => line.startsWith("apply: ") && /cpu\.(max|cfs_quota_us)/.test(line)));
    assert.equal(await run.journal(), undefined);
    assert.deepEqual(difference(original, await bed.dump()), []);
  });

  it("refuses a second run on the same shadow, and halts within 2 s until released", async () => {
    const run = await started("first", experiment({ slow, busy }), "fault-started");
    const second = await bed.start("second", experiment({ busy }), skip);
    assert.equal(await second.ended, ExitCode.NotPossibleHere);
    assert.match(second.said, /is in use by run /);
    const halted = Date.now();
    const halt = await bed.shadownet("halt", "--reason", "the drill");
    assert.equal(halt.code, 0, halt.stderr);
    assert.equal(await run.ended, ExitCode.FailureFound);
    const journal = (await run.journal())!;
    assert.equal(journal.status, "aborted");
    assert.match(journal.statusReason!, /halted: the drill/);
    // Starting the command takes its time; the promise counts from when the switch is pulled.
    const pulled = moment(journal, "aborted");
    assert.ok(pulled > halted, "the run saw the switch");
    assert.ok(moment(journal, "undone") - pulled < 2000, `${moment(journal, "undone") - pulled} ms`);
    await asBefore();
    const refused = await bed.start("refused", experiment({ busy }), skip);
    assert.equal(await refused.ended, ExitCode.NotPossibleHere);
    assert.match(refused.said, /runs are halted since .*: the drill; `shadownet release` allows them again/);
    assert.equal((await bed.shadownet("release")).code, 0);
  });

  it("undoes and ends when it is interrupted", async () => {
    const run = await started("interrupted", experiment({ slow, busy }), "fault-started");
    process.kill(-run.child.pid!, "SIGINT");
    assert.equal(await run.ended, ExitCode.FailureFound, run.said);
    const journal = (await run.journal())!;
    assert.equal(journal.status, "interrupted");
    assert.ok(moment(journal, "undone") > moment(journal, "fault-started"));
    await asBefore();
  });

  it("ends at once when a stop condition is met", async () => {
    const cut: ExperimentAction = {
      fault: "blackhole",
      mode: "reset",
      target: { machine: "web-1" },
      durationSeconds: 60,
    };
    const stopConditions = [{ signal: "app.errors", above: 0.5, forSeconds: 1 }];
    const run = await bed.start("stopped", experiment({ cut }, { stopConditions }), skip);
    assert.equal(await run.ended, ExitCode.FailureFound, run.said);
    const journal = (await run.journal())!;
    assert.equal(journal.status, "aborted");
    assert.equal(journal.verdict, "fail");
    assert.match(journal.statusReason!, /stop condition: .*app\.errors/);
    const [window] = journal.experiments[0]!.faults[0]!.windows;
    assert.ok(window!.end - window!.start < 60_000, "the fault ended early");
    await asBefore();
  });

  it("keeps in the journal what each direction and the probe packets showed, and counts a fault from when it is on", async () => {
    const apart: ExperimentAction = {
      fault: "latency",
      target: { machine: "web-1" },
      egress: { delayMilliseconds: 10 },
      ingress: { delayMilliseconds: 40 },
      probePackets: true,
      durationSeconds: 10,
    };
    const run = await bed.start("apart", experiment({ apart }), skip);
    await run.ended;
    const journal = (await run.journal())!;
    const [fault] = journal.experiments[0]!.faults;
    const { directions, probes, why } = fault!.effect!;
    assert.deepEqual([directions!.egress.asked, directions!.ingress.asked], [10, 40], why);
    assert.ok(directions!.egress.measured! >= 10 && directions!.ingress.measured! >= 40, why);
    assert.ok(probes!.before.answered > 0 && probes!.before.roundTripMilliseconds! < 40, why);
    assert.ok(probes!.during.answered > 0 && probes!.during.roundTripMilliseconds! >= 49.5, why);
    assert.match(why, /egress: .*; ingress: .*; \d+ of \d+ probe packets were answered in/);
    const [window] = fault!.windows;
    const starting = moment(journal, "fault-starting");
    assert.ok(window!.start - starting > 400, "the probes before the fault are not part of it");
    await asBefore();
  });

  it("times a command against its objective, and takes a rehearsed change back", async () => {
    const step = (script: string, objectiveSeconds: number): ExperimentAction => ({
      command: ["sh", "-c", script],
      target: { machine: "web-1" },
      objectiveSeconds,
    });
    const change = { machine: "web-2", environment: { MODE: "rehearsed" }, cpus: 0.25, memoryMegabytes: 128 };
    const run = await started(
      "steps",
      experiment({
        resize: { change, durationSeconds: 4 },
        quick: step("hostname; ls /srv", 30),
        slow: step("sleep 1", 0.5),
        failing: step("exit 7", 30),
      }),
      "change-made",
    );
    const pid = (await initProcess(bed.shadow, "web-2"))!;
    assert.match(await readFile(`/proc/${pid}/environ`, "utf8"), /MODE=rehearsed/);
    assert.deepEqual(await readSize(machineCgroups(bed.shadow, "web-2")), { cpus: 0.25, memoryMegabytes: 128 });
    assert.equal(await run.ended, ExitCode.FailureFound, run.said);
    const journal = (await run.journal())!;
    assert.equal(journal.verdict, "fail");
    assert.match(journal.sentence!, /the recovery objective of "\w+" was missed on web-1/);
    const commands = Object.fromEntries(journal.experiments[0]!.commands.map((command) => [command.action, command]));
    assert.equal(commands["quick"]!.withinObjective, true);
    assert.equal(commands["slow"]!.withinObjective, false);
    assert.ok(commands["slow"]!.seconds >= 1);
    assert.deepEqual([commands["failing"]!.exitCode, commands["failing"]!.withinObjective], [7, false]);
    const said = journal.events.find(({ kind, message }) => kind === "command" && message.startsWith("quick"));
    assert.match(JSON.stringify(said), /web-1\\napp\.cjs/);
    assert.ok(moment(journal, "change-reverted") > moment(journal, "change-made"));
    await asBefore();
  });

  it("rehearses routes and filter rules of a machine, and takes them back", async () => {
    const change = {
      machine: "web-2",
      routes: [
        { destination: "203.0.113.0/24", blackhole: true },
        { destination: "2001:db8:77::/64", via: "fd00:90:0:1::11" },
        { destination: "0.0.0.0/0", via: "10.90.1.11" },
      ],
      filterRules: [
        { action: "deny", direction: "ingress", protocol: "icmp", cidrs: ["10.90.1.11/32", "fd00:90:0:1::11/128"] },
      ],
    } as const satisfies ShadowChange;
    const pings = async (to: string): Promise<boolean> => {
      const inside = ["ip", "netns", "exec", machineNamespace(bed.shadow, "web-1")];
      return (await tryRun([...inside, "ping", "-q", "-c", "2", "-i", "0.1", "-W", "1", to])).code === 0;
    };
    const addresses = ["10.90.1.12", "fd00:90:0:1::12"];
    for (const address of addresses) assert.equal(await pings(address), true, address);
    const both = { ...change, routes: [...change.routes], filterRules: [...change.filterRules] };
    const run = await started("rules", experiment({ reroute: { change: both, durationSeconds: 60 } }), "change-made");
    const inside = ["ip", "netns", "exec", machineNamespace(bed.shadow, "web-2"), "ip"];
    const routes = async (family: string): Promise<string> => (await tryRun([...inside, family, "route"])).stdout;
    assert.match(await routes("-4"), /^blackhole 203\.0\.113\.0\/24/m);
    assert.match(await routes("-4"), /^default via 10\.90\.1\.11 /m);
    assert.match(await routes("-6"), /^2001:db8:77::\/64 via fd00:90:0:1::11 /m);
    for (const address of addresses) assert.equal(await pings(address), false, address);
    process.kill(-run.child.pid!, "SIGINT");
    await run.ended;
    const [fault] = (await run.journal())!.experiments[0]!.faults;
    assert.match(fault!.notes[0]!, /203\.0\.113\.0\/24 dropped, .* via .*, deny ingress icmp with 10\.90\.1\.11/);
    await asBefore();
    for (const address of addresses) assert.equal(await pings(address), true, address);
  });

  it("knows of a change whose runner was killed, refuses to run on it, and halting takes it back", async () => {
    const workloadCommand = ["node", "/srv/app.cjs", "serve", "changed"];
    const change = { machine: "web-2", workloadCommand, cpus: 0.25 };
    const run = await started("killed", experiment({ swap: { change, durationSeconds: 60 } }), "change-made");
    await run.kill(true);
    await run.ended;
    const driver = await bed.driver();
    const left = await driver.leftovers();
    assert.equal(left.length, 1);
    assert.match(left[0]!, /a change of an earlier run is in place, web-2: runs .* serve changed, 0\.25 processors/);
    const next = await bed.start("next", experiment({ busy }), skip);
    assert.equal(await next.ended, ExitCode.FailureFound);
    assert.match((await next.journal())!.statusReason!, /earlier runs left something behind: a change/);
    await driver.halt();
    assert.deepEqual(await driver.leftovers(), []);
    await driver.close();
    await asBefore();
  });
});
