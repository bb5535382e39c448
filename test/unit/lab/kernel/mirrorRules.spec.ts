import assert from "node:assert/strict";

import { countersOf, mirrorRuleset, mirrorTable } from "../../../../components/lab/kernel/mirrorRules";
import type { LabMirrorSpec } from "../../../../components/lab/kernel/specs";

const devices = { boundaries: ["s1"], tunnel: "v1" };
const spec = (changes: Partial<LabMirrorSpec> = {}): LabMirrorSpec => ({
  network: "shop-dev",
  production: "production",
  vni: 7,
  percent: 25,
  seed: 9,
  sampleBy: "flow",
  include: [],
  exclude: [],
  services: [{ addresses: ["10.0.0.1", "fd00::1"], port: 80, protocol: "tcp" }],
  ...changes,
});

describe("the mirror's rules", () => {
  it("hash in client-to-server order in both directions", () => {
    const rules = mirrorRuleset(spec(), devices);
    assert.ok(rules.includes("jhash ip saddr . tcp sport . ip daddr . tcp dport mod 4 seed 9 0"));
    assert.ok(rules.includes("jhash ip daddr . tcp dport . ip saddr . tcp sport mod 4 seed 9 0"));
    assert.ok(rules.includes("jhash ip6 saddr . tcp sport . ip6 daddr . tcp dport"));
  });

  it("have no hash at 100 percent and no copy at 0", () => {
    const all = mirrorRuleset(spec({ percent: 100 }), devices);
    assert.ok(!all.includes("jhash") && all.includes('dup to "v1"'));
    const none = mirrorRuleset(spec({ percent: 0 }), devices);
    assert.ok(!none.includes("dup to"));
  });

  it("hash the client's address alone, and leave headers to the gateway", () => {
    const client = mirrorRuleset(spec({ sampleBy: "client" }), devices);
    assert.ok(client.includes("jhash ip saddr mod") && client.includes("jhash ip daddr mod"));
    assert.ok(!mirrorRuleset(spec({ sampleBy: "header" }), devices).includes("jhash"));
  });

  it("let excluded packets go before anything is counted, but not those that only the payload tells", () => {
    const rules = mirrorRuleset(
      spec({ exclude: [{ sourceCidr: "192.0.2.0/24", protocol: "tcp" }, { application: "dns" }] }),
      devices,
    );
    const chain = rules.slice(rules.indexOf("chain clientToServer {"));
    assert.ok(chain.indexOf("ip saddr 192.0.2.0/24 accept") < chain.indexOf("tcp dport 80 counter"));
    assert.equal(rules.match(/ accept\n/g)?.length, 2, "one exclusion in each direction");
  });

  it("copy TCP alone for a server's name, and leave the name to the gateway", () => {
    const include = [{ serverName: "www.shop.example", destinationPorts: ["443"] }];
    const rules = mirrorRuleset(spec({ include, exclude: [{ serverName: "pay.shop.example" }] }), devices);
    const from = rules.indexOf("chain clientToServer {");
    const chain = rules.slice(from, rules.indexOf("  }\n", from));
    assert.ok(chain.includes("ip protocol tcp tcp dport { 443 } counter jhash"));
    assert.ok(chain.includes("meta l4proto tcp tcp dport { 443 } counter jhash"));
    assert.ok(!chain.includes("udp") && !chain.includes("accept\n"), chain);
  });

  it("stand in the hooks of every boundary, inwards for what clients say and outwards for what servers say", () => {
    const rules = mirrorRuleset(spec(), { boundaries: ["b1", "b2"], tunnel: "v1" });
    const hook = (chain: string): string =>
      rules
        .slice(rules.indexOf(`chain ${chain} {`))
        .split("\n")[1]!
        .trim();
    assert.ok(hook("clientToServer").startsWith('type filter hook ingress devices = { "b1", "b2" }'));
    assert.ok(hook("serverToClient").startsWith('type filter hook egress devices = { "b1", "b2" }'));
    assert.ok(!rules.includes("jump"));
  });

  it("find all services of a kind with one look, each address and port together", () => {
    const services = [
      { addresses: ["10.0.0.1", "10.0.0.2", "fd00::1"], port: 80, protocol: "tcp" as const },
      { addresses: ["10.0.0.3"], port: 443, protocol: "tcp" as const },
      { addresses: ["10.0.0.3"], port: 53, protocol: "udp" as const },
    ];
    const rules = mirrorRuleset(spec({ services }), devices);
    assert.ok(rules.includes("ip daddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 80, 10.0.0.3 . 443 } counter jhash"));
    assert.ok(rules.includes("ip saddr . tcp sport { 10.0.0.1 . 80,"));
    assert.ok(rules.includes("ip daddr 10.0.0.3 udp dport 53 counter"));
    assert.ok(rules.includes("ip6 daddr fd00::1 tcp dport 80 counter"));
    assert.equal(rules.match(/ jhash /g)?.length, 6);
    assert.ok(!/jump|goto|counter name/.test(rules), rules);
  });

  it("give the share in lowest terms, which takes the same packets", () => {
    const share = (percent: number): string =>
      /mod .* seed 9 (?:0|< \d+)/.exec(mirrorRuleset(spec({ percent }), devices))![0];
    assert.equal(share(10), "mod 10 seed 9 0");
    assert.equal(share(30), "mod 10 seed 9 < 3");
    assert.equal(share(0.0001), "mod 1000000 seed 9 0");
    assert.equal(share(33.3333), "mod 1000000 seed 9 < 333333");
    const scaled = (hash: number, modulus: number): bigint => (BigInt(hash) * BigInt(modulus)) >> 32n;
    for (const [part, whole] of [
      [1, 10],
      [3, 10],
      [1, 3125],
    ] as const) {
      const edge = Math.ceil((2 ** 32 * part) / whole);
      for (const hash of [0, edge - 1, edge, 2 ** 32 - 1]) {
        const plain = scaled(hash, 1_000_000) < BigInt((1_000_000 * part) / whole);
        assert.equal(scaled(hash, whole) < BigInt(part), plain, `${hash} at ${part} of ${whole}`);
      }
    }
  });

  it("count a packet once where selectors overlap", () => {
    const include = [{ destinationPorts: ["80"] }, { destinationCidr: "10.0.0.0/8", protocol: "tcp" as const }];
    const rules = mirrorRuleset(spec({ include }), devices);
    const overlapping = rules.split("\n").filter((line) => line.startsWith("    meta protocol ip ip protocol tcp"));
    assert.equal(overlapping.length, 4);
    assert.ok(
      overlapping.every((line) => / counter goto take_tcp4_/.test(line)),
      rules,
    );
    assert.ok(rules.includes("meta protocol ip6 meta l4proto udp udp dport { 80 } counter jhash"), rules);
  });

  it("tell by a chain's name what its counters count", () => {
    assert.deepEqual(countersOf("clientToServer"), { direction: "clientToServer", seesFirst: true });
    assert.deepEqual(countersOf("serverToClient"), { direction: "serverToClient", seesFirst: true });
    assert.deepEqual(countersOf("take_tcp4_clientToServer"), { direction: "clientToServer", seesFirst: false });
    assert.deepEqual(countersOf("take_udp6_serverToClient"), { direction: "serverToClient", seesFirst: false });
  });

  it("carry the shadow's name, so that several shadows of one production coexist", () => {
    assert.equal(mirrorTable("shop-dev"), "shadownet_shop_dev");
    assert.notEqual(mirrorTable("shop-dev"), mirrorTable("shop-other"));
  });
});
