import assert from "node:assert/strict";

import type { FaultKind, FaultParameters, Flow } from "../../components/experiment";
import { assertShare, type FaultBed, type RunningFault, useFaultBed } from "./faultsBed";

type Counts = Awaited<ReturnType<FaultBed["datagrams"]>>;

const flow: Flow = { protocol: "udp", destinationPorts: "7001" };
const sent = 3000;

/** A fault that does one thing to what machine b gets and another to what it sends, and how many packets show it. */
interface Cell {
  kind: FaultKind;
  parameters: FaultParameters;
  hit: (counts: Counts) => number;
  ingress: number;
  egress: number;
}

const cells: Cell[] = [
  {
    kind: "packetLoss",
    parameters: { ingress: { percent: 20 }, egress: { percent: 5 } },
    hit: ({ received }) => sent - received,
    ingress: 20,
    egress: 5,
  },
  {
    kind: "corruption",
    parameters: { percent: 5, ingress: { percent: 20 } },
    hit: ({ received }) => sent - received,
    ingress: 20,
    egress: 5,
  },
  {
    kind: "payloadCorruption",
    parameters: { percent: 20, egress: { percent: 5, bitsPerPacket: 2 } },
    hit: ({ wrong }) => wrong,
    ingress: 20,
    egress: 5,
  },
  {
    kind: "duplicate",
    parameters: { ingress: { percent: 20 }, egress: { percent: 5 } },
    hit: ({ duplicates }) => duplicates,
    ingress: 20,
    egress: 5,
  },
];

async function assertProven(fault: RunningFault, asked: { ingress: number; egress: number }): Promise<void> {
  const effect = await fault.effect();
  assert.ok(effect.proven, effect.why);
  assert.deepEqual([effect.directions?.ingress.asked, effect.directions?.egress.asked], [asked.ingress, asked.egress]);
}

describe("faults with a value for each direction on a real kernel", function () {
  this.timeout(120_000);
  let bed: FaultBed;
  useFaultBed((made) => (bed = made));

  for (const family of [4, 6] as const) {
    for (const { kind, parameters, hit, ...percent } of cells) {
      it(`${kind} hits ${percent.ingress} % of what arrives and ${percent.egress} % of what leaves, IPv${family}`, async () => {
        const fault = await bed.start({ ...parameters, kind, seed: 5 }, bed.target({ flow }));
        assertShare(hit(await bed.datagrams("a", family, 7001, sent, 4000)), sent, percent.ingress, "ingress");
        await fault.call("heartbeat");
        assertShare(hit(await bed.datagrams("b", family, 7001, sent, 4000)), sent, percent.egress, "egress");
        await fault.call("heartbeat");
        const twin = await bed.datagrams("b", family, 7002, 300, 3000);
        assert.deepEqual(twin, { received: 300, wrong: 0, duplicates: 0, overtaken: 0 });
        await assertProven(fault, percent);
        await fault.stop();
      });
    }

    it(`one way loses and the other does not, IPv${family}`, async () => {
      const fault = await bed.start(
        { kind: "packetLoss", direction: "ingress", ingress: { percent: 20 }, seed: 5 },
        bed.target({ flow }),
      );
      assertShare(sent - (await bed.datagrams("a", family, 7001, sent, 4000)).received, sent, 20, "ingress");
      await fault.call("heartbeat");
      assert.equal((await bed.datagrams("b", family, 7001, sent, 4000)).received, sent);
      const effect = await fault.effect();
      assert.ok(effect.proven, effect.why);
      assert.equal(effect.asked, 20);
      await fault.stop();
    });

    it(`10 ms out and 40 ms in are each seen on their own way, IPv${family}`, async () => {
      const fault = await bed.start(
        { kind: "latency", egress: { delayMilliseconds: 10 }, ingress: { delayMilliseconds: 40 } },
        bed.target({ flow }),
      );
      const hit = await bed.roundTrips(family, 7001, 500, 250);
      assert.equal(hit.received, 500);
      assert.ok(hit.there01 >= 39.5 && hit.there01 < 48, `${hit.there01} ms in`);
      assert.ok(hit.back01 >= 9.5 && hit.back01 < 18, `${hit.back01} ms out`);
      await fault.call("heartbeat");
      const twin = await bed.roundTrips(family, 7002, 200, 250);
      assert.ok(twin.p01 < 5, `${twin.p01} ms beside it`);
      await assertProven(fault, { ingress: 40, egress: 10 });
      const { directions } = await fault.effect();
      assert.ok(directions!.egress.measured! >= 10 && directions!.egress.measured! < 20, directions!.egress.why);
      assert.ok(directions!.ingress.measured! >= 40, directions!.ingress.why);
      await fault.stop();
    });

    it(`a slow way and a fast way are limited each, IPv${family}`, async () => {
      const fault = await bed.start(
        { kind: "bandwidth", ingress: { bitsPerSecond: 400_000 }, egress: { bitsPerSecond: 1.6e6 } },
        bed.target({ flow }),
      );
      const slow = await bed.datagrams("a", family, 7001, sent, 2000);
      await fault.call("heartbeat");
      const fast = await bed.datagrams("b", family, 7001, sent, 2000);
      assert.ok(slow.received < 1200, `${slow.received} arrived`);
      assert.ok(fast.received > 2 * slow.received && fast.received < sent, `${fast.received} left`);
      await assertProven(fault, { ingress: 400_000, egress: 1.6e6 });
      await fault.stop();
    });

    it(`connections are reset on the way in while answers vanish in silence, IPv${family}`, async () => {
      const fault = await bed.start(
        { kind: "blackhole", ingress: { mode: "reset" }, egress: { mode: "drop" } },
        bed.target({ flow: { protocol: "tcp", destinationPorts: "7003" } }),
      );
      assert.equal((await bed.bytes(family, 7003, 0, 1500)).ended, "ECONNREFUSED");
      await fault.stop();
      const silent = await bed.start(
        { kind: "blackhole", ingress: { mode: "drop" }, egress: { mode: "reset" } },
        bed.target({ flow: { protocol: "tcp", destinationPorts: "7003" } }),
      );
      assert.equal((await bed.bytes(family, 7003, 0, 1500)).ended, "timeout");
      await silent.stop();
    });
  }

  it("says of which direction nothing was seen", async () => {
    const fault = await bed.start(
      { kind: "packetLoss", ingress: { percent: 20 }, egress: { percent: 5 }, seed: 5 },
      bed.target({ flow }),
    );
    await bed.datagrams("a", 4, 7001, 1000, 4000);
    const { proven, why, directions } = await fault.effect();
    assert.equal(proven, false);
    assert.equal(directions?.ingress.proven, true, why);
    assert.match(why, /^egress: no packet matched.*; ingress: \d+ of 1000 packets lost: asked 20 %/);
    await fault.stop();
  });
});
