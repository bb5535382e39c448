import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { FaultKind, FaultParameters } from "../../../../components/experiment";
import { tryRun } from "../../../../components/internal/exec";
import { compile } from "../../../../components/runtime/faults/compile";
import { interpretEffect } from "../../../../components/runtime/faults/effect";
import type { FaultPlan, ResolvedTarget } from "../../../../components/runtime/faults/plan";
import { capabilitySets, targetOf } from "./scenarios";

const link = targetOf("link", "network", "v1");

function planOf(parameters: FaultParameters, target: ResolvedTarget = link, kind: FaultKind = "packetLoss"): FaultPlan {
  const fault = { kind, id: "x", durationSeconds: 10, percent: 5, probePackets: true, ...parameters };
  if (kind !== "packetLoss") delete (fault as FaultParameters).percent;
  return compile(fault, target, capabilitySets.relay!);
}

const pingsOf = ({ apply }: FaultPlan): string[] =>
  [...apply[0]!.argv[2]!.matchAll(/-I (\S+) (\S+); note/g)].map(([, device, address]) => `${device} ${address}`);

describe("probe packets", () => {
  it("go to the router next to the link, from the machine's own end, in the families that it has", () => {
    const plan = planOf({});
    assert.deepEqual(pingsOf(plan), ["eth0 10.1.1.1"]);
    assert.match(plan.apply[0]!.argv[2]!, /ip netns exec sn\.shop\.app-1 ping/);
    const both = { ...link, links: [{ ...link.links[0]!, addresses: ["10.1.1.5", "fd00:1:1::5"] }] };
    assert.deepEqual(pingsOf(planOf({}, both)), ["eth0 10.1.1.1", "eth0 fd00:1:1::1"]);
  });

  it("go to the addresses that are named, and of a flow to its other end", () => {
    assert.deepEqual(pingsOf(planOf({ probeAddresses: ["10.1.2.7", "10.1.2.8"] })), ["eth0 10.1.2.7", "eth0 10.1.2.8"]);
    const flow = { sourceCidr: "10.1.1.5", destinationCidr: "10.9.9.9/32" };
    assert.deepEqual(pingsOf(planOf({}, { ...link, kind: "flow", flow })), ["eth0 10.9.9.9"]);
    const wide = { destinationCidr: "10.9.0.0/16" };
    assert.deepEqual(pingsOf(planOf({ probeAddresses: ["10.9.4.4"] }, { ...link, kind: "flow", flow: wide })), [
      "eth0 10.9.4.4",
    ]);
  });

  it("wait longer for an answer than the fault delays it", () => {
    const slow = { egress: { delayMilliseconds: 1500, jitterMilliseconds: 100 }, ingress: { delayMilliseconds: 700 } };
    assert.match(planOf(slow, link, "latency").apply[0]!.argv[2]!, /-W 4 /);
    assert.match(planOf({}).apply[0]!.argv[2]!, /-W 1 /);
  });

  it("are sent before anything is broken and again when all of it is, and end first", () => {
    const plan = planOf({ delayMilliseconds: 5 }, link, "latency");
    assert.match(plan.apply[0]!.argv[2]!, /^# probe packets before the fault/);
    assert.deepEqual(plan.apply.at(-1)!.background, { pidFile: "{state}/probes.pid" });
    assert.match(plan.undo[0]!.argv[2]!, /^# end the probe packets/);
  });

  it("have a chain and counters of their own, so that they choose nothing among the target's packets", () => {
    const table = planOf({ percent: 7 }).apply.find(({ stdin }) => stdin?.startsWith("table") === true)!.stdin!;
    const lines = table.split("\n").map((line) => line.trim());
    const [probe, own] = ["goto probe0", "goto act0"].map((end) => lines.findIndex((line) => line.endsWith(end)));
    assert.ok(probe! > 0 && probe! < own!, table);
    assert.match(lines[probe!]!, /@th,192,64 0x736e70726f626573 counter name probeMatched goto probe0$/);
    assert.equal(lines.filter((line) => line.startsWith("numgen inc")).length, 4, "two taps, two chains each");
    assert.equal(lines.filter((line) => line === "counter name probeDropped drop").length, 2);
  });

  it("leave a plan without them as it was", () => {
    const [without, off] = [undefined, false].map((probePackets) => planOf({ probePackets }));
    assert.deepEqual({ ...off, fault: 0 }, { ...without, fault: 0 });
    assert.ok(!JSON.stringify(without!.apply).includes("ping"));
  });

  for (const [what, parameters, target, expected] of [
    [
      "a flow of tcp",
      {},
      targetOf("flow", "network", "v1"),
      /fault\.probePackets: probe packets are pings.*leave probePackets out/,
    ],
    [
      "nobody known to answer",
      {},
      targetOf("link", "machine", "v1"),
      /fault\.probeAddresses: missing; nobody is known/,
    ],
    [
      "an address outside the flow",
      { probeAddresses: ["10.8.0.1"] },
      { ...link, kind: "flow", flow: { destinationCidr: "10.9.0.0/16" } },
      /10\.8\.0\.1 lies outside the flow/,
    ],
    [
      "an address that is exempt",
      { probeAddresses: ["100.64.0.9"] },
      link,
      /100\.64\.0\.9 lies in what the fault lets be/,
    ],
    ["an address of another family", { probeAddresses: ["fd00::1"] }, link, /has no address of the family of fd00::1/],
    [
      "a link of which only one side is known",
      {},
      { ...link, links: [{ ...link.links[0]!, peer: undefined }] },
      /only the network's side of app-1\/eth0 is known/,
    ],
  ] as const) {
    it(`are refused for ${what}`, () => {
      assert.throws(() => planOf(parameters as FaultParameters, target as ResolvedTarget), expected);
    });
  }

  it("are sent by shell text that shellcheck accepts", async function () {
    this.timeout(120_000);
    const folder = mkdtempSync(join(tmpdir(), "shadownet-probes-"));
    const file = join(folder, "probes.sh");
    const text = planOf({}).apply.at(-2)!.stdin!.replaceAll("{state}", "/run/x");
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    const { code, stdout } = await tryRun(["shellcheck", "-s", "sh", file]);
    rmSync(folder, { recursive: true });
    assert.equal(code, 0, stdout);
  });
});

describe("the proof by probe packets", () => {
  const sent = (during: [number, number, number], before: [number, number, number] = [5, 5, 500]) => ({
    ...{ probesSent: during[0], probesAnswered: during[1], probesMicroseconds: during[2] },
    ...{ probesSentBefore: before[0], probesAnsweredBefore: before[1], probesMicrosecondsBefore: before[2] },
  });
  const effectOf = (kind: FaultKind, parameters: FaultParameters, counters: Record<string, number>) =>
    interpretEffect(planOf(parameters, link, kind), counters);

  it("stands for traffic that is not there, and says so", () => {
    const counters = { matched: 0, dropped: 0, probeMatched: 200, probeDropped: 11, ...sent([100, 89, 8900]) };
    const { proven, why, asked, probes } = effectOf("packetLoss", { percent: 5 }, counters);
    assert.equal(proven, true, why);
    assert.equal(asked, 5);
    assert.match(
      why,
      /^nothing but probe packets passed, and they show: 11 of 200 packets lost: asked 5 %, measured 5.5 %/,
    );
    assert.match(
      why,
      /; 89 of 100 probe packets were answered in 0.1 ms on average, before the fault 5 of 5 in 0.1 ms on average$/,
    );
    assert.deepEqual(probes, {
      during: { sent: 100, answered: 89, roundTripMilliseconds: 0.1 },
      before: { sent: 5, answered: 5, roundTripMilliseconds: 0.1 },
    });
  });

  it("takes the place of a few packets that are noise of the network", () => {
    const counters = { matched: 4, dropped: 0, probeMatched: 200, probeDropped: 11, ...sent([100, 89, 8900]) };
    const { proven, why } = effectOf("packetLoss", { percent: 5 }, counters);
    assert.equal(proven, true, why);
    assert.match(why, /^only 4 packets but probe packets passed, and they show: 11 of 200/);
  });

  it("is only added where the target has traffic of its own", () => {
    const counters = { matched: 1000, dropped: 400, probeMatched: 200, probeDropped: 10, ...sent([100, 90, 9000]) };
    const { proven, why } = effectOf("packetLoss", { percent: 5 }, counters);
    assert.equal(proven, false, "the probes do not make up for what the target's own packets show");
    assert.match(why, /^400 of 1000 packets lost.*; 90 of 100 probe packets/);
  });

  it("is none when neither traffic nor probes passed", () => {
    const { proven, why } = effectOf("packetLoss", {}, { matched: 0, probeMatched: 0, ...sent([0, 0, 0]) });
    assert.equal(proven, false);
    assert.match(why, /^no packet matched.*; 0 of 0 probe packets were answered/);
  });

  it("refutes a cut that lets probes through, and a delay that they do not feel", () => {
    const cut = effectOf("blackhole", {}, { matched: 50, dropped: 50, ...sent([30, 2, 200]) });
    assert.deepEqual([cut.proven, /came through, so it does not cut/.test(cut.why)], [false, true]);
    const down = effectOf("linkDown", {}, { down: 1, ...sent([30, 0, 0]) });
    assert.equal(down.proven, true, down.why);
    const relay = { matched: 10, delayed: 40, probeMatched: 30, heldMicroseconds: 800_000 };
    const slow = { delayMilliseconds: 20, direction: "egress" as const };
    assert.equal(effectOf("latency", slow, { ...relay, ...sent([15, 15, 303_000]) }).proven, true);
    const unfelt = effectOf("latency", slow, { ...relay, ...sent([15, 15, 3000]) });
    assert.equal(unfelt.proven, false);
    assert.match(unfelt.why, /took 0\.1 ms longer than before, not 20 ms/);
  });

  it("counts what the relay held for the target without the probes that it held too", () => {
    const relay = { matched: 100, delayed: 130, probeMatched: 30, heldMicroseconds: 2_600_000 };
    const parameters = { delayMilliseconds: 20, direction: "egress" as const };
    const { why } = effectOf("latency", parameters, { ...relay, ...sent([15, 15, 303_000]) });
    assert.match(why, /^100 packets were held for 20 ms/);
  });

  it("is read for each direction where their values are separate", () => {
    const counters = {
      ...{ matchedEgress: 0, probeMatchedEgress: 100, probeDroppedEgress: 6 },
      ...{ matchedIngress: 100, droppedIngress: 20, probeMatchedIngress: 94, probeDroppedIngress: 90 },
      ...sent([100, 4, 400]),
    };
    const { proven, why } = effectOf("packetLoss", { egress: { percent: 5 }, ingress: { percent: 20 } }, counters);
    assert.equal(proven, true, why);
    assert.match(
      why,
      /^egress: nothing but probe packets passed, and they show: 6 of 100.*; ingress: 20 of 100 packets lost/,
    );
  });
});
