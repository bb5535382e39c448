import assert from "node:assert/strict";

import type { Flow } from "../../components/experiment";
import { assertShare, type FaultBed, useFaultBed } from "./faultsBed";

const families = [4, 6] as const;
const flow: Flow = { protocol: "udp", destinationPorts: "7001" };

describe("network faults on a real kernel", function () {
  this.timeout(120_000);
  let bed: FaultBed;
  useFaultBed((made) => (bed = made));

  /** Everything arrives whole, because what the receiver discarded was sent again. */
  async function assertSentAgain(family: 4 | 6): Promise<void> {
    const { server } = await bed.bytes(family, 7003, 2_000_000, 30_000);
    assert.deepEqual([server.bytes, server.wrong], [2_000_000, 0]);
    assert.ok((await bed.counter("a", "TcpRetransSegs")) > 0);
    assert.ok((await bed.counter("b", "TcpInCsumErrors")) > 0);
  }

  for (const family of families) {
    describe(`IPv${family}`, () => {
      it("loses the asked share of one flow and nothing of its twin", async () => {
        const fault = await bed.start(
          { kind: "packetLoss", percent: 20, direction: "ingress", seed: 5 },
          bed.target({ flow }),
        );
        const hit = await bed.datagrams("a", family, 7001, 4000);
        const twin = await bed.datagrams("a", family, 7002, 4000);
        assertShare(4000 - hit.received, 4000, 20);
        assert.equal(twin.received, 4000);
        const effect = await fault.effect();
        assert.equal(effect.counters.matched, 4000);
        assert.equal(effect.counters.dropped, 4000 - hit.received);
        assert.ok(effect.proven, effect.why);
        await fault.stop();
        assert.equal((await bed.datagrams("a", family, 7001, 500)).received, 500);
      });

      it("loses the same packets for the same seed, in bursts", async () => {
        const lost: number[] = [];
        for (let round = 0; round < 2; round++) {
          const parameters = { burstP: 0.02, burstR: 0.2, direction: "ingress" as const, seed: 11 };
          const fault = await bed.start({ kind: "packetLoss", ...parameters }, bed.target({ flow }));
          lost.push(3000 - (await bed.datagrams("a", family, 7001, 3000)).received);
          assert.ok((await fault.effect()).proven);
          await fault.stop();
        }
        assert.equal(lost[0], lost[1]);
        assert.ok(lost[0]! > 100 && lost[0]! < 600, `${lost[0]!} lost`);
      });

      for (const [side, direction, from] of [
        ["network", "ingress", "a"],
        ["network", "egress", "b"],
        ["machine", "egress", "b"],
      ] as const) {
        it(`damages the asked share on the way (${direction}, at the ${side}'s end), so that receivers discard it`, async () => {
          const of = from === "a" ? "b" : "a";
          const counter = family === 4 ? "UdpInCsumErrors" : "Udp6InCsumErrors";
          const target = bed.target({ flow, links: [bed.link(side)] });
          const fault = await bed.start({ kind: "corruption", percent: 10, direction, seed: 3 }, target);
          const counts = await bed.datagrams(from, family, 7001, 4000);
          assertShare(4000 - counts.received, 4000, 10);
          assert.equal(counts.wrong, 0);
          assert.ok((await bed.counter(of, counter)) >= 4000 - counts.received - 2);
          const effect = await fault.effect();
          assert.equal(effect.counters.corrupted, 4000 - counts.received);
          assert.ok(effect.proven, effect.why);
          await fault.stop();
        });
      }

      it("damages connections on the way so that they send again", async () => {
        const target = bed.target({ flow: { protocol: "tcp", destinationPorts: "7003" } });
        const fault = await bed.start({ kind: "corruption", percent: 2, seed: 3 }, target);
        await assertSentAgain(family);
        await fault.stop();
      });

      it("damages connections that leave a machine of which nothing but itself is known", async () => {
        const tcp: Flow = { protocol: "tcp", destinationPorts: "7003" };
        const sender = { ...bed.link("machine"), name: "a/eth0", namespace: bed.namespace("a") };
        const target = bed.target({ flow: tcp, links: [sender] });
        // The machine hands over up to 64 KiB at once: one chosen packet here is many on the way.
        const fault = await bed.start({ kind: "corruption", percent: 15, direction: "egress", seed: 3 }, target);
        await assertSentAgain(family);
        await fault.stop();
      });

      it("delivers damaged payload to the application over UDP and TCP", async () => {
        const fault = await bed.start({ kind: "payloadCorruption", percent: 10, direction: "ingress", seed: 3 });
        const counts = await bed.datagrams("a", family, 7001, 4000);
        assert.equal(counts.received, 4000);
        assertShare(counts.wrong, 4000, 10);
        const { server } = await bed.bytes(family, 7003, 3_000_000);
        assert.equal(server.bytes, 3_000_000);
        assert.ok(server.wrong! > 0);
        assert.equal(await bed.counter("b", "TcpInCsumErrors"), 0);
        assert.ok((await fault.effect()).proven);
        await fault.stop();
      });

      for (const [direction, from] of [
        ["ingress", "a"],
        ["egress", "b"],
      ] as const) {
        it(`doubles the asked share (${direction})`, async () => {
          const fault = await bed.start({ kind: "duplicate", percent: 25, direction, seed: 3 }, bed.target({ flow }));
          const counts = await bed.datagrams(from, family, 7001, 4000);
          assertShare(counts.duplicates, 4000, 25);
          assert.equal(counts.received - counts.duplicates, 4000);
          assert.ok((await fault.effect()).proven);
          await fault.stop();
        });
      }

      it("delays one flow in both directions and leaves its twin alone", async () => {
        const fault = await bed.start({ kind: "latency", delayMilliseconds: 20 }, bed.target({ flow }));
        const hit = await bed.roundTrips(family, 7001, 1000, 500);
        const twin = await bed.roundTrips(family, 7002, 1000, 500);
        assert.equal(hit.received, 1000);
        assert.ok(hit.p01 >= 39.5 && hit.p01 < 80, `${hit.p01} ms`);
        assert.ok(twin.p01 < 20, `${twin.p01} ms`);
        const { counters } = await fault.effect();
        assert.deepEqual([counters.matched, counters.delayed, counters.overflowed], [2000, 2000, 0]);
        await fault.stop();
      });

      it("delays connections without damage, in one direction only", async () => {
        const fault = await bed.start({
          kind: "latency",
          delayMilliseconds: 10,
          jitterMilliseconds: 4,
          direction: "egress",
          seed: 2,
        });
        const { server, ended } = await bed.bytes(family, 7003, 4_000_000);
        assert.deepEqual([server.bytes, server.wrong, ended], [4_000_000, 0, "closed"]);
        const times = await bed.roundTrips(family, 7001, 500, 500);
        assert.ok(times.p01 >= 0 && times.p01 < 20, `${times.p01} ms at least`);
        assert.ok(times.p95 > 12, `${times.p01} to ${times.p95} ms`);
        await fault.stop();
      });

      it("lets packets overtake those that are held back", async () => {
        const parameters = { percent: 10, delayMilliseconds: 20, direction: "ingress" as const, seed: 4 };
        const fault = await bed.start({ kind: "reorder", ...parameters }, bed.target({ flow }));
        const counts = await bed.datagrams("a", family, 7001, 3000, 3000);
        assert.equal(counts.received, 3000);
        assertShare(counts.overtaken, 3000, 10);
        assert.ok((await fault.effect()).proven);
        await fault.stop();
      });

      for (const direction of ["ingress", "egress"] as const) {
        it(`limits bandwidth (${direction})`, async () => {
          const target = bed.target({ flow: { protocol: "tcp", destinationPorts: "7003" } });
          const slow = { kind: "bandwidth" as const, bitsPerSecond: 8e6 };
          const fault = await bed.start({ ...slow, direction }, direction === "ingress" ? target : undefined);
          const { server } = await bed.bytes(family, 7003, direction === "ingress" ? 2_000_000 : 20_000);
          const rate = (server.bytes! * 8) / (server.milliseconds! / 1000);
          if (direction === "ingress") {
            assert.ok(rate < 9e6, `${rate} bit/s`);
            const effect = await fault.effect();
            assert.ok(effect.proven, effect.why);
          } else {
            const counts = await bed.datagrams("b", family, 7001, 12_000, 12_000);
            assert.ok(counts.received < 9000, `${counts.received} passed`);
          }
          await fault.stop();
        });
      }

      for (const mode of ["drop", "reject", "reset"] as const) {
        it(`cuts new connections (${mode})`, async () => {
          const target = bed.target({ flow: { protocol: "tcp", destinationPorts: "7003" } });
          const fault = await bed.start({ kind: "blackhole", mode }, target);
          const refused = {
            drop: ["timeout"],
            reject: ["EHOSTUNREACH", "ECONNREFUSED", "EACCES"],
            reset: ["ECONNREFUSED"],
          };
          for (let attempt = 0; attempt < 3; attempt++) {
            const { ended } = await bed.bytes(family, 7003, 0, 1500);
            assert.ok(refused[mode].includes(ended), ended);
          }
          assert.equal(await bed.pings(family), 1);
          const { proven, why } = await fault.effect();
          assert.ok(proven, why);
          await fault.stop();
          assert.equal((await bed.bytes(family, 7003, 0, 5000)).ended, "connected");
        });
      }

      it("cuts the carrier and gives it back", async () => {
        const fault = await bed.start({ kind: "linkDown" });
        assert.equal(await bed.pings(family), 0);
        assert.ok((await fault.effect()).proven);
        await fault.stop();
        assert.equal(await bed.pings(family), 1);
      });

      it("cuts the carrier inside a machine and gives addresses and routes back", async () => {
        const fault = await bed.start({ kind: "linkDown" }, bed.target({ links: [bed.link("machine")] }));
        assert.equal(await bed.pings(family, 2), 0);
        await fault.stop();
        assert.equal(await bed.pings(family), 1);
      });
    });
  }

  it("hits everything but the management path", async () => {
    const exempt: Flow[] = [{ protocol: "udp", destinationPorts: "7002" }];
    const fault = await bed.start({ kind: "packetLoss", percent: 100 }, bed.target({ exempt }));
    assert.equal((await bed.datagrams("a", 4, 7001, 100)).received, 0);
    assert.equal((await bed.datagrams("a", 4, 7002, 100)).received, 100);
    await fault.stop();
  });

  it("says that a fault which matched nothing is not proven", async () => {
    const target = bed.target({ flow: { protocol: "udp", destinationPorts: "9" } });
    const fault = await bed.start({ kind: "packetLoss", percent: 50 }, target);
    const effect = await fault.effect();
    assert.equal(effect.proven, false);
    assert.match(effect.why, /no packet matched/);
    await fault.stop();
  });

  it("hits only new or only established connections", async () => {
    const fault = await bed.start(
      { kind: "blackhole" },
      bed.target({ flow: { protocol: "tcp", destinationPorts: "7003", state: "new" } }),
    );
    assert.equal((await bed.bytes(4, 7003, 0, 1000)).ended, "timeout");
    await fault.stop();
    const established = await bed.start(
      { kind: "blackhole" },
      bed.target({ flow: { protocol: "tcp", destinationPorts: "7003", state: "established" } }),
    );
    const { ended, server } = await bed.bytes(4, 7003, 100_000, 1000);
    assert.deepEqual([ended, server.bytes], ["timeout", 0]);
    await established.stop();
  });
});
