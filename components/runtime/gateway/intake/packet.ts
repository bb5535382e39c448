/** TCP flag bits. */
export const Flag = { Fin: 1, Syn: 2, Rst: 4, Psh: 8, Ack: 16 } as const;

/**
 * What decoding a frame came to. `truncated`: headers are whole, the payload is cut short; `cut`: the copy ends before
 * the ports. Everything but `ok` and `truncated` is a counter and nothing else.
 */
export type DecodeOutcome =
  | "ok"
  | "truncated"
  | "cut"
  | "shortFrame"
  | "notIp"
  | "badIpHeader"
  | "fragment"
  | "notTcpOrUdp"
  | "badTransportHeader";

/**
 * One decoded inner packet. A single instance is filled again and again, so that a packet costs no allocation; `buffer`
 * is memory that stays only once a flow has taken the packet. IPv4 addresses are in the last word, the other words are zero.
 */
export class Packet {
  family: 4 | 6 = 4;
  protocol = 0;
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  d0 = 0;
  d1 = 0;
  d2 = 0;
  d3 = 0;
  sourcePort = 0;
  destinationPort = 0;
  sequence = 0;
  acknowledgement = 0;
  flags = 0;
  window = 0;
  /** Arrival, milliseconds since 1970. */
  time = 0;
  /** Network identifier of the encapsulation, 0 when there is none. */
  vni = 0;
  buffer: Buffer = Buffer.alloc(0);
  payloadStart = 0;
  /** End of the bytes that are present; a truncated copy has fewer than `payloadLength`. */
  payloadEnd = 0;
  /** Payload bytes that the headers announce. */
  payloadLength = 0;
}

const etherIpv4 = 0x0800;
const etherIpv6 = 0x86dd;
const tcp = 6;
const udp = 17;
/** Fragment field of IPv4: the first one, and others follow. */
const moreFollows = 0x2000;
const longestDatagram = 65_535;

/** Decodes an Ethernet frame, with any number of VLAN tags, into `packet`. Reads nothing outside `start`–`end`. */
export function decodeEthernet(buffer: Buffer, start: number, end: number, packet: Packet): DecodeOutcome {
  let at = start + 12;
  if (at + 2 > end) return "shortFrame";
  let type = (buffer[at]! << 8) | buffer[at + 1]!;
  at += 2;
  while (type === 0x8100 || type === 0x88a8 || type === 0x9100) {
    if (at + 4 > end) return "shortFrame";
    type = (buffer[at + 2]! << 8) | buffer[at + 3]!;
    at += 4;
  }
  if (type === etherIpv4) return decodeIpv4(buffer, at, end, packet);
  return type === etherIpv6 ? decodeIpv6(buffer, at, end, packet) : "notIp";
}

function word(buffer: Buffer, at: number): number {
  return ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0;
}

/** What a frame of the least size carries; more than that is never padding. */
const leastCarried = 46;

/**
 * The length that stands at `at`. Hosts whose card cuts large packets leave 0 there in what they capture: then the packet
 * is what there is of it, unless that could be padding.
 */
function lengthOr(buffer: Buffer, at: number, present: number, carried = present): number {
  const length = (buffer[at]! << 8) | buffer[at + 1]!;
  return length === 0 && carried > leastCarried ? present : length;
}

function decodeIpv4(buffer: Buffer, at: number, end: number, packet: Packet): DecodeOutcome {
  if (at + 20 > end) return "shortFrame";
  const headerLength = (buffer[at]! & 15) * 4;
  const total = lengthOr(buffer, at + 2, end - at);
  if (buffer[at]! >> 4 !== 4 || headerLength < 20 || total < headerLength) return "badIpHeader";
  const fragment = ((buffer[at + 6]! << 8) | buffer[at + 7]!) & 0x3fff;
  if (fragment !== 0 && !(fragment === moreFollows && buffer[at + 9] === udp)) return "fragment";
  packet.family = 4;
  packet.s0 = packet.s1 = packet.s2 = packet.d0 = packet.d1 = packet.d2 = 0;
  packet.s3 = word(buffer, at + 12);
  packet.d3 = word(buffer, at + 16);
  const transport = at + headerLength;
  if (fragment !== 0) return decodeFirstFragment(buffer, transport, at + total, end, packet);
  return decodeTransport(buffer, transport, at + total, end, buffer[at + 9]!, packet);
}

function decodeIpv6(buffer: Buffer, at: number, end: number, packet: Packet): DecodeOutcome {
  if (at + 40 > end) return "shortFrame";
  if (buffer[at]! >> 4 !== 6) return "badIpHeader";
  const announced = at + 40 + lengthOr(buffer, at + 4, end - at - 40, end - at);
  packet.family = 6;
  packet.s0 = word(buffer, at + 8);
  packet.s1 = word(buffer, at + 12);
  packet.s2 = word(buffer, at + 16);
  packet.s3 = word(buffer, at + 20);
  packet.d0 = word(buffer, at + 24);
  packet.d1 = word(buffer, at + 28);
  packet.d2 = word(buffer, at + 32);
  packet.d3 = word(buffer, at + 36);
  let next = buffer[at + 6]!;
  let position = at + 40;
  for (;;) {
    if (next === tcp || next === udp) return decodeTransport(buffer, position, announced, end, next, packet);
    if (next !== 0 && next !== 43 && next !== 44 && next !== 51 && next !== 60) return "notTcpOrUdp";
    if (position + 8 > announced) return "badIpHeader";
    if (position + 8 > end) return "cut";
    const fragment = next === 44 ? ((buffer[position + 2]! << 8) | buffer[position + 3]!) & 0xfff9 : 0;
    if (fragment === 1 && buffer[position] === udp) {
      return decodeFirstFragment(buffer, position + 8, announced, end, packet);
    }
    if (fragment !== 0) return "fragment";
    const length = next === 44 ? 8 : next === 51 ? (buffer[position + 1]! + 2) * 4 : (buffer[position + 1]! + 1) * 8;
    next = buffer[position]!;
    position += length;
  }
}

/**
 * The first fragment of a datagram tells whose it is and how long: it counts as a copy that was cut short, because fragments
 * are not put together. (TCP says no length of its own, and misses the segment by its numbers.)
 */
function decodeFirstFragment(buffer: Buffer, at: number, until: number, end: number, packet: Packet): DecodeOutcome {
  return decodeTransport(buffer, at, at + longestDatagram, Math.min(until, end), udp, packet);
}

function decodeTransport(
  buffer: Buffer,
  at: number,
  announced: number,
  end: number,
  protocol: number,
  packet: Packet,
): DecodeOutcome {
  if (protocol !== tcp && protocol !== udp) return "notTcpOrUdp";
  const headerMinimum = protocol === tcp ? 20 : 8;
  if (at + headerMinimum > announced) return "badTransportHeader";
  if (at + headerMinimum > end) return "cut";
  packet.protocol = protocol;
  packet.buffer = buffer;
  packet.sourcePort = (buffer[at]! << 8) | buffer[at + 1]!;
  packet.destinationPort = (buffer[at + 2]! << 8) | buffer[at + 3]!;
  return protocol === tcp
    ? finishTcp(buffer, at, announced, end, packet)
    : finishUdp(buffer, at, announced, end, packet);
}

function finishTcp(buffer: Buffer, at: number, announced: number, end: number, packet: Packet): DecodeOutcome {
  const headerLength = (buffer[at + 12]! >> 4) * 4;
  if (headerLength < 20 || at + headerLength > announced) return "badTransportHeader";
  packet.sequence = word(buffer, at + 4);
  packet.acknowledgement = word(buffer, at + 8);
  packet.flags = buffer[at + 13]!;
  packet.window = (buffer[at + 14]! << 8) | buffer[at + 15]!;
  return setPayload(at + headerLength, announced, end, packet);
}

function finishUdp(buffer: Buffer, at: number, announced: number, end: number, packet: Packet): DecodeOutcome {
  const length = (buffer[at + 4]! << 8) | buffer[at + 5]!;
  if (length < 8 || at + length > announced) return "badTransportHeader";
  packet.flags = packet.sequence = packet.acknowledgement = packet.window = 0;
  return setPayload(at + 8, at + length, end, packet);
}

function setPayload(start: number, announced: number, end: number, packet: Packet): DecodeOutcome {
  packet.payloadLength = announced - start;
  packet.payloadStart = Math.min(start, end);
  packet.payloadEnd = Math.min(announced, end);
  return announced > end ? "truncated" : "ok";
}
