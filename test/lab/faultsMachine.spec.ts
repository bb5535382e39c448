import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import type { ResolvedMachine } from "../../components/runtime/faults/plan";
import { FaultBed, eventually } from "./faultsBed";

const controllers = ["cpu", "memory", "freezer", "blkio", "pids"] as const;

describe("machine faults on a real kernel", function () {
  this.timeout(120_000);
  let bed: FaultBed;
  let machine: ResolvedMachine;
  const groups: string[] = [];
  const workers: ChildProcess[] = [];

  beforeEach(async () => {
    bed = await FaultBed.make();
    machine = await makeMachine(bed);
  });

  afterEach(async () => {
    for (const worker of workers.splice(0)) worker.kill("SIGKILL");
    await tryRun(["umount", join(bed.folder, "disk")]);
    await bed.close();
    for (const group of groups.splice(0)) {
      for (const pid of (await readFile(join(group, "cgroup.procs"), "utf8")).split("\n").filter(Boolean)) {
        process.kill(Number(pid), "SIGKILL");
      }
      await eventually(
        async () =>
          (await rmdir(group).then(
            () => true,
            () => false,
          )) || !existsSync(group),
        group,
      );
    }
  });

  async function makeMachine(of: FaultBed): Promise<ResolvedMachine> {
    const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");
    const cgroups: ResolvedMachine["cgroups"] = {};
    for (const name of unified ? (["unified"] as const) : controllers) {
      const folder = name === "unified" ? `/sys/fs/cgroup/${of.name}` : `/sys/fs/cgroup/${name}/${of.name}`;
      await mkdir(folder);
      groups.push(folder);
      cgroups[name] = folder;
    }
    return { name: "b", links: [of.link()], namespace: of.namespace("b"), cgroups };
  }

  /** Runs a shell text in the machine's control groups. */
  function work(text: string): ChildProcess {
    const join_ = Object.values(machine.cgroups).map((folder) => `echo $$ > ${folder}/cgroup.procs`);
    const child = spawn("sh", ["-c", `${join_.join("; ")}; ${text}`], { stdio: "ignore" });
    workers.push(child);
    return child;
  }

  const start = (fault: Parameters<FaultBed["start"]>[0]) =>
    bed.start(fault, bed.target({ kind: "machine", name: machine.name, machines: [machine], links: machine.links }));

  const group = (name: (typeof controllers)[number]): string => machine.cgroups.unified ?? machine.cgroups[name]!;

  /** Processor time in clock ticks of a process and its ended children. */
  async function ticks({ pid }: ChildProcess): Promise<number> {
    const fields = (await readFile(`/proc/${pid!}/stat`, "utf8")).split(") ")[1]!.split(" ");
    return Number(fields[11]) + Number(fields[12]);
  }

  it("freezes a machine and thaws it", async () => {
    const worker = work("while :; do :; done");
    await eventually(async () => (await ticks(worker)) > 2, "the worker works");
    const fault = await start({ kind: "machineHang" });
    const frozen = await ticks(worker);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(await ticks(worker), frozen);
    assert.ok((await fault.effect()).proven);
    await fault.stop();
    await eventually(async () => (await ticks(worker)) > frozen, "the worker goes on");
  });

  it("takes processor time away", async () => {
    work("while :; do :; done");
    const quota = join(group("cpu"), machine.cgroups.unified === undefined ? "cpu.cfs_quota_us" : "cpu.max");
    const before = await readFile(quota, "utf8");
    const fault = await start({ kind: "cpuExhaustion", sharePercent: 90 });
    assert.notEqual(await readFile(quota, "utf8"), before);
    await eventually(async () => (await fault.effect()).proven, "the machine is throttled");
    await fault.stop();
    assert.equal(await readFile(quota, "utf8"), before);
  });

  it("takes memory away so that the kernel kills", async () => {
    const limit = join(group("memory"), machine.cgroups.unified === undefined ? "memory.limit_in_bytes" : "memory.max");
    await writeFile(limit, `${256 << 20}`);
    const before = await readFile(limit, "utf8");
    const fault = await start({ kind: "memoryExhaustion", sharePercent: 90 });
    work("head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null; sleep 30");
    await eventually(async () => ((await fault.effect()).counters.outOfMemoryKills ?? 0) > 0, "the kernel kills");
    assert.ok((await fault.effect()).proven);
    await fault.stop();
    assert.equal(await readFile(limit, "utf8"), before);
  });

  it("holds memory by pressure and gives it back", async () => {
    const limit = join(group("memory"), machine.cgroups.unified === undefined ? "memory.limit_in_bytes" : "memory.max");
    const usage = join(
      group("memory"),
      machine.cgroups.unified === undefined ? "memory.usage_in_bytes" : "memory.current",
    );
    await writeFile(limit, `${128 << 20}`);
    const fault = await start({ kind: "memoryExhaustion", sharePercent: 60, memoryMode: "pressure" });
    await eventually(async () => Number(await readFile(usage, "utf8")) > 0.55 * (128 << 20), "memory is held");
    await fault.stop();
    await eventually(async () => Number(await readFile(usage, "utf8")) < 16 << 20, "memory is free");
  });

  it("fills a disk of the machine's own, and refuses the host's", async () => {
    const disk = join(bed.folder, "disk");
    await mkdir(disk);
    machine.dataFolder = disk;
    await assert.rejects(start({ kind: "diskExhaustion", sharePercent: 50 }), /lies on the disk of the host/);
    await run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk]);
    const fault = await start({ kind: "diskExhaustion", sharePercent: 100 });
    await assert.rejects(writeFile(join(disk, "more"), Buffer.alloc(1 << 20)), /ENOSPC/);
    assert.ok((await fault.effect()).proven);
    await fault.stop();
    await writeFile(join(disk, "more"), Buffer.alloc(1 << 20));
  });

  it("takes the disk's speed away from the machine, and gives it back", async () => {
    const folder = join(bed.folder, "speed");
    await mkdir(folder);
    machine.dataFolder = folder;
    const writing = async (): Promise<number> => {
      const started = performance.now();
      const writer = work(`exec dd if=/dev/zero of=${folder}/file bs=65536 count=16 oflag=direct 2>/dev/null`);
      const [code] = (await once(writer, "exit")) as [number];
      assert.equal(code, 0);
      return performance.now() - started;
    };
    const before = await writing();
    const fault = await start({ kind: "ioExhaustion", sharePercent: 99.9 });
    const during = await writing();
    assert.ok((await fault.effect()).proven);
    await fault.stop();
    const after = await writing();
    assert.ok(during > 5 * before, `${before} ms before, ${during} ms during the fault`);
    assert.ok(after < during / 2, `${during} ms during, ${after} ms after the fault`);
  });

  it("kills matching processes of the machine and nothing else", async () => {
    const victim = work("exec sleep 4711");
    const other = work("exec sleep 4712");
    const outside = spawn("sleep", ["4711"], { stdio: "ignore" });
    workers.push(outside);
    await eventually(async () => (await readFile(`/proc/${other.pid!}/comm`, "utf8")) === "sleep\n", "both sleep");
    await eventually(async () => (await readFile(`/proc/${victim.pid!}/comm`, "utf8")) === "sleep\n", "both sleep");
    const fault = await start({ kind: "processKill", processPattern: "sleep 4711" });
    await eventually(() => Promise.resolve(victim.signalCode === "SIGKILL"), "the victim dies");
    assert.deepEqual([other.signalCode, outside.signalCode], [null, null]);
    assert.deepEqual((await fault.effect()).counters, { killed: 1 });
    await fault.stop();
  });

  it("kills again and again", async () => {
    work("n=4713; while :; do sleep $n; done");
    await new Promise((resolve) => setTimeout(resolve, 300));
    const fault = await start({
      kind: "processKill",
      processPattern: "sleep 4713",
      signal: "TERM",
      intervalSeconds: 0.3,
    });
    await eventually(async () => ((await fault.effect()).counters.killed ?? 0) >= 3, "three kills");
    await fault.stop();
  });

  it("crashes a machine and starts it again", async () => {
    const pidFile = join(bed.folder, "machine.pid");
    const script = (name: string, text: string): Promise<void> => writeFile(join(bed.folder, name), text);
    await script("alive.sh", `tr '\\0' ' ' <"/proc/$(cat ${pidFile})/cmdline" 2>/dev/null | grep -q sleep`);
    await script("crash.sh", `kill -9 "$(cat ${pidFile})"; sleep 0.1`);
    await script(
      "start.sh",
      `sh ${bed.folder}/alive.sh || { setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! >${pidFile}; }`,
    );
    await writeFile(pidFile, "");
    const command = (name: string): string[] => ["sh", join(bed.folder, name)];
    Object.assign(machine, {
      aliveCommand: command("alive.sh"),
      crashCommand: command("crash.sh"),
      restartCommand: command("start.sh"),
    });
    await assert.rejects(start({ kind: "machineCrash" }), /b is not running/);
    await run(command("start.sh"));
    const first = await readFile(pidFile, "utf8");
    const fault = await start({ kind: "machineCrash" });
    assert.equal((await tryRun(command("alive.sh"))).code, 1);
    assert.ok((await fault.effect()).proven);
    await fault.stop();
    assert.equal((await tryRun(command("alive.sh"))).code, 0);
    assert.notEqual(await readFile(pidFile, "utf8"), first);
    await run(command("crash.sh"));
  });

  it("hides names that a machine reads from its hosts file", async () => {
    const hosts = join(bed.folder, "hosts");
    const text = "127.0.0.1 localhost\n10.9.0.1 db.internal db\n";
    await writeFile(hosts, text);
    machine.hostsFile = hosts;
    const fault = await start({
      kind: "dnsFailure",
      names: ["db.internal"],
      answer: "wrongAddress",
      wrongAddress: "10.9.9.9",
    });
    assert.equal(await readFile(hosts, "utf8"), "127.0.0.1 localhost\n10.9.0.1 db\n10.9.9.9 db.internal\n");
    assert.ok((await fault.effect()).proven);
    await fault.stop();
    assert.equal(await readFile(hosts, "utf8"), text);
  });

  for (const family of [4, 6] as const) {
    for (const [answer, expected] of [
      ["nxdomain", "ENOTFOUND"],
      ["servfail", "ESERVFAIL"],
      ["timeout", "ETIMEOUT"],
      ["wrongAddress", "10.9.9.9"],
    ] as const) {
      it(`breaks a name and no other on its way from a server (${answer}, IPv${family})`, async () => {
        const address = bed.addresses.a[family];
        const program = join(__dirname, "faultsDns.cjs");
        const server = spawn("ip", ["netns", "exec", bed.namespace("a"), process.execPath, program, "serve", address]);
        workers.push(server);
        await new Promise((resolve) => server.stdout.once("data", resolve));
        const ask = (name: string): Promise<string> =>
          run(["ip", "netns", "exec", bed.namespace("b"), process.execPath, program, "ask", address, name]);
        assert.equal(await ask("db.internal.example"), "10.9.0.99\n");
        const wrongAddress = answer === "wrongAddress" ? { wrongAddress: "10.9.9.9" } : {};
        const fault = await start({ kind: "dnsFailure", names: ["db.internal.example"], answer, ...wrongAddress });
        assert.equal(await ask("db.internal.example"), `${expected}\n`);
        assert.equal(await ask("web.internal.example"), "10.9.0.99\n");
        const effect = await fault.effect();
        assert.ok(effect.proven, effect.why);
        await fault.stop();
        assert.equal(await ask("db.internal.example"), "10.9.0.99\n");
      });
    }
  }
});
