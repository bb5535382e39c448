/** Where a value of a filter program is kept: one of 16 words of scratch memory. */
export type Slot = number;

const load = 0x00;
const loadX = 0x01;
const store = 0x02;
const alu = 0x04;
const jump = 0x05;
const give = 0x06;
const misc = 0x07;
const absolute = 0x20;
const indirect = 0x40;
const memory = 0x60;
const length = 0x80;
const headerLength = 0xa0;
const fromX = 0x08;

const sizes = { word: 0x00, half: 0x08, byte: 0x10 } as const;
const operations = { add: 0x00, sub: 0x10, mul: 0x20, or: 0x40, and: 0x50, lsh: 0x60, rsh: 0x70, mod: 0x90, xor: 0xa0 };
const comparisons = { equal: 0x10, atLeast: 0x30 } as const;

/** Size of a load. */
export type LoadSize = keyof typeof sizes;
/** Arithmetic on the accumulator. */
export type Operation = keyof typeof operations;

/** A filter program of the kernel (classic BPF) while it is written; one accumulator, one index register. */
export class FilterAssembler {
  private readonly code: { code: number; jumpTrue: number; jumpFalse: number; value: number }[] = [];

  /** Instructions so far. */
  get size(): number {
    return this.code.length;
  }

  /** Accumulator from a fixed place of the packet, most significant byte first. */
  load(size: LoadSize, at: number): this {
    return this.emit(load | sizes[size] | absolute, at);
  }

  /** Accumulator from a place behind the index register. */
  loadIndexed(size: LoadSize, at: number): this {
    return this.emit(load | sizes[size] | indirect, at);
  }

  loadLength(): this {
    return this.emit(load | length, 0);
  }

  /** Index register: four times the low half of a byte, as IPv4 gives its header's length. */
  indexHeaderLength(at: number): this {
    return this.emit(loadX | sizes.byte | headerLength, at);
  }

  constant(value: number): this {
    return this.emit(load, value);
  }

  fromSlot(slot: Slot): this {
    return this.emit(load | memory, slot);
  }

  indexFromSlot(slot: Slot): this {
    return this.emit(loadX | memory, slot);
  }

  toSlot(slot: Slot): this {
    return this.emit(store, slot);
  }

  toIndex(): this {
    return this.emit(misc, 0);
  }

  /** Accumulator and a constant. */
  apply(operation: Operation, value: number): this {
    return this.emit(alu | operations[operation], value);
  }

  /** Accumulator and index register. */
  applyIndex(operation: Operation): this {
    return this.emit(alu | operations[operation] | fromX, 0);
  }

  /** Leaves out what `then` writes unless the comparison holds. */
  when(comparison: keyof typeof comparisons, value: number, then: () => void): this {
    return this.branch(comparison, value, then, true);
  }

  /** Leaves out what `then` writes when the comparison holds. */
  unless(comparison: keyof typeof comparisons, value: number, then: () => void): this {
    return this.branch(comparison, value, then, false);
  }

  /** Ends with a number: bytes to keep, or which socket. */
  give(value: number): this {
    return this.emit(give, value);
  }

  /** Ends with the accumulator. */
  giveAccumulator(): this {
    return this.emit(give | 0x10, 0);
  }

  /** The program as the kernel takes it: eight bytes an instruction. */
  bytes(): Buffer {
    const bytes = Buffer.alloc(this.code.length * 8);
    for (const [index, { code, jumpTrue, jumpFalse, value }] of this.code.entries()) {
      bytes.writeUInt16LE(code, index * 8);
      bytes[index * 8 + 2] = jumpTrue;
      bytes[index * 8 + 3] = jumpFalse;
      bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
    }
    return bytes;
  }

  private branch(comparison: keyof typeof comparisons, value: number, then: () => void, holds: boolean): this {
    this.emit(jump | comparisons[comparison], value);
    const test = this.code[this.code.length - 1]!;
    // A conditional jump reaches 255 instructions far: the way over a longer block is one without a condition.
    if (holds) test.jumpTrue = 1;
    else test.jumpFalse = 1;
    this.emit(jump, 0);
    const over = this.code[this.code.length - 1]!;
    const begin = this.code.length;
    then();
    over.value = this.code.length - begin;
    return this;
  }

  private emit(code: number, value: number): this {
    this.code.push({ code, jumpTrue: 0, jumpFalse: 0, value });
    return this;
  }
}
