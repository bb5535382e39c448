import { burstsOf, clumping, patternLength, stationaryLoss } from "./pattern";
import type { DirectionEffect, Fault } from "./plan";

/**
 * How often chance alone may refute a fault that is as asked. A run compares a share for every window and direction of a
 * fault, so dozens of times: one in a thousand would spoil a run of pulses now and then.
 */
const falseRefutations = 1e-5;

/** Compares the share of lost packets with the asked one, also where they are lost in bursts. */
export function lostShare(fault: Fault, counters: Record<string, number>): DirectionEffect {
  const bursts = burstsOf(fault);
  if (bursts === undefined) return countedShare("dropped", "lost", fault.percent ?? 100, counters);
  // The pattern starts again, so that more packets say no more of the model; and the longest of the bursts, which decide
  // how far off chance may lead, are longer than the mean that the spread tells of.
  const independent = (packets: number): number => Math.min(packets, patternLength) / (2 * clumping(bursts) - 1);
  return countedShare("dropped", "lost", 100 * stationaryLoss(bursts), counters, independent);
}

/**
 * Compares the share of matched packets that were hit with the asked one. Refuted is what chance brings about at most
 * once in 100,000 times. Where 5 % were asked, that finds in 99 of 100 cases 1.1 % or 11 % at 1,000 packets, 3.5 % or
 * 6.7 % at 10,000, 4.5 % or 5.52 % at 100,000. `independent` tells as how many packets drawn one by one that many count.
 */
export function countedShare(
  name: string,
  participle: string,
  asked: number,
  counters: Record<string, number>,
  independent = (packets: number): number => packets,
): DirectionEffect {
  const matched = counters.carrying ?? counters.matched ?? 0;
  // Counters are read one after the other while packets pass, so this one may be ahead.
  const hit = Math.min(matched, counters[name] ?? 0);
  if (matched === 0) {
    const why = `none of ${counters.matched ?? 0} packets carried anything that could be ${participle}`;
    return { asked, unit: "%", proven: false, why };
  }
  const measured = (100 * hit) / matched;
  const result = { asked, measured, unit: "%" };
  const shown = `${hit} of ${matched} packets ${participle}: asked ${percent(asked)}, measured ${percent(measured)}`;
  if (chanceOf(hit / matched, asked / 100, independent(matched)) < falseRefutations) {
    return { ...result, proven: false, why: `${shown}; that is further off than chance explains` };
  }
  if (hit === 0) return { ...result, proven: false, why: `${shown}; too few packets passed to show it` };
  return { ...result, proven: true, why: shown };
}

/**
 * The most that the chance of a share so far off can be, on either side: the bound of Chernoff, which holds for every
 * number of packets, and also for such as are drawn without putting back (Hoeffding 1963), as the patterns' are.
 */
function chanceOf(share: number, asked: number, packets: number): number {
  return 2 * Math.exp(-packets * (divergence(share, asked) + divergence(1 - share, 1 - asked)));
}

function divergence(share: number, asked: number): number {
  return share === 0 ? 0 : share * Math.log(share / asked);
}

function percent(value: number): string {
  return `${Number(value.toPrecision(3))} %`;
}
