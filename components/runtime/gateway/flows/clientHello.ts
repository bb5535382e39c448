/** Longest hello that is held to find the name in it; with post-quantum keys and tickets they have a few kilobytes. */
const longestHello = 32_768;
const recordHeaderBytes = 5;
const longestRecord = 16_384;
const handshakeRecord = 0x16;
const clientHello = 1;
const serverNameExtension = 0;
const hostName = 0;

/**
 * Reads the server name that a TLS client asks for, as its first bytes come, in pieces of any size. Where the real name
 * is encrypted (ECH), what stands in the open is the name of who serves it.
 */
export class HelloReader {
  /** The name in lower case; null while it may still come, undefined when there is none. */
  name: string | undefined | null = null;
  private readonly header = Buffer.alloc(recordHeaderBytes);
  private headerHave = 0;
  private recordLeft = 0;
  private hello = Buffer.alloc(512);
  private have = 0;
  private readonly steps = readName(() => this.hello);
  /** How much of the hello the next step looks at. */
  private need = 0;

  constructor() {
    this.advance();
  }

  /** Bytes that are held. */
  get heldBytes(): number {
    return this.name === null ? this.hello.length : 0;
  }

  /** Takes what the client says next. */
  push(chunk: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to && this.name === null) {
      if (this.recordLeft === 0) {
        this.header[this.headerHave++] = chunk[at++]!;
        this.checkHeader();
      } else {
        const end = Math.min(to, at + this.recordLeft);
        this.take(chunk, at, end);
        this.recordLeft -= end - at;
        at = end;
      }
    }
  }

  /** Nothing more of the hello will come. */
  end(): void {
    this.name ??= undefined;
  }

  private checkHeader(): void {
    const { header, headerHave } = this;
    const wrong =
      (headerHave === 1 && header[0] !== handshakeRecord) ||
      (headerHave === 2 && header[1] !== 3) ||
      (headerHave === 3 && header[2]! > 4);
    if (wrong) this.name = undefined;
    if (headerHave < recordHeaderBytes) return;
    this.headerHave = 0;
    this.recordLeft = header.readUInt16BE(3);
    if (this.recordLeft === 0 || this.recordLeft > longestRecord) this.name = undefined;
  }

  private take(chunk: Buffer, from: number, to: number): void {
    const after = this.have + to - from;
    if (after > this.hello.length) {
      const larger = Buffer.alloc(Math.max(after, this.hello.length * 2));
      this.hello.copy(larger, 0, 0, this.have);
      this.hello = larger;
    }
    chunk.copy(this.hello, this.have, from, to);
    this.have = after;
    while (this.name === null && this.have >= this.need) this.advance();
  }

  private advance(): void {
    const step = this.steps.next();
    if (step.done === true) this.name = step.value;
    else this.need = step.value;
  }
}

/** Yields how many bytes of the hello must be there before it goes on; ends with the name, if there is one. */
function* readName(bytes: () => Buffer): Generator<number, string | undefined> {
  yield 4;
  const end = 4 + bytes().readUIntBE(1, 3);
  if (bytes()[0] !== clientHello || end > longestHello) return undefined;
  let at = 4 + 2 + 32;
  for (const lengthBytes of [1, 2, 1]) {
    // Session, cipher suites, compression methods.
    if (at + lengthBytes > end) return undefined;
    yield at + lengthBytes;
    at += lengthBytes + bytes().readUIntBE(at, lengthBytes);
  }
  at += 2;
  while (at + 4 <= end) {
    yield at + 4;
    const type = bytes().readUInt16BE(at);
    const next = at + 4 + bytes().readUInt16BE(at + 2);
    if (next > end) return undefined;
    if (type === serverNameExtension) {
      yield next;
      return nameIn(bytes().subarray(at + 4, next));
    }
    at = next;
  }
  return undefined;
}

/** The first host name in the extension's list. */
function nameIn(list: Buffer): string | undefined {
  if (list.length < 5 || list[2] !== hostName) return undefined;
  const name = list.toString("latin1", 5, 5 + list.readUInt16BE(3));
  return /^[\x21-\x7e]{1,255}$/.test(name) ? name.toLowerCase() : undefined;
}
