import { HeadReader, type Http1Head } from "./http1Head";

/** How far a message has been read. */
export type FramerState =
  "head" | "length" | "chunkSize" | "chunkData" | "chunkEnd" | "trailer" | "untilClose" | "done";

/** Takes the content of a message without its framing. */
export interface BodySink {
  takeBody(buffer: Buffer, from: number, to: number): void;
}

const maximumHead = 65_536;
const maximumChunkLine = 4_096;
const heads = new HeadReader();
const fieldLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\u0080-\u00ff]*$/;

/** Frames one HTTP/1.x message after another out of a byte stream; it looks at bytes and keeps none but the head's. */
export class Http1Framer {
  state: FramerState = "head";
  head: Http1Head | undefined;
  /** Why the message cannot be framed; nothing after it in the stream can be trusted. */
  problem: "malformed" | "ambiguousFraming" | undefined;
  /** Whether the text of each head is kept in `headText`. */
  keepsHead = false;
  headText = "";
  private left = 0;
  private line = "";
  private partialHead: Buffer | undefined;

  constructor(
    private readonly kind: "request" | "response",
    private readonly body: BodySink | undefined,
  ) {}

  /** Whether the first byte of a message has been read. */
  get begun(): boolean {
    return this.state !== "head" || this.partialHead !== undefined;
  }

  /** Bytes until the message ends, where its head has told them; 0 elsewhere. */
  get bodyLeft(): number {
    return this.state === "length" ? this.left : 0;
  }

  /** Passes over missing bytes, unless they may be more than the rest of a body. */
  passOver(length: number): boolean {
    if (length > this.bodyLeft) return false;
    this.left -= length;
    if (this.left === 0) this.reset();
    return true;
  }

  /** Makes ready for the next message. */
  reset(): void {
    this.state = "head";
    this.head = undefined;
    this.problem = undefined;
    this.partialHead = undefined;
    this.line = "";
    this.left = 0;
  }

  /**
   * Reads until the message ends or the bytes do, and returns the position after the last byte read. In a response
   * `method` is that of its request.
   */
  push(chunk: Buffer, from: number, to: number, method: string): number {
    let at = from;
    while (at < to && this.state !== "done" && this.problem === undefined) at = this.step(chunk, at, to, method);
    return at;
  }

  private step(chunk: Buffer, at: number, to: number, method: string): number {
    switch (this.state) {
      case "head":
        return this.readHead(chunk, at, to, method);
      case "length":
      case "chunkData":
        return this.readCounted(chunk, at, to);
      case "untilClose":
        this.body?.takeBody(chunk, at, to);
        return to;
      default:
        return this.readLine(chunk, at, to);
    }
  }

  private readHead(chunk: Buffer, at: number, to: number, method: string): number {
    if (this.partialHead === undefined) {
      const end = findHeadEnd(chunk, at, to);
      if (end >= 0) {
        this.takeHead(chunk, at, end, method);
        return end + 4;
      }
      this.partialHead = Buffer.from(chunk.subarray(at, to));
    } else {
      const before = this.partialHead.length;
      const joined = Buffer.concat([this.partialHead, chunk.subarray(at, to)]);
      const end = findHeadEnd(joined, Math.max(0, before - 3), joined.length);
      if (end >= 0) {
        this.partialHead = undefined;
        this.takeHead(joined, 0, end, method);
        return at + end + 4 - before;
      }
      this.partialHead = joined;
    }
    if (this.partialHead.length > maximumHead || !this.couldBegin(this.partialHead)) this.problem = "malformed";
    return to;
  }

  /** Whether bytes can be the beginning of a head; a line that only LF ends is in none, so that its end would never come. */
  private couldBegin(bytes: Buffer): boolean {
    const newline = bytes.indexOf(10);
    if (hasBareNewline(bytes, newline)) return false;
    if (this.kind === "request")
      return newline < 0 ? couldBeRequest(bytes, 0, bytes.length) : beginsRequest(bytes, 0, bytes.length);
    return "HTTP/1.".startsWith(bytes.toString("latin1", 0, Math.min(7, bytes.length)));
  }

  private takeHead(buffer: Buffer, from: number, end: number, method: string): void {
    if (this.keepsHead) this.headText = buffer.toString("latin1", from, end);
    this.head = heads.read(buffer, from, end, this.kind);
    this.problem = heads.problem;
    if (this.head !== undefined && this.problem === undefined) {
      this.chooseBody(this.head, heads.length, heads.chunked, method);
    }
  }

  private chooseBody(head: Http1Head, length: number, chunked: boolean, method: string): void {
    const { status } = head;
    const response = this.kind === "response";
    const bodiless = response && (status < 200 || status === 204 || status === 304 || method === "HEAD");
    if (bodiless || (response && method === "CONNECT" && status < 300)) this.state = "done";
    else if (chunked) this.state = "chunkSize";
    else if (length > 0) [this.state, this.left] = ["length", length];
    else if (length < 0 && response) this.state = "untilClose";
    else this.state = "done";
  }

  private readCounted(chunk: Buffer, at: number, to: number): number {
    const take = Math.min(this.left, to - at);
    this.body?.takeBody(chunk, at, at + take);
    this.left -= take;
    if (this.left === 0) this.state = this.state === "length" ? "done" : "chunkEnd";
    return at + take;
  }

  private readLine(chunk: Buffer, at: number, to: number): number {
    const newline = chunk.indexOf(10, at);
    const end = newline < 0 || newline >= to ? to : newline + 1;
    this.line += chunk.toString("latin1", at, end);
    if (!this.line.endsWith("\n")) {
      if (this.line.length > maximumChunkLine) this.problem = "malformed";
      return end;
    }
    const line = this.line;
    this.line = "";
    if (!line.endsWith("\r\n")) this.problem = "malformed";
    else this.takeLine(line.slice(0, -2));
    return end;
  }

  private takeLine(line: string): void {
    if (this.state === "chunkEnd") {
      if (line === "") this.state = "chunkSize";
      else this.problem = "malformed";
    } else if (this.state === "trailer") {
      if (line === "") this.state = "done";
      else if (!fieldLine.test(line)) this.problem = "malformed";
    } else {
      const match = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[\t -~\u0080-\u00ff]*)?$/.exec(line);
      if (match === null) {
        this.problem = "malformed";
        return;
      }
      this.left = parseInt(match[1]!, 16);
      this.state = this.left === 0 ? "trailer" : "chunkData";
    }
  }
}

/** Where the empty line that ends a head begins, line end included; -1 when it is not there. */
export function findHeadEnd(buffer: Buffer, from: number, to: number): number {
  let last = from + 3;
  while (last < to) {
    const byte = buffer[last]!;
    if (byte === 13) last += 1;
    else if (byte !== 10) last += 4;
    else if (buffer[last - 1] === 13 && buffer[last - 2] === 10 && buffer[last - 3] === 13) return last - 3;
    else last += 2;
  }
  return -1;
}

function hasBareNewline(bytes: Buffer, first: number): boolean {
  for (let at = first; at >= 0; at = bytes.indexOf(10, at + 1)) if (bytes[at - 1] !== 13) return true;
  return false;
}

/** Whether bytes can be the beginning of a request line: a method token, a space, no control character. */
export function couldBeRequest(buffer: Buffer, from: number, to: number): boolean {
  const limit = Math.min(to, from + 32);
  for (let at = from; at < limit; at++) {
    const byte = buffer[at]!;
    if (byte === 32) return at > from && at + 1 < to ? buffer[at + 1]! > 32 : at > from;
    const token = (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 45 || byte === 95;
    if (!token) return false;
  }
  return to - from < 32;
}

const wholeRequestLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~\u0080-\u00ff]+ HTTP\/1\.[01]$/;
const methods = (
  "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY PURGE ACL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK MERGE " +
  "MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH REPORT SEARCH SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE UPDATE"
).split(" ");

/** Whether bytes begin with a whole, well-formed HTTP/1.x request line. */
export function beginsRequest(buffer: Buffer, from: number, to: number): boolean {
  if (!couldBeRequest(buffer, from, to)) return false;
  const newline = buffer.indexOf(10, from);
  if (newline < 0 || newline >= to || newline - from > maximumHead || buffer[newline - 1] !== 13) return false;
  return wholeRequestLine.test(buffer.toString("latin1", from, newline - 1));
}

/** Whether a segment begins with a request line and not inside its method: a place to begin in mid-stream. */
export function isPlaceToBegin(buffer: Buffer, from: number, to: number): boolean {
  if (!beginsRequest(buffer, from, to)) return false;
  const method = buffer.toString("latin1", from, buffer.indexOf(32, from));
  return methods.includes(method) || !methods.some((whole) => whole.endsWith(method));
}

/** Whether a segment begins with an HTTP/1.x status line. */
export function beginsResponse(buffer: Buffer, from: number, to: number): boolean {
  return to - from >= 12 && /^HTTP\/1\.[01] [1-9]\d\d/.test(buffer.toString("latin1", from, from + 12));
}
