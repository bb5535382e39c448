import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import { machineCgroups } from "../../components/lab/kernel/cgroups";
import {
  createMachine,
  crashMachine,
  deleteMachine,
  machineStatus,
  readMachine,
  startMachine,
  stopMachine,
  updateMachine,
} from "../../components/lab/kernel/machine";
import { createNetwork, deleteNetwork } from "../../components/lab/kernel/network";
import { applianceNamespace, machineFolder, machineNamespace, machinePort } from "../../components/lab/kernel/names";
import { processesIn } from "../../components/lab/kernel/namespaces";
import type { LabMachineSpec } from "../../components/lab/kernel/specs";
import { createSubnet } from "../../components/lab/kernel/subnet";
import { planNetwork } from "../../components/lab/plan";
import { connects, eventually, inMachine, leftovers, networkName, pings, shop, useOwnState } from "./networkFixture";

describe("lab: machine", function () {
  this.timeout(120_000);
  useOwnState();
  let network = "";
  let web: LabMachineSpec;
  let bare: LabMachineSpec;

  beforeEach(async () => {
    network = networkName();
    const plan = planNetwork(shop(), network, "shadow");
    await createNetwork(plan.network);
    for (const subnet of plan.subnets) await createSubnet(subnet);
    [web, bare] = [plan.machines[0]!, plan.machines[2]!];
  });

  it("has a disk of its own where asked, which runs full alone, comes back with the host, and goes with it", async () => {
    const source = join(process.env.SHADOWNET_STATE!, "source");
    await mkdir(source);
    await writeFile(join(source, "greeting"), "from production");
    const spec = { ...web, dataSource: source, diskMegabytes: 24, workload: { command: ["sleep", "3600"] } };
    await createMachine(spec);
    assert.equal((await readMachine(network, "web-1"))!.diskMegabytes, 24);
    const inside = async (script: string): Promise<string> => {
      const { pid } = (await machineStatus(network, "web-1"))!;
      const { stdout, stderr } = await tryRun(["nsenter", "-t", String(pid), "-m", "-p", "sh", "-c", script]);
      return stdout + stderr;
    };
    assert.equal(await inside("ls -A /srv; cat /srv/greeting"), "greeting\nfrom production");
    assert.match(await inside("head -c 40M /dev/zero > /srv/big"), /No space left on device/);
    await writeFile(join(machineFolder(network, "web-1"), "next-to-it"), Buffer.alloc(1 << 20));
    await inside("rm /srv/big; echo kept > /srv/state");
    // As after a restart of the host: nothing is mounted and nothing runs.
    await crashMachine(network, "web-1");
    await run(["umount", join(machineFolder(network, "web-1"), "data")]);
    await eventually("the disk is free", async () => !(await disks()).includes(machineFolder(network, "web-1")));
    await startMachine(network, "web-1");
    assert.equal(await inside("cat /srv/state"), "kept\n");
    await updateMachine(spec, { ...spec, diskMegabytes: 32 });
    assert.equal((await readMachine(network, "web-1"))!.diskMegabytes, 32);
    assert.equal(await inside("ls -A /srv"), "greeting\n");
    const folder = machineFolder(network, "web-1");
    await deleteMachine(network, "web-1");
    assert.equal((await readFile("/proc/self/mounts", "utf8")).includes(folder), false);
    await eventually("the disk is gone", async () => !(await disks()).includes(folder));
  });

  it("has its own files, host name, processes and limits", async () => {
    const source = join(process.env.SHADOWNET_STATE!, "source");
    await mkdir(source);
    await writeFile(join(source, "greeting"), "from production");
    await createMachine({ ...web, dataSource: source, workload: { command: ["sleep", "3600"] } });
    const { pid } = (await machineStatus(network, "web-1"))!;
    const inside = (script: string): Promise<string> =>
      run(["nsenter", "-t", String(pid), "-m", "-u", "-p", "-n", "sh", "-c", script]);
    assert.equal(await inside("cat /srv/greeting"), "from production");
    assert.equal(await inside("cat /proc/sys/kernel/hostname"), "web-1\n");
    assert.match(await inside("cat /etc/hosts"), /^10\.41\.2\.10 db\.shop$/m);
    assert.equal(await inside("ls /tmp"), "");
    assert.equal((await inside("ls /run")).includes("netns"), false);
    assert.equal(await inside("ls /run/shadownet/bin"), "node\n");
    await inside("echo changed > /srv/greeting; echo secret > /tmp/own");
    assert.equal(await readFile(join(source, "greeting"), "utf8"), "from production");
    assert.match(await inside("cat /proc/1/cmdline | tr '\\0' ' '"), /init\.sh sleep 3600/);
    for (const folder of Object.values(machineCgroups(network, "web-1")) as string[]) {
      assert.ok((await readFile(join(folder, "cgroup.procs"), "utf8")).split("\n").includes(String(pid)), folder);
    }
    assert.deepEqual((await readMachine(network, "web-1"))?.size, { cpus: 0.5, memoryMegabytes: 256 });
  });

  it("crashes at once and starts again, by plain shell scripts", async () => {
    await createMachine({ ...web, workload: { command: ["sh", "-c", "sleep 3601 & sleep 3602; exit"] } });
    const folder = machineFolder(network, "web-1");
    const script = async (name: string): Promise<number> => (await tryRun(["sh", join(folder, name)])).code;
    const first = (await machineStatus(network, "web-1"))!.pid;
    assert.equal(await script("alive.sh"), 0);
    assert.equal(await script("start.sh"), 0);
    assert.equal((await machineStatus(network, "web-1"))!.pid, first, "starting a running machine changes nothing");

    assert.equal(await script("crash.sh"), 0);
    assert.equal(await script("alive.sh"), 1);
    assert.deepEqual(await processesIn([machineNamespace(network, "web-1")]), []);
    assert.equal(await script("crash.sh"), 0, "crashing twice is no error");
    assert.deepEqual((await readMachine(network, "web-1"))?.workload, undefined);

    const starts = await Promise.all([script("start.sh"), script("start.sh"), script("start.sh")]);
    assert.deepEqual(starts, [0, 0, 0]);
    const again = (await machineStatus(network, "web-1"))!.pid;
    assert.notEqual(again, first);
    const processes = async (): Promise<number> => (await processesIn([machineNamespace(network, "web-1")])).length;
    await eventually("init, shell and two sleeps run", async () => (await processes()) === 4);
    await startMachine(network, "web-1");
    assert.equal(await processes(), 4, "started once");
  });

  it("is dead when its workload ends by itself, and a process that reuses the number is not taken for it", async () => {
    await createMachine({ ...web, workload: { command: ["sleep", "1.5"] } });
    await eventually("it ended", async () => (await machineStatus(network, "web-1"))?.running === false);
    await writeFile(join(machineFolder(network, "web-1"), "init.pid"), `${process.pid} 1\n`);
    assert.deepEqual(await machineStatus(network, "web-1"), { running: false });
    assert.equal((await tryRun(["sh", join(machineFolder(network, "web-1"), "crash.sh")])).code, 0);
  });

  it("stops when asked, kills what does not, and thaws what is frozen", async () => {
    await createMachine({
      ...web,
      workload: { command: ["sh", "-c", "trap 'echo bye >> /srv/log; exit 0' TERM; sleep 3600 & wait"] },
    });
    await stopMachine(network, "web-1");
    assert.deepEqual(await machineStatus(network, "web-1"), { running: false });
    assert.equal(await readFile(join(machineFolder(network, "web-1"), "data", "log"), "utf8"), "bye\n");
    await startMachine(network, "web-1");
    const { freezer, unified } = machineCgroups(network, "web-1");
    if (freezer !== undefined) await writeFile(join(freezer, "freezer.state"), "FROZEN");
    else await writeFile(join(unified!, "cgroup.freeze"), "1");
    await crashMachine(network, "web-1");
    assert.deepEqual(await machineStatus(network, "web-1"), { running: false });
    await startMachine(network, "web-1");
    assert.equal((await machineStatus(network, "web-1"))?.running, true);
  });

  it("changes only what differs", async () => {
    await createMachine(web);
    await createMachine(bare);
    const pid = (await machineStatus(network, "web-1"))!.pid;
    const listens = (port: number): Promise<unknown> => connects(network, "bare-1", "10.41.1.10", port);
    await eventually("it listens", async () => (await listens(8000)) === "answered");

    const bigger = { ...web, size: { cpus: 1, memoryMegabytes: 300 } };
    await updateMachine(web, bigger);
    assert.deepEqual((await readMachine(network, "web-1"))?.size, bigger.size);

    const [card] = web.interfaces;
    const opened = {
      ...bigger,
      interfaces: [
        {
          ...card!,
          rules: [
            ...card!.rules,
            { group: "web", direction: "ingress" as const, protocol: "tcp" as const, ports: "9000" },
          ],
        },
      ],
    };
    assert.equal(await listens(9000), "silence");
    await updateMachine(bigger, opened);
    assert.equal(await listens(9000), "answered");

    const moved = {
      ...opened,
      interfaces: [{ ...opened.interfaces[0]!, addresses: ["10.41.1.77/24", "fd41:0:0:1::77/64"] }],
    };
    await updateMachine(opened, moved);
    assert.equal(await connects(network, "bare-1", "10.41.1.77", 8000), "answered");
    assert.equal(await connects(network, "bare-1", "fd41:0:0:1::77", 8000), "answered");
    assert.equal(await pings(network, "bare-1", "10.41.1.10"), false);
    assert.deepEqual((await readMachine(network, "web-1"))?.interfaces[0]?.addresses, moved.interfaces[0]!.addresses);

    const renamed = { ...moved, hosts: { "db.shop": ["10.41.2.99"] } };
    await updateMachine(moved, renamed);
    assert.match(await readFile(`/proc/${pid}/root/etc/hosts`, "utf8"), /^10\.41\.2\.99 db\.shop$/m);
    assert.equal((await machineStatus(network, "web-1"))!.pid, pid, "nothing so far restarts the process");

    const replaced = { ...renamed, workload: { ...renamed.workload!, environment: { GREETING: "other" } } };
    await updateMachine(renamed, replaced);
    assert.notEqual((await machineStatus(network, "web-1"))!.pid, pid);
    assert.deepEqual((await readMachine(network, "web-1"))?.workload, replaced.workload);

    const emptied = { ...replaced, workload: undefined };
    await updateMachine(replaced, emptied);
    assert.deepEqual(await processesIn([machineNamespace(network, "web-1")]), []);
    assert.deepEqual(await machineStatus(network, "web-1"), { running: true });
  });

  it("moves an interface to another subnet while the process runs on", async () => {
    await createMachine(web);
    const pid = (await machineStatus(network, "web-1"))!.pid;
    const [card] = web.interfaces;
    const moved = {
      ...web,
      interfaces: [{ ...card!, subnet: "data", addresses: ["10.41.2.44/24"], gateways: ["10.41.2.1"] }],
    };
    await updateMachine(web, moved);
    assert.equal(await pings(network, "web-1", "10.41.2.1"), true);
    assert.deepEqual(await readMachine(network, "web-1"), moved);
    assert.equal((await machineStatus(network, "web-1"))!.pid, pid);
  });

  it("fails with the end of the log when the workload dies at its start, and leaves nothing", async () => {
    const broken = { ...web, workload: { command: ["sh", "-c", "echo broken pipe fitting >&2; sleep 0.3; exit 1"] } };
    await assert.rejects(createMachine(broken), /web-1.*broken pipe fitting/s);
    const missing = { ...web, workload: { command: ["no-such-program"] } };
    await assert.rejects(createMachine(missing), /no-such-program.*not found/s);
    const nowhere = { ...web, workload: { command: ["sleep", "9"], workingDirectory: "/no/such/folder" } };
    await assert.rejects(createMachine(nowhere), /no\/such\/folder/);
    assert.equal(await readMachine(network, "web-1"), undefined);
    assert.equal(existsSync(machineFolder(network, "web-1")), false);
  });

  it("is deleted whatever is left of it", async () => {
    await createMachine(web);
    await run([
      "ip",
      "netns",
      "exec",
      applianceNamespace(network, "switch"),
      "ip",
      "link",
      "del",
      machinePort("web-1", "eth0"),
    ]);
    assert.deepEqual((await readMachine(network, "web-1"))?.interfaces, []);
    await rm(machineFolder(network, "web-1"), { recursive: true });
    await deleteMachine(network, "web-1");
    await deleteMachine(network, "web-1");
    await createMachine(web);
    await run(["ip", "netns", "del", machineNamespace(network, "web-1")]);
    assert.equal(await readMachine(network, "web-1"), undefined);
    await deleteMachine(network, "web-1");
    await createMachine(web);
    await createMachine(bare);
    assert.equal(await pings(network, "bare-1", "10.41.1.10"), true);
    await deleteNetwork(network);
    await deleteMachine(network, "web-1");
    assert.deepEqual(await leftovers(network), []);
  });

  it("is built beside others at the same time, and only the one at fault fails", async () => {
    const specs = Array.from({ length: 8 }, (_, index) => ({
      ...bare,
      machine: `bare-${index}`,
      interfaces: [
        {
          ...bare.interfaces[0]!,
          addresses: [`10.41.1.${50 + index}/24`],
          gateways: ["10.41.1.1"],
          mac: `02:00:00:00:00:0${index}`,
        },
      ],
    }));
    specs[3] = { ...specs[3]!, interfaces: [{ ...specs[3]!.interfaces[0]!, subnet: "nowhere" }] };
    const results = await Promise.allSettled(specs.map(createMachine));
    assert.deepEqual(
      results.map(({ status }) => status === "fulfilled"),
      specs.map((_, index) => index !== 3),
    );
    assert.equal(await pings(network, "bare-0", "10.41.1.57"), true);
    assert.equal((await inMachine(network, "bare-4", ["ip", "-6", "-o", "addr", "show", "tentative"])).stdout, "");
  });
});

/** Files that are mounted as disks on this host. */
function disks(): Promise<string> {
  return run(["losetup", "--list", "--output", "BACK-FILE"]);
}
