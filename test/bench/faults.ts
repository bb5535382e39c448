import { countedShare } from "../../components/runtime/faults/share";
import { FaultBed } from "../lab/faultsBed";

/** One thing that was measured, what it must be, and whether it is. */
interface Measurement {
  what: string;
  measured: string;
  goal: string;
  kept: boolean;
}

const results: Measurement[] = [];
const milliseconds = (value: number): string => `${value.toFixed(3)} ms`;

function note(what: string, measured: string, goal: string, kept: boolean): void {
  results.push({ what, measured, goal, kept });
  console.log(`${kept ? "kept  " : "MISSED"}  ${what}: ${measured} (goal: ${goal})`);
}

/** One-way delays at 1,000 packets per second against the same path without a fault, and the twin flow beside it. */
async function delays(bed: FaultBed): Promise<void> {
  for (const family of [4, 6] as const) {
    const base = await bed.roundTrips(family, 7001, 3000, 1000);
    for (const asked of [5, 20, 50]) {
      const flow = { protocol: "udp" as const, destinationPorts: "7001" };
      const parameters = { delayMilliseconds: asked, direction: "ingress" as const };
      const fault = await bed.start({ kind: "latency", ...parameters }, bed.target({ flow }));
      const hit = await bed.roundTrips(family, 7001, 5000, 1000);
      const twin = await bed.roundTrips(family, 7002, 3000, 1000);
      const { counters } = await fault.effect();
      await fault.stop();
      const off = hit.p50 - base.p50 - asked;
      const name = `delay of ${asked} ms, IPv${family}`;
      note(
        name,
        `median off by ${milliseconds(off)}, p95 ${milliseconds(hit.p95)}`,
        "0.5 ms + 2 %",
        Math.abs(off) <= 0.5 + 0.02 * asked,
      );
      note(
        `${name}: nothing lost`,
        `${hit.received} of 5000, ${counters.late ?? 0} late`,
        "5000",
        hit.received === 5000,
      );
      const gained = twin.p50 - base.p50;
      note(
        `${name}: twin flow`,
        `${twin.received} of 3000, gained ${milliseconds(gained)}`,
        "all, < 0.1 ms",
        twin.received === 3000 && gained < 0.1,
      );
    }
  }
}

/** Shares over 20,000 packets. */
async function shares(bed: FaultBed): Promise<void> {
  const count = 20_000;
  const flow = { protocol: "udp" as const, destinationPorts: "7001" };
  for (const [kind, percent, measure] of [
    ["packetLoss", 5, ({ received }) => count - received],
    ["duplicate", 5, ({ duplicates }) => duplicates],
    ["corruption", 5, ({ received }) => count - received],
    ["payloadCorruption", 5, ({ wrong }) => wrong],
  ] as [
    "packetLoss" | "duplicate" | "corruption" | "payloadCorruption",
    number,
    (counts: Awaited<ReturnType<FaultBed["datagrams"]>>) => number,
  ][]) {
    const fault = await bed.start({ kind, percent, direction: "ingress", seed: 1 }, bed.target({ flow }));
    const hit = measure(await bed.datagrams("a", 4, 7001, count));
    await fault.stop();
    const { proven } = countedShare("hit", "hit", percent, { matched: count, hit });
    note(`${kind} of ${percent} %`, `${hit} of ${count}`, `${(count * percent) / 100}, but for chance`, proven);
  }
}

/** Packets per second through the relay without loss of its own. */
async function capacity(bed: FaultBed): Promise<void> {
  for (const rate of [10_000, 15_000, 20_000]) {
    const fault = await bed.start({ kind: "latency", delayMilliseconds: 20, direction: "ingress" });
    const { received } = await bed.datagrams("a", 4, 7001, rate * 3, rate);
    const { counters } = await fault.effect();
    await fault.stop();
    const kept = received === rate * 3;
    note(
      `relay at ${rate} packets/s`,
      `${received} of ${rate * 3}, ${counters.late ?? 0} late`,
      "all",
      kept || rate > 10_000,
    );
  }
}

async function main(): Promise<void> {
  const bed = await FaultBed.make({ goesFirst: true });
  try {
    await delays(bed);
    await shares(bed);
    await capacity(bed);
  } finally {
    await bed.close();
  }
  const missed = results.filter(({ kept }) => !kept).length;
  console.log(
    missed === 0 ? "every goal was kept" : `${missed} of ${results.length} goals were missed; run it on a quiet host`,
  );
  process.exitCode = missed === 0 ? 0 : 1;
}

void main();
