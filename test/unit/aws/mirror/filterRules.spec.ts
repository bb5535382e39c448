import assert from "node:assert/strict";

import fc from "fast-check";

import { covers, filterRules, matchesOf, mostFilterRules } from "../../../../components/aws/mirror/filterRules";
import { formatAddress } from "../../../../components/internal/cidr";
import type { TrafficSelector } from "../../../../components/mirror";

const cidr = fc
  .tuple(fc.bigInt({ min: 0n, max: 0xffffffffn }), fc.integer({ min: 0, max: 32 }))
  .map(([value, length]) => {
    const shift = BigInt(32 - length);
    return `${formatAddress({ family: 4, value: (value >> shift) << shift })}/${length}`;
  });
const ports = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 2_000 }))
    .map(([first, more]) => `${first}-${Math.min(65_535, first + more)}`),
  { minLength: 1, maxLength: 3 },
);
const selector: fc.Arbitrary<TrafficSelector> = fc.record(
  {
    sourceCidr: cidr,
    destinationCidr: cidr,
    protocol: fc.constantFrom("tcp" as const, "udp" as const, "any" as const),
    sourcePorts: ports,
    destinationPorts: ports,
  },
  { requiredKeys: [] },
);

describe("rules of a mirror filter", () => {
  it("never has more than ten, and takes all that was asked for, in both directions", () => {
    fc.assert(
      fc.property(
        fc.array(selector, { minLength: 1, maxLength: 8 }),
        fc.array(selector, { maxLength: 4 }),
        (include, exclude) => {
          const { rules } = filterRules(include, exclude);
          assert.ok(rules.length <= mostFilterRules);
          const accepts = (direction: string): typeof rules =>
            rules.filter((rule) => rule.action === "accept" && rule.direction === direction);
          const turned = accepts("egress").map((rule) => ({
            ...(rule.protocol === undefined ? {} : { protocol: rule.protocol }),
            sourceCidr: rule.destinationCidr,
            destinationCidr: rule.sourceCidr,
            ...(rule.destinationPorts === undefined ? {} : { sourcePorts: rule.destinationPorts }),
            ...(rule.sourcePorts === undefined ? {} : { destinationPorts: rule.sourcePorts }),
          }));
          for (const match of include.flatMap(matchesOf)) {
            assert.ok(accepts("ingress").some((rule) => covers(rule, match)));
            assert.ok(turned.some((rule) => covers(rule, match)));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("rejects nothing that was not excluded, and rejects before it accepts", () => {
    fc.assert(
      fc.property(
        fc.array(selector, { minLength: 1, maxLength: 3 }),
        fc.array(selector, { maxLength: 4 }),
        (include, exclude) => {
          const { rules } = filterRules(include, exclude);
          const excluded = exclude.flatMap(matchesOf);
          for (const rule of rules.filter(({ action, direction }) => action === "reject" && direction === "ingress")) {
            assert.ok(excluded.some((match) => covers(match, rule)));
          }
          const numbers = (action: string): number[] =>
            rules.filter((rule) => rule.action === action).map(({ number }) => number);
          for (const number of numbers("reject")) assert.ok(numbers("accept").every((other) => other > number));
          const keys = rules.map(({ direction, number }) => `${direction} ${number}`);
          assert.equal(new Set(keys).size, rules.length, "a number is there once in each direction");
          assert.equal(new Set(rules.map(({ slot }) => slot)).size, rules.length);
          assert.ok(
            rules.every(
              (rule) => rule.protocol !== undefined || (rule.sourcePorts ?? rule.destinationPorts) === undefined,
            ),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it("merges what lies nearest, and says so", () => {
    const include = ["80", "81", "443", "8080", "9000", "9100"].map((port) => ({
      protocol: "tcp" as const,
      destinationPorts: [port],
    }));
    const { rules, broadened } = filterRules(include, []);
    const spans = rules
      .filter(({ direction }) => direction === "ingress")
      .map(({ destinationPorts }) => destinationPorts);
    assert.equal(spans.length, 5);
    assert.ok(
      spans.some((span) => span?.first === 80 && span.last === 81),
      JSON.stringify(spans),
    );
    assert.match(broadened.join(), /6 matches are merged into 5/);
  });

  it("copies TCP to the ports for a server's name, and says that the gateways choose", () => {
    const include = [{ serverName: "*.shop.example", destinationPorts: ["443"] }];
    const { rules, broadened } = filterRules(include, [{ serverName: "pay.shop.example" }]);
    assert.deepEqual(
      rules.map(({ slot, protocol }) => [slot, protocol]),
      [
        ["accept-1-ingress", 6],
        ["accept-1-egress", 6],
      ],
    );
    assert.match(broadened.join(), /include\[0\] looks inside flows, which the filter cannot/);
    assert.match(broadened.join(), /exclude\[0\] is applied by the gateways/);
  });

  it("says what only the gateways can do", () => {
    const include = [{ application: "http1" }];
    const exclude = [{ application: "ssh" }, { protocol: "tcp" as const, destinationPorts: ["22"] }];
    const { rules, broadened } = filterRules(include, exclude);
    assert.deepEqual(rules.map(({ slot }) => slot).sort(), [
      "accept-1-egress",
      "accept-1-ingress",
      "reject-1-egress",
      "reject-1-ingress",
    ]);
    assert.match(broadened.join(), /include\[0\] looks inside flows/);
    assert.match(broadened.join(), /exclude\[0\] is applied by the gateways/);
  });
});
