import assert from "node:assert/strict";

import { shadowProblems, shadowTopology } from "../../../components/lab/shadowTopology";
import type { Topology } from "../../../components/topology";
import { readTopology, validateTopology } from "../../../components/topologySchema";

const shop = readTopology(`${__dirname}/../../../examples/lab/production.json`);
const names = ({ machines }: Topology): string[] => machines.map(({ name }) => name);

describe("a shadow's topology", () => {
  it("leaves the outside out, and says so", () => {
    const { topology, fidelity } = shadowTopology(shop, {});
    assert.ok(!names(topology).includes("client-1"));
    assert.ok(!topology.networks[0]!.subnets.some(({ name }) => name === "internet"));
    const client = fidelity.find(({ subject }) => subject === "machines/client-1");
    assert.equal(client?.outcome, "dropped");
    const kept = fidelity.filter(({ outcome }) => outcome === "cloned").map(({ subject }) => subject);
    assert.ok(kept.includes("machines/web-1") && kept.includes("subnets/data"));
  });

  it("adds copies at free addresses, behind the same services", () => {
    const { topology, fidelity } = shadowTopology(shop, { scale: [{ machines: "app-*", replicas: 4, cpus: 2 }] });
    assert.deepEqual(names(topology).slice(-2), ["app-3", "app-4"]);
    assert.deepEqual(topology.services![1]!.machines, ["app-1", "app-2", "app-3", "app-4"]);
    assert.deepEqual(topology.machines.at(-1)!.interfaces[0]!.addresses, ["10.20.2.3", "fd00:20:0:2::3"]);
    assert.ok(topology.machines.filter(({ role }) => role === "app").every(({ size }) => size?.cpus === 2));
    assert.deepEqual(validateTopology(topology), []);
    assert.equal(fidelity.filter(({ outcome }) => outcome === "scaled").length, 4);
  });

  it("removes from the end, and leaves the others exactly as they were", () => {
    const { topology } = shadowTopology(shop, { scale: [{ machines: "web-*", replicas: 1 }] });
    assert.ok(!names(topology).includes("web-2"));
    assert.deepEqual(topology.services![0]!.machines, ["web-1"]);
    const before = shop.machines.find(({ name }) => name === "app-1");
    assert.deepEqual(
      topology.machines.find(({ name }) => name === "app-1"),
      before,
    );
  });

  it("starts disks empty where asked", () => {
    const { topology } = shadowTopology(shop, { state: [{ machines: "data-*", disk: "none" }] });
    assert.equal(topology.machines.find(({ name }) => name === "data-1")!.lab!.dataFolder, undefined);
    assert.notEqual(topology.machines.find(({ name }) => name === "app-1")!.lab!.dataFolder, undefined);
  });

  it("refuses what the lab cannot do, all at once", () => {
    const paths = shadowProblems(shop, {
      scale: [
        { machines: "api-*", replicas: 0 },
        { machines: "app-*", type: "m5.large" },
      ],
      state: [{ machines: "*", memory: true }],
      boundaries: [
        { name: "internet", replacement: "stub" },
        { name: "vpn", replacement: "sink" },
      ],
    }).map(({ path }) => path);
    assert.deepEqual(paths, [
      "scale[0].machines",
      "scale[0].replicas",
      "scale[1].type",
      "state[0].memory",
      "boundaries[1].name",
      "boundaries[0].replacement",
    ]);
  });

  it("says where a subnet is too small for the copies", () => {
    assert.throws(
      () => shadowTopology(shop, { scale: [{ machines: "app-1", replicas: 400 }] }),
      /subnet "app" has no free address left in 10\.20\.2\.0\/24/,
    );
  });
});
