import type { Framing, Walker } from "./framings";

const protocolHeaderBytes = 8;
const frameHeaderBytes = 7;
const frameEnd = 0xce;
const Frame = { method: 1, header: 2, body: 3, heartbeat: 8 } as const;
/** Bytes of a frame that say all that is to be known of it: its own header, and where a content's length ends. */
const tellingBytes = frameHeaderBytes + 12;
/** Classes of methods, from `connection` to `tx` and `confirm`. */
const classes = new Set([10, 20, 30, 40, 50, 60, 85, 90]);
/** `basic.publish`, the one method of a client that content follows. */
const publish = (60 << 16) | 40;
/** A content whose length is not known yet. */
const unknownLength = -1;

/**
 * AMQP 0-9-1: frames that end with an octet of their own. A message is a method with the content that belongs to it, or
 * a heartbeat; contents of several channels may alternate. AMQP 1.0 begins otherwise and is not read.
 */
class AmqpWalker implements Walker {
  broken = false;
  private readonly head = Buffer.alloc(tellingBytes);
  private have = 0;
  /** Bytes of the frame that are still to come, its end octet included; 0 until its header is whole. */
  private left = 0;
  /** Channels on which a content is under way, with what is missing of it. */
  private readonly contents = new Map<number, number>();

  constructor(private protocolHeaderExpected: boolean) {}

  get atBoundary(): boolean {
    return this.have === 0 && this.contents.size === 0;
  }

  walk(chunk: Buffer, from: number, to: number): number {
    let ended = from;
    for (let at = from; at < to && !this.broken;) {
      at = this.protocolHeaderExpected ? this.readProtocolHeader(chunk, at, to) : this.readFrame(chunk, at, to);
      if (this.atBoundary) ended = at;
    }
    return ended;
  }

  private readProtocolHeader(chunk: Buffer, at: number, to: number): number {
    const next = this.fill(chunk, at, to, protocolHeaderBytes);
    if (this.have < protocolHeaderBytes) return next;
    this.have = 0;
    this.protocolHeaderExpected = false;
    const [major, minor] = [this.head[5]!, this.head[6]!];
    this.broken = this.head.toString("latin1", 0, 4) !== "AMQP" || major !== 0 || minor !== 9;
    return next;
  }

  private readFrame(chunk: Buffer, from: number, to: number): number {
    let at = from;
    if (this.left === 0) {
      at = this.fill(chunk, at, to, frameHeaderBytes);
      if (this.have === frameHeaderBytes) this.left = this.head.readUInt32BE(3) + 1;
      return at;
    }
    const part = Math.min(to - at, this.left);
    if (this.have < tellingBytes) this.fill(chunk, at, Math.min(at + part, to), tellingBytes);
    at += part;
    this.left -= part;
    if (this.left === 0) {
      this.broken = chunk[at - 1] !== frameEnd || !this.takeFrame(this.head.readUInt32BE(3));
      this.have = 0;
    }
    return at;
  }

  /** Takes bytes into the head until it has `length`, and returns the position after them. */
  private fill(chunk: Buffer, at: number, to: number, length: number): number {
    const part = Math.min(to - at, length - this.have);
    chunk.copy(this.head, this.have, at, at + part);
    this.have += part;
    return at + part;
  }

  /** A frame is whole; false when it is none that may stand here. */
  private takeFrame(length: number): boolean {
    const { head, contents } = this;
    const channel = head.readUInt16BE(1);
    const missing = contents.get(channel);
    if (head[0] === Frame.heartbeat) return length === 0;
    if (head[0] === Frame.method) {
      if (missing !== undefined || length < 4 || !classes.has(head.readUInt16BE(frameHeaderBytes))) return false;
      if (head.readUInt32BE(frameHeaderBytes) === publish) contents.set(channel, unknownLength);
      return true;
    }
    if (head[0] === Frame.header) {
      if (missing !== unknownLength || length < 14) return false;
      return this.expect(channel, Number(head.readBigUInt64BE(frameHeaderBytes + 4)));
    }
    if (head[0] !== Frame.body || missing === undefined || missing < length) return false;
    return this.expect(channel, missing - length);
  }

  private expect(channel: number, bytes: number): boolean {
    if (bytes === 0) this.contents.delete(channel);
    else this.contents.set(channel, bytes);
    return true;
  }
}

/** Whether a segment begins with a whole method or heartbeat and goes on as what comes after one. */
function begins(chunk: Buffer, from: number, to: number): boolean {
  if (from + frameHeaderBytes + 1 > to) return false;
  const first = from + frameHeaderBytes + chunk.readUInt32BE(from + 3) + 1;
  if (first > to) return false;
  const walker = new AmqpWalker(false);
  walker.walk(chunk, from, to);
  return !walker.broken;
}

/** How AMQP 0-9-1 is taken up again; not in a connection whose login was not seen. */
export const amqpFraming: Framing = {
  application: "amqp",
  walker: (fromStart) => new AmqpWalker(fromStart),
  begins,
  sessionless: false,
};
