import { createHash, hash, type Hash } from "node:crypto";

/** Bodies up to this many bytes are kept for comparing JSON fields. */
const keptBytes = 262_144;

/** Digest of a response's content, computed as it arrives; content that could be JSON is kept up to a bound. */
export class BodyDigest {
  bytes = 0;
  private first: Buffer | undefined;
  private streaming: Hash | undefined;
  private parts: Buffer[] | undefined;

  constructor(keep: boolean) {
    this.parts = keep ? [] : undefined;
  }

  add(buffer: Buffer, from: number, to: number): void {
    if (to <= from) return;
    const part = buffer.subarray(from, to);
    this.bytes += part.length;
    if (this.parts !== undefined) {
      if (this.bytes > keptBytes) this.parts = undefined;
      else this.parts.push(part);
    }
    if (this.streaming !== undefined) this.streaming.update(part);
    else if (this.first === undefined) this.first = part;
    else {
      this.streaming = createHash("sha256").update(this.first).update(part);
      this.first = undefined;
    }
  }

  /** First 32 hexadecimal digits of the SHA-256 of all bytes. */
  digest(): string {
    const full =
      this.streaming === undefined
        ? hash("sha256", this.first ?? Buffer.alloc(0), "hex")
        : this.streaming.digest("hex");
    return full.slice(0, 32);
  }

  /** The content, when it was kept whole. */
  content(): Buffer | undefined {
    return this.parts === undefined ? undefined : Buffer.concat(this.parts);
  }
}
