import { FrameFlag, FrameType } from "./frames";

const headerBytes = 9;
/** Longer frames need the receiver's leave, and few servers give it. */
const longestFrame = 16_384;
/** So many streams may have gone by since the last that was seen. */
const mostAhead = 1_000;

/** What frames look like of which nothing is known but their nine bytes of header (RFC 9113, section 6). */
const shapes: ReadonlyMap<number, { flags: number; length?: number; connection?: "only" | "also" }> = new Map([
  [FrameType.Data, { flags: FrameFlag.EndStream | FrameFlag.Padded }],
  [FrameType.Headers, { flags: FrameFlag.EndStream | FrameFlag.EndHeaders | FrameFlag.Padded | FrameFlag.Priority }],
  [FrameType.ResetStream, { flags: 0, length: 4 }],
  [FrameType.Settings, { flags: FrameFlag.Ack, connection: "only" }],
  [FrameType.Ping, { flags: FrameFlag.Ack, length: 8, connection: "only" }],
  [FrameType.WindowUpdate, { flags: 0, length: 4, connection: "also" }],
  [FrameType.Continuation, { flags: FrameFlag.EndHeaders }],
]);

/**
 * The highest stream of a connection in which both directions lost bytes, so that nothing tells where a frame begins.
 * Clients number their streams 1, 3, 5 and so on, so that it says how many requests there were. A segment that begins as
 * a frame of one of the next streams does is taken for it; in content that is none, nine bytes hardly ever look like that.
 */
export class StreamSightings {
  highest = 0;
  /** Whether any stream was sighted. */
  any = false;

  /** Looks at a segment; streams up to `known` were read. */
  look(chunk: Buffer, from: number, to: number, known: number): void {
    this.highest = Math.max(this.highest, known);
    for (let at = from; at + headerBytes <= to;) {
      const length = chunk.readUIntBE(at, 3);
      const stream = chunk.readUInt32BE(at + 5);
      if (!this.isFrame(chunk[at + 3]!, chunk[at + 4]!, length, stream)) return;
      this.highest = Math.max(this.highest, stream);
      if (stream > 0) this.any = true;
      at += headerBytes + length;
    }
  }

  private isFrame(type: number, flags: number, length: number, stream: number): boolean {
    const shape = shapes.get(type);
    if (shape === undefined || (flags & ~shape.flags) !== 0 || length > longestFrame) return false;
    if (shape.length !== undefined && length !== shape.length) return false;
    if (stream === 0) return shape.connection !== undefined;
    return shape.connection !== "only" && stream % 2 === 1 && stream <= this.highest + 2 * mostAhead;
  }
}
