import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { FaultKind, FaultParameters } from "../../components/experiment";
import { tryRun } from "../../components/internal/exec";
import type { ResolvedMachine } from "../../components/runtime/faults/plan";
import { randomFrom } from "../../components/runtime/faults/pattern";
import { FaultBed, type RunningFault, eventually } from "./faultsBed";

const controllers = ["cpu", "memory", "freezer", "blkio", "pids"] as const;
const megabyte = 1 << 20;
const orders = [
  [0, 1, 2],
  [1, 0, 2],
];

/** Kinds that share something of a machine or link, each with three strengths. */
const shared: [FaultKind, FaultParameters[]][] = [
  ["cpuExhaustion", [{ sharePercent: 50 }, { sharePercent: 20 }, { sharePercent: 75 }]],
  ["memoryExhaustion", [{ sharePercent: 50 }, { sharePercent: 20 }, { sharePercent: 30 }]],
  ["machineHang", [{}, {}, {}]],
  ["linkDown", [{}, {}, {}]],
  ["corruption", [{ percent: 1 }, { percent: 2, direction: "ingress" }, { percent: 3, direction: "egress" }]],
  ["dnsFailure", [{ names: ["db.internal"] }, { names: ["db"] }, { names: ["web.internal", "db.internal"] }]],
];

describe("several faults of one kind on one machine", function () {
  this.timeout(120_000);
  let bed: FaultBed;
  let machine: ResolvedMachine;
  const groups: string[] = [];

  beforeEach(async () => {
    bed = await FaultBed.make();
    machine = await makeMachine();
  });

  afterEach(async () => {
    await bed.close();
    for (const group of groups.splice(0)) await rmdir(group).catch(() => undefined);
  });

  async function makeMachine(): Promise<ResolvedMachine> {
    const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");
    const cgroups: ResolvedMachine["cgroups"] = {};
    for (const name of unified ? (["unified"] as const) : controllers) {
      const folder = name === "unified" ? `/sys/fs/cgroup/${bed.name}` : `/sys/fs/cgroup/${name}/${bed.name}`;
      await mkdir(folder);
      groups.push(folder);
      cgroups[name] = folder;
    }
    const hostsFile = join(bed.folder, "hosts");
    await writeFile(hostsFile, "10.9.0.1 db.internal db\n10.9.0.1 web.internal\n");
    if (unified) await writeFile(join(cgroups.unified!, "memory.max"), `${256 * megabyte}`);
    else await writeFile(join(cgroups.memory!, "memory.limit_in_bytes"), `${256 * megabyte}`);
    return { name: "b", links: [bed.link()], namespace: bed.namespace("b"), cgroups, hostsFile };
  }

  /** Everything that these kinds change. */
  async function dump(): Promise<string> {
    const files = [
      "cpu.max",
      "memory.max",
      "cgroup.freeze",
      "cpu.cfs_quota_us",
      "memory.limit_in_bytes",
      "freezer.state",
    ];
    const texts = [await readFile(machine.hostsFile!, "utf8")];
    for (const folder of Object.values(machine.cgroups)) {
      for (const file of files) texts.push(await readFile(join(folder, file), "utf8").catch(() => ""));
    }
    return [await bed.dump(), ...texts].join("\n");
  }

  async function start(kind: FaultKind, parameters: FaultParameters[], durationSeconds = 60): Promise<RunningFault[]> {
    const target = bed.target({ kind: "machine", name: "b", machines: [machine], links: machine.links });
    const faults: RunningFault[] = [];
    for (const each of parameters) faults.push(await bed.start({ ...each, kind, durationSeconds }, target));
    return faults;
  }

  /** Names of what these faults share and have not given back. */
  async function claims(): Promise<string[]> {
    const ids = new Set(bed.faults.map(({ plan }) => plan.id));
    const found: string[] = [];
    for (const name of await readdir("/run/shadownet/claims").catch(() => [] as string[])) {
      const by = await readdir(join("/run/shadownet/claims", name, "by")).catch(() => [] as string[]);
      if (by.some((id) => ids.has(id))) found.push(name);
    }
    return found;
  }

  for (const [kind, parameters] of shared) {
    it(`give the original back with the last, in any order (${kind})`, async () => {
      const before = await dump();
      for (const order of orders) {
        const faults = await start(kind, parameters);
        for (const [place, index] of order.entries()) {
          assert.notEqual(await dump(), before, `${kind} is still on with ${order.length - place} faults`);
          await faults[index]!.stop();
        }
        assert.equal(await dump(), before, `${kind}, stopped in the order ${order.join(", ")}`);
        assert.deepEqual(await claims(), []);
      }
    });
  }

  it("leave what the others leave: limits are worked out again at every change", async () => {
    const file = machine.cgroups.unified ?? machine.cgroups.cpu!;
    const quota = async (): Promise<number> => {
      const name = machine.cgroups.unified === undefined ? "cpu.cfs_quota_us" : "cpu.max";
      return Number((await readFile(join(file, name), "utf8")).split(" ")[0]);
    };
    await writeFile(join(file, machine.cgroups.unified === undefined ? "cpu.cfs_quota_us" : "cpu.max"), "100000");
    const [half, most] = await start("cpuExhaustion", [{ sharePercent: 50 }, { sharePercent: 90 }]);
    assert.equal(await quota(), 5000);
    await half!.stop();
    assert.equal(await quota(), 10_000);
    await most!.stop();
    assert.equal(await quota(), 100_000);
  });

  it("give the original back when all that started and timed them is killed, in any order", async () => {
    const random = randomFrom(4711);
    for (const [kind, parameters] of shared) {
      const before = await dump();
      const faults = await start(kind, parameters, 4);
      for (const { state } of faults) {
        await new Promise((resolve) => setTimeout(resolve, 300 * random()));
        const keepers = random() < 0.5 ? ["watcher"] : ["guard"];
        for (const name of keepers) await tryRun(["kill", "-9", (await readFile(join(state, name), "utf8")).trim()]);
      }
      await eventually(async () => (await dump()).replaceAll(/^.*fault\.sh.*\n/gm, "") === before, kind, 30);
      for (const fault of faults) await fault.stop();
      assert.equal(await dump(), before);
      assert.deepEqual(await claims(), []);
    }
  });

  it("keep what somebody else has set meanwhile", async () => {
    const { unified, cpu } = machine.cgroups;
    const file = unified === undefined ? join(cpu!, "cpu.cfs_quota_us") : join(unified, "cpu.max");
    await writeFile(file, "100000");
    const [fault] = await start("cpuExhaustion", [{ sharePercent: 50 }]);
    await writeFile(file, "70000");
    await fault!.stop();
    assert.match(await readFile(file, "utf8"), /^70000/);
  });
});
