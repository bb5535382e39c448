import type { FilterAssembler, Slot } from "./assembler";

const first: Slot = 10;
const second: Slot = 11;
const third: Slot = 12;
const spare: Slot = 13;

/** Writes `to = (to - from) ^ rotate(from, bits)`. */
function subtractAndTurn(program: FilterAssembler, to: Slot, from: Slot, bits: number): void {
  turn(program, from, bits);
  program.toSlot(spare).fromSlot(to).indexFromSlot(from).applyIndex("sub");
  program.indexFromSlot(spare).applyIndex("xor").toSlot(to);
}

/** Writes `to = (to ^ from) - rotate(from, bits)`. */
function mixAndTurn(program: FilterAssembler, to: Slot, from: Slot, bits: number): void {
  turn(program, from, bits);
  program.toSlot(spare).fromSlot(to).indexFromSlot(from).applyIndex("xor");
  program.indexFromSlot(spare).applyIndex("sub").toSlot(to);
}

function turn(program: FilterAssembler, slot: Slot, bits: number): void {
  program.fromSlot(slot).apply("lsh", bits).toIndex();
  program
    .fromSlot(slot)
    .apply("rsh", 32 - bits)
    .applyIndex("or");
}

function add(program: FilterAssembler, to: Slot, from: Slot): void {
  program.fromSlot(to).indexFromSlot(from).applyIndex("add").toSlot(to);
}

/**
 * Writes the kernel's `jhash` of the words in slots 0 to `count - 1`, as `jhashWords` computes it; the hash is in the
 * accumulator. Uses slots 10 to 13.
 */
export function writeHash(program: FilterAssembler, count: number, seed: number): void {
  const start = (0xdeadbeef + count * 4 + seed) >>> 0;
  for (const slot of [first, second, third]) program.constant(start).toSlot(slot);
  let at = 0;
  for (; count - at > 3; at += 3) {
    add(program, first, at);
    add(program, second, at + 1);
    add(program, third, at + 2);
    const rounds: [Slot, Slot, number, Slot][] = [
      [first, third, 4, second],
      [second, first, 6, third],
      [third, second, 8, first],
      [first, third, 16, second],
      [second, first, 19, third],
      [third, second, 4, first],
    ];
    for (const [to, from, bits, other] of rounds) {
      subtractAndTurn(program, to, from, bits);
      add(program, from, other);
    }
  }
  const left = count - at;
  if (left > 2) add(program, third, at + 2);
  if (left > 1) add(program, second, at + 1);
  add(program, first, at);
  const last: [Slot, Slot, number][] = [
    [third, second, 14],
    [first, third, 11],
    [second, first, 25],
    [third, second, 16],
    [first, third, 4],
    [second, first, 14],
    [third, second, 24],
  ];
  for (const [to, from, bits] of last) mixAndTurn(program, to, from, bits);
  program.fromSlot(third);
}
