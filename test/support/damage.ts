/** A small seeded generator of numbers in 0…1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What a mirror may do to the packets that it copies. */
export interface Damage {
  /** Share of packets that it loses, repeats, or delivers up to three packets late. */
  loss: number;
  /** How many packets in a row it loses on average; each by itself when left out. */
  burst?: number;
  duplicate: number;
  reorder: number;
  /** Packets that went by before it began. */
  skip: number;
  seed: number;
}

/** The packets as a damaging mirror delivers them. */
export function damaged(frames: Buffer[], { loss, burst = 1, duplicate, reorder, skip, seed }: Damage): Buffer[] {
  const random = randomFrom(seed);
  let losing = false;
  const result = frames.slice(skip).flatMap((frame) => {
    losing = burst > 1 && losing ? random() >= 1 / burst : random() < loss / burst;
    if (losing) return [];
    return random() < duplicate ? [frame, frame] : [frame];
  });
  for (let at = 0; at + 3 < result.length; at++) {
    if (random() >= reorder) continue;
    const other = at + 1 + Math.floor(random() * 3);
    [result[at], result[other]] = [result[other]!, result[at]!];
  }
  return result;
}

/** Whether the first packet that says anything of a connection is not one that opens it. */
export function beginsInside(frames: readonly Buffer[]): boolean {
  const [tcp, headers] = [14 + 20, 14 + 20 + 20];
  const first = frames.find((frame) => (frame[tcp + 13]! & 2) !== 0 || frame.length > headers);
  return first !== undefined && (first[tcp + 13]! & 2) === 0;
}

/** Whether the list is made of members of the truth, in their order and none twice. */
export function isOrderedSubset(got: string[], truth: string[]): boolean {
  let at = 0;
  for (const item of got) {
    while (at < truth.length && truth[at] !== item) at++;
    if (at === truth.length) return false;
    at++;
  }
  return true;
}

const ipv4HeadersBytes = 14 + 20 + 20;

/** The packets without some of those in which the client at `port` says something (IPv4 without options). */
export function withoutClientData(frames: Buffer[], port: number, share: number, seed: number): Buffer[] {
  const random = randomFrom(seed);
  return frames.filter((frame) => {
    const says = frame.readUInt16BE(34) === port && frame.length > ipv4HeadersBytes;
    return !says || random() >= share;
  });
}
