import { createReadStream } from "node:fs";

import { ExitCode, ShadownetError } from "../../../internal/problems";

/** One packet of a capture file. */
export interface CapturedPacket {
  /** Milliseconds since 1970. */
  time: number;
  /** What stands before the packet: 1 = Ethernet, see `linkTypes.ts`. */
  linkType: number;
  data: Buffer;
}

const maximumBlock = 16 * 2 ** 20;
const pcapMagic = new Map<number, { littleEndian: boolean; perSecond: number }>([
  [0xa1b2c3d4, { littleEndian: false, perSecond: 1e6 }],
  [0xd4c3b2a1, { littleEndian: true, perSecond: 1e6 }],
  [0xa1b23c4d, { littleEndian: false, perSecond: 1e9 }],
  [0x4d3cb2a1, { littleEndian: true, perSecond: 1e9 }],
]);
const sectionHeader = 0x0a0d0d0a;

/** Hands out bytes of a stream in the amounts asked for. */
class ByteReader {
  private rest: Buffer = Buffer.alloc(0);

  constructor(private readonly chunks: AsyncIterator<Buffer>) {}

  /** The next bytes, or undefined when the file ends before. */
  async take(length: number): Promise<Buffer | undefined> {
    const parts = [this.rest];
    let have = this.rest.length;
    while (have < length) {
      const next = await this.chunks.next();
      if (next.done === true) return undefined;
      parts.push(next.value);
      have += next.value.length;
    }
    const all = parts.length === 1 ? this.rest : Buffer.concat(parts);
    this.rest = all.subarray(length);
    return all.subarray(0, length);
  }
}

/** Reads a pcap or pcapng file packet by packet; throws a `ShadownetError` when it is neither. */
export async function* readCapture(path: string): AsyncGenerator<CapturedPacket> {
  const stream = createReadStream(path, { highWaterMark: 1 << 20 });
  const reader = new ByteReader(stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>);
  try {
    const first = await reader.take(4);
    const magic = first?.readUInt32BE(0) ?? 0;
    const format = pcapMagic.get(magic);
    if (format !== undefined) yield* readPcap(reader, format);
    else if (magic === sectionHeader) yield* readPcapng(reader);
    else throw new ShadownetError("bad-capture", `${path} is neither pcap nor pcapng`, ExitCode.BadInput);
  } finally {
    stream.destroy();
  }
}

async function* readPcap(
  reader: ByteReader,
  { littleEndian, perSecond }: { littleEndian: boolean; perSecond: number },
): AsyncGenerator<CapturedPacket> {
  const word = (bytes: Buffer, at: number): number => (littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const header = await reader.take(20);
  if (header === undefined) return;
  const linkType = word(header, 16) & 0xffff;
  for (;;) {
    const record = await reader.take(16);
    if (record === undefined) return;
    const length = word(record, 8);
    const data = length > maximumBlock ? undefined : await reader.take(length);
    if (data === undefined) return;
    yield { time: word(record, 0) * 1000 + (word(record, 4) * 1000) / perSecond, linkType, data };
  }
}

interface Interface {
  linkType: number;
  unitsPerSecond: number;
}

async function* readPcapng(reader: ByteReader): AsyncGenerator<CapturedPacket> {
  let littleEndian = true;
  let interfaces: Interface[] = [];
  let type = sectionHeader;
  for (;;) {
    const lengthBytes = await reader.take(4);
    if (lengthBytes === undefined) return;
    let start: Buffer = Buffer.alloc(0);
    if (type === sectionHeader) {
      const order = await reader.take(4);
      if (order === undefined) return;
      littleEndian = order.readUInt32LE(0) === 0x1a2b3c4d;
      start = order;
      interfaces = [];
    }
    const length = littleEndian ? lengthBytes.readUInt32LE(0) : lengthBytes.readUInt32BE(0);
    if (length < 12 + start.length || length > maximumBlock || length % 4 !== 0) return;
    const body = await reader.take(length - 12 - start.length);
    const trailer = await reader.take(4);
    if (body === undefined || trailer === undefined) return;
    if (type === 1) interfaces.push(readInterface(body, littleEndian));
    const packet = type === 6 ? readEnhanced(body, littleEndian, interfaces) : undefined;
    if (packet !== undefined) yield packet;
    const next = await reader.take(4);
    if (next === undefined) return;
    type = littleEndian ? next.readUInt32LE(0) : next.readUInt32BE(0);
    if (next.readUInt32BE(0) === sectionHeader) type = sectionHeader;
  }
}

function readInterface(body: Buffer, littleEndian: boolean): Interface {
  const half = (at: number): number => (littleEndian ? body.readUInt16LE(at) : body.readUInt16BE(at));
  let unitsPerSecond = 1e6;
  for (let at = 8; at + 4 <= body.length;) {
    const code = half(at);
    const length = half(at + 2);
    if (code === 0) break;
    if (code === 9 && length === 1 && at + 4 < body.length) {
      const resolution = body[at + 4]!;
      unitsPerSecond = (resolution & 0x80) === 0 ? 10 ** resolution : 2 ** (resolution & 0x7f);
    }
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return { linkType: body.length >= 2 ? half(0) : 0, unitsPerSecond };
}

function readEnhanced(body: Buffer, littleEndian: boolean, interfaces: Interface[]): CapturedPacket | undefined {
  if (body.length < 20) return undefined;
  const word = (at: number): number => (littleEndian ? body.readUInt32LE(at) : body.readUInt32BE(at));
  const known = interfaces[word(0)];
  const length = word(12);
  if (known === undefined || 20 + length > body.length) return undefined;
  const units = word(4) * 2 ** 32 + word(8);
  return {
    time: (units / known.unitsPerSecond) * 1000,
    linkType: known.linkType,
    data: body.subarray(20, 20 + length),
  };
}
