/** What the head of an HTTP/1.x message says. */
export interface Http1Head {
  /** Empty in responses. */
  method: string;
  /** Empty in responses. */
  target: string;
  /** 0 in requests. */
  status: number;
  /** Content is JSON by its media type. */
  json: boolean;
}

const token = 1;
const text = 2;
const target = 4;
const digit = 8;

/** What each byte may be part of. */
const classes = new Uint8Array(256);
for (let byte = 33; byte < 256; byte++) if (byte !== 127) classes[byte] = text | target;
classes[9] = classes[32] = text;
for (const byte of Buffer.from("!#$%&'*+.^_`|~0123456789-")) classes[byte]! |= token;
for (let byte = 65; byte <= 90; byte++) {
  classes[byte]! |= token;
  classes[byte + 32]! |= token;
}
for (let byte = 48; byte <= 57; byte++) classes[byte]! |= digit;

const version = Buffer.from("HTTP/1.");
const contentLengthName = Buffer.from("content-length");
const transferEncodingName = Buffer.from("transfer-encoding");
const contentTypeName = Buffer.from("content-type");
const chunkedName = Buffer.from("chunked");
const identityName = Buffer.from("identity");
const comma = 44;
const jsonName = Buffer.from("json");
const commonMethods = ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "CONNECT"];
const largestLength = 999_999_999_999_999;

/**
 * Reads message heads from their bytes; one instance is filled again and again. What RFC 9112 does not allow is
 * `malformed`; what two programs could frame differently is `ambiguousFraming`.
 */
export class HeadReader {
  problem: "malformed" | "ambiguousFraming" | undefined;
  /** Content-Length; -1 when there is none. */
  length = -1;
  chunked = false;
  private encodings = 0;
  /** Transfer-Encoding says in so many words that there is none. */
  private identity = false;
  /** The last value of Transfer-Encoding is `chunked` and nothing else. */
  private onlyChunked = false;
  private buffer: Buffer = Buffer.alloc(0);

  /** Reads the head from `from` to `end`, which is where its empty line begins; undefined when there is a problem. */
  read(buffer: Buffer, from: number, end: number, kind: "request" | "response"): Http1Head | undefined {
    this.problem = undefined;
    this.length = -1;
    this.chunked = false;
    this.encodings = 0;
    this.onlyChunked = this.identity = false;
    this.buffer = buffer;
    const head: Http1Head = { method: "", target: "", status: 0, json: false };
    const firstEnd = this.lineEnd(from, end);
    if (kind === "request") this.readRequestLine(from, firstEnd, head);
    else this.readStatusLine(from, firstEnd, head);
    this.readFields(firstEnd + 2, end, head);
    if (this.isMalformed()) return undefined;
    this.settleEncoding(kind === "request", buffer[firstEnd - 1]! - 48);
    return head;
  }

  /** Servers differ in what they make of a request's encodings; clients take an answer's before its length. */
  private settleEncoding(isRequest: boolean, minorVersion: number): void {
    if (this.encodings === 0 && !this.identity) return;
    if (!isRequest) this.length = this.encodings > 0 ? -1 : this.length;
    else if (this.encodings !== 1 || !this.onlyChunked || this.length >= 0 || minorVersion === 0)
      this.problem = "ambiguousFraming";
  }

  private isMalformed(): boolean {
    return this.problem === "malformed";
  }

  private readFields(from: number, end: number, head: Http1Head): void {
    let at = from;
    while (!this.isMalformed() && at < end) at = this.readField(at, end, head) + 2;
    if (at === end) this.problem = "malformed";
  }

  /** Position of the next CR LF, or `end`. */
  private lineEnd(from: number, end: number): number {
    const { buffer } = this;
    for (let at = from; at < end; at++) {
      if (buffer[at] === 13 && at + 1 < end && buffer[at + 1] === 10) return at;
    }
    return end;
  }

  private readRequestLine(from: number, end: number, head: Http1Head): void {
    const { buffer } = this;
    const methodEnd = this.skip(from, end, token);
    const targetEnd = this.skip(methodEnd + 1, end, target);
    const whole = methodEnd > from && targetEnd > methodEnd + 1 && end - targetEnd === 9;
    if (!whole || buffer[methodEnd] !== 32 || buffer[targetEnd] !== 32 || !this.isVersion(targetEnd + 1)) {
      this.problem = "malformed";
      return;
    }
    head.method = this.methodName(from, methodEnd);
    head.target = buffer.toString("latin1", methodEnd + 1, targetEnd);
  }

  private methodName(from: number, end: number): string {
    const { buffer } = this;
    for (const name of commonMethods) {
      if (name.length !== end - from) continue;
      let at = 0;
      while (at < name.length && name.charCodeAt(at) === buffer[from + at]) at++;
      if (at === name.length) return name;
    }
    return buffer.toString("latin1", from, end);
  }

  private readStatusLine(from: number, end: number, head: Http1Head): void {
    const { buffer } = this;
    const codeEnd = this.skip(from + 9, Math.min(end, from + 12), digit);
    const whole = codeEnd === from + 12 && buffer[from + 8] === 32 && buffer[from + 9] !== 48 && this.isVersion(from);
    if (!whole || (end > codeEnd && (buffer[codeEnd] !== 32 || this.skip(codeEnd, end, text) !== end))) {
      this.problem = "malformed";
      return;
    }
    head.status = (buffer[from + 9]! - 48) * 100 + (buffer[from + 10]! - 48) * 10 + buffer[from + 11]! - 48;
  }

  private isVersion(at: number): boolean {
    const { buffer } = this;
    for (let index = 0; index < version.length; index++) if (buffer[at + index] !== version[index]) return false;
    const minor = buffer[at + 7];
    return minor === 48 || minor === 49;
  }

  /** First position from `at` on whose byte is not of a class. */
  private skip(at: number, end: number, wanted: number): number {
    const { buffer } = this;
    let position = at;
    while (position < end && (classes[buffer[position]!]! & wanted) !== 0) position++;
    return position;
  }

  /** Reads one field line; returns where it ends. */
  private readField(at: number, end: number, head: Http1Head): number {
    const { buffer } = this;
    const colon = this.skip(at, end, token);
    const lineEnd = this.skip(colon, end, text);
    const ended = lineEnd === end || (buffer[lineEnd] === 13 && buffer[lineEnd + 1] === 10 && lineEnd + 1 < end);
    if (colon === at || buffer[colon] !== 58 || colon >= end || !ended) {
      this.problem = "malformed";
      return end;
    }
    const first = buffer[at]! | 32;
    if (first !== 99 && first !== 116) return lineEnd; // c, t
    if (this.equals(at, colon, contentLengthName)) this.takeLength(colon + 1, lineEnd);
    else if (this.equals(at, colon, transferEncodingName)) this.takeEncoding(colon + 1, lineEnd);
    else if (this.equals(at, colon, contentTypeName)) head.json = this.namesJson(colon + 1, lineEnd);
    return lineEnd;
  }

  /** Whether the bytes are a word, upper or lower case. */
  private equals(from: number, to: number, word: Buffer): boolean {
    if (to - from !== word.length) return false;
    for (let index = 0; index < word.length; index++) {
      const wanted = word[index]!;
      const byte = this.buffer[from + index]!;
      if (byte !== wanted && (wanted === 45 || (byte | 32) !== wanted)) return false;
    }
    return true;
  }

  private takeLength(from: number, to: number): void {
    const [start, end] = [this.afterSpace(from, to), this.beforeSpace(from, to)];
    let value = start < end && end - start <= 15 && this.skip(start, end, digit) === end ? 0 : -1;
    for (let at = start; value >= 0 && at < end; at++) value = value * 10 + this.buffer[at]! - 48;
    if (value > largestLength) value = -1;
    if (value < 0 || (this.length >= 0 && this.length !== value)) this.problem = "ambiguousFraming";
    this.length = value;
  }

  private takeEncoding(from: number, to: number): void {
    const [start, end] = [this.afterSpace(from, to), this.beforeSpace(from, to)];
    if (this.equals(start, end, identityName)) this.identity = true;
    else this.encodings++;
    const last = this.buffer.subarray(start, end).lastIndexOf(comma);
    this.chunked = this.equals(last < 0 ? start : this.afterSpace(start + last + 1, end), end, chunkedName);
    this.onlyChunked = this.chunked && last < 0;
  }

  private afterSpace(from: number, to: number): number {
    let at = from;
    while (at < to && (this.buffer[at] === 32 || this.buffer[at] === 9)) at++;
    return at;
  }

  private beforeSpace(from: number, to: number): number {
    let at = to;
    while (at > from && (this.buffer[at - 1] === 32 || this.buffer[at - 1] === 9)) at--;
    return at;
  }

  /** `application/json`, `application/problem+json; charset=utf-8`, … */
  private namesJson(from: number, to: number): boolean {
    const { buffer } = this;
    for (let at = from; at + 5 <= to; at++) {
      const byte = buffer[at];
      if ((byte !== 47 && byte !== 43) || !this.equals(at + 1, at + 5, jsonName)) continue;
      if (at + 5 === to || !isWord(buffer[at + 5]!)) return true;
    }
    return false;
  }
}

function isWord(byte: number): boolean {
  const letter = byte | 32;
  return (classes[byte]! & digit) !== 0 || byte === 95 || (byte < 128 && letter >= 97 && letter <= 122);
}
