import type { Fault } from "./plan";

/** Packets after which a seeded choice of packets repeats itself. */
export const patternLength = 10_000;

/** A generator of numbers in [0, 1) that depends on nothing but its seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Which of {@link patternLength} packets are chosen: exactly the asked share, at places drawn from the seed. */
export function chooseShare(percent: number, seed: number): number[] {
  const random = randomFrom(seed);
  const places = Array.from({ length: patternLength }, (_, index) => index);
  const count = Math.round((percent / 100) * patternLength);
  for (let index = 0; index < count; index++) {
    const other = index + Math.floor(random() * (patternLength - index));
    [places[index], places[other]] = [places[other]!, places[index]!];
  }
  return places.slice(0, count).sort((a, b) => a - b);
}

/** Gilbert-Elliott model of bursts, with the field's letters. */
export interface GilbertElliott {
  /** Chance to leave the good state. */
  p: number;
  /** Chance to leave the bad state. */
  r: number;
  /** Chance to deliver in the bad state. */
  h: number;
  /** Chance to deliver in the good state. */
  k: number;
}

/** The model of a fault with bursts; undefined for any other. */
export function burstsOf({
  burstP: p,
  burstR: r = 1,
  burstH: h = 0,
  burstK: k = 1,
}: Fault): GilbertElliott | undefined {
  return p === undefined ? undefined : { p, r, h, k };
}

/** Share of packets that is lost in the long run, 0–1. */
export function stationaryLoss({ p, r, h, k }: GilbertElliott): number {
  const bad = p / (p + r);
  return bad * (1 - h) + (1 - bad) * (1 - k);
}

/** How many times the variance of a number of losses is in the long run that of independent ones; 1 at least. */
export function clumping(model: GilbertElliott): number {
  const { p, r, h, k } = model;
  const loss = stationaryLoss(model);
  const correlation = (p * r * (k - h) ** 2) / ((p + r) ** 2 * loss * (1 - loss));
  return Math.max(1, 1 + (2 * correlation * (1 - p - r)) / (p + r));
}

/** Which of {@link patternLength} packets are lost in a walk through the model that starts in its long-run state. */
export function chooseBursts(model: GilbertElliott, seed: number): number[] {
  const random = randomFrom(seed);
  const { p, r, h, k } = model;
  const lost: number[] = [];
  let bad = random() < p / (p + r);
  for (let index = 0; index < patternLength; index++) {
    if (random() >= (bad ? h : k)) lost.push(index);
    bad = bad ? random() >= r : random() < p;
  }
  return lost;
}

/** Numbers as intervals, `3,7-9`, as short as nft takes them. */
export function intervals(numbers: readonly number[]): string[] {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
}
