import { strict as assert } from "node:assert";

import type { FaultTarget } from "../../../components/experiment";
import { ProblemsError } from "../../../components/internal/problems";
import { linkNames, resolveTarget } from "../../../components/lab/resolve";
import type { Topology } from "../../../components/topology";

const topology: Topology = {
  version: 1,
  name: "shop",
  networks: [
    {
      name: "shop",
      cidrs: ["10.80.0.0/16"],
      subnets: [
        { name: "app", cidr: "10.80.2.0/24", gatewayAddresses: ["10.80.2.1"] },
        { name: "data", cidr: "10.80.3.0/24", gatewayAddresses: ["10.80.3.1"] },
      ],
    },
  ],
  machines: [
    {
      name: "app-1",
      workload: { command: ["sleep", "1"] },
      interfaces: [{ name: "eth0", subnet: "app", addresses: ["10.80.2.11"] }],
    },
    { name: "app-2", interfaces: [{ name: "eth0", subnet: "app", addresses: ["10.80.2.12"] }] },
    { name: "data-1", interfaces: [{ name: "eth0", subnet: "data", addresses: ["10.80.3.11"] }] },
  ],
};

const resolve = (target: FaultTarget) => resolveTarget("shadow-a", topology, target);

describe("the lab's targets", () => {
  it("lists machine links and subnets", () => {
    assert.deepEqual(linkNames(topology), ["app-1/eth0", "app-2/eth0", "data-1/eth0", "app", "data"]);
  });

  it("resolves a machine pattern to whole machines with their links", () => {
    const target = resolve({ machine: "app-*" });
    assert.equal(target.kind, "machine");
    assert.deepEqual(
      target.machines.map(({ name }) => name),
      ["app-1", "app-2"],
    );
    assert.deepEqual(
      target.links.map(({ name }) => name),
      ["app-1/eth0", "app-2/eth0"],
    );
    assert.ok(target.machines[0]!.restartCommand?.at(-1)?.endsWith("start.sh"));
    assert.equal(target.machines[1]!.restartCommand, undefined, "a bare machine has nothing to start");
  });

  it("resolves a subnet's name to its attachment to the router", () => {
    const target = resolve({ link: "data" });
    assert.equal(target.kind, "link");
    assert.deepEqual(target.machines, []);
    assert.equal(target.links[0]!.peer?.namespace, "sn.shadow-a.@router");
  });

  it("keeps every device inside the shadow's own namespaces", () => {
    for (const wanted of [{ machine: "*" }, { link: "*" }, { machine: "data-1", flow: { protocol: "tcp" as const } }]) {
      for (const link of resolve(wanted).links) {
        assert.match(link.namespace ?? "", /^sn\.shadow-a\./);
        assert.match(link.peer?.namespace ?? "", /^sn\.shadow-a\./);
      }
    }
  });

  it("hits links, not whole machines, when a flow narrows it down", () => {
    const target = resolve({ machine: "data-1", flow: { protocol: "tcp", destinationPorts: "6379" } });
    assert.equal(target.kind, "flow");
    assert.deepEqual(target.machines, []);
    assert.equal(target.name, "data-1 (tcp any > any:6379)");
  });

  const refusals: [string, FaultTarget, RegExp][] = [
    ["nothing", {}, /target: aimed at nothing/],
    ["a flow alone", { flow: { protocol: "tcp" } }, /aimed at nothing/],
    ["an unknown machine", { machine: "ap-1" }, /no machine of the shadow matches "ap-1".*did you mean "app-1"/],
    [
      "an unknown link",
      { link: "app-1/eth9" },
      /no link of the shadow matches "app-1\/eth9".*did you mean "app-1\/eth0"/,
    ],
    ["both a machine and a link", { machine: "app-1", link: "app" }, /exclude each other/],
  ];
  for (const [what, target, message] of refusals) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => resolve(target),
        (error: unknown) => error instanceof ProblemsError && message.test(error.message),
      );
    });
  }
});
