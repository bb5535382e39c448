import assert from "node:assert/strict";

import { captureLab } from "../../components/lab/capture";
import { machineStatus, readMachine } from "../../components/lab/kernel/machine";
import { listNetworks, readNetwork } from "../../components/lab/kernel/network";
import { readSubnet } from "../../components/lab/kernel/subnet";
import { type LabPlan, planNetwork } from "../../components/lab/plan";
import { buildProduction, destroyNetwork, isRunningProduction } from "../../components/lab/production";
import { parseTopology } from "../../components/topologySchema";
import { connects, eventually, inMachine, leftovers, networkName, pings, shop, useOwnState } from "./networkFixture";

describe("lab: production", function () {
  this.timeout(120_000);
  useOwnState();

  it("is what the topology says, by probing and by reading back, and goes away whole", async () => {
    const network = networkName();
    await buildProduction(shop(), network);

    const plan = planNetwork(shop(), network, "production");
    assert.deepEqual(await readNetwork(network), plan.network);
    for (const spec of plan.subnets) assert.deepEqual(await readSubnet(network, spec.subnet), spec);
    for (const spec of plan.machines) assert.deepEqual(await readMachine(network, spec.machine), spec);
    assert.equal(await isRunningProduction(shop(), network), true);
    assert.equal(await isRunningProduction({ ...shop(), machines: shop().machines.slice(1) }, network), false);

    for (const [router, web, data] of [
      ["10.41.1.1", "10.41.1.10", "10.41.2.10"],
      ["fd41:0:0:1::1", "fd41:0:0:1::10", "fd41:0:0:2::10"],
    ] as const) {
      assert.equal(await pings(network, "bare-1", router), true, router);
      assert.equal(await pings(network, "bare-1", web), true, "the group allows echo from inside");
      assert.equal(await pings(network, "client-1", web), false, "and not from outside");
      const outcomes = {
        fromOutside: connects(network, "client-1", web, 8000),
        notInGroup: connects(network, "client-1", web, 9000),
        fromGroup: connects(network, "web-1", data, 7000),
        deniedByAcl: connects(network, "web-1", data, 7001),
        portNotInGroup: connects(network, "web-1", data, 7002),
        fromOtherMachine: connects(network, "bare-1", data, 7000),
        fromOutsideToPrivate: connects(network, "client-1", data, 7000),
        egressNotAllowed: connects(network, "data-1", web, 8000),
      };
      const found = Object.fromEntries(
        await Promise.all(Object.entries(outcomes).map(async ([name, outcome]) => [name, await outcome] as const)),
      );
      assert.deepEqual(found, {
        fromOutside: "answered",
        notInGroup: "silence",
        fromGroup: "answered",
        deniedByAcl: "silence",
        portNotInGroup: "silence",
        fromOtherMachine: "silence",
        fromOutsideToPrivate: "silence",
        egressNotAllowed: "silence",
      });
    }

    await destroyNetwork(network);
    assert.deepEqual(await leftovers(network), []);
    assert.deepEqual(await listNetworks(), []);
  });

  it("routes by way of machines, into nothing, and not at all, each subnet by its own table", async () => {
    const network = networkName();
    await buildProduction(shop(), network);
    const beyond = { "192.0.2.5/32": "192.0.2.5", "2001:db8:77::5/128": "2001:db8:77::5" };
    for (const [address, target] of Object.entries(beyond)) {
      assert.equal(await pings(network, "data-1", target), false, "nobody has it yet");
      await inMachine(network, "bare-1", ["ip", "addr", "add", address, "dev", "lo"]);
      assert.equal(await pings(network, "data-1", target), true, "by way of bare-1");
      assert.equal(await pings(network, "web-1", target), false, "the front's table has no such route");
    }
    assert.equal(await pings(network, "data-1", "10.41.1.20"), true, "local");
    assert.equal(await pings(network, "data-1", "10.41.1.30"), false, "blackhole");
    assert.equal(await pings(network, "data-1", "198.51.100.7"), false, "no route to the boundary");
    assert.equal(await pings(network, "data-1", "2001:db8:41::7"), false, "no route to the boundary");
    assert.equal(await pings(network, "web-1", "198.51.100.7"), true, "default route to the first boundary");
    assert.equal(await pings(network, "web-1", "2001:db8:41::7"), true, "default route to the first boundary");
  });

  it("is captured as it runs: the plan of the capture is the plan it was built from", async () => {
    const network = networkName();
    await buildProduction(shop(), network);
    await eventually(
      "sockets are open",
      async () => (await connects(network, "client-1", "10.41.1.10", 8000)) === "answered",
    );

    const captured = await captureLab(network);
    assert.deepEqual(captured.unreadable, []);
    assert.deepEqual(parseTopology(JSON.parse(JSON.stringify(captured))), JSON.parse(JSON.stringify(captured)));
    assert.deepEqual(comparable(planNetwork(captured, "x", "shadow")), comparable(planNetwork(shop(), "x", "shadow")));
    assert.deepEqual(captured.boundaries, shop().boundaries);
    const services = captured.services!.map(({ name, machines, edge }) => ({ name, machines, edge }));
    assert.deepEqual(services.slice(0, 1), [{ name: "data-node-7000", machines: ["data-1"], edge: false }]);
    assert.deepEqual(
      services.filter(({ name }) => name.startsWith("web")),
      [
        { name: "web-node-8000", machines: ["web-1"], edge: true },
        { name: "web-node-9000", machines: ["web-1"], edge: false },
      ],
    );

    const again = networkName();
    await buildProduction(captured, again);
    assert.deepEqual(stripped(await captureLab(again)), stripped(captured));
  });

  it("shows in the capture what drifted from what it was built from", async () => {
    const network = networkName();
    await buildProduction(shop(), network);
    await inMachine(network, "bare-1", ["ip", "addr", "add", "10.41.1.99/24", "dev", "eth0"]);
    await inMachine(network, "web-1", ["nft", "flush", "chain", "inet", "shadownet", "ingress_eth0"]);
    const captured = await captureLab(network);
    const bare = captured.machines.find(({ name }) => name === "bare-1")!;
    assert.deepEqual(bare.interfaces[0]!.addresses, ["10.41.1.20", "10.41.1.30", "10.41.1.99", "fd41:0:0:1::20"]);
    const web = captured.securityGroups!.find(({ name }) => name === "web")!;
    assert.deepEqual(web.rules, [{ direction: "egress", protocol: "any" }]);
  });

  it("leaves nothing when a workload dies at its start", async () => {
    const network = networkName();
    const topology = shop();
    topology.machines[0]!.workload = { command: ["sh", "-c", "echo no config found >&2; exit 3"] };
    await assert.rejects(buildProduction(topology, network), /web-1.*died at its start.*no config found/s);
    assert.deepEqual(await leftovers(network), []);
  });

  it("takes over what the same owner left half-built and refuses another owner's", async () => {
    const network = networkName();
    await buildProduction(shop(), network, { owner: "one" });
    const before = await machineStatus(network, "web-1");
    await assert.rejects(buildProduction(shop(), network, { owner: "two" }), /belongs to one, not to two/);
    assert.deepEqual(await machineStatus(network, "web-1"), before);
    await buildProduction(shop(), network, { owner: "one" });
    assert.equal((await machineStatus(network, "web-1"))?.running, true);
    assert.notEqual((await machineStatus(network, "web-1"))?.pid, before?.pid);
  });

  it("refuses names that make no namespace", async () => {
    await assert.rejects(buildProduction(shop(), "../x"), /network name/);
  });
});

/** What both plans must agree on: order and the place of the data do not matter. */
function comparable({ subnets, machines }: LabPlan): unknown {
  const by = <T>(list: T[], key: keyof T): T[] => list.toSorted((a, b) => (String(a[key]) < String(b[key]) ? -1 : 1));
  return {
    subnets: by(subnets, "subnet"),
    machines: by(machines, "machine").map((machine) => ({ ...machine, dataSource: undefined })),
  };
}

function stripped(topology: Awaited<ReturnType<typeof captureLab>>): unknown {
  const text = JSON.stringify({ ...topology, source: undefined, services: undefined, boundaries: undefined });
  return JSON.parse(text, (key, value: unknown) =>
    ["lab", "sourceId", "routeTables", "routeTable"].includes(key) ? undefined : value,
  );
}
