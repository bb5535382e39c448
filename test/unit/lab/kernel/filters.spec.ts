import assert from "node:assert/strict";

import fc from "fast-check";

import { cidrContains } from "../../../../components/internal/cidr";
import {
  type NftObject,
  canonicalRules,
  parseAcl,
  parseSecurityGroups,
  renderAcl,
  renderSecurityGroups,
} from "../../../../components/lab/kernel/filters";
import type { LabFilterRule } from "../../../../components/lab/kernel/specs";

const cidr = fc.constantFrom(
  "10.0.0.0/8",
  "10.1.0.0/16",
  "10.1.2.3/32",
  "10.1.2.2/32",
  "0.0.0.0/0",
  "::/0",
  "fd00::/8",
);
const rule: fc.Arbitrary<LabFilterRule> = fc.record(
  {
    group: fc.constantFrom("web", "app"),
    direction: fc.constantFrom("ingress", "egress"),
    protocol: fc.constantFrom("tcp", "udp", "any"),
    ports: fc.constantFrom("80", "8000-8001"),
    cidrs: fc.array(cidr, { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: ["group", "direction", "protocol"] },
);

/** Whether the rules let a packet of a group in a direction pass. */
function admits(
  rules: LabFilterRule[],
  packet: { group: string; direction: string; protocol: string; port: number; peer: string },
): boolean {
  return rules.some(({ group, direction, protocol, ports, cidrs }) => {
    const [from = 0, to = from] = (ports ?? "0-65535").split("-").map(Number);
    return (
      group === packet.group &&
      direction === packet.direction &&
      (protocol === "any" || protocol === packet.protocol) &&
      packet.port >= from &&
      packet.port <= to &&
      (cidrs === undefined || cidrs.some((range) => cidrContains(range, packet.peer)))
    );
  });
}

describe("lab: filters", () => {
  it("brings rules into one form that admits the same, whatever their order", () => {
    const packet = fc.record({
      group: fc.constantFrom("web", "app"),
      direction: fc.constantFrom("ingress", "egress"),
      protocol: fc.constantFrom("tcp", "udp"),
      port: fc.constantFrom(80, 8000, 8001, 9),
      peer: fc.constantFrom("10.1.2.3", "10.1.2.2", "10.9.9.9", "192.0.2.1", "fd00::1", "2001:db8::1"),
    });
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 8 }),
        fc.array(packet, { minLength: 20, maxLength: 20 }),
        (rules, packets) => {
          const canonical = canonicalRules(rules);
          assert.deepEqual(canonicalRules(rules.toReversed()), canonical);
          assert.deepEqual(canonicalRules(canonical), canonical);
          for (const given of packets) assert.equal(admits(canonical, given), admits(rules, given));
        },
      ),
    );
  });

  it("writes nothing but the removal where nothing is filtered", () => {
    const card = { name: "eth0", subnet: "a", addresses: [], mac: "", gateways: [], filtered: false, rules: [] };
    assert.equal(renderSecurityGroups([card]), "table inet shadownet\ndelete table inet shadownet");
    assert.equal(renderAcl("s1", undefined), "table inet acl_s1\ndelete table inet acl_s1");
    assert.match(renderSecurityGroups([{ ...card, filtered: true }]), /chain ingress_eth0 \{\ncounter drop\n\}/);
  });

  it("reads rules as nft writes them back", () => {
    const payload = (protocol: string, field: string, right: unknown): Record<string, unknown> => ({
      match: { op: "==", left: { payload: { protocol, field } }, right },
    });
    const of = (chain: string, comment: string, ...expr: Record<string, unknown>[]): NftObject => ({
      rule: { family: "inet", table: "shadownet", chain, comment, expr: [...expr, { return: null }] },
    });
    const chain: NftObject = { chain: { family: "inet", table: "shadownet", name: "ingress_eth0" } };
    const objects = [
      chain,
      of("ingress_eth0", "web", payload("tcp", "dport", { range: [80, 90] })),
      of(
        "ingress_eth0",
        "web",
        payload("ip", "saddr", { range: ["10.0.0.0", "10.0.0.2"] }),
        payload("udp", "dport", 53),
      ),
      of(
        "ingress_eth0",
        "web",
        payload("ip6", "saddr", { prefix: { addr: "fd00::", len: 64 } }),
        payload("udp", "dport", 53),
      ),
      of("egress_eth0", "web", {
        match: { op: "==", left: { meta: { key: "l4proto" } }, right: { set: ["icmp", "ipv6-icmp"] } },
      }),
    ];
    assert.deepEqual(parseSecurityGroups(objects, "eth0"), [
      { group: "web", direction: "egress", protocol: "icmp" },
      { group: "web", direction: "ingress", protocol: "tcp", ports: "80-90" },
      {
        group: "web",
        direction: "ingress",
        protocol: "udp",
        ports: "53",
        cidrs: ["10.0.0.0/31", "10.0.0.2/32", "fd00::/64"],
      },
    ]);
    assert.equal(parseSecurityGroups(objects, "eth1"), undefined);
    assert.equal(parseAcl([]), undefined);
  });
});
