import assert from "node:assert/strict";

import type { FaultKind, FaultParameters } from "../../../../components/experiment";
import { compile } from "../../../../components/runtime/faults/compile";
import { interpretEffect } from "../../../../components/runtime/faults/effect";
import { capabilitySets, targetOf } from "./scenarios";

function effectOf(kind: FaultKind, parameters: FaultParameters, counters: Record<string, number>, set = "relay") {
  const fault = { kind, id: "x", durationSeconds: 10, ...parameters };
  const capabilities = capabilitySets[set]!;
  return interpretEffect(compile(fault, targetOf("machine", "network", capabilities.cgroup), capabilities), counters);
}

describe("interpretEffect", () => {
  const cases: [string, FaultKind, FaultParameters, Record<string, number>, boolean, RegExp][] = [
    [
      "loss near what was asked",
      "packetLoss",
      { percent: 5 },
      { matched: 20_000, dropped: 1013 },
      true,
      /asked 5 %, measured 5.07 %/,
    ],
    [
      "loss far from it",
      "packetLoss",
      { percent: 5 },
      { matched: 20_000, dropped: 1300 },
      false,
      /further off than chance/,
    ],
    ["nothing matched", "packetLoss", { percent: 5 }, { matched: 0, dropped: 0 }, false, /no packet matched/],
    ["too few packets", "packetLoss", { percent: 5 }, { matched: 4, dropped: 0 }, false, /too few packets/],
    ["bursts", "packetLoss", { burstP: 0.05, burstR: 0.25 }, { matched: 3000, dropped: 560 }, true, /asked 16.7 %/],
    [
      "a black hole whose packets were counted while it was read",
      "blackhole",
      {},
      { matched: 700, dropped: 704 },
      true,
      /700 of 700/,
    ],
    ["a black hole", "blackhole", {}, { matched: 7, dropped: 7 }, true, /7 of 7/],
    [
      "payload counted by what carries some",
      "payloadCorruption",
      { percent: 10 },
      { matched: 4000, carrying: 1000, corrupted: 101 },
      true,
      /101 of 1000/,
    ],
    [
      "no packet with anything in it",
      "payloadCorruption",
      { percent: 10 },
      { matched: 4000, carrying: 0, corrupted: 0 },
      false,
      /^none of 4000 packets carried anything that could be corrupted$/,
    ],
    [
      "every fifth held back",
      "reorder",
      { gap: 5 },
      { matched: 1000, reordered: 200, overflowed: 0 },
      true,
      /asked 20 %/,
    ],
    [
      "delay",
      "latency",
      { delayMilliseconds: 5 },
      { matched: 10, delayed: 10, overflowed: 0, late: 2, heldMicroseconds: 52_000 },
      true,
      /10 packets were held for 5.2 ms on average, 2 left more than 1 ms late/,
    ],
    [
      "delay on a host that stood still for a moment",
      "latency",
      { delayMilliseconds: 5 },
      { matched: 100, delayed: 100, late: 12, heldMicroseconds: 2_000_000 },
      true,
      /held for 20 ms on average, 12 left more than 1 ms late/,
    ],
    [
      "a relay that sent nothing on",
      "latency",
      { delayMilliseconds: 5 },
      { matched: 10, delayed: 0 },
      false,
      /none was held/,
    ],
    [
      "an overflow",
      "latency",
      { delayMilliseconds: 5 },
      { matched: 10, delayed: 8, overflowed: 2 },
      false,
      /overflowed and lost 2/,
    ],
    [
      "a host too busy to be in time",
      "latency",
      { delayMilliseconds: 5 },
      { matched: 100, delayed: 100, late: 100, heldMicroseconds: 900_000 },
      false,
      /too busy/,
    ],
    [
      "a limit that was reached",
      "bandwidth",
      { bitsPerSecond: 1e6 },
      { matched: 10, limited: 4, passedBytes: 125_000, dropped: 1, milliseconds: 1000 },
      true,
      /1000000 bit\/s passed/,
    ],
    [
      "a limit that was never reached",
      "bandwidth",
      { bitsPerSecond: 1e6 },
      { matched: 10, limited: 0 },
      false,
      /never reached/,
    ],
    ["a link that is down", "linkDown", {}, { down: 1 }, true, /1 of 1 link seen down/],
    ["a link that is not", "linkDown", {}, { down: 0 }, false, /0 of 1/],
    ["a machine that is dead", "machineCrash", {}, { killed: 1 }, true, /seen dead/],
    [
      "a machine that was never throttled",
      "cpuExhaustion",
      { sharePercent: 50 },
      { throttled: 0 },
      false,
      /never used/,
    ],
    [
      "a name in a hosts file",
      "dnsFailure",
      { names: ["db"] },
      { matched: 0, failed: 0, hidden: 1 },
      true,
      /1 messages or hosts files/,
    ],
  ];

  for (const [what, kind, parameters, counters, proven, why] of cases) {
    it(`${proven ? "proves" : "does not prove"} ${what}`, () => {
      const effect = effectOf(kind, parameters, { ...counters });
      assert.equal(effect.proven, proven, effect.why);
      assert.match(effect.why, why);
      assert.deepEqual(effect.counters, counters);
    });
  }

  it("judges each direction by its own counters where their values are separate", () => {
    const parameters = { egress: { percent: 5 }, ingress: { percent: 20 } };
    const counters = { matchedEgress: 1000, droppedEgress: 52, matchedIngress: 1000, droppedIngress: 205 };
    const good = effectOf("packetLoss", parameters, counters);
    assert.equal(good.proven, true, good.why);
    assert.deepEqual(good.counters, counters);
    assert.deepEqual(good.directions?.egress, {
      asked: 5,
      measured: 5.2,
      unit: "%",
      proven: true,
      why: "52 of 1000 packets lost: asked 5 %, measured 5.2 %",
    });
    assert.deepEqual([good.directions.ingress.asked, good.directions.ingress.measured], [20, 20.5]);
    const swapped = { matchedEgress: 1000, droppedEgress: 205, matchedIngress: 1000, droppedIngress: 52 };
    const bad = effectOf("packetLoss", parameters, swapped);
    assert.deepEqual(
      [bad.proven, bad.directions?.egress.proven, bad.directions?.ingress.proven],
      [false, false, false],
    );
    const oneWay = effectOf("packetLoss", parameters, { ...counters, matchedEgress: 0, droppedEgress: 0 });
    assert.equal(oneWay.proven, false);
    assert.match(oneWay.why, /^egress: no packet matched.*; ingress: 205 of 1000/);
  });

  it("judges bursts in one direction as bursts and the share of the other as a share", () => {
    const parameters = { percent: 5, ingress: { burstP: 0.05, burstR: 0.25 } };
    const counters = { matchedEgress: 3000, droppedEgress: 150, matchedIngress: 3000, droppedIngress: 560 };
    const { proven, directions, why } = effectOf("packetLoss", parameters, counters);
    assert.equal(proven, true, why);
    assert.deepEqual([directions!.egress.asked, directions!.ingress.asked!.toFixed(2)], [5, "16.67"]);
  });

  it("reads the delay of each direction from the relay and from netem", () => {
    const parameters = { egress: { delayMilliseconds: 10 }, ingress: { delayMilliseconds: 40 } };
    const held = {
      ...{ matchedEgress: 10, delayedEgress: 10, heldMicrosecondsEgress: 102_000 },
      ...{ matchedIngress: 10, delayedIngress: 10, heldMicrosecondsIngress: 401_000 },
    };
    const relay = effectOf("latency", parameters, held);
    assert.equal(relay.proven, true, relay.why);
    assert.deepEqual([relay.directions!.egress.measured, relay.directions!.ingress.measured], [10.2, 40.1]);
    assert.equal(effectOf("latency", parameters, { ...held, overflowedIngress: 3 }).proven, false);
    const netem = effectOf("latency", parameters, { matchedEgress: 1, matchedIngress: 1 }, "netem");
    assert.deepEqual([netem.proven, netem.directions!.egress.asked, netem.directions!.ingress.asked], [true, 10, 40]);
  });

  it("trusts netem's own queue", () => {
    const good = effectOf("latency", { delayMilliseconds: 5 }, { matched: 5, overflowed: 0 }, "netem");
    assert.deepEqual([good.proven, good.asked, good.unit], [true, 5, "ms"]);
    assert.equal(effectOf("latency", { delayMilliseconds: 5 }, { matched: 5, overflowed: 1 }, "netem").proven, false);
  });
});
