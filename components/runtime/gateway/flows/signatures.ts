import { couldBeRequest } from "../compare/http1";

/** Whether bytes are what a signature describes, are not, or are too few to tell. */
export type Likeness = "yes" | "no" | "maybe";

/** First bytes of each side that are looked at to recognise an application. */
export const signatureBytes = 256;

type Test = (bytes: Buffer) => Likeness;

function prefix(expected: Buffer, offset = 0): Test {
  return (bytes) => {
    const have = Math.min(expected.length, bytes.length - offset);
    if (have <= 0) return "maybe";
    if (bytes.compare(expected, 0, have, offset, offset + have) !== 0) return "no";
    return have === expected.length ? "yes" : "maybe";
  };
}

function bytewise(length: number, test: (bytes: Buffer) => boolean): Test {
  return (bytes) => (bytes.length < length ? "maybe" : test(bytes) ? "yes" : "no");
}

/** Flags of a DNS message and its counts of questions and answers: an update may name answers that it relies on. */
function asksOneQuestion(flags: number, questions: number, answers: number): boolean {
  const isUpdate = ((flags >> 3) & 15) === 5;
  return (flags & 0x80) === 0 && questions === 1 && (answers === 0 || isUpdate);
}

const preface = "PRI * HTTP/2.0";
const http1Methods = /^[A-Za-z_-]{1,31} [^\s]/;

/** Empty lines before a request are passed over, as a server does. */
function withoutEmptyLines(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 13 && byte !== 10);
  return first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
}

/** Signatures in what the client says first. */
const clientTests: Record<string, Test> = {
  http2: prefix(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
  http1: (all) => {
    const bytes = withoutEmptyLines(all);
    const text = bytes.toString("latin1", 0, 14);
    if (preface.startsWith(text)) return text.length === 14 ? "no" : "maybe";
    if (http1Methods.test(bytes.toString("latin1", 0, 34))) return "yes";
    return couldBeRequest(bytes, 0, bytes.length) ? "maybe" : "no";
  },
  tls: (bytes) => {
    if (bytes.length > 0 && bytes[0] !== 0x16) return "no";
    return bytewise(6, (b) => b[1] === 3 && b[2]! <= 4 && b[5] === 1)(bytes);
  },
  dns: bytewise(14, (b) => {
    const length = b.readUInt16BE(0);
    return length >= 17 && length <= 4096 && asksOneQuestion(b[4]!, b.readUInt16BE(6), b.readUInt16BE(8));
  }),
  postgres: (bytes) => {
    if (bytes.length > 0 && bytes[0] !== 0) return "no";
    return bytewise(8, (b) => {
      const length = b.readUInt32BE(0);
      const code = b.readUInt32BE(4);
      return length >= 8 && length <= 10_000 && (code >>> 16 === 3 || (code >= 80_877_102 && code <= 80_877_104));
    })(bytes);
  },
  redis: (bytes) => {
    const text = bytes.toString("latin1", 0, 32);
    if (/^\*[1-9]\d{0,6}\r\n\$/.test(text)) return "yes";
    return /^(?:\*(?:[1-9]\d{0,6}(?:\r(?:\n)?)?)?)?$/.test(text) ? "maybe" : "no";
  },
  ssh: prefix(Buffer.from("SSH-")),
  mongodb: bytewise(16, (b) => {
    const length = b.readUInt32LE(0);
    return length >= 16 && length <= 48_000_000 && [1, 2004, 2010, 2011, 2012, 2013].includes(b.readUInt32LE(12));
  }),
  amqp: prefix(Buffer.from("AMQP")),
};

/** Signatures in what the server says first, for protocols in which it begins. */
const serverTests: Record<string, Test> = {
  http1: prefix(Buffer.from("HTTP/1.")),
  http2: bytewise(
    9,
    (b) => b.readUIntBE(0, 3) % 6 === 0 && b.readUIntBE(0, 3) < 256 && b[3] === 4 && b.readUIntBE(4, 5) === 0,
  ),
  mysql: bytewise(7, (b) => b[3] === 0 && b[4] === 10 && b.readUIntLE(0, 3) < 1024 && b[5]! >= 48 && b[5]! <= 57),
  ssh: prefix(Buffer.from("SSH-")),
};

const datagramTests: Record<string, Test> = {
  dns: bytewise(12, (b) => asksOneQuestion(b[2]!, b.readUInt16BE(4), b.readUInt16BE(6))),
};

/** Names of what is recognised. */
export const signatureNames = [...new Set([...Object.keys(clientTests), ...Object.keys(serverTests)])].sort();

/**
 * `get key`, `NICK name` and `REGISTER sip:x SIP/2.0` look like HTTP/1.x until their line ends, or until a second space is
 * followed by something else than the version. `hurried` says that no more will come.
 */
function hasVersion(client: Buffer, hurried: boolean): Likeness {
  const text = withoutEmptyLines(client).toString("latin1");
  const end = text.indexOf("\n");
  if (end >= 0) return text.slice(0, end).includes(" HTTP/1.") ? "yes" : "no";
  const version = text.split(" ", 3)[2] ?? "";
  if (!version.startsWith("HTTP/1.".slice(0, version.length)) && !version.startsWith("HTTP/1.")) return "no";
  return hurried || client.length >= signatureBytes ? "yes" : "maybe";
}

/** Whether more of the client's first line is needed to tell whether it is a request of HTTP/1.x. */
export function awaitsRequestLine(client: Buffer, server: Buffer): boolean {
  if (client.length === 0 || server.length > 0) return false;
  const alike = clientTests["http1"]!(client);
  return alike === "maybe" || (alike === "yes" && hasVersion(client, false) === "maybe");
}

/**
 * The application that the first bytes of both sides show; `undefined` when they are of none that is known, `maybe` while
 * there are too few. `final` says that no more will come before a decision is needed.
 */
export function recognise(client: Buffer, server: Buffer, final: boolean): string | undefined {
  // Of two directions the mirror may show the server's first.
  let open = client.length === 0 && server.length < signatureBytes;
  if (server.length > 0) {
    for (const [name, test] of Object.entries(serverTests)) {
      const likeness = test(server);
      if (likeness === "yes") return name;
      if (likeness === "maybe") open = true;
    }
  }
  if (client.length > 0) {
    for (const [name, test] of Object.entries(clientTests)) {
      const alike = test(client);
      const likeness = name === "http1" && alike === "yes" ? hasVersion(client, final && server.length === 0) : alike;
      if (likeness === "yes") return name;
      if (likeness === "maybe") open = true;
    }
  }
  return open && !final ? "maybe" : undefined;
}

/** The application of a datagram. */
export function recogniseDatagram(bytes: Buffer): string | undefined {
  return Object.entries(datagramTests).find(([, test]) => test(bytes) === "yes")?.[0];
}

/** Whether bytes stand at an offset of what the client says first. */
export function matchBytes(expected: Buffer, offset: number, client: Buffer): Likeness {
  return prefix(expected, offset)(client);
}
