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

/** What all bodies of one gateway may hold together, and what they do. */
export class BodyMemory {
  used = 0;

  constructor(private readonly limit: number) {}

  /** Takes room for bytes; false when there is none. */
  take(bytes: number): boolean {
    if (this.used + bytes > this.limit) return false;
    this.used += bytes;
    return true;
  }
}

/** Content that is digested piece by piece, and its pieces as long as they are kept. */
interface Stream {
  hash: Hash;
  parts: Buffer[] | undefined;
}

/**
 * Digest of a response's content. As long as it fits, the content is gathered in one piece: it is digested in one go,
 * and not at all when the other side's is the same. Bytes are taken over at once: the caller may use their memory again.
 * What does not fit into the memory of all bodies is digested piece by piece and not kept.
 */
export class BodyDigest {
  bytes = 0;
  /** What holds all bytes so far, as long as they are gathered: a kept piece of a slab, or a block from its beginning. */
  private memory: Buffer | undefined;
  private start = 0;
  private inBlock = false;
  private streaming: Stream | undefined;
  private known: string | undefined;

  constructor(
    private readonly room: BodyMemory,
    /** Whether the content could be JSON, whose fields are compared. */
    readonly json: boolean,
  ) {}

  add(buffer: Buffer, from: number, to: number): void {
    if (to <= from) return;
    const before = this.bytes;
    this.bytes += to - from;
    if (this.known !== undefined) return;
    if (before === 0 && this.bytes <= shortBytes && this.room.take(this.bytes)) {
      keep(buffer, from, to);
      this.memory = kept.buffer;
      this.start = kept.start;
    } else if (this.streaming !== undefined || !this.gather(buffer, from, to, before))
      this.stream(buffer, from, to, before);
  }

  /** First 32 hexadecimal digits of the SHA-256 of all bytes. */
  digest(other?: BodyDigest): string {
    if (this.known !== undefined) return this.known;
    if (other?.known !== undefined && other.known !== released && this.equals(other)) return (this.known = other.known);
    const { streaming } = this;
    const full =
      streaming === undefined ? hash("sha256", this.gathered(this.bytes), "hex") : streaming.hash.digest("hex");
    return (this.known = full.slice(0, 32));
  }

  /** The content, when it was kept whole. */
  content(): Buffer | undefined {
    const { streaming } = this;
    if (!this.json) return undefined;
    if (streaming === undefined) return this.isGathered ? Buffer.from(this.gathered(this.bytes)) : undefined;
    return streaming.parts === undefined ? undefined : Buffer.concat(streaming.parts);
  }

  /** Gives up the content; its digest, if it has been asked for, stays. What still comes is only counted. */
  release(): void {
    this.giveMemoryBack(this.bytes);
    this.dropParts();
    this.known ??= released;
  }

  /** Whether all bytes so far are in one piece; they are given up by {@link release}. */
  private get isGathered(): boolean {
    return this.memory !== undefined || this.bytes === 0;
  }

  private dropParts(): void {
    const { streaming } = this;
    for (const part of streaming?.parts ?? []) this.room.used -= part.length;
    if (streaming !== undefined) streaming.parts = undefined;
  }

  private giveMemoryBack(bytes: number): void {
    if (this.inBlock) {
      spareBlocks.push(this.memory!);
      blocksInUse--;
      this.room.used -= blockBytes;
    } else if (this.memory !== undefined) this.room.used -= bytes;
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
      const block = this.takeBlock();
      if (block === undefined) return false;
      if (this.memory !== undefined) {
        this.memory.copy(block, 0, this.start, this.start + before);
        this.room.used -= before;
      }
      this.memory = block;
      this.start = 0;
      this.inBlock = true;
    }
    buffer.copy(this.memory!, before, from, to);
    return true;
  }

  private takeBlock(): Buffer | undefined {
    if (!this.room.take(blockBytes)) return undefined;
    const block = takeBlock();
    if (block === undefined) this.room.used -= blockBytes;
    return block;
  }

  private stream(buffer: Buffer, from: number, to: number, before: number): void {
    const piece = buffer.subarray(from, to);
    const streaming = (this.streaming ??= this.beginStream(before));
    streaming.hash.update(piece);
    if (streaming.parts === undefined) return;
    if (this.bytes <= keptBytes && this.room.take(piece.length)) streaming.parts.push(Buffer.from(piece));
    else this.dropParts();
  }

  private beginStream(before: number): Stream {
    const gathered = this.gathered(before);
    const stream: Stream = { hash: createHash("sha256").update(gathered), parts: undefined };
    if (this.json && this.room.take(before)) stream.parts = [Buffer.from(gathered)];
    this.giveMemoryBack(before);
    return stream;
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
/** The digest of content that was given up before anybody asked for it. */
const released = "";
