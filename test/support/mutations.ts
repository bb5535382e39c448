/** What a network or an enemy may do to the packets of a flow, chosen by a seed. */
import { damaged } from "./damage";

type Random = () => number;

/** Where the parts of a generated frame begin. */
interface Layout {
  ip: number;
  six: boolean;
  /** Start of the TCP or UDP header. */
  transport: number;
  protocol: number;
  payload: number;
}

function layoutOf(frame: Buffer): Layout {
  const ip = frame.readUInt16BE(12) === 0x8100 ? 18 : 14;
  const six = frame[ip]! >> 4 === 6;
  let transport = six ? ip + 40 : ip + (frame[ip]! & 15) * 4;
  let protocol = six ? frame[ip + 6]! : frame[ip + 9]!;
  while (six && protocol === 60) {
    protocol = frame[transport]!;
    transport += 8;
  }
  return { ip, six, transport, protocol, payload: transport + (protocol === 6 ? 20 : 8) };
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)]!;
}

/** The two halves of a packet that was fragmented; the last of them without a transport header. */
function fragments(frame: Buffer): Buffer[] {
  const { ip, six, transport, protocol } = layoutOf(frame);
  const content = frame.subarray(transport);
  const cut = Math.max(8, (content.length >> 1) & ~7);
  return [content.subarray(0, cut), content.subarray(cut)].map((part, index) => {
    const offset = index === 0 ? 0 : cut >> 3;
    const head = Buffer.from(frame.subarray(0, six ? ip + 40 : transport));
    if (!six) {
      head.writeUInt16BE(transport - ip + part.length, ip + 2);
      head.writeUInt16BE((index === 0 ? 0x2000 : 0) | offset, ip + 6);
      return Buffer.concat([head, part]);
    }
    const extension = Buffer.alloc(8);
    extension[0] = protocol;
    extension.writeUInt16BE((offset << 3) | (index === 0 ? 1 : 0), 2);
    head[ip + 6] = 44;
    head.writeUInt16BE(8 + part.length, ip + 4);
    return Buffer.concat([head, extension, part]);
  });
}

/** Segments that begin with the end of the one before them, as a repetition with other boundaries does. */
export function regrouped(frames: readonly Buffer[], share: number, random: Random): Buffer[] {
  const before = new Map<number, Buffer>();
  return frames.map((frame) => {
    const { ip, six, transport, protocol, payload } = layoutOf(frame);
    if (protocol !== 6) return frame;
    const sender = frame.readUInt16BE(transport);
    const earlier = before.get(sender);
    const says = frame.length > payload;
    if (says) before.set(sender, frame);
    if (!says || earlier === undefined || random() >= share) return frame;
    const said = earlier.subarray(payload);
    const sequence = frame.readUInt32BE(transport + 4);
    if ((earlier.readUInt32BE(transport + 4) + said.length) >>> 0 !== sequence) return frame;
    const again = said.subarray(below(random, said.length));
    const bytes = Buffer.concat([frame.subarray(0, payload), again, frame.subarray(payload)]);
    bytes.writeUInt32BE((sequence - again.length) >>> 0, transport + 4);
    bytes.writeUInt16BE(bytes.length - ip - (six ? 40 : 0), six ? ip + 4 : ip + 2);
    return bytes;
  });
}

/** What a network without checksums and a mirror may do. */
export function asNetwork(frames: Buffer[], random: Random): Buffer[] {
  const loss = pick(random, [0, 0, 0.05, 0.3]);
  const reorder = pick(random, [0, 0, 0.1]);
  const skip = random() < 0.1 ? 4 : 0;
  const cut = random() < 0.15 ? 0.1 : 0;
  const fragment = random() < 0.15 ? 0.1 : 0;
  const seed = below(random, 2 ** 31);
  const overlapping = regrouped(frames, pick(random, [0, 0, 0.2]), random);
  const arrived = damaged(overlapping, { loss, reorder, skip, seed, duplicate: pick(random, [0, 0.2]) });
  return arrived.flatMap((frame) => {
    if (random() < cut) return [frame.subarray(0, below(random, frame.length))];
    return random() < fragment ? fragments(frame) : [frame];
  });
}

type Mutator = (frame: Buffer, random: Random, other: Buffer) => Buffer | Buffer[];

const extremes = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
const words = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff];

function withBytes(frame: Buffer, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(frame);
  change(bytes);
  return bytes;
}

function setWord(bytes: Buffer, at: number, value: number): void {
  if (at + 4 <= bytes.length) bytes.writeUInt32BE(value >>> 0, at);
}

/** A chain of extension headers of every kind, some of them too long, before the transport header. */
function extensionChain(frame: Buffer, random: Random): Buffer {
  const { ip, six, transport, protocol } = layoutOf(frame);
  if (!six) return frame;
  const kinds = Array.from({ length: 1 + below(random, 12) }, () => pick(random, [0, 43, 44, 51, 60, 59, 255]));
  const headers = kinds.map((_, index) => {
    const bytes = Buffer.alloc(8 * (1 + below(random, 3)), below(random, 3));
    bytes[0] = kinds[index + 1] ?? protocol;
    bytes[1] = random() < 0.2 ? pick(random, extremes) : bytes.length / 8 - 1;
    return bytes;
  });
  const head = withBytes(frame.subarray(0, ip + 40), (bytes) => (bytes[ip + 6] = kinds[0]!));
  const rest = Buffer.concat([...headers, frame.subarray(transport)]);
  head.writeUInt16BE(random() < 0.8 ? rest.length : below(random, 65_536), ip + 4);
  return Buffer.concat([head, rest]);
}

const mutators: Record<string, Mutator> = {
  bits: (frame, random) =>
    withBytes(frame, (bytes) => {
      for (let left = 1 + below(random, 6); left > 0; left--) {
        bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
      }
    }),
  bytes: (frame, random) =>
    withBytes(frame, (bytes) => {
      for (let left = 1 + below(random, 4); left > 0; left--) {
        bytes[below(random, bytes.length)] = random() < 0.5 ? pick(random, extremes) : below(random, 256);
      }
    }),
  cut: (frame, random) => frame.subarray(0, below(random, frame.length)),
  longer: (frame, random) => Buffer.concat([frame, Buffer.alloc(below(random, 2_000), below(random, 256))]),
  lengths: (frame, random) =>
    withBytes(frame, (bytes) => {
      const { ip, six, transport, protocol } = layoutOf(frame);
      const value = pick(random, [0, 1, 19, 20, 27, frame.length, frame.length * 2, 0xffff]);
      const which = below(random, 3);
      if (which === 0) bytes.writeUInt16BE(value & 0xffff, six ? ip + 4 : ip + 2);
      else if (which === 1 && !six) bytes[ip] = 0x40 | below(random, 16);
      else if (protocol === 6) bytes[transport + 12] = below(random, 256);
      else bytes.writeUInt16BE(value & 0xffff, transport + 4);
    }),
  sequence: (frame, random) =>
    withBytes(frame, (bytes) => {
      const { transport, protocol } = layoutOf(frame);
      if (protocol !== 6) return;
      const at = transport + pick(random, [4, 8]);
      const near = bytes.readUInt32BE(at) + pick(random, [-1, 1, -1_000, 1_000, 70_000, 2 ** 29, 2 ** 30, 2 ** 31]);
      setWord(bytes, at, random() < 0.7 ? near : pick(random, words));
    }),
  flags: (frame, random) =>
    withBytes(frame, (bytes) => {
      const { transport, protocol } = layoutOf(frame);
      if (protocol === 6) bytes[transport + 13] = below(random, 64);
    }),
  numbers: (frame, random) =>
    withBytes(frame, (bytes) => {
      const { payload } = layoutOf(frame);
      if (payload >= bytes.length) return;
      const digit = bytes.findIndex((byte, at) => at >= payload && byte >= 48 && byte <= 57 && random() < 0.3);
      if (digit >= 0 && random() < 0.5) bytes[digit] = 48 + below(random, 10);
      else setWord(bytes, payload + below(random, Math.min(24, bytes.length - payload)), pick(random, words));
    }),
  splice: (frame, random, other) => {
    const head = layoutOf(frame).payload;
    const tail = layoutOf(other).payload;
    const bytes = Buffer.concat([frame.subarray(0, head), other.subarray(tail + below(random, 40))]);
    const { ip, six } = layoutOf(frame);
    if (random() < 0.7) bytes.writeUInt16BE((bytes.length - ip - (six ? 40 : 0)) & 0xffff, six ? ip + 4 : ip + 2);
    return bytes;
  },
  turnedRound: (frame) =>
    withBytes(frame, (bytes) => {
      const { ip, six, transport } = layoutOf(frame);
      const [at, size] = six ? [ip + 8, 16] : [ip + 12, 4];
      frame.copy(bytes, at, at + size, at + 2 * size);
      frame.copy(bytes, at + size, at, at + size);
      frame.copy(bytes, transport, transport + 2, transport + 4);
      frame.copy(bytes, transport + 2, transport, transport + 2);
    }),
  otherCopy: (frame, random) => [
    frame,
    withBytes(frame, (bytes) => bytes.fill(below(random, 256), layoutOf(frame).payload)),
  ],
  extensions: extensionChain,
  fragments,
  tags: (frame, random) => {
    const tag = Buffer.from([0x81, 0x00, 0x00, 0x05]);
    const tags = Array.from({ length: 1 + below(random, 5) }, () => tag);
    return Buffer.concat([frame.subarray(0, 12), ...tags, frame.subarray(12)]);
  },
  noise: (_frame, random) => Buffer.from(Array.from({ length: below(random, 200) }, () => below(random, 256))),
};

/** What an enemy may do: up to five kinds of change on some of the packets; and which they were. */
export function asEnemy(frames: Buffer[], random: Random): { frames: Buffer[]; kinds: string[] } {
  const kinds = Array.from({ length: 1 + below(random, 5) }, () => pick(random, Object.keys(mutators)));
  const share = pick(random, [0.03, 0.1, 0.5]);
  const changed = frames.flatMap((frame) => {
    if (random() >= share) return [frame];
    return mutators[pick(random, kinds)]!(frame, random, pick(random, frames));
  });
  const seed = below(random, 2 ** 31);
  const harm = { loss: pick(random, [0, 0.05]), duplicate: pick(random, [0, 0.3]), reorder: pick(random, [0, 0.3]) };
  return { frames: damaged(changed, { ...harm, skip: 0, seed }), kinds };
}

/** Changes bytes anywhere, as in the headers of an encapsulation or the blocks of a file. */
export function scrambled(bytes: Buffer, random: Random): Buffer {
  return [mutators["bits"]!, mutators["bytes"]!, mutators["cut"]!, mutators["longer"]!][below(random, 4)]!(
    bytes,
    random,
    bytes,
  ) as Buffer;
}

/** The messages that make up the bytes, in order and none twice; undefined when they are anything else. */
export function messagesIn(bytes: Buffer, truth: readonly Buffer[]): number[] | undefined {
  const found: number[] = [];
  let at = 0;
  for (let next = 0; at < bytes.length; next++) {
    const message = truth[next];
    if (message === undefined) return undefined;
    if (!bytes.subarray(at, at + message.length).equals(message)) continue;
    found.push(next);
    at += message.length;
  }
  return found;
}
