import { parseAddress } from "../../../internal/cidr";
import type { Endpoint } from "../replay/shadowConnection";
import { FilterAssembler, type Slot } from "./assembler";
import { writeHash } from "./filterHash";

/** What the kernel is to choose by; the same as the gateway's own choice. */
export interface SamplingChoice {
  /** Addresses of live servers: they tell which side of a packet is the client. */
  servers: readonly Endpoint[];
  /** Flows whose hash is below are kept; see {@link hashLimit}. */
  limit: number;
  seed: number;
  sampleBy: "flow" | "client";
}

/** The first hash that is not in the share; the kernel scales hashes by multiplication, so the share is a range. */
export function hashLimit(percent: number): number {
  const steps = Math.round(percent * 10_000);
  return Number((BigInt(steps) * 2n ** 32n + 999_999n) / 1_000_000n);
}

const keepAll = 0xffff_ffff;
const udpHeader = 8;
const vxlanHeader = 8;
const ethernet = udpHeader + vxlanHeader;
const network = ethernet + 14;
const clientIsSource: Slot = 14;
const clientIsDestination: Slot = 15;
const scratch: Slot = 13;
/** Servers beyond which no filter is written: it would be longer than the kernel takes. */
const mostServers = 64;

interface Layout {
  /** First byte of the source address, of the destination address, and of the source port. */
  source: number;
  destination: number;
  ports: number;
  addressWords: number;
}

const ipv4: Layout = { source: network + 12, destination: network + 16, ports: network + 20, addressWords: 1 };
const ipv6: Layout = { source: network + 8, destination: network + 24, ports: network + 40, addressWords: 4 };

/**
 * A filter for the socket of a VXLAN intake that leaves out packets of flows that are not sampled. What it is not sure
 * of it lets pass: VLAN tags, IP options, extension headers, fragments, packets between no or two known servers.
 * Undefined where it could not leave anything out.
 */
export function samplingFilter(choice: SamplingChoice): Buffer | undefined {
  const { servers, limit } = choice;
  if (servers.length === 0 || servers.length > mostServers || limit >= 2 ** 32) return undefined;
  const program = new FilterAssembler();
  program.loadLength().unless("atLeast", ipv4.ports + 4, () => program.give(keepAll));
  program.load("half", ethernet + 12).toSlot(0);
  program.when("equal", 0x0800, () => {
    program.load("byte", network).unless("equal", 0x45, () => program.give(keepAll));
    program.load("half", network + 6).apply("and", 0x3fff);
    program.unless("equal", 0, () => program.give(keepAll));
    program.load("byte", network + 9);
    writeChoice(program, ipv4, choice, 4);
  });
  program.fromSlot(0).unless("equal", 0x86dd, () => program.give(keepAll));
  program.loadLength().unless("atLeast", ipv6.ports + 4, () => program.give(keepAll));
  program.load("byte", network + 6);
  writeChoice(program, ipv6, choice, 6);
  return program.bytes();
}

/** Writes the decision on a packet; the accumulator holds its protocol. */
function writeChoice(program: FilterAssembler, layout: Layout, choice: SamplingChoice, family: 4 | 6): void {
  program.unless("equal", 6, () => program.unless("equal", 17, () => program.give(keepAll)));
  program.constant(0).toSlot(clientIsSource).toSlot(clientIsDestination);
  for (const server of choice.servers) {
    const { family: own, value } = parseAddress(server.address)!;
    if (own !== family) continue;
    const words = Array.from({ length: layout.addressWords }, (_, index) =>
      Number((value >> BigInt(32 * (layout.addressWords - 1 - index))) & 0xffff_ffffn),
    );
    writeMatch(program, words, layout.destination, layout.ports + 2, server.port, clientIsSource);
    writeMatch(program, words, layout.source, layout.ports, server.port, clientIsDestination);
  }
  program.fromSlot(clientIsSource).indexFromSlot(clientIsDestination).applyIndex("xor");
  program.when("equal", 0, () => program.give(keepAll));
  const reversed = { ...layout, source: layout.destination, destination: layout.source };
  // The kernel's check does not see that one of the two blocks is always run.
  program.constant(0);
  for (let slot = 0; slot < 2 * layout.addressWords + 2; slot++) program.toSlot(slot);
  program.fromSlot(clientIsSource);
  program.when("equal", 1, () => writeWords(program, layout, layout.ports, layout.ports + 2, choice.sampleBy));
  program.fromSlot(clientIsDestination);
  program.when("equal", 1, () => writeWords(program, reversed, layout.ports + 2, layout.ports, choice.sampleBy));
  writeHash(program, choice.sampleBy === "client" ? layout.addressWords : 2 * layout.addressWords + 2, choice.seed);
  program.when("atLeast", choice.limit, () => program.give(0));
  program.give(keepAll);
}

/** Writes `flag = 1` for packets with this address and port at these places. */
function writeMatch(
  program: FilterAssembler,
  words: readonly number[],
  address: number,
  portAt: number,
  port: number,
  flag: Slot,
): void {
  const next = (index: number): void => {
    if (index < words.length) {
      program.load("word", address + 4 * index).when("equal", words[index]!, () => next(index + 1));
      return;
    }
    program.load("half", portAt).when("equal", port, () => program.constant(1).toSlot(flag));
  };
  next(0);
}

/** Writes the words that are hashed: the client's address and port, the server's; as they lie in a little-endian machine. */
function writeWords(
  program: FilterAssembler,
  { source, destination, addressWords }: Layout,
  clientPort: number,
  serverPort: number,
  sampleBy: "flow" | "client",
): void {
  for (let index = 0; index < addressWords; index++) writeSwapped(program, source + 4 * index, index);
  if (sampleBy === "client") return;
  writePort(program, clientPort, addressWords);
  for (let index = 0; index < addressWords; index++) {
    writeSwapped(program, destination + 4 * index, addressWords + 1 + index);
  }
  writePort(program, serverPort, 2 * addressWords + 1);
}

function writeSwapped(program: FilterAssembler, at: number, slot: Slot): void {
  program.load("word", at).toSlot(scratch).apply("lsh", 24).toIndex();
  program.fromSlot(scratch).apply("and", 0xff00).apply("lsh", 8).applyIndex("or").toIndex();
  program.fromSlot(scratch).apply("rsh", 8).apply("and", 0xff00).applyIndex("or").toIndex();
  program.fromSlot(scratch).apply("rsh", 24).applyIndex("or").toSlot(slot);
}

function writePort(program: FilterAssembler, at: number, slot: Slot): void {
  program
    .load("byte", at + 1)
    .apply("lsh", 8)
    .toIndex();
  program.load("byte", at).applyIndex("or").toSlot(slot);
}
