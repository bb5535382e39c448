const slabBytes = 32_768;
/** Longer pieces get memory of their own, so that one of them never holds a slab for the sake of the rest. */
const ownBytes = slabBytes / 4;

let slab = Buffer.allocUnsafeSlow(slabBytes);
let used = 0;

/** Where {@link keep} has put the bytes; one instance, filled again and again. */
export const kept = { buffer: slab, start: 0, end: 0 };

/** {@link keep}, as a buffer of its own. */
export function keptCopy(source: Buffer, from: number, to: number): Buffer {
  keep(source, from, to);
  return kept.buffer.subarray(kept.start, kept.end);
}

/** Copies bytes whose memory is about to be used again into memory that stays; the place is in {@link kept}. */
export function keep(source: Buffer, from: number, to: number): void {
  const length = to - from;
  if (length > ownBytes) {
    kept.buffer = Buffer.allocUnsafeSlow(length);
    kept.start = 0;
  } else {
    if (used + length > slabBytes) {
      slab = Buffer.allocUnsafeSlow(slabBytes);
      used = 0;
    }
    kept.buffer = slab;
    kept.start = used;
    used += length;
  }
  kept.end = kept.start + length;
  source.copy(kept.buffer, kept.start, from, to);
}
