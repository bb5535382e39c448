import { createHash, hash, type Hash } from "node:crypto";

import { keep, kept } from "../intake/keep";

/** Bodies up to this many bytes are kept for comparing JSON fields. */
const keptBytes = 262_144;
/** A first piece up to this many bytes gets memory of its own size, because it is mostly the only one. */
const shortBytes = 8_192;
const blockBytes = 65_536;
/** Blocks that may be in use at a time; what comes beyond is digested piece by piece. */
const maximumBlocks = 64;

const spareBlocks: Buffer[] = [];
let blocksInUse = 0;

function takeBlock(): Buffer | undefined {
  if (blocksInUse === maximumBlocks) return undefined;
  blocksInUse++;
  return spareBlocks.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
}

/**
 * Digest of a response's content. As long as it fits, the content is gathered in one piece: it is digested in one go,
 * and not at all when the other side's is the same. Bytes are taken over at once: the caller may use their memory again.
 */
export class BodyDigest {
  bytes = 0;
  /** What holds all bytes so far, as long as they are gathered: a kept piece of a slab, or a block from its beginning. */
  private memory: Buffer | undefined;
  private start = 0;
  private inBlock = false;
  private streaming: Hash | undefined;
  /** Content that could be JSON, once it is no longer gathered. */
  private parts: Buffer[] | undefined;
  private known: string | undefined;

  constructor(private keepsContent: boolean) {}

  add(buffer: Buffer, from: number, to: number): void {
    if (to <= from) return;
    const before = this.bytes;
    this.bytes += to - from;
    if (before === 0 && this.bytes <= shortBytes) {
      keep(buffer, from, to);
      this.memory = kept.buffer;
      this.start = kept.start;
    } else if (this.streaming !== undefined || !this.gather(buffer, from, to, before))
      this.stream(buffer, from, to, before);
  }

  /** First 32 hexadecimal digits of the SHA-256 of all bytes. */
  digest(other?: BodyDigest): string {
    if (this.known !== undefined) return this.known;
    if (other?.known !== undefined && this.equals(other)) return (this.known = other.known);
    const { streaming } = this;
    const full = streaming === undefined ? hash("sha256", this.gathered(this.bytes), "hex") : streaming.digest("hex");
    return (this.known = full.slice(0, 32));
  }

  /** The content, when it was kept whole. */
  content(): Buffer | undefined {
    if (!this.keepsContent) return undefined;
    return this.streaming === undefined ? Buffer.from(this.gathered(this.bytes)) : Buffer.concat(this.parts!);
  }

  /** Gives up the content; its digest, if it has been asked for, stays. */
  release(): void {
    this.giveMemoryBack();
    this.parts = undefined;
    this.keepsContent = false;
  }

  private giveMemoryBack(): void {
    if (this.inBlock) {
      spareBlocks.push(this.memory!);
      blocksInUse--;
    }
    this.memory = undefined;
    this.inBlock = false;
  }

  /** The first bytes of the content, which must be gathered. */
  private gathered(bytes: number): Buffer {
    return this.memory?.subarray(this.start, this.start + bytes) ?? nothing;
  }

  /** Puts bytes behind those that are gathered; false when there is no room. */
  private gather(buffer: Buffer, from: number, to: number, before: number): boolean {
    if (this.bytes > blockBytes) return false;
    if (!this.inBlock) {
      const block = takeBlock();
      if (block === undefined) return false;
      this.memory?.copy(block, 0, this.start, this.start + before);
      this.memory = block;
      this.start = 0;
      this.inBlock = true;
    }
    buffer.copy(this.memory!, before, from, to);
    return true;
  }

  private stream(buffer: Buffer, from: number, to: number, before: number): void {
    const piece = buffer.subarray(from, to);
    if (this.streaming === undefined) {
      const gathered = this.gathered(before);
      this.streaming = createHash("sha256").update(gathered);
      if (this.keepsContent) this.parts = [Buffer.from(gathered)];
      this.giveMemoryBack();
    }
    this.streaming.update(piece);
    if (this.bytes > keptBytes) this.keepsContent = false;
    if (this.keepsContent) this.parts?.push(Buffer.from(piece));
    else this.parts = undefined;
  }

  private equals(other: BodyDigest): boolean {
    if (this.bytes !== other.bytes || this.streaming !== undefined || other.streaming !== undefined) return false;
    if (this.bytes === 0) return true;
    const { memory, start, bytes } = this;
    if (memory === undefined || other.memory === undefined) return false;
    return memory.compare(other.memory, other.start, other.start + bytes, start, start + bytes) === 0;
  }
}

const nothing = Buffer.alloc(0);
