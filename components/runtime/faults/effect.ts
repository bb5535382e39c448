import { countersOf, onWay, separateWays, waysOf } from "./directions";
import type { Way } from "./match";
import { asOwn, withProbes } from "./probeEffect";
import type { DirectionEffect, FaultEffect, FaultPlan } from "./plan";
import { countedShare, lostShare } from "./share";

/** Fewer packets than these are noise of the network itself, such as neighbour discovery, where there are probes. */
const fewestOwn = 30;

/**
 * What a plan's counters say: what was asked, what was measured, and whether that proves that the fault happened. A
 * fault that matched nothing, lost packets of its own or is far from what was asked is not proven, and `why` says so.
 * Where the directions have values of their own, each has to be proven. Probe packets prove a fault that nothing else
 * met, and refute one that they should have felt and did not.
 */
export function interpretEffect(plan: FaultPlan, counters: Record<string, number>): FaultEffect {
  const effect = countedEffect(plan, counters);
  return plan.fault.probePackets === true ? withProbes(plan.fault, effect) : effect;
}

function countedEffect(plan: FaultPlan, counters: Record<string, number>): FaultEffect {
  const ways = separateWays(plan.fault);
  if (ways.length === 0) {
    const fault = onWay(plan.fault, waysOf(plan.fault)[0]!);
    return { counters, ...judged({ ...plan, fault }, counters) };
  }
  const entries = ways.map((way): [Way, DirectionEffect] => {
    const alone = { ...plan, fault: onWay(plan.fault, way), effect: effectOf(plan, way) };
    return [way, judged(alone, countersOf(way, counters))];
  });
  return {
    counters,
    proven: entries.every(([, { proven }]) => proven),
    why: entries.map(([way, { why }]) => `${way}: ${why}`).join("; "),
    directions: Object.fromEntries(entries) as Record<Way, DirectionEffect>,
  };
}

/** The counters of a plan as one way reads them. */
function effectOf({ effect }: FaultPlan, way: Way): FaultPlan["effect"] {
  return effect.flatMap((counter) =>
    Object.keys(countersOf(way, { [counter.name]: 0 })).map((name) => ({ ...counter, name })),
  );
}

type Judgement = DirectionEffect;

function judged(plan: FaultPlan, counters: Record<string, number>): Judgement {
  const read = (name: string): number => counters[name] ?? 0;
  const notProven = (why: string): Judgement => ({ proven: false, why });
  const countsPackets = plan.effect.some(({ name }) => name === "matched");
  if (countsPackets && read("matched") < fewestOwn && read("probeMatched") > 0) {
    const byProbes = judge(plan, asOwn(counters));
    const others = read("matched") === 0 ? "nothing" : `only ${read("matched")} packets`;
    return { ...byProbes, why: `${others} but probe packets passed, and they show: ${byProbes.why}` };
  }
  if (countsPackets && read("matched") === 0 && read("hidden") === 0) {
    return notProven("no packet matched: the target sent and got nothing that the fault could hit");
  }
  if (read("overflowed") > 0) {
    return notProven(`the queue overflowed and lost ${read("overflowed")} packets that should only have been delayed`);
  }
  return judge(plan, counters);
}

function judge(plan: FaultPlan, counters: Record<string, number>): Judgement {
  const { fault } = plan;
  const percent = fault.percent ?? 100;
  const read = (name: string): number => counters[name] ?? 0;
  switch (fault.kind) {
    case "packetLoss":
      return lostShare(fault, counters);
    case "blackhole":
      return countedShare("dropped", "dropped", 100, counters);
    case "corruption":
    case "payloadCorruption":
      return countedShare("corrupted", "corrupted", percent, counters);
    case "duplicate":
      return countedShare("duplicated", "doubled", percent, counters);
    case "reorder":
      return countedShare("reordered", "held back", percent / (fault.gap ?? 1), counters);
    case "latency":
      return plan.mechanism === "netem" ? heldByKernel(plan, counters) : delayed(plan, counters);
    case "bandwidth":
      return shaped(plan, counters);
    case "linkDown":
      return counted(plan, "down", read("down"), "link", "down");
    case "machineCrash":
      return counted(plan, "killed", read("killed"), "machine", "dead");
    case "machineHang":
      return counted(plan, "frozen", read("frozen"), "machine", "frozen");
    case "ioExhaustion":
      return counted(plan, "limited", read("limited"), "machine", "limited");
    case "cpuExhaustion":
      return happened(
        read("throttled"),
        "times the machine had to wait for its processors",
        "it never used what is left",
      );
    case "memoryExhaustion":
      return memory(plan, counters);
    case "diskExhaustion":
      return happened(read("filledKibibytes"), "KiB of the disk taken", "the file is gone");
    case "processKill":
      return happened(read("killed"), "processes got the signal", "no process matched");
    case "dnsFailure":
      return happened(
        read("failed") + read("hidden"),
        "messages or hosts files changed",
        "nobody asked for these names",
      );
  }
}

function happened(count: number, what: string, otherwise: string): Judgement {
  return count > 0 ? { measured: count, proven: true, why: `${count} ${what}` } : { proven: false, why: otherwise };
}

/** Lowered limits and held memory are facts by themselves; kills show what came of them. */
function memory({ fault }: FaultPlan, counters: Record<string, number>): Judgement {
  const kills = counters.outOfMemoryKills ?? 0;
  const held = fault.memoryMode === "pressure" || (counters.limited ?? 0) > 0;
  const base = { asked: fault.sharePercent ?? 0, unit: "%" };
  const why = `${fault.memoryMode === "pressure" ? "memory is held" : "the limit is lower"}; ${kills} processes were killed for lack of memory`;
  return held ? { ...base, proven: true, why } : { ...base, proven: false, why: "the limit is as it was before" };
}

function heldByKernel({ fault }: FaultPlan, counters: Record<string, number>): Judgement {
  const why = `${counters.matched ?? 0} packets went through netem, which lost none`;
  return { asked: fault.delayMilliseconds ?? 0, unit: "ms", proven: true, why };
}

function shaped({ fault }: FaultPlan, counters: Record<string, number>): Judgement {
  const { limited = 0, passedBytes = 0, dropped = 0, milliseconds = 0 } = counters;
  const asked = fault.bitsPerSecond ?? 0;
  const measured = milliseconds === 0 ? 0 : Math.round((passedBytes * 8000) / milliseconds);
  const result = { asked, measured, unit: "bit/s" };
  if (limited === 0) return { ...result, proven: false, why: `the limit of ${asked} bit/s was never reached` };
  return {
    ...result,
    proven: true,
    why: `the limit held packets back ${limited} times and dropped ${dropped}; ${measured} bit/s passed on average`,
  };
}

/** How many of the things that were to be hit were seen to be hit. */
function counted(plan: FaultPlan, name: string, measured: number, noun: string, state: string): Judgement {
  const asked = plan.effect.filter((counter) => counter.name === name).length;
  const plural = asked === 1 ? noun : `${noun}s`;
  return {
    asked,
    measured,
    unit: plural,
    proven: measured === asked && asked > 0,
    why: `${measured} of ${asked} ${plural} seen ${state}`,
  };
}

/**
 * The relay measures how long it held each packet. The mean must be what was asked, within what a busy host may add, or
 * four of five packets must have left in time: a host that stood still for a moment makes a few packets very late.
 */
function delayed({ fault }: FaultPlan, counters: Record<string, number>): Judgement {
  const { matched = 0, delayed: all = 0, probeMatched = 0, late = 0, heldMicroseconds = 0 } = counters;
  const count = Math.max(0, all - probeMatched);
  const asked = fault.delayMilliseconds ?? 0;
  if (count === 0) {
    return { asked, unit: "ms", proven: false, why: `${matched} packets matched but none was held and sent on` };
  }
  const measured = Math.round(heldMicroseconds / all / 10) / 100;
  const jitter = fault.jitterMilliseconds ?? 0;
  // No packet leaves before it came: a spread about as large as the delay lifts the mean by up to 0.4 of it.
  const clipped = 3 * jitter > asked ? 0.4 * jitter : 0;
  const tolerance = 1 + 0.05 * asked + (3 * jitter) / Math.sqrt(count) + clipped;
  const proven = Math.abs(measured - asked) <= tolerance || late <= 0.2 * count;
  const times = `${count} packets were held for ${measured} ms on average, ${late} left more than 1 ms late`;
  return {
    asked,
    measured,
    unit: "ms",
    proven,
    why: proven ? times : `${times}: the host was too busy to keep the delay`,
  };
}
