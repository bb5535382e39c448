import type { ByteReader } from "./byteReader";
import type { CapturedPacket, CutListener } from "./captureFile";

const maximumBlock = 16 * 2 ** 20;
const sectionHeader = 0x0a0d0d0a;
/** The type of a section's header reads the same in both byte orders. */
const Block = { interface: 1, oldPacket: 2, simplePacket: 3, enhancedPacket: 6 } as const;
const orderMark = 0x1a2b3c4d;
const resolutionOption = 9;

interface Interface {
  linkType: number;
  snapLength: number;
  unitsPerSecond: number;
}

/** Reads the blocks of a pcapng file whose first four bytes are read already. */
export async function* readPcapng(reader: ByteReader, cut: CutListener): AsyncGenerator<CapturedPacket> {
  let section = new Section(true);
  for (let type = sectionHeader; ;) {
    const begin = await reader.take(type === sectionHeader ? 8 : 4);
    if (begin === undefined) break;
    if (type === sectionHeader) section = new Section(begin.readUInt32LE(4) === orderMark);
    const length = section.word(begin, 0);
    const whole = length >= 8 + begin.length && length <= maximumBlock && length % 4 === 0;
    const body = whole ? await reader.take(length - 8 - begin.length) : undefined;
    if (body === undefined || (await reader.take(4)) === undefined) break;
    const packet = section.take(type, body);
    if (packet === "malformed") break;
    if (packet !== undefined) yield packet;
    const next = await reader.take(4);
    if (next === undefined && reader.left === 0) return;
    if (next === undefined) break;
    type = section.word(next, 0);
  }
  cut();
}

/** What the blocks of one section have in common. */
class Section {
  private readonly interfaces: Interface[] = [];
  /** Of the last packet that had one. */
  private time = 0;

  constructor(private readonly littleEndian: boolean) {}

  word(bytes: Buffer, at: number): number {
    return this.littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  }

  private half(bytes: Buffer, at: number): number {
    return this.littleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  }

  /** The packet in a block, where there is one. */
  take(type: number, body: Buffer): CapturedPacket | "malformed" | undefined {
    if (type === Block.interface) return this.addInterface(body);
    if (type === Block.simplePacket) return this.simple(body);
    if (type === Block.enhancedPacket) return body.length < 20 ? "malformed" : this.timed(body, this.word(body, 0));
    if (type === Block.oldPacket) return body.length < 20 ? "malformed" : this.timed(body, this.half(body, 0));
    return undefined;
  }

  private addInterface(body: Buffer): "malformed" | undefined {
    if (body.length < 8) return "malformed";
    const snapLength = this.word(body, 4);
    this.interfaces.push({
      linkType: this.half(body, 0),
      snapLength: snapLength === 0 ? Infinity : snapLength,
      unitsPerSecond: this.unitsPerSecond(body),
    });
    return undefined;
  }

  private unitsPerSecond(body: Buffer): number {
    for (let at = 8; at + 4 <= body.length;) {
      const code = this.half(body, at);
      const length = this.half(body, at + 2);
      if (code === 0) break;
      if (code === resolutionOption && length === 1 && at + 4 < body.length) {
        const resolution = body[at + 4]!;
        return (resolution & 0x80) === 0 ? 10 ** resolution : 2 ** (resolution & 0x7f);
      }
      at += 4 + Math.ceil(length / 4) * 4;
    }
    return 1e6;
  }

  private timed(body: Buffer, index: number): CapturedPacket | "malformed" {
    const from = this.interfaces[index];
    const length = this.word(body, 12);
    if (20 + length > body.length) return "malformed";
    const units = this.word(body, 4) * 2 ** 32 + this.word(body, 8);
    if (from !== undefined) this.time = (units / from.unitsPerSecond) * 1000;
    return { time: this.time, linkType: from?.linkType ?? -1, data: body.subarray(20, 20 + length) };
  }

  /** Has no time of its own and no interface but the first. */
  private simple(body: Buffer): CapturedPacket | "malformed" {
    const [from] = this.interfaces;
    if (body.length < 4 || from === undefined) return "malformed";
    const length = Math.min(this.word(body, 0), from.snapLength, body.length - 4);
    return { time: this.time, linkType: from.linkType, data: body.subarray(4, 4 + length) };
  }
}
