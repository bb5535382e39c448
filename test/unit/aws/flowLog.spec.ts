import assert from "node:assert/strict";

import fc from "fast-check";

import { escapeFilters, flowLogFormat, insideExpression } from "../../../components/aws/flowLog";
import { cidrContains, formatAddress, parseCidr } from "../../../components/internal/cidr";
import { matchesFilterPattern } from "../../support/filterPattern";

const cidrs = ["10.20.0.0/16", "10.21.128.0/20", "100.64.0.0/20", "2a05:d014:abc:de00::/56"];
const gatewaySubnets = ["subnet-0aaa", "subnet-0bbb"];
const filters = escapeFilters(cidrs, gatewaySubnets);

/** A line of the flow log as AWS writes it: fields in order, `-` where a field says nothing. */
function line(part: Record<string, string>): string {
  const usual: Record<string, string> = {
    version: "5",
    "account-id": "222233334444",
    "interface-id": "eni-0123456789abcdef0",
    srcaddr: "10.20.1.11",
    dstaddr: "10.20.2.12",
    srcport: "40112",
    dstport: "8080",
    protocol: "6",
    packets: "12",
    bytes: "3410",
    start: "1768471200",
    end: "1768471259",
    action: "ACCEPT",
    "log-status": "OK",
    "subnet-id": "subnet-0ccc",
    "pkt-srcaddr": "10.20.1.11",
    "pkt-dstaddr": "10.20.2.12",
    "flow-direction": "egress",
    "traffic-path": "1",
    "pkt-dst-aws-service": "-",
  };
  const names = flowLogFormat.split(" ").map((field) => field.slice(2, -1));
  assert.deepEqual(
    Object.keys(part).filter((name) => !names.includes(name)),
    [],
  );
  return names.map((name) => part[name] ?? usual[name]).join(" ");
}

function matching(part: Record<string, string>): string[] {
  return filters.filter(({ pattern }) => matchesFilterPattern(pattern, line(part))).map(({ name }) => name);
}

const inGateway = { "subnet-id": "subnet-0bbb" };

describe("filters on the flow log that find packets which left", () => {
  const cases: [string, Record<string, string>, string[]][] = [
    ["traffic between machines", {}, []],
    ["an answer to a replayed client, on its way to the gateway", { dstaddr: "203.0.113.7" }, []],
    [
      "the same as the gateway's interface gets it",
      { ...inGateway, dstaddr: "203.0.113.7", "flow-direction": "ingress", "traffic-path": "-" },
      [],
    ],
    ["a request that the gateway replays from a client's address", { ...inGateway, srcaddr: "203.0.113.7" }, []],
    ["a gateway's own metrics, to the endpoints' subnet", { ...inGateway, dstaddr: "100.64.15.9" }, []],
    [
      "S3 by its gateway endpoint on Nitro",
      { dstaddr: "52.219.1.1", "traffic-path": "7", "pkt-dst-aws-service": "S3" },
      [],
    ],
    [
      "S3 by its gateway endpoint on older types",
      { dstaddr: "52.219.1.1", "traffic-path": "2", "pkt-dst-aws-service": "S3" },
      [],
    ],
    ["an internet gateway on Nitro", { dstaddr: "203.0.113.7", "traffic-path": "8" }, ["path"]],
    ["an internet gateway on older types", { dstaddr: "203.0.113.7", "traffic-path": "2" }, ["internet"]],
    [
      "another AWS service by an internet gateway",
      { dstaddr: "3.5.1.1", "traffic-path": "2", "pkt-dst-aws-service": "AMAZON" },
      ["internet"],
    ],
    ["a VPN gateway", { dstaddr: "192.168.1.1", "traffic-path": "3" }, ["path"]],
    ["a peering in the region", { dstaddr: "10.99.0.1", "traffic-path": "4" }, ["path"]],
    ["a peering with the same addresses", { "traffic-path": "4" }, ["path"]],
    [
      "a peering between regions over IPv6",
      { srcaddr: "2a05:d014:abc:de01::5", dstaddr: "2a05:d014:def:100::1", "traffic-path": "5" },
      ["path"],
    ],
    [
      "a gateway that sends a client's answer on",
      { ...inGateway, srcaddr: "10.20.1.11", dstaddr: "203.0.113.7" },
      ["gateway"],
    ],
    ["a gateway next to the ranges", { ...inGateway, dstaddr: "10.21.144.1" }, ["gateway"]],
    ["a gateway above the appliances' range", { ...inGateway, dstaddr: "100.64.16.1" }, ["gateway"]],
    ["a gateway over IPv6", { ...inGateway, dstaddr: "2001:db8::7" }, ["gateway"]],
    ["a gateway to the shadow's own IPv6", { ...inGateway, dstaddr: "2a05:d014:abc:de01::7" }, []],
    ["what a security group refused", { dstaddr: "203.0.113.7", "traffic-path": "8", action: "REJECT" }, []],
  ];
  for (const [name, part, expected] of cases) {
    it(`${expected.length === 0 ? "let pass" : "find"} ${name}`, () => assert.deepEqual(matching(part), expected));
  }

  it("say nothing of intervals without data or with skipped records", () => {
    const none = [
      "srcaddr",
      "dstaddr",
      "srcport",
      "dstport",
      "protocol",
      "packets",
      "bytes",
      "action",
      "pkt-srcaddr",
      "pkt-dstaddr",
      "flow-direction",
      "traffic-path",
    ];
    const empty = Object.fromEntries(none.map((field) => [field, "-"]));
    for (const status of ["NODATA", "SKIPDATA"]) {
      assert.deepEqual(matching({ ...empty, ...inGateway, "log-status": status }), []);
    }
  });

  it("keep within what CloudWatch takes: 1,024 characters, two regular expressions", () => {
    for (const { pattern } of filters) assert.ok(pattern.length <= 1024, `${pattern.length}`);
    const many = Array.from({ length: 90 }, (_, index) => `10.${index}.16.0/20`);
    const crowded = escapeFilters(many, gatewaySubnets);
    assert.deepEqual(
      crowded.map(({ name }) => name),
      ["path", "internet", "gateway"],
    );
    const gateway = crowded.at(-1)!.pattern;
    assert.ok(gateway.length <= 1024, `${gateway.length}`);
    assert.ok(!matchesFilterPattern(gateway, line({ ...inGateway, dstaddr: "10.7.17.1" })));
    assert.ok(matchesFilterPattern(gateway, line({ ...inGateway, dstaddr: "203.0.113.7" })));
  });

  it("match exactly the addresses of IPv4 ranges", () => {
    const ranges = fc.tuple(fc.nat(0xffffffff), fc.integer({ min: 8, max: 32 })).map(([address, length]) => {
      const base = (BigInt(address) >> BigInt(32 - length)) << BigInt(32 - length);
      return `${formatAddress({ family: 4, value: base })}/${length}`;
    });
    fc.assert(
      fc.property(ranges, fc.nat(0xffffffff), fc.integer({ min: -2, max: 2 }), (cidr, anywhere, near) => {
        const { base, length } = parseCidr(cidr)!;
        const edge = base + (1n << BigInt(32 - length)) + BigInt(near);
        for (const value of [BigInt(anywhere), base, base - 1n, edge].filter((v) => v >= 0n && v <= 0xffffffffn)) {
          const address = formatAddress({ family: 4, value });
          const expected = cidrContains(cidr, `${address}/32`);
          assert.equal(new RegExp(insideExpression([cidr])).test(address), expected, `${address} in ${cidr}`);
        }
      }),
    );
  });
});
