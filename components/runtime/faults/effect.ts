import type { FaultEffect, FaultPlan } from "./plan";
import { burstLoss, countedShare } from "./share";

/**
 * What a plan's counters say: what was asked, what was measured, and whether that proves that the fault happened. A
 * fault that matched nothing, lost packets of its own or is far from what was asked is not proven, and `why` says so.
 */
export function interpretEffect(plan: FaultPlan, counters: Record<string, number>): FaultEffect {
  const { fault } = plan;
  const read = (name: string): number => counters[name] ?? 0;
  const notProven = (why: string): FaultEffect => ({ counters, proven: false, why });
  if (plan.effect.some(({ name }) => name === "matched") && read("matched") === 0) {
    return notProven("no packet matched: the target sent and got nothing that the fault could hit");
  }
  if (read("overflowed") > 0) {
    return notProven(`the queue overflowed and lost ${read("overflowed")} packets that should only have been delayed`);
  }
  switch (fault.kind) {
    case "packetLoss":
      return { counters, ...countedShare("dropped", "lost", burstLoss(fault) ?? fault.percent ?? 100, counters) };
    case "corruption":
      return { counters, ...countedShare("corrupted", "corrupted", fault.percent ?? 100, counters) };
    case "latency":
      return { counters, ...delayed(plan, counters) };
    case "linkDown":
      return { counters, ...counted(plan, "down", read("down"), "link", "down") };
    case "machineCrash":
      return { counters, ...counted(plan, "killed", read("killed"), "machine", "dead") };
    default:
      return notProven(`${fault.kind} has no counters`);
  }
}

type Judgement = Omit<FaultEffect, "counters">;

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

function delayed({ fault }: FaultPlan, counters: Record<string, number>): Judgement {
  const matched = counters.matched ?? 0;
  const count = counters.delayed ?? 0;
  const late = counters.late ?? 0;
  const share = count === 0 ? 0 : (100 * late) / count;
  const base = { asked: fault.delayMilliseconds ?? 0, unit: "ms" };
  if (count === 0) return { ...base, proven: false, why: `${matched} packets matched but none was held and sent on` };
  if (share > 5) {
    const why = `${late} of ${count} held packets left more than 1 ms late: the host was too busy to keep the delay`;
    return { ...base, proven: false, why };
  }
  return {
    ...base,
    proven: true,
    why: `${count} of ${matched} matched packets were held, ${late} left more than 1 ms late`,
  };
}
