const slotBytes = 256;
const longSlotBytes = 2_048;
const slotsPerSlab = 64;

/** Segments longer than this are not remembered. */
export const rememberedBytes = longSlotBytes;

/** Pieces of memory of one size, which streams borrow; a slot is a small number, so that a stream holds no object. */
class Slots {
  private readonly slabs: Buffer[] = [];
  private readonly free: number[] = [];

  constructor(readonly bytes: number) {}

  take(): number {
    if (this.free.length === 0) {
      const first = this.slabs.length * slotsPerSlab;
      this.slabs.push(Buffer.allocUnsafeSlow(slotsPerSlab * this.bytes));
      for (let slot = first + slotsPerSlab - 1; slot >= first; slot--) this.free.push(slot);
    }
    return this.free.pop()!;
  }

  giveBack(slot: number): void {
    this.free.push(slot);
  }

  write(slot: number, source: Buffer, from: number, to: number): void {
    source.copy(this.slabOf(slot), this.startOf(slot), from, to);
  }

  slabOf(slot: number): Buffer {
    return this.slabs[Math.floor(slot / slotsPerSlab)]!;
  }

  startOf(slot: number): number {
    return (slot % slotsPerSlab) * this.bytes;
  }
}

const short = new Slots(slotBytes);
const long = new Slots(longSlotBytes);

/**
 * The last bytes of one stream, so that a repetition that differs is seen. It is a copy, because a view would keep the
 * whole memory alive that the segment lies in.
 */
export class LastSegment {
  length = 0;
  private slot = -1;
  private slots = short;

  /** Remembers these bytes in place of what was; nothing when they are too many. */
  set(buffer: Buffer, from: number, to: number): void {
    this.length = to - from <= rememberedBytes ? to - from : 0;
    if (this.length === 0) return;
    if (this.slot < 0 || this.length > this.slots.bytes) {
      this.clear();
      this.length = to - from;
      this.slots = this.length > slotBytes ? long : short;
      this.slot = this.slots.take();
    }
    this.slots.write(this.slot, buffer, from, to);
  }

  forget(): void {
    this.length = 0;
  }

  /** Whether `length` bytes from `at` on are those that are remembered from `offset` on. */
  equals(offset: number, buffer: Buffer, at: number, length: number): boolean {
    const slab = this.slots.slabOf(this.slot);
    const start = this.slots.startOf(this.slot) + offset;
    return slab.compare(buffer, at, at + length, start, start + length) === 0;
  }

  /** Gives the memory back. */
  clear(): void {
    this.length = 0;
    if (this.slot >= 0) this.slots.giveBack(this.slot);
    this.slot = -1;
  }
}
