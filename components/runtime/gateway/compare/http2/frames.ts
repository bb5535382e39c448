/** Kinds of HTTP/2 frames (RFC 9113, section 6). */
export const FrameType = {
  Data: 0,
  Headers: 1,
  ResetStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  GoAway: 7,
  WindowUpdate: 8,
  Continuation: 9,
} as const;

/** Flags of frames; `Ack` is for settings and pings, the others for data and headers. */
export const FrameFlag = { Ack: 1, EndStream: 1, EndHeaders: 4, Padded: 8, Priority: 32 } as const;

/** Settings that matter here. */
export const Setting = { HeaderTableSize: 1, MaxConcurrentStreams: 3, InitialWindowSize: 4, MaxFrameSize: 5 } as const;

/** What a client says first on a connection. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Window that every stream and connection has until told otherwise. */
export const defaultWindow = 65_535;
/** Largest window that there may be. */
export const largestWindow = 2 ** 31 - 1;

/** The error code that says that the sender cannot go on. */
export const internalError = 2;

const headerBytes = 9;

/** One whole frame. */
export interface Frame {
  type: number;
  flags: number;
  stream: number;
  /** The frame as it was on the wire, its nine bytes of header included. */
  bytes: Buffer;
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  private parts: Buffer[] = [];
  private have = 0;
  private need = headerBytes;
  private keepsData = true;
  /** Longer frames are not believed. */
  maximumLength = 2 ** 24 - 1;

  /** Bytes of an unfinished frame that are held. */
  get heldBytes(): number {
    return this.parts.reduce((sum, part) => sum + part.length, 0);
  }

  /** From here on frames of data are handed on without their data. */
  letGoOfData(): void {
    this.keepsData = false;
    if (!this.inData) return;
    this.parts = [Buffer.from(Buffer.concat(this.parts).subarray(0, headerBytes))];
  }

  private get inData(): boolean {
    return this.have >= headerBytes && this.parts[0]![3] === FrameType.Data;
  }

  /** From here on believes no frame longer than this; false when one was under way, of which nothing is held any more. */
  limit(length: number): boolean {
    this.maximumLength = length;
    if (this.need <= headerBytes + length) return true;
    this.parts = [];
    this.have = 0;
    this.need = headerBytes;
    return false;
  }

  /** Hands on every frame that is whole; false when a length is not believable. */
  push(chunk: Buffer, from: number, to: number, take: (frame: Frame) => void): boolean {
    let at = from;
    while (at < to) {
      const end = Math.min(to, at + this.need - this.have);
      if (this.keepsData || !this.inData) this.parts.push(chunk.subarray(at, end));
      this.have += end - at;
      at = end;
      if (this.have < this.need) break;
      const bytes = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts);
      const length = bytes.readUIntBE(0, 3);
      if (length > this.maximumLength) return false;
      this.need = headerBytes + length;
      this.parts = [bytes];
      if (this.have < this.need) continue;
      this.parts = [];
      this.have = 0;
      this.need = headerBytes;
      take({ type: bytes[3]!, flags: bytes[4]!, stream: bytes.readUInt32BE(5) & 0x7fffffff, bytes });
    }
    return true;
  }
}

/** What follows the header of a frame. */
export function payloadOf(frame: Frame): Buffer {
  return frame.bytes.subarray(headerBytes);
}

/** The content of a frame of data, headers or a promise, without padding and priority; undefined when it is malformed. */
export function contentOf(frame: Frame): Buffer | undefined {
  const payload = payloadOf(frame);
  const padded = (frame.flags & FrameFlag.Padded) !== 0;
  const prioritised = frame.type === FrameType.Headers && (frame.flags & FrameFlag.Priority) !== 0;
  if (padded && payload.length === 0) return undefined;
  const from = (padded ? 1 : 0) + (prioritised ? 5 : 0);
  const to = payload.length - (padded ? payload[0]! : 0);
  return from <= to ? payload.subarray(from, to) : undefined;
}

/** A frame made here. */
export function makeFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A frame that grants `increment` more bytes of a stream, or of the connection as stream 0. */
export function windowUpdate(stream: number, increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return makeFrame(FrameType.WindowUpdate, 0, stream, payload);
}

/** A frame that ends a stream before its time. */
export function resetStream(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return makeFrame(FrameType.ResetStream, 0, stream, payload);
}

/** The increment of a window update; 0 when it is malformed. */
export function incrementOf(frame: Frame): number {
  const payload = payloadOf(frame);
  return payload.length === 4 ? payload.readUInt32BE(0) & 0x7fffffff : 0;
}

/** Number and value of each setting in a frame of settings. */
export function settingsOf(frame: Frame): Map<number, number> {
  const payload = payloadOf(frame);
  const settings = new Map<number, number>();
  for (let at = 0; at + 6 <= payload.length; at += 6)
    settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  return settings;
}
