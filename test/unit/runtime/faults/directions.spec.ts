import assert from "node:assert/strict";

import fc from "fast-check";

import type { DirectionValues, FaultKind, FaultParameters } from "../../../../components/experiment";
import { compile } from "../../../../components/runtime/faults/compile";
import {
  counterOf,
  countersFromOtherEnd,
  countersOf,
  fromOtherEnd,
  onWay,
  separateWays,
} from "../../../../components/runtime/faults/directions";
import { validateFault } from "../../../../components/runtime/faults/parameters";
import type { FaultPlan } from "../../../../components/runtime/faults/plan";
import { capabilitySets, targetOf } from "./scenarios";

const ways = ["egress", "ingress"] as const;

/** Values of each kind that has a direction, so that any of them may be given to either direction. */
const valuesOf: Record<string, fc.Arbitrary<DirectionValues>> = {
  latency: fc.record({ delayMilliseconds: fc.integer({ min: 50, max: 90 }), jitterMilliseconds: fc.nat(50) }),
  packetLoss: fc.oneof(
    fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ burstP: fc.constantFrom(0.01, 0.1), burstR: fc.constantFrom(0.2, 0.5) }),
  ),
  corruption: fc.record({ percent: fc.integer({ min: 1, max: 100 }), bitsPerPacket: fc.integer({ min: 1, max: 16 }) }),
  payloadCorruption: fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
  duplicate: fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
  reorder: fc.record({ percent: fc.integer({ min: 1, max: 100 }), delayMilliseconds: fc.integer({ min: 1, max: 90 }) }),
  bandwidth: fc.record({ bitsPerSecond: fc.integer({ min: 8000, max: 1e9 }) }),
  blackhole: fc.record({ mode: fc.constantFrom("drop" as const, "reject" as const, "reset" as const) }),
};

function planOf(kind: FaultKind, parameters: FaultParameters, set = "relay"): FaultPlan {
  const fault = { kind, id: "x", durationSeconds: 10, seed: 3, ...parameters };
  return compile(fault, targetOf("link", "network", "v1"), capabilitySets[set]!);
}

/**
 * The rules at the first tap, that of what the target sends, without names that tell direction and place, and without
 * what lets a black hole's own answers pass: those of the other direction come this way too.
 */
function firstRules(plan: FaultPlan): string {
  const table = plan.apply.find(({ stdin }) => stdin?.startsWith("table") === true)!.stdin!;
  const chains = ["chosen0", "carry0", "act0", "tap0"];
  const texts = chains.map((name) => new RegExp(`(chain|set) ${name} \\{[^]*?\\n  \\}`).exec(table)?.[0] ?? "");
  assert.ok(texts[3]!.includes("hook ingress"), table);
  return texts
    .join("\n")
    .replaceAll(/(Egress|Ingress)\b/g, "")
    .replaceAll(/"sn\w+"/g, "")
    .replaceAll(/^.*(rst == rst|destination-unreachable) accept\n/gm, "");
}

describe("a fault on one way", () => {
  it("has that direction's values in place of the fault's own", () => {
    const fault = { percent: 5, seed: 1, egress: { percent: 20 }, ingress: { bitsPerPacket: 2 } };
    assert.deepEqual(onWay(fault, "egress"), { percent: 20, seed: 1 });
    assert.deepEqual(onWay(fault, "ingress"), { percent: 5, seed: 1, bitsPerPacket: 2 });
  });

  it("loses a share or bursts, never both", () => {
    assert.deepEqual(onWay({ percent: 5, egress: { burstP: 0.1, burstR: 1 } }, "egress"), { burstP: 0.1, burstR: 1 });
    assert.deepEqual(onWay({ burstP: 0.1, burstR: 1, burstK: 0.9, egress: { percent: 5 } }, "egress"), { percent: 5 });
  });

  it("takes a value that is not given for one that is not there", () => {
    assert.deepEqual(onWay({ percent: 5, egress: { percent: undefined } }, "egress"), { percent: 5 });
  });

  it("is counted apart only where both directions are on and one has values of its own", () => {
    assert.deepEqual(separateWays({ percent: 5 }), []);
    assert.deepEqual(separateWays({ direction: "egress", egress: { percent: 5 } }), []);
    assert.deepEqual(separateWays({ percent: 5, egress: { percent: 20 } }), ["egress", "ingress"]);
  });

  it("is the other one as the other end sees it, and so are its counters", () => {
    const values = { percent: 5, egress: { percent: 20 } };
    assert.deepEqual(fromOtherEnd({ ...values, direction: "egress" }), {
      percent: 5,
      direction: "ingress",
      ingress: { percent: 20 },
    });
    assert.deepEqual(fromOtherEnd(values), { percent: 5, ingress: { percent: 20 } });
    const counters = { matchedEgress: 1, droppedIngress: 2, milliseconds: 3 };
    assert.deepEqual(countersFromOtherEnd(counters), { matchedIngress: 1, droppedEgress: 2, milliseconds: 3 });
    assert.deepEqual(countersFromOtherEnd(countersFromOtherEnd(counters)), counters);
  });

  it("reads its own counters and those that belong to no direction", () => {
    const counters = { [counterOf("matched", "egress")]: 1, [counterOf("matched", "ingress")]: 2, milliseconds: 3 };
    assert.deepEqual(countersOf("egress", counters), { milliseconds: 3, matched: 1 });
    assert.deepEqual(countersOf("ingress", counters), { milliseconds: 3, matched: 2 });
  });
});

describe("compile with values for each direction", () => {
  for (const [kind, values] of Object.entries(valuesOf)) {
    it(`puts at each direction of ${kind} the rules of a fault with that direction's values alone`, () => {
      fc.assert(
        fc.property(values, values, (egress, ingress) => {
          const parameters = { egress, ingress };
          assert.deepEqual(validateFault(kind, parameters, "link", "fault"), []);
          const both = planOf(kind as FaultKind, parameters);
          assert.equal(both.direction, "both");
          assert.equal(firstRules(both), firstRules(planOf(kind as FaultKind, egress)));
          const names = both.effect.map(({ name }) => name);
          for (const way of ways) assert.ok(names.includes(counterOf("matched", way)), names.join(" "));
          assert.ok(!names.includes("matched"));
        }),
        { numRuns: 40 },
      );
    });

    it(`means by equal values of ${kind} for both directions what one set of values means`, () => {
      fc.assert(
        fc.property(values, (same) => {
          const [once, twice] = [same, { egress: same, ingress: same }].map((parameters) =>
            planOf(kind as FaultKind, parameters),
          );
          const named = (text: string): string =>
            text.replaceAll(/(Egress|Ingress)\b/g, "").replaceAll(/,"way":"\w+"/g, "");
          const text = ({ apply }: FaultPlan): string[] =>
            apply.map(({ argv, stdin = "" }) => [...argv, ...new Set(named(stdin).split("\n"))].join("\n"));
          assert.deepEqual(text(twice!), text(once!));
        }),
        { numRuns: 40 },
      );
    });
  }

  it("leaves everything as it is when only one direction is on", () => {
    const inside = planOf("packetLoss", { direction: "egress", egress: { percent: 5 } });
    const plain = planOf("packetLoss", { direction: "egress", percent: 5 });
    assert.deepEqual({ ...inside, fault: undefined }, { ...plain, fault: undefined });
  });

  it("goes to the relay when one direction spreads its delay, as netem cannot repeat that", () => {
    const values = { delayMilliseconds: 10, ingress: { jitterMilliseconds: 2 } };
    const fault = { kind: "latency" as const, id: "x", durationSeconds: 10, ...values };
    const capable = { ...capabilitySets.netem!, relay: ["node", "relay.js"] };
    assert.equal(compile(fault, targetOf("link", "network", "v1"), capable).mechanism, "relay");
    const even = { ...fault, ingress: undefined };
    assert.equal(compile(even, targetOf("link", "network", "v1"), capable).mechanism, "netem");
  });
});
