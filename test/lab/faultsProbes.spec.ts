import assert from "node:assert/strict";

import type { FaultKind, FaultParameters, Flow } from "../../components/experiment";
import { run } from "../../components/internal/exec";
import { type FaultBed, type RunningFault, eventually, useFaultBed } from "./faultsBed";

/** A fault that nothing but its own probe packets meets, and what they must show. */
interface Cell {
  kind: FaultKind;
  parameters: FaultParameters;
  /** Whether the share of the probes that were answered is right. */
  answered: (share: number) => boolean;
  why: RegExp;
}

const cells: Cell[] = [
  {
    kind: "packetLoss",
    parameters: { percent: 50, direction: "ingress" },
    answered: (share) => share > 0.1 && share < 0.9,
    why: /but probe packets passed, and they show: \d+ of \d+ packets lost: asked 50 %/,
  },
  {
    kind: "packetLoss",
    parameters: { egress: { percent: 30 }, ingress: { percent: 50 } },
    answered: (share) => share > 0.02 && share < 0.8,
    why: /egress: .* but probe packets passed.*asked 30 %.*ingress: .* but probe.*asked 50 %/,
  },
  { kind: "blackhole", parameters: {}, answered: (share) => share === 0, why: /\d+ of \d+ packets dropped/ },
  { kind: "linkDown", parameters: {}, answered: (share) => share === 0, why: /1 of 1 link seen down/ },
  { kind: "duplicate", parameters: { percent: 50 }, answered: (share) => share === 1, why: /packets doubled/ },
  {
    kind: "corruption",
    parameters: { percent: 50, direction: "egress" },
    answered: (share) => share > 0.1 && share < 0.9,
    why: /packets corrupted/,
  },
];

describe("probe packets of a fault on a real kernel", function () {
  this.timeout(120_000);
  let bed: FaultBed;
  useFaultBed((made) => (bed = made));

  /** Starts a fault and keeps it alive until it has sent as many probes. */
  async function probed(kind: FaultKind, parameters: FaultParameters, count = 30): Promise<RunningFault> {
    const fault = await bed.start({ kind, seed: 5, probePackets: true, ...parameters });
    await eventually(async () => {
      await fault.call("heartbeat");
      return (await fault.effect()).probes!.during.sent >= count;
    }, `${count} probes`);
    return fault;
  }

  for (const family of [4, 6] as const) {
    const probeAddresses = (): string[] => [bed.addresses.a[family]];

    for (const { kind, parameters, answered, why } of cells) {
      it(`prove ${kind} ${JSON.stringify(parameters)} without any other traffic, IPv${family}`, async () => {
        const fault = await probed(kind, { ...parameters, probeAddresses: probeAddresses() });
        const effect = await fault.effect();
        assert.ok(effect.proven, effect.why);
        assert.match(effect.why, why);
        const { during, before: earlier } = effect.probes!;
        assert.ok(answered(during.answered / during.sent), `${during.answered} of ${during.sent}`);
        assert.deepEqual([earlier.sent, earlier.answered], [5, 5]);
        // The network looks its neighbours up meanwhile; nothing else is the target's own.
        const own = ["matched", "matchedEgress", "matchedIngress"].map((name) => effect.counters[name] ?? 0);
        assert.ok(Math.max(...own) < 20, JSON.stringify(effect.counters));
        await fault.stop();
      });
    }

    it(`measure a delay from outside, before and during it, IPv${family}`, async () => {
      const fault = await probed("latency", {
        egress: { delayMilliseconds: 10 },
        ingress: { delayMilliseconds: 40 },
        probeAddresses: probeAddresses(),
      });
      const effect = await fault.effect();
      assert.match(effect.why, /egress: .* packets were held for 1\d.*; ingress: .* packets were held for [45]\d/);
      assert.ok(!effect.why.includes("longer than before"), effect.why);
      const { during, before: earlier } = effect.probes!;
      assert.ok(earlier.roundTripMilliseconds! < 10, `${earlier.roundTripMilliseconds} ms before`);
      assert.ok(during.roundTripMilliseconds! >= 49.5, `${during.roundTripMilliseconds} ms during`);
      assert.equal(during.answered, during.sent);
      await fault.stop();
    });

    it(`are never counted as the target's own packets and choose nothing for them, IPv${family}`, async () => {
      const flow: Flow = { sourceCidr: bed.addresses.a[family], destinationCidr: bed.addresses.b[family] };
      const target = bed.target({ flow });
      const lost: number[] = [];
      for (const probePackets of [false, true]) {
        const parameters = { percent: 20, direction: "ingress" as const, seed: 11, probePackets };
        const fault = await bed.start({ kind: "packetLoss", ...parameters }, target, { heartbeats: false });
        lost.push(2000 - (await bed.datagrams("a", family, 7001, 2000, 2000)).received);
        const { counters, proven, why } = await fault.effect();
        // Over IPv6 a flow without a protocol includes the neighbours' looking each other up.
        const strange = family === 4 ? 0 : 10;
        assert.ok(counters.matched! >= 2000 && counters.matched! <= 2000 + strange, `${counters.matched} matched`);
        assert.ok(Math.abs(counters.dropped! - lost.at(-1)!) <= strange, `${counters.dropped} dropped`);
        assert.ok(proven, why);
        if (probePackets) assert.match(why, /^\d+ of 20\d\d packets lost.*; \d+ of \d+ probe packets were answered/);
        await fault.stop();
      }
      if (family === 4) assert.equal(lost[1], lost[0], "the same seed loses the same packets with and without probes");
    });
  }

  it("say before anything is broken that nobody answers", async () => {
    const target = bed.target();
    const silent = bed.start({ kind: "blackhole", probePackets: true, probeAddresses: ["10.9.0.77"] }, target);
    await assert.rejects(silent, /no answer from 10\.9\.0\.77 before the fault; name addresses that answer pings/);
    assert.equal(await bed.pings(4), 1);
  });

  it("end with the fault, also when only the timer ends it", async () => {
    const fault = await bed.start({
      kind: "blackhole",
      probePackets: true,
      probeAddresses: [bed.addresses.a[4]],
      durationSeconds: 2,
    });
    const running = (): Promise<string> =>
      run(["sh", "-c", `ps -eo args | grep -F 'ping -n -q' | grep -F ${bed.addresses.a[4]} | grep -v grep; true`]);
    await eventually(async () => (await running()) !== "", "pings", 10);
    await eventually(async () => (await fault.call("status"))["event"] === "ended", "the end", 10);
    await eventually(async () => (await running()) === "", "no pings", 5);
    assert.equal(await bed.pings(4), 1);
    await fault.stop();
  });

  it("are sent from inside a bare machine too", async () => {
    const target = bed.target({ links: [bed.link("machine")] });
    const fault = await bed.start(
      {
        kind: "packetLoss",
        percent: 100,
        probePackets: true,
        probeAddresses: [bed.addresses.a[4], bed.addresses.a[6]],
      },
      target,
    );
    await eventually(async () => (await fault.effect()).probes!.during.sent >= 10, "probes", 10);
    const { proven, why, probes } = await fault.effect();
    assert.ok(proven, why);
    assert.deepEqual([probes!.during.answered, probes!.before.answered], [0, 10]);
    await fault.stop();
  });
});
