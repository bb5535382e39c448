import { FilterAssembler, type Slot } from "./assembler";

const ethernet = 8;
const vlanTypes = [0x8100, 0x88a8, 0x9100];
const mostTags = 2;
const sum: Slot = 0;

/**
 * A program that gives each VXLAN packet the number of the socket, below `count`, that takes its flow: both directions
 * of a connection go to the same one. IPv4 goes by addresses and ports, IPv6 by addresses alone, because its ports may
 * lie behind any number of extension headers. What is neither goes to socket 0.
 */
export function steeringProgram(count: number): Buffer {
  const program = new FilterAssembler();
  for (let tags = 0; tags <= mostTags; tags++) {
    const type = ethernet + 12 + 4 * tags;
    program.loadLength().unless("atLeast", type + 2 + 24, () => program.give(0));
    program.load("half", type).when("equal", 0x0800, () => writeIpv4(program, type + 2, count));
    program.load("half", type).when("equal", 0x86dd, () => writeIpv6(program, type + 2, count));
    writeUnlessTagged(program, type, vlanTypes);
  }
  return program.give(0).bytes();
}

function writeUnlessTagged(program: FilterAssembler, type: number, left: readonly number[]): void {
  const [first, ...rest] = left;
  if (first === undefined) {
    program.give(0);
    return;
  }
  program.load("half", type).unless("equal", first, () => writeUnlessTagged(program, type, rest));
}

function writeIpv4(program: FilterAssembler, at: number, count: number): void {
  program.load("word", at + 12).toIndex();
  program
    .load("word", at + 16)
    .applyIndex("add")
    .toSlot(sum);
  // Later fragments have no ports; the first one says so too, so that a datagram stays whole.
  program.load("half", at + 6).apply("and", 0x3fff);
  program.unless("equal", 0, () => writeSocket(program, count));
  program
    .indexHeaderLength(at)
    .loadIndexed("half", at)
    .toSlot(sum + 1);
  program
    .loadIndexed("half", at + 2)
    .indexFromSlot(sum + 1)
    .applyIndex("add");
  program.indexFromSlot(sum).applyIndex("add").toSlot(sum);
  writeSocket(program, count);
}

function writeIpv6(program: FilterAssembler, at: number, count: number): void {
  program.loadLength().unless("atLeast", at + 40, () => program.give(0));
  program.constant(0).toSlot(sum);
  for (let word = 0; word < 8; word++) {
    program
      .load("word", at + 8 + 4 * word)
      .indexFromSlot(sum)
      .applyIndex("add")
      .toSlot(sum);
  }
  writeSocket(program, count);
}

/** Writes the end: the sum, spread over the sockets. */
function writeSocket(program: FilterAssembler, count: number): void {
  program.fromSlot(sum).apply("mul", 0x9e3779b1).apply("rsh", 16).apply("mod", count).giveAccumulator();
}
