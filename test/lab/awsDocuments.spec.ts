import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";

import type { ExperimentAction } from "../../components/experiment";
import { run, tryRun } from "../../components/internal/exec";
import { GuestCommand, documentFor, guestTopology, leftovers, serveMetadata } from "./awsGuest";
import { FaultBed, eventually } from "./faultsBed";

describe("SSM documents of AWS experiments, run in a namespace as the agent would run them", function () {
  this.timeout(120_000);
  let bed: FaultBed;
  let stopMetadata: () => Promise<void>;
  let before: string;
  const commands: GuestCommand[] = [];

  beforeEach(async () => {
    bed = await FaultBed.make();
    stopMetadata = await serveMetadata(bed);
    before = await bed.dump();
  });

  afterEach(async () => {
    for (const command of commands.splice(0)) await command.close();
    await stopMetadata();
    await bed.close();
  });

  async function start(action: ExperimentAction, settings: Parameters<typeof documentFor>[2] = {}, vpc?: string) {
    const command = await GuestCommand.start(bed, documentFor(bed, action, settings), vpc);
    commands.push(command);
    return command;
  }

  const verified = (command: GuestCommand) =>
    eventually(
      () => Promise.resolve(command.events().includes("verified")),
      `verified, got ${command.events().join()}`,
    );

  /** The command ends by itself when the time is over, and nothing of it is left. */
  async function endsClean(command: GuestCommand) {
    assert.equal(await command.ended, 0, JSON.stringify(command.lines()));
    assert.deepEqual(command.events().slice(-2), ["ended", "stopped"]);
    assert.equal(await bed.dump(), before);
    assert.equal(await leftovers(bed), "");
  }

  it("delay packets, and stop when the time is over", async () => {
    const usual = await bed.roundTrips(4, 7001, 40, 200);
    const command = await start({
      fault: "latency",
      delayMilliseconds: 80,
      direction: "egress",
      target: { machine: "b" },
      durationSeconds: 8,
    });
    await verified(command);
    const slow = await bed.roundTrips(4, 7002, 40, 200);
    assert.ok(slow.p50 > usual.p50 + 70 && slow.p50 < usual.p50 + 400, JSON.stringify({ usual, slow }));
    await endsClean(command);
    const after = await bed.roundTrips(4, 7003, 40, 200);
    assert.ok(after.p50 < usual.p50 + 40, JSON.stringify({ usual, after }));
  });

  it("lose the asked share of packets of both families", async () => {
    const command = await start({
      fault: "packetLoss",
      percent: 30,
      direction: "ingress",
      target: { machine: "b" },
      durationSeconds: 8,
    });
    await verified(command);
    for (const family of [4, 6] as const) {
      const { received } = await bed.datagrams("a", family, 7010 + family, 4000);
      assert.ok(received > 2600 && received < 3000, `${received} of 4000`);
    }
    await endsClean(command);
    const { dropped = 0, matched = 1 } = command.counters();
    assert.ok(dropped / matched > 0.25 && dropped / matched < 0.35, JSON.stringify(command.counters()));
    assert.equal((await bed.datagrams("a", 4, 7020, 1000)).received, 1000);
  });

  it("lose another share each way, and send probe packets of their own", async () => {
    const command = await start({
      fault: "packetLoss",
      egress: { percent: 5 },
      ingress: { percent: 30 },
      probePackets: true,
      probeAddresses: [bed.addresses.a[4], bed.addresses.a[6]],
      target: { machine: "b" },
      durationSeconds: 15,
    });
    await verified(command);
    for (const [from, least, most] of [
      ["a", 1280, 1520],
      ["b", 1850, 1950],
    ] as const) {
      const { received } = await bed.datagrams(from, 4, 7040, 2000);
      assert.ok(received > least && received < most, `${received} of 2000 from ${from}`);
    }
    await endsClean(command);
    const counters = command.counters();
    for (const [way, share] of [
      ["Egress", 0.05],
      ["Ingress", 0.3],
    ] as const) {
      const measured = counters[`dropped${way}`]! / counters[`matched${way}`]!;
      assert.ok(Math.abs(measured - share) < 0.05, JSON.stringify(counters));
    }
    assert.equal(counters.probesAnsweredBefore, 10, JSON.stringify(counters));
    assert.ok(
      counters.probesSent! > counters.probesAnswered! && counters.probesAnswered! > 0,
      JSON.stringify(counters),
    );
  });

  it("swallow one flow and leave the others alone", async () => {
    const flow = { protocol: "udp", destinationPorts: "7031" } as const;
    const command = await start({ fault: "blackhole", target: { link: "b/card", flow }, durationSeconds: 10 });
    await verified(command);
    assert.equal((await bed.datagrams("a", 4, 7031, 300)).received, 0);
    assert.equal((await bed.datagrams("a", 4, 7032, 300)).received, 300);
    await endsClean(command);
    assert.equal((await bed.datagrams("a", 4, 7031, 300)).received, 300);
  });

  it("cut a machine's first link but not the way to Systems Manager", async () => {
    for (const [of, address] of [
      ["a", "100.64.0.5"],
      ["b", "100.64.0.6"],
    ] as const) {
      await run(["ip", "-n", bed.namespace(of), "addr", "add", `${address}/24`, "dev", "eth0"]);
    }
    before = await bed.dump();
    const ping = async (address: string) =>
      (
        await tryRun([
          "ip",
          "netns",
          "exec",
          bed.namespace("b"),
          "ping",
          "-q",
          "-c",
          "2",
          "-i",
          "0.2",
          "-W",
          "1",
          address,
        ])
      ).code;
    const command = await start({ fault: "linkDown", target: { machine: "b" }, durationSeconds: 10 });
    await verified(command);
    assert.equal(await ping(bed.addresses.a[4]), 1);
    assert.equal(await ping("100.64.0.5"), 0);
    await endsClean(command);
    assert.equal(await ping(bed.addresses.a[4]), 0);
  });

  it("take the carrier of a further interface away and give its addresses and routes back", async () => {
    const topology = guestTopology(bed, 1);
    const command = await start({ fault: "linkDown", target: { link: "b/card" }, durationSeconds: 8 }, { topology });
    await verified(command);
    assert.match(await run(["ip", "-n", bed.namespace("b"), "-o", "link", "show", "eth0"]), /state DOWN/);
    assert.equal(await bed.pings(4, 2), 0);
    await endsClean(command);
    assert.equal(await bed.pings(4, 2), 1);
    assert.equal(await bed.pings(6, 2), 1);
  });

  it("take processor time away from what runs in the workload's control group, and not from themselves", async () => {
    const group = `shadownet-test-${bed.name}`;
    const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");
    const folder = unified ? `/sys/fs/cgroup/${group}` : `/sys/fs/cgroup/cpu/${group}`;
    const limit = join(folder, unified ? "cpu.max" : "cpu.cfs_quota_us");
    await mkdir(folder);
    const worker = spawn("sh", ["-c", `echo $$ >${folder}/cgroup.procs; while :; do :; done`], { stdio: "ignore" });
    try {
      const old = await readFile(limit, "utf8");
      const command = await start(
        { fault: "cpuExhaustion", sharePercent: 90, target: { machine: "b" }, durationSeconds: 10 },
        { workloadGroup: group },
      );
      await verified(command);
      const begun = await ticks(worker);
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const used = (await ticks(worker)) - begun;
      const processors = Number(await run(["getconf", "_NPROCESSORS_ONLN"]));
      assert.ok(used <= 300 * 0.1 * processors * 1.5, `${used} ticks in 3 s of ${processors} processors`);
      await endsClean(command);
      assert.ok((command.counters().throttled ?? 0) > 0);
      assert.equal(await readFile(limit, "utf8"), old);
    } finally {
      worker.kill("SIGKILL");
      await eventually(
        () =>
          rmdir(folder).then(
            () => true,
            () => false,
          ),
        folder,
      );
    }
  });

  it("switch a fault on and off by themselves, each stretch proven", async () => {
    const pulse = { initialDelaySeconds: 1, activeSeconds: 2, dormantSeconds: 1, repeat: 3 };
    const command = await start({ fault: "blackhole", target: { machine: "b" }, pulse });
    await eventually(
      () => Promise.resolve(command.events().filter((event) => event === "verified").length === 3),
      "three stretches",
    );
    await endsClean(command);
    const events = command.events();
    assert.deepEqual(
      events,
      [1, 2, 3].flatMap(() => ["armed", "applied", "verified", "ended", "stopped"]),
    );
  });

  it("do nothing on a machine of another VPC, whose addresses are the same", async () => {
    const command = await start(
      { fault: "blackhole", target: { machine: "b" }, durationSeconds: 30 },
      {},
      "vpc-0fedcba9876543210",
    );
    assert.equal(await command.ended, 1);
    const [line] = command.lines();
    assert.equal(line!.step, "vpc");
    assert.match(
      String(line!.message),
      /this machine is in vpc-0123456789abcdef0 and not in the shadow vpc-0fedcba9876543210/,
    );
    assert.equal(await bed.dump(), before);
    assert.equal(await leftovers(bed), "");
  });

  it("are undone within seconds when the command is killed with all its children", async () => {
    const command = await start({ fault: "blackhole", target: { machine: "b" }, durationSeconds: 600 });
    await verified(command);
    assert.equal(await bed.pings(4, 2), 0);
    command.signal("SIGKILL");
    await command.ended;
    await eventually(async () => (await bed.pings(4, 1)) === 1, "the fault ended", 15);
    await eventually(async () => (await bed.dump()) === before, "nothing is left", 15);
  });

  it("are undone at once when the command is told to end", async () => {
    const command = await start({ fault: "blackhole", target: { machine: "b" }, durationSeconds: 600 });
    await verified(command);
    command.signal("SIGTERM");
    assert.equal(await command.ended, 1);
    assert.equal(command.lines().at(-1)?.step, "cancelled");
    assert.equal(await bed.dump(), before);
    assert.equal(await leftovers(bed), "");
  });

  it("run a command of a run-book, whose exit code is the step's", async () => {
    const good = await start({ command: ["sh", "-c", 'echo \'{"moved":"it is done"}\''], target: { machine: "b" } });
    assert.equal(await good.ended, 0);
    assert.deepEqual(good.lines(), [{ moved: "it is done" }]);
    const bad = await start({ command: ["false"], target: { machine: "b" } });
    assert.equal(await bad.ended, 1);
  });
});

/** Processor time in clock ticks of a process. */
async function ticks({ pid }: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid!}/stat`, "utf8")).split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
