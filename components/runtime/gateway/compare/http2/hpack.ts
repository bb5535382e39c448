import { decodeHuffman } from "./huffman";

/** One header field. */
export type Field = readonly [name: string, value: string];

/** Every dynamic entry counts this much more than its text. */
const entryOverhead = 32;
/** A header list longer than this is not believed. */
const maximumFields = 4_096;

const staticTable: readonly Field[] = [
  ...([":authority", ":method=GET", ":method=POST", ":path=/", ":path=/index.html"] as const),
  ...([":scheme=http", ":scheme=https", ":status=200", ":status=204", ":status=206", ":status=304"] as const),
  ...([":status=400", ":status=404", ":status=500", "accept-charset", "accept-encoding=gzip, deflate"] as const),
  ...(["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow"] as const),
  ...(["authorization", "cache-control", "content-disposition", "content-encoding", "content-language"] as const),
  ...(["content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag"] as const),
  ...(["expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"] as const),
  ...(["if-unmodified-since", "last-modified", "link", "location", "max-forwards"] as const),
  ...(["proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after"] as const),
  ...(["server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary"] as const),
  ...(["via", "www-authenticate"] as const),
].map((text): Field => {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
});

/** Where reading stands in one header block. */
interface Cursor {
  at: number;
  readonly end: number;
  readonly bytes: Buffer;
}

/** Decodes the header blocks of one direction of an HTTP/2 connection (RFC 7541), which must all be given, in order. */
export class HpackDecoder {
  /** Newest first. */
  private readonly dynamic: Field[] = [];
  private size = 0;
  private capacity: number;

  constructor(private readonly largestCapacity = 65_536) {
    this.capacity = Math.min(4_096, largestCapacity);
  }

  /** The fields of a header block; undefined when it is none, after which nothing later can be decoded either. */
  decode(bytes: Buffer): Field[] | undefined {
    const cursor: Cursor = { at: 0, end: bytes.length, bytes };
    const fields: Field[] = [];
    while (cursor.at < cursor.end) {
      if (fields.length >= maximumFields) return undefined;
      const first = bytes[cursor.at]!;
      if ((first & 0xe0) === 0x20) {
        if (!this.resize(readInteger(cursor, 5))) return undefined;
        continue;
      }
      const field = (first & 0x80) !== 0 ? this.lookUp(readInteger(cursor, 7)) : this.literal(cursor, first);
      if (field === undefined) return undefined;
      fields.push(field);
    }
    return fields;
  }

  private literal(cursor: Cursor, first: number): Field | undefined {
    const indexed = (first & 0xc0) === 0x40;
    const index = readInteger(cursor, indexed ? 6 : 4);
    const name = index === 0 ? readText(cursor) : this.lookUp(index)?.[0];
    const value = readText(cursor);
    if (name === undefined || value === undefined) return undefined;
    if (indexed) this.add([name, value]);
    return [name, value];
  }

  private lookUp(index: number): Field | undefined {
    return index <= staticTable.length ? staticTable[index - 1] : this.dynamic[index - staticTable.length - 1];
  }

  private resize(capacity: number): boolean {
    if (!(capacity >= 0 && capacity <= this.largestCapacity)) return false;
    this.capacity = capacity;
    this.evict();
    return true;
  }

  private add(field: Field): void {
    this.dynamic.unshift(field);
    this.size += field[0].length + field[1].length + entryOverhead;
    this.evict();
  }

  private evict(): void {
    while (this.size > this.capacity) {
      const last = this.dynamic.pop()!;
      this.size -= last[0].length + last[1].length + entryOverhead;
    }
  }
}

/** An integer whose first byte has `bits` bits of it; NaN when it is cut short or not believable. */
function readInteger(cursor: Cursor, bits: number): number {
  const { bytes, end } = cursor;
  if (cursor.at >= end) return NaN;
  const limit = (1 << bits) - 1;
  let value = bytes[cursor.at++]! & limit;
  if (value < limit) return value;
  for (let shift = 1; cursor.at < end && shift < 2 ** 28; shift *= 128) {
    const byte = bytes[cursor.at++]!;
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) return value;
  }
  return NaN;
}

function readText(cursor: Cursor): string | undefined {
  if (cursor.at >= cursor.end) return undefined;
  const coded = (cursor.bytes[cursor.at]! & 0x80) !== 0;
  const length = readInteger(cursor, 7);
  const from = cursor.at;
  if (!(from + length <= cursor.end)) return undefined;
  cursor.at = from + length;
  return coded ? decodeHuffman(cursor.bytes, from, cursor.at) : cursor.bytes.toString("latin1", from, cursor.at);
}

/** Says that no table is used; a decoder whose table was made smaller waits for such a word. */
const noTable = 0x20;

/** A header block that needs no table on the other side: every field written out, and none to be remembered. */
export function encodePlainly(fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [Buffer.from([noTable])];
  for (const [name, value] of fields) parts.push(Buffer.from([0x00]), textOf(name), textOf(value));
  return Buffer.concat(parts);
}

function textOf(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const head = bytes.length < 127 ? [bytes.length] : longLength(bytes.length - 127);
  return Buffer.concat([Buffer.from(head), bytes]);
}

function longLength(rest: number): number[] {
  const head = [127];
  for (; rest >= 128; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128);
  return [...head, rest];
}
