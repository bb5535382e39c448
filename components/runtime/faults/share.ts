import type { DirectionEffect, Fault } from "./plan";
import { stationaryLoss } from "./pattern";

/** Expected loss in percent of a fault with bursts; undefined for any other. */
export function burstLoss({ burstP, burstR, burstH, burstK }: Fault): number | undefined {
  if (burstP === undefined) return undefined;
  return 100 * stationaryLoss({ p: burstP, r: burstR ?? 1, h: burstH ?? 0, k: burstK ?? 1 });
}

/** Compares the share of matched packets that were hit with the asked one, within the 99 % binomial interval. */
export function countedShare(
  name: string,
  participle: string,
  asked: number,
  counters: Record<string, number>,
  bursts = false,
): DirectionEffect {
  const matched = counters.carrying ?? counters.matched ?? 0;
  // Counters are read one after the other while packets pass, so this one may be ahead.
  const hit = Math.min(matched, counters[name] ?? 0);
  const measured = (100 * hit) / matched;
  const result = { asked, measured, unit: "%" };
  const shown = `${hit} of ${matched} packets ${participle}: asked ${percent(asked)}, measured ${percent(measured)}`;
  if (hit === 0) return { ...result, proven: false, why: `${shown}; too few packets passed to show it` };
  // Losses in bursts are far from independent, so a few packets say little about the long run.
  const factor = bursts ? 6 : 1;
  const tolerance = factor * 2.576 * Math.sqrt(matched * (asked / 100) * (1 - asked / 100)) + factor;
  if (Math.abs(hit - (matched * asked) / 100) > tolerance) {
    return { ...result, proven: false, why: `${shown}; that is further off than chance explains` };
  }
  return { ...result, proven: true, why: shown };
}

function percent(value: number): string {
  return `${Number(value.toPrecision(3))} %`;
}
