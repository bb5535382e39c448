import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";

import { ProblemsError } from "../../components/internal/problems";
import type { Topology } from "../../components/topology";
import { parseTopology, readTopology, topologyJsonSchema, validateTopology } from "../../components/topologySchema";

const file = join(__dirname, "..", "..", "examples", "lab", "production.json");
const shop = (): Topology => JSON.parse(readFileSync(file, "utf8")) as Topology;

/** The problems of the shop after a change, as `path: reason`. */
function broken(change: (topology: Topology) => void): string[] {
  const topology = shop();
  change(topology);
  return validateTopology(topology).map(({ path, reason }) => `${path}: ${reason}`);
}

const subnets = (topology: Topology): Topology["networks"][number]["subnets"] => topology.networks[0]!.subnets;

const table: [string, (topology: Topology) => void, string[]][] = [
  ["a version of the future", (t) => (t.version = 2), ["version: 2 is not allowed; allowed: 1"]],
  [
    "a misspelt field",
    (t) => Object.assign(t.machines[0]!, { workloda: {} }),
    ['machines[0].workloda: unknown field; did you mean "workload"?'],
  ],
  [
    "a wrong type and a missing field at once",
    (t) => Object.assign(t.services![0]!, { port: "80", machines: undefined }),
    ['services[0].port: "80" is not a number', "services[0].machines: missing; give a list"],
  ],
  [
    "an unknown subnet",
    (t) => (t.machines[3]!.interfaces[0]!.subnet = "fron"),
    ['machines[3].interfaces[0].subnet: no subnet "fron"; did you mean "front"?'],
  ],
  [
    "overlapping subnets",
    (t) => (subnets(t)[1]!.cidr = "10.20.0.0/21"),
    [
      'networks[0].subnets[1].cidr: "10.20.0.0/21" overlaps networks[0].subnets[0].cidr "10.20.1.0/24"',
      'networks[0].subnets[2].cidr: "10.20.3.0/24" overlaps networks[0].subnets[1].cidr "10.20.0.0/21"',
    ],
  ],
  [
    "a subnet outside its network",
    (t) => void t.networks[0]!.cidrs.splice(2, 1),
    ['networks[0].subnets[3].cidr: "203.0.113.0/24" lies outside the network\'s ranges'],
  ],
  [
    "a range of the appliances",
    (t) => t.networks[0]!.cidrs.push("100.64.0.0/16"),
    ['networks[0].cidrs[4]: "100.64.0.0/16" overlaps 100.64.0.0/10'],
  ],
  [
    "host bits in a range",
    (t) => (t.networks[0]!.cidrs[0] = "10.20.0.1/16"),
    ['networks[0].cidrs[0]: "10.20.0.1/16" has bits after its prefix length; did you mean "10.20.0.0/16"?'],
  ],
  [
    "one name twice",
    (t) => (t.machines[1]!.name = "web-1"),
    [
      'machines[1].name: the name "web-1" is taken by machines[0].name already',
      'services[0].machines[1]: no machine "web-2"',
    ],
  ],
  [
    "one address twice, however it is written",
    (t) => (t.machines[1]!.interfaces[0]!.addresses[1] = "fd00:20::1:0:0:0:11"),
    ["machines[1].interfaces[0].addresses[1]: the address fd00:20:0:1::11 is taken by"],
  ],
  [
    "the router's address",
    (t) => (t.machines[0]!.interfaces[0]!.addresses[0] = "10.20.1.1"),
    ["machines[0].interfaces[0].addresses[0]: the address 10.20.1.1 is taken by networks[0].subnets[0] (its router)"],
  ],
  [
    "a broadcast address",
    (t) => (t.machines[0]!.interfaces[0]!.addresses[0] = "10.20.1.255"),
    ['machines[0].interfaces[0].addresses[0]: "10.20.1.255" is the broadcast address of 10.20.1.0/24'],
  ],
  [
    "unknown table, list, group and machine",
    (t) => {
      subnets(t)[0]!.routeTable = "publik";
      subnets(t)[1]!.acl = "none";
      t.machines[0]!.interfaces[0]!.securityGroups = ["frond"];
      t.services![0]!.machines = ["web1"];
    },
    [
      'networks[0].subnets[0].routeTable: no route table "publik"; did you mean "public"?',
      'networks[0].subnets[1].acl: no network ACL "none"',
      'machines[0].interfaces[0].securityGroups[0]: no security group "frond"; did you mean "front"?',
      'services[0].machines[0]: no machine "web1"; did you mean "web-1"?',
    ],
  ],
  [
    "a route that leads two ways, and one to nobody",
    (t) => {
      t.routeTables![0]!.routes[0]!.blackhole = true;
      t.routeTables![1]!.routes[0] = { destination: "0.0.0.0/0", via: "10.20.1.99" };
    },
    [
      "routeTables[0].routes[0]: set exactly one of `via`, `boundary` and `blackhole: true`",
      "routeTables[1].routes[0].via: no machine has the address 10.20.1.99",
    ],
  ],
  [
    "a next hop that does not forward",
    (t) => (t.routeTables![1]!.routes[0] = { destination: "0.0.0.0/0", via: "10.20.1.11" }),
    ['routeTables[1].routes[0].via: machine "web-1" at 10.20.1.11 does not forward; set its `forwarding` to true'],
  ],
  [
    "bad ports",
    (t) => (t.securityGroups![0]!.rules[0]!.ports = "90-80"),
    ['securityGroups[0].rules[0].ports: "90-80" is not a port or a range such as 80 or 8000-8010'],
  ],
];

describe("a topology", () => {
  it("is accepted as the example has it", () => {
    assert.deepEqual(validateTopology(shop()), []);
    assert.equal(readTopology(file).machines.length, shop().machines.length);
  });

  for (const [what, change, expected] of table) {
    it(`is refused with ${what}`, () => {
      const found = broken(change);
      assert.equal(found.length, expected.length, found.join("\n"));
      expected.forEach((text, index) =>
        assert.ok(found[index]!.startsWith(text), `${found[index]!} instead of ${text}`),
      );
    });
  }

  it("is refused as a file that is no JSON, and as one that is not there", () => {
    assert.throws(
      () => parseTopology("{", "shop.json"),
      (error) => error instanceof ProblemsError && error.message.startsWith("shop.json"),
    );
    assert.throws(() => readTopology("/nowhere/topology.json"), /there is no such file; `shadownet capture`/);
  });

  it("never makes the check itself fail, whatever is given", () => {
    fc.assert(fc.property(fc.anything(), (value) => validateTopology(value).length > 0));
    const keys = Object.keys(shop()) as (keyof Topology)[];
    const damaged = fc.record({ key: fc.constantFrom(...keys), value: fc.jsonValue() });
    fc.assert(fc.property(damaged, ({ key, value }) => Array.isArray(validateTopology({ ...shop(), [key]: value }))));
  });

  it("names every misplaced machine, each by its path", () => {
    const chosen = fc.uniqueArray(fc.nat(7), { minLength: 1 });
    fc.assert(
      fc.property(chosen, (indexes) => {
        const found = broken((t) => indexes.forEach((index) => (t.machines[index]!.interfaces[0]!.subnet = "nowhere")));
        const paths = indexes.map((index) => `machines[${index}].interfaces[0].subnet: no subnet "nowhere"`).sort();
        assert.deepEqual(found.sort(), paths);
      }),
    );
  });

  it("has a JSON Schema for other tools", () => {
    const schema = topologyJsonSchema() as { required: string[]; properties: Record<string, unknown> };
    assert.deepEqual(schema.required, ["version", "name", "networks", "machines"]);
    assert.ok("boundaries" in schema.properties);
  });
});
