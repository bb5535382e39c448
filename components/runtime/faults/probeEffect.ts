import { waysOf } from "./directions";
import { onWay } from "./directions";
import type { Fault, FaultEffect, ProbeCounts } from "./plan";

/** Fewest answers that say something about a mean round trip. */
const fewestAnswers = 5;

/** Name of a counter that counts probe packets alone. */
export function probeCounter(name: string): string {
  return `probe${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** Counters as if the probe packets had been the target's own. */
export function asOwn(counters: Record<string, number>): Record<string, number> {
  const probes = Object.entries(counters).flatMap(([name, value]): [string, number][] => {
    const match = /^probe([A-Z])(.*)$/.exec(name);
    return match === null ? [] : [[`${match[1]!.toLowerCase()}${match[2]!}`, value]];
  });
  const others = Object.entries(counters).filter(([name]) => !/^probe[A-Z]/.test(name));
  return { ...Object.fromEntries(others), ...Object.fromEntries(probes) };
}

/** What came of the probe packets. */
export function probesIn(counters: Record<string, number>): NonNullable<FaultEffect["probes"]> {
  const counts = (suffix: string): ProbeCounts => {
    const [sent = 0, answered = 0, microseconds = 0] = ["Sent", "Answered", "Microseconds"].map(
      (name) => counters[`probes${name}${suffix}`],
    );
    if (answered === 0) return { sent, answered };
    return { sent, answered, roundTripMilliseconds: Math.round(microseconds / answered / 10) / 100 };
  };
  return { during: counts(""), before: counts("Before") };
}

/** An effect with what the probe packets say of it from outside its mechanism: they may refute it. */
export function withProbes(fault: Fault, effect: FaultEffect): FaultEffect {
  const probes = probesIn(effect.counters);
  const refuted = refutation(fault, probes);
  const why = [effect.why, refuted, sentence(probes)].filter((part) => part !== undefined).join("; ");
  return { ...effect, proven: effect.proven && refuted === undefined, why, probes };
}

function sentence({ during, before }: NonNullable<FaultEffect["probes"]>): string {
  const time = ({ roundTripMilliseconds: mean }: ProbeCounts): string =>
    mean === undefined ? "" : ` in ${mean} ms on average`;
  const now = `${during.answered} of ${during.sent} probe packets were answered${time(during)}`;
  return `${now}, before the fault ${before.answered} of ${before.sent}${time(before)}`;
}

/** Why the probe packets show that the fault did not do what it should; undefined when they do not. */
function refutation(fault: Fault, { during, before }: NonNullable<FaultEffect["probes"]>): string | undefined {
  const values = waysOf(fault).map((way) => onWay(fault, way));
  const cuts =
    ["linkDown", "blackhole"].includes(fault.kind) ||
    values.some(({ percent, kind }) => kind === "packetLoss" && percent === 100);
  if (cuts && during.answered > 0) return "probe packets came through, so it does not cut";
  const added = (during.roundTripMilliseconds ?? 0) - (before.roundTripMilliseconds ?? 0);
  const asked = values.reduce((sum, { delayMilliseconds = 0 }) => sum + delayMilliseconds, 0);
  if (fault.kind === "latency" && during.answered >= fewestAnswers && added < 0.9 * asked - 1) {
    return `probe packets took ${added.toFixed(1)} ms longer than before, not ${asked} ms`;
  }
  return undefined;
}
