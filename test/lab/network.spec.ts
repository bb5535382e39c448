import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";

import { run } from "../../components/internal/exec";
import { createMachine } from "../../components/lab/kernel/machine";
import {
  createNetwork,
  deleteNetwork,
  listNetworks,
  listStrayNamespaces,
  readNetwork,
} from "../../components/lab/kernel/network";
import { applianceNamespace, bridgeName, machineNamespace, routerDevice } from "../../components/lab/kernel/names";
import { namespacePath } from "../../components/lab/kernel/namespaces";
import { createSubnet, deleteSubnet, readSubnet, updateSubnet } from "../../components/lab/kernel/subnet";
import { type LabPlan, planNetwork } from "../../components/lab/plan";
import { connects, eventually, inRouter, leftovers, networkName, pings, shop, useOwnState } from "./networkFixture";

describe("lab: network", function () {
  this.timeout(120_000);
  useOwnState();
  let network = "";
  let plan: LabPlan;

  beforeEach(() => {
    network = networkName();
    plan = planNetwork(shop(), network, "shadow");
  });

  it("is read back as made, and is gone when its router or its switch is", async () => {
    assert.equal(await readNetwork(network), undefined);
    await createNetwork(plan.network);
    assert.deepEqual(await readNetwork(network), plan.network);
    assert.deepEqual(await listNetworks(), [plan.network]);
    await run(["ip", "netns", "del", applianceNamespace(network, "switch")]);
    assert.equal(await readNetwork(network), undefined);
    await createNetwork(plan.network);
    assert.deepEqual(await readNetwork(network), plan.network);
    await deleteNetwork(network);
    await deleteNetwork(network);
    assert.deepEqual(await leftovers(network), []);
  });

  it("refuses another owner's name and one that unknown namespaces carry", async () => {
    await createNetwork(plan.network);
    await assert.rejects(createNetwork({ ...plan.network, owner: "somebody" }), /belongs to .* not to somebody/);
    const other = networkName();
    await run(["ip", "netns", "add", machineNamespace(other, "stray")]);
    try {
      await assert.rejects(createNetwork({ ...plan.network, network: other }), /stray exist, but .* knows no network/);
      assert.ok((await listStrayNamespaces()).includes(machineNamespace(other, "stray")));
    } finally {
      await deleteNetwork(other);
    }
    assert.deepEqual(await leftovers(other), []);
  });

  it("ends every process in it when it is deleted", async () => {
    await createNetwork(plan.network);
    const router = namespacePath(applianceNamespace(network, "router"));
    const child = spawn("nsenter", [`--net=${router}`, "sleep", "3600"], { detached: true, stdio: "ignore" });
    const ended = once(child, "exit");
    await eventually("it is in", async () => (await inRouter(network, ["ss", "-Hltn"])).code === 0);
    await deleteNetwork(network);
    assert.deepEqual((await ended)[1], "SIGKILL");
  });

  it("has nothing of its own in the root namespace", async () => {
    const before = await run(["ip", "-br", "link"]);
    await createNetwork(plan.network);
    for (const subnet of plan.subnets) await createSubnet(subnet);
    for (const machine of plan.machines.slice(2)) await createMachine(machine);
    const own = (await run(["ip", "-br", "link"]))
      .split("\n")
      .filter((line) => !before.includes(line.split(/[@ ]/)[0]!));
    assert.deepEqual(own, []);
  });

  it("reads drift of a subnet and mends it in place", async () => {
    await createNetwork(plan.network);
    await Promise.all(plan.subnets.map(createSubnet));
    for (const spec of plan.subnets) assert.deepEqual(await readSubnet(network, spec.subnet), spec);
    const spec = plan.subnets.find(({ subnet }) => subnet === "data")!;
    const device = routerDevice("data");
    await inRouter(network, ["ip", "addr", "add", "10.41.2.200/24", "dev", device]);
    await inRouter(network, ["nft", "delete", "table", "inet", `acl_${device}`]);
    const drifted = (await readSubnet(network, "data"))!;
    assert.deepEqual(drifted.gatewayAddresses, ["10.41.2.1", "10.41.2.200", "fd41:0:0:2::1"]);
    assert.deepEqual([drifted.acl, drifted.aclName], [[], undefined]);
    await updateSubnet(drifted, spec);
    assert.deepEqual(await readSubnet(network, "data"), spec);

    await inRouter(network, ["ip", "link", "del", device]);
    assert.equal(await readSubnet(network, "data"), undefined);
    await createSubnet(spec);
    assert.deepEqual(await readSubnet(network, "data"), spec);
    await deleteSubnet(network, "data");
    await deleteSubnet(network, "data");
    assert.equal(await readSubnet(network, "data"), undefined);
    const devices = await run(["ip", "-n", applianceNamespace(network, "switch"), "-br", "link"]);
    assert.equal(devices.includes(bridgeName("data")), false);
  });

  it("changes rules and routes of a subnet without touching what passes", async () => {
    await createNetwork(plan.network);
    await Promise.all(plan.subnets.map(createSubnet));
    await Promise.all(plan.machines.map(createMachine));
    const spec = plan.subnets.find(({ subnet }) => subnet === "data")!;
    const reaches = (port: number): Promise<string> => connects(network, "web-1", "10.41.2.10", port);
    await eventually("it listens", async () => (await reaches(7000)) === "answered");
    assert.equal(await reaches(7001), "silence");
    const opened = { ...spec, acl: spec.acl.filter(({ action }) => action === "allow") };
    await updateSubnet(spec, opened);
    assert.equal(await reaches(7001), "answered");
    const closed = { ...opened, acl: [], aclName: "closed" };
    await updateSubnet(opened, closed);
    assert.equal(await reaches(7000), "silence", "a list without rules denies");
    assert.deepEqual(await readSubnet(network, "data"), closed);
    const rerouted = {
      ...spec,
      acl: [],
      aclName: undefined,
      routes: [{ destination: "10.41.1.10/32", blackhole: true }],
    };
    await updateSubnet(closed, rerouted);
    assert.equal(await reaches(7000), "silence", "the answer's route ends in nothing");
    assert.equal(await pings(network, "data-1", "10.41.1.20"), true);
    await updateSubnet(rerouted, spec);
    assert.equal(await reaches(7000), "answered");
    assert.deepEqual(await readSubnet(network, "data"), spec);
  });
});
