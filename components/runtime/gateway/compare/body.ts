import { createHash, hash, type Hash } from "node:crypto";

import { keptCopy } from "../intake/keep";

/** Bodies up to this many bytes are kept for comparing JSON fields. */
const keptBytes = 262_144;
/** A first piece up to this many bytes is put aside, because it is mostly the only one. */
const shortBytes = 8_192;

/**
 * Digest of a response's content, computed as it arrives; content that could be JSON is kept up to a bound. Bytes are
 * taken over at once: the caller may use their memory again.
 */
export class BodyDigest {
  bytes = 0;
  private first: Buffer | undefined;
  private streaming: Hash | undefined;
  private parts: Buffer[] | undefined;
  private known: string | undefined;

  constructor(keepsContent: boolean) {
    this.parts = keepsContent ? [] : undefined;
  }

  add(buffer: Buffer, from: number, to: number): void {
    if (to <= from) return;
    const before = this.bytes;
    this.bytes += to - from;
    const short = before === 0 && to - from <= shortBytes;
    const copied = short || (this.parts !== undefined && this.bytes <= keptBytes);
    const part = copied ? keptCopy(buffer, from, to) : buffer.subarray(from, to);
    if (this.bytes > keptBytes) this.parts = undefined;
    else this.parts?.push(part);
    if (short) {
      this.first = part;
      return;
    }
    this.streaming ??= createHash("sha256");
    if (this.first !== undefined) this.streaming.update(this.first);
    this.first = undefined;
    this.streaming.update(part);
  }

  /** First 32 hexadecimal digits of the SHA-256 of all bytes; costs nothing when `other` has the same short content. */
  digest(other?: BodyDigest): string {
    if (this.known !== undefined) return this.known;
    if (other?.known !== undefined && this.equalsShort(other)) return (this.known = other.known);
    const full =
      this.streaming === undefined ? hash("sha256", this.first ?? nothing, "hex") : this.streaming.digest("hex");
    return (this.known = full.slice(0, 32));
  }

  /** The content, when it was kept whole. */
  content(): Buffer | undefined {
    return this.parts === undefined ? undefined : Buffer.concat(this.parts);
  }

  private equalsShort(other: BodyDigest): boolean {
    if (this.bytes !== other.bytes || this.streaming !== undefined || other.streaming !== undefined) return false;
    return this.first === undefined || (other.first !== undefined && this.first.equals(other.first));
  }
}

const nothing = Buffer.alloc(0);
