import type { Packet } from "../intake/packet";

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function swap(value: number): number {
  return ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

/**
 * The Linux kernel's `jhash` (Bob Jenkins' lookup3) of `count` little-endian 32-bit words; unsigned 32 bits.
 * nftables' `jhash … seed` over a concatenation hashes exactly such words.
 */
export function jhashWords(words: Int32Array | Uint32Array, count: number, seed: number): number {
  let a = (0xdeadbeef + count * 4 + seed) | 0;
  let b = a;
  let c = a;
  let at = 0;
  let left = count;
  while (left > 3) {
    a = (a + words[at]!) | 0;
    b = (b + words[at + 1]!) | 0;
    c = (c + words[at + 2]!) | 0;
    a = ((a - c) | 0) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 4);
    b = (b + a) | 0;
    at += 3;
    left -= 3;
  }
  if (left === 0) return c >>> 0;
  if (left > 2) c = (c + words[at + 2]!) | 0;
  if (left > 1) b = (b + words[at + 1]!) | 0;
  a = (a + words[at]!) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}

/** The kernel's `reciprocal_scale`: spreads a 32-bit hash over `0 … modulus - 1`, as nftables' `mod` does. */
export function reciprocalScale(hash: number, modulus: number): number {
  return Number((BigInt(hash) * BigInt(modulus)) >> 32n);
}

/** Steps into which the share of flows is divided: `mod 1000000 < percent * 10000`. */
export const sampleSteps = 1_000_000;

const words = new Int32Array(10);

/** Hash of the inner 5-tuple in client-to-server order; `reversed` says that the packet comes from the server. */
export function flowHash(packet: Packet, reversed: boolean, seed: number): number {
  const { sourcePort, destinationPort } = packet;
  if (packet.family === 4) {
    words[0] = swap(reversed ? packet.d3 : packet.s3);
    words[1] = portWord(reversed ? destinationPort : sourcePort);
    words[2] = swap(reversed ? packet.s3 : packet.d3);
    words[3] = portWord(reversed ? sourcePort : destinationPort);
    return jhashWords(words, 4, seed);
  }
  fillAddress(packet, reversed, 0);
  words[4] = portWord(reversed ? destinationPort : sourcePort);
  fillAddress(packet, !reversed, 5);
  words[9] = portWord(reversed ? sourcePort : destinationPort);
  return jhashWords(words, 10, seed);
}

/** Hash of the client's address alone, so that all flows of one client are kept or dropped together. */
export function clientHash(packet: Packet, reversed: boolean, seed: number): number {
  if (packet.family === 4) {
    words[0] = swap(reversed ? packet.d3 : packet.s3);
    return jhashWords(words, 1, seed);
  }
  fillAddress(packet, reversed, 0);
  return jhashWords(words, 4, seed);
}

/** Whether a hash falls into the share that is kept. */
export function isSampled(hash: number, percent: number): boolean {
  return reciprocalScale(hash, sampleSteps) < Math.round(percent * (sampleSteps / 100));
}

function portWord(port: number): number {
  return ((port & 0xff) << 8) | (port >>> 8);
}

function fillAddress(packet: Packet, destination: boolean, at: number): void {
  words[at] = swap(destination ? packet.d0 : packet.s0);
  words[at + 1] = swap(destination ? packet.d1 : packet.s1);
  words[at + 2] = swap(destination ? packet.d2 : packet.s2);
  words[at + 3] = swap(destination ? packet.d3 : packet.s3);
}
