import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { FaultTarget } from "../../components/experiment";
import { createMachine } from "../../components/lab/kernel/machine";
import { createNetwork } from "../../components/lab/kernel/network";
import { createSubnet } from "../../components/lab/kernel/subnet";
import { planNetwork } from "../../components/lab/plan";
import { resolveTarget } from "../../components/lab/resolve";
import { probeCapabilities } from "../../components/runtime/faults/capabilities";
import { compile } from "../../components/runtime/faults/compile";
import { renderScript } from "../../components/runtime/faults/script";
import { eventually, RunningFault } from "./faultsBed";
import { networkName, pings, shop, useOwnState } from "./networkFixture";

describe("lab: probe packets of faults on a network of the lab", function () {
  this.timeout(120_000);
  useOwnState();
  let network = "";

  beforeEach(async () => {
    network = networkName();
    const plan = planNetwork(shop(), network, "shadow");
    await createNetwork(plan.network);
    for (const subnet of plan.subnets) await createSubnet(subnet);
    for (const machine of plan.machines) await createMachine({ ...machine, workload: undefined });
  });

  async function start(target: FaultTarget): Promise<RunningFault> {
    const fault = { kind: "blackhole" as const, id: `p${process.pid}`, durationSeconds: 60, probePackets: true };
    const plan = compile(fault, resolveTarget(network, shop(), target), await probeCapabilities());
    const folder = join(process.env.SHADOWNET_STATE!, "faults");
    const [script, state] = [join(folder, "fault.sh"), join(folder, "state")];
    await mkdir(folder, { recursive: true });
    await writeFile(script, renderScript(plan, { stateFolder: state, heartbeats: false }));
    const running = new RunningFault(plan, script, state);
    await running.call("start");
    return running;
  }

  for (const [what, target, addresses] of [
    ["from a machine to the router next to it", { link: "web-1/eth0" }, 2],
    ["from a machine as a whole", { machine: "data-1" }, 2],
    ["from a subnet's router to a machine in it", { link: "front" }, 2],
  ] as const) {
    it(`go ${what}, over IPv4 and IPv6, and prove the fault`, async () => {
      assert.equal(await pings(network, "web-1", "10.41.1.1"), true);
      const fault = await start(target);
      await eventually(async () => (await fault.effect()).probes!.during.sent >= 20, "probes", 20);
      const { proven, why, probes } = await fault.effect();
      assert.ok(proven, why);
      assert.deepEqual(probes!.before.answered, 5 * addresses, why);
      assert.equal(probes!.during.answered, 0);
      await fault.stop();
      assert.equal(await pings(network, "web-1", "10.41.1.1"), true);
    });
  }
});
