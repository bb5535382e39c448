/** Where the inner Ethernet frame of an encapsulated packet lies; one instance is filled again and again. */
export class InnerFrame {
  start = 0;
  vni = 0;
}

/** Reads a VXLAN header (RFC 7348); false when there is none. */
export function unwrapVxlan(buffer: Buffer, start: number, end: number, frame: InnerFrame): boolean {
  if (start + 8 > end || (buffer[start]! & 0x08) === 0) return false;
  frame.vni = (buffer[start + 4]! << 16) | (buffer[start + 5]! << 8) | buffer[start + 6]!;
  frame.start = start + 8;
  return true;
}

const etherBridging = 0x6558;
const etherIpv4 = 0x0800;
const etherIpv6 = 0x86dd;
const udpProtocol = 17;
const vxlanPort = 4789;
/** What the ends of a tunnel tell each other is no traffic, whatever it looks like. */
const controlPacket = 0x80;

/**
 * Reads a GENEVE header (RFC 8926) and skips its options. The payload is an Ethernet frame, or, as the AWS Gateway Load
 * Balancer sends it, an IP packet whose UDP payload is VXLAN. False when neither is there.
 */
export function unwrapGeneve(buffer: Buffer, start: number, end: number, frame: InnerFrame): boolean {
  if (start + 8 > end || buffer[start]! >> 6 !== 0 || (buffer[start + 1]! & controlPacket) !== 0) return false;
  const type = (buffer[start + 2]! << 8) | buffer[start + 3]!;
  const inner = start + 8 + (buffer[start]! & 0x3f) * 4;
  if (inner > end) return false;
  frame.vni = (buffer[start + 4]! << 16) | (buffer[start + 5]! << 8) | buffer[start + 6]!;
  frame.start = inner;
  if (type === etherBridging) return true;
  const udp =
    type === etherIpv4 ? udpInIpv4(buffer, inner, end) : type === etherIpv6 ? udpInIpv6(buffer, inner, end) : -1;
  if (udp < 0 || udp + 8 > end || ((buffer[udp + 2]! << 8) | buffer[udp + 3]!) !== vxlanPort) return false;
  return unwrapVxlan(buffer, udp + 8, end, frame);
}

/** Where the UDP header of an IPv4 packet is; -1 when there is none. */
function udpInIpv4(buffer: Buffer, at: number, end: number): number {
  if (at + 20 > end || buffer[at + 9] !== udpProtocol) return -1;
  const headerLength = (buffer[at]! & 15) * 4;
  if (buffer[at]! >> 4 !== 4 || headerLength < 20) return -1;
  // A later fragment begins with bytes of a payload, whatever they look like.
  if ((((buffer[at + 6]! << 8) | buffer[at + 7]!) & 0x1fff) !== 0) return -1;
  return at + headerLength;
}

/** Where the UDP header of an IPv6 packet is; -1 when it does not follow at once. */
function udpInIpv6(buffer: Buffer, at: number, end: number): number {
  if (at + 40 > end || buffer[at]! >> 4 !== 6 || buffer[at + 6] !== udpProtocol) return -1;
  return at + 40;
}
