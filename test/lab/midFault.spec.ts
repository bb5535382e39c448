import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

import type { FaultKind, FaultParameters, FaultTarget } from "../../components/experiment";
import { run, tryRun } from "../../components/internal/exec";
import { faultFolder } from "../../components/lab/faults";
import { deleteMachine } from "../../components/lab/kernel/machine";
import { applianceNamespace, machineFolder, machineNamespace, machinePort } from "../../components/lab/kernel/names";
import { deleteNetwork } from "../../components/lab/kernel/network";
import { compile } from "../../components/runtime/faults/compile";
import { relayNamespaces } from "../../components/runtime/faults/relayPlan";
import type { Driver, FaultHandle } from "../../components/runtime/runner/driver";
import { DrillBed, difference } from "../support/drillBed";
import { eventually, leftovers } from "./networkFixture";

const machine: FaultTarget = { machine: "web-1" };

/** One fault of each mechanism that holds on to a machine in its own way. */
const faults: [FaultKind, FaultParameters, FaultTarget][] = [
  ["latency", { delayMilliseconds: 30 }, machine],
  ["packetLoss", { percent: 20 }, { machine: "web-1", flow: { destinationCidr: "fd00:90:0:1::11/128" } }],
  ["cpuExhaustion", { sharePercent: 50 }, machine],
  ["memoryExhaustion", { sharePercent: 20 }, machine],
  ["processKill", { processPattern: "tail", intervalSeconds: 0.5 }, machine],
];

describe("a shadow that changes in the middle of a fault", function () {
  this.timeout(180_000);
  let bed: DrillBed;
  let driver: Driver;
  let before: string;

  beforeEach(async () => {
    bed = await DrillBed.make("mf");
    driver = await bed.driver();
    before = await bed.dump();
  });

  afterEach(() => bed.close());

  async function start(all: typeof faults): Promise<FaultHandle[]> {
    const capabilities = await driver.capabilities();
    const handles: FaultHandle[] = [];
    for (const [index, [kind, parameters, target]] of all.entries()) {
      const fault = { ...parameters, kind, id: `mid${index}-${kind}`, durationSeconds: 60 };
      handles.push(await driver.start(compile(fault, await driver.resolve(target), capabilities)));
    }
    assert.equal((await driver.leftovers()).length, all.length);
    return handles;
  }

  async function stop(handles: FaultHandle[]): Promise<void> {
    for (const handle of handles) await driver.stop(handle);
    assert.deepEqual(await driver.leftovers(), []);
    assert.deepEqual(await readdir(faultFolder(bed.shadow, "")), []);
    for (const { id } of handles) {
      const { underlay, home } = relayNamespaces(applianceNamespace(bed.shadow, "switch"), id);
      const left = (await readdir("/run/netns")).filter((name) => [underlay, home].includes(name));
      assert.deepEqual(left, [], id);
    }
  }

  async function processesOfFaults(): Promise<string[]> {
    const { stdout } = await tryRun(["ps", "-e", "-ww", "-o", "args="]);
    return stdout.split("\n").filter((line) => line.includes(faultFolder(bed.shadow, "")));
  }

  it("is as before when a machine was rebooted", async () => {
    const handles = await start([...faults, ["linkDown", {}, { link: "web-1/eth0" }]]);
    const folder = machineFolder(bed.shadow, "web-1");
    await run(["sh", join(folder, "crash.sh")]);
    await run(["sh", join(folder, "start.sh")]);
    await stop(handles);
    await eventually("the machine is as before", async () => difference(before, await bed.dump()).length === 0);
  });

  it("gives up a frozen machine that is deleted, and then the network", async () => {
    const handles = await start([...faults.slice(0, 4), ["machineHang", {}, machine]]);
    await deleteMachine(bed.shadow, "web-1");
    assert.deepEqual(await readdir(machineFolder(bed.shadow, "")), ["web-2"]);
    await stop(handles);
    await deleteNetwork(bed.shadow);
    assert.deepEqual(await leftovers(bed.shadow), []);
  });

  it("can be undone when a machine's namespace was deleted, also a crash that cannot start it again", async () => {
    const handles = await start([...faults, ["linkDown", {}, { link: "web-1/eth0" }], ["machineCrash", {}, machine]]);
    await run(["ip", "netns", "delete", machineNamespace(bed.shadow, "web-1")]);
    await stop(handles);
    await deleteMachine(bed.shadow, "web-1");
    assert.deepEqual(await readdir(machineFolder(bed.shadow, "")), ["web-2"]);
  });

  it("can be undone when the port of the switch was deleted", async () => {
    const handles = await start([...faults, ["linkDown", {}, { link: "web-1/eth0" }]]);
    const port = machinePort("web-1", "eth0");
    await run(["ip", "-n", applianceNamespace(bed.shadow, "switch"), "link", "delete", port]);
    await stop(handles);
    await deleteMachine(bed.shadow, "web-1");
  });

  it("is destroyed whole with faults on, a machine frozen and another one down, and stays destroyed", async () => {
    await start([
      ...faults,
      ["machineHang", {}, machine],
      ["machineCrash", {}, { machine: "web-2" }],
      ["linkDown", {}, { link: "front" }],
    ]);
    await deleteNetwork(bed.shadow);
    await eventually("nothing of the faults runs", async () => (await processesOfFaults()).length === 0);
    assert.deepEqual(await leftovers(bed.shadow), []);
  });
});
