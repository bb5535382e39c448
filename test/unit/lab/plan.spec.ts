import assert from "node:assert/strict";

import { ProblemsError } from "../../../components/internal/problems";
import { derivedMac, planNetwork } from "../../../components/lab/plan";
import type { Topology } from "../../../components/topology";

function topology(): Topology {
  return {
    version: 1,
    name: "shop",
    networks: [
      {
        name: "shop",
        cidrs: ["10.0.0.0/16", "203.0.113.0/24"],
        subnets: [
          { name: "front", cidr: "10.0.1.0/24", ipv6Cidr: "FD00::/64" },
          { name: "data", cidr: "10.0.2.0/24", routeTable: "private", gatewayAddresses: ["10.0.2.254"], acl: "closed" },
          { name: "clients", cidr: "203.0.113.0/24", boundary: "internet" },
        ],
      },
      { name: "office", cidrs: ["10.9.0.0/16"], subnets: [{ name: "desk", cidr: "10.9.1.0/24" }] },
    ],
    routeTables: [{ name: "private", routes: [{ destination: "10.9.0.0/16", via: "10.0.1.9" }] }],
    acls: [{ name: "closed", rules: [] }],
    securityGroups: [
      {
        name: "web",
        rules: [
          { direction: "ingress", protocol: "tcp", ports: "80", cidrs: ["0.0.0.0/0"] },
          { direction: "ingress", protocol: "tcp", ports: "80", cidrs: ["::/0"] },
        ],
      },
      {
        name: "data",
        rules: [
          { direction: "ingress", protocol: "tcp", ports: "6379", securityGroups: ["web"], cidrs: ["10.0.1.8/31"] },
          { direction: "egress", protocol: "any", securityGroups: ["empty"] },
        ],
      },
      { name: "empty", rules: [] },
    ],
    boundaries: [{ name: "internet", kind: "internet", cidrs: ["0.0.0.0/0", "::/0"] }],
    dnsZones: [
      {
        name: "shop",
        records: [
          { name: "db", type: "CNAME", values: ["data-1"] },
          { name: "data-1", type: "A", values: ["10.0.2.10"] },
          { name: "loop", type: "CNAME", values: ["loop"] },
          { name: "note", type: "TXT", values: ["x"] },
        ],
      },
    ],
    machines: [
      {
        name: "web-1",
        interfaces: [
          { name: "wan0", subnet: "clients", addresses: ["203.0.113.9"] },
          { name: "eth0", subnet: "front", addresses: ["10.0.1.10", "fd00:0::10"], securityGroups: ["web"] },
          { name: "eth1", subnet: "data", addresses: ["10.0.2.11"] },
        ],
        lab: { dataFolder: "data/web" },
      },
      {
        name: "data-1",
        interfaces: [
          {
            name: "eth0",
            subnet: "data",
            addresses: ["10.0.2.10"],
            mac: "02:AA:00:00:00:01",
            securityGroups: ["data"],
          },
        ],
      },
      { name: "client-1", interfaces: [{ name: "eth0", subnet: "clients", addresses: ["203.0.113.10"] }] },
    ],
  };
}

describe("lab: plan", () => {
  it("leaves the outside to production", () => {
    const names = (role: "production" | "shadow"): unknown => {
      const { subnets, machines } = planNetwork(topology(), "x", role);
      return [
        subnets.map(({ subnet }) => subnet),
        machines.map(({ machine, interfaces }) => `${machine} ${interfaces.map(({ name }) => name).join(" ")}`),
      ];
    };
    assert.deepEqual(names("production"), [
      ["front", "data", "clients", "desk"],
      ["web-1 wan0 eth0 eth1", "data-1 eth0", "client-1 eth0"],
    ]);
    assert.deepEqual(names("shadow"), [
      ["front", "data", "desk"],
      ["web-1 eth0 eth1", "data-1 eth0"],
    ]);
  });

  it("routes by default to the first boundary, by a table only as the table says, and never into another network", () => {
    const subnets = new Map(planNetwork(topology(), "x", "shadow").subnets.map((spec) => [spec.subnet, spec]));
    assert.deepEqual(subnets.get("front")!.routes, [
      { destination: "0.0.0.0/0", boundary: "internet" },
      { destination: "10.9.0.0/16", blackhole: true },
      { destination: "::/0", boundary: "internet" },
    ]);
    assert.deepEqual(subnets.get("data")!.routes, [{ destination: "10.9.0.0/16", via: "10.0.1.9" }]);
    assert.deepEqual(subnets.get("front")!.localCidrs, ["10.0.0.0/16"], "the clients' range is not local");
    assert.deepEqual(subnets.get("data")!.aclName, "closed");
  });

  it("gives the router the first host, and machines its addresses of their own families on the first interface", () => {
    const { subnets, machines } = planNetwork(topology(), "x", "shadow");
    assert.deepEqual(
      subnets.map(({ gatewayAddresses }) => gatewayAddresses),
      [["10.0.1.1", "fd00::1"], ["10.0.2.254"], ["10.9.1.1"]],
    );
    assert.deepEqual(
      machines.map(({ interfaces }) => interfaces.map(({ addresses, gateways }) => [addresses, gateways])),
      [
        [
          [
            ["10.0.1.10/24", "fd00::10/64"],
            ["10.0.1.1", "fd00::1"],
          ],
          [["10.0.2.11/24"], []],
        ],
        [[["10.0.2.10/24"], ["10.0.2.254"]]],
      ],
    );
  });

  it("replaces groups by the ranges of their members, the outside ones included", () => {
    const { machines } = planNetwork(topology(), "x", "shadow");
    const [web, plain] = machines[0]!.interfaces;
    assert.deepEqual(web!.rules, [{ group: "web", direction: "ingress", protocol: "tcp", ports: "80" }]);
    assert.deepEqual([plain!.filtered, plain!.rules], [false, []]);
    assert.deepEqual(machines[1]!.interfaces[0]!.rules, [
      {
        group: "data",
        direction: "ingress",
        protocol: "tcp",
        ports: "6379",
        cidrs: ["10.0.1.8/31", "10.0.1.10/32", "fd00::10/128"],
      },
    ]);
  });

  it("gives machines the same hardware addresses in every network", () => {
    const macs = (network: string): string[] =>
      planNetwork(topology(), network, "shadow").machines.flatMap(({ interfaces }) => interfaces.map(({ mac }) => mac));
    assert.deepEqual(macs("x"), macs("y"));
    assert.deepEqual(macs("x"), [derivedMac("web-1", "eth0"), derivedMac("web-1", "eth1"), "02:aa:00:00:00:01"]);
    assert.match(derivedMac("web-1", "eth0"), /^02(:[0-9a-f]{2}){5}$/);
  });

  it("resolves names through aliases and finds data beside the topology", () => {
    const { machines } = planNetwork(topology(), "x", "shadow", { dataRoot: "/somewhere" });
    assert.deepEqual(machines[0]!.hosts, { "data-1": ["10.0.2.10"], db: ["10.0.2.10"] });
    assert.equal(machines[0]!.dataSource, "/somewhere/data/web");
    assert.equal(machines[1]!.dataSource, undefined);
  });

  it("names every unknown name at once", () => {
    const wrong = topology();
    wrong.machines[0]!.interfaces[1]!.subnet = "fron";
    wrong.machines[1]!.interfaces[0]!.securityGroups = ["date"];
    wrong.networks[0]!.subnets[1]!.routeTable = "privat";
    assert.throws(
      () => planNetwork(wrong, "x", "shadow"),
      (error: unknown) => {
        assert.ok(error instanceof ProblemsError);
        assert.deepEqual(error.problems, [
          { path: "networks[0].subnets[1].routeTable", reason: 'no route table "privat"; did you mean "private"?' },
          { path: "machines[0].interfaces[1].subnet", reason: 'no subnet "fron"; did you mean "front"?' },
          {
            path: "machines[1].interfaces[0].securityGroups[0]",
            reason: 'no security group "date"; did you mean "data"?',
          },
        ]);
        return true;
      },
    );
  });
});
