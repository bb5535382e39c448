import { lengthOfMongo, mongoHeaderBytes } from "./mongodb";

/** Takes what is content. */
interface ContentSink {
  add(bytes: Buffer, from: number, to: number): void;
}

/** Follows what a server says in answer to one message, so that it is known where the answer has ended. */
export interface AnswerWalker {
  /** Ends of answers since the beginning: a message may ask for several. */
  readonly ended: number;
  /** Nothing is half there, and nothing came that is no answer of the protocol. */
  readonly whole: boolean;
  /** The beginning of an answer has come and not its end. */
  readonly within: boolean;
  /** Another answer begins. */
  restart(): void;
  /** Reads on, and hands over what is content. */
  walk(bytes: Buffer, from: number, to: number, content?: ContentSink): void;
}

/** How a server's messages are read: from a header of fixed length, which has the message's first byte where that tells. */
interface Packets {
  headerBytes: number;
  /** Length of the message with its header; less than that when it is none. */
  lengthOf(header: Buffer): number;
  /** How many answers end with it. */
  ends(header: Buffer): number;
  /** The header is no content: the server makes up a part of it. */
  isBare?: true;
}

class PacketAnswers implements AnswerWalker {
  ended = 0;
  private readonly header: Buffer;
  private have = 0;
  private left = 0;
  private broken = false;

  constructor(private readonly packets: Packets) {
    this.header = Buffer.alloc(packets.headerBytes);
  }

  get whole(): boolean {
    return !this.broken && this.have === 0;
  }

  get within(): boolean {
    return !this.broken && this.have > 0;
  }

  restart(): void {
    this.ended = this.have = this.left = 0;
    this.broken = false;
  }

  walk(bytes: Buffer, from: number, to: number, content?: ContentSink): void {
    const { header } = this;
    const bare = this.packets.isBare === true ? content : undefined;
    if (bare === undefined) content?.add(bytes, from, to);
    let at = from;
    while (at < to && !this.broken) {
      const inHeader = this.have < header.length;
      const part = Math.min(to - at, inHeader ? header.length - this.have : this.left);
      if (inHeader) {
        bytes.copy(header, this.have, at, at + part);
        this.have += part;
        if (this.have === header.length) this.left = this.packets.lengthOf(header) - header.length;
        this.broken = this.left < 0;
        // What turns out to be no header is content.
        if (this.broken) bare?.add(header, 0, header.length);
      } else {
        this.left -= part;
        bare?.add(bytes, at, at + part);
      }
      at += part;
      if (this.have === header.length && this.left === 0) this.end();
    }
    if (at < to) bare?.add(bytes, at, to);
  }

  private end(): void {
    this.have = 0;
    this.ended += this.packets.ends(this.header);
  }
}

const code = (letter: string): number => letter.charCodeAt(0);

const postgresTypes = new Set(Array.from("RKSZTDCEINAGHWcdstn123vV", code));
/** "Ready for query", and where the server waits for what is to be copied. */
const postgresEnds = new Set(Array.from("ZGW", code));

const postgresLongest = 2 ** 30;

const postgres: Packets = {
  headerBytes: 5,
  lengthOf: (header) => {
    const length = header.readUInt32BE(1);
    return postgresTypes.has(header[0]!) && length < postgresLongest ? 1 + length : 0;
  },
  ends: (header) => (postgresEnds.has(header[0]!) ? 1 : 0),
};

const mysqlHeader = 4;
const longestMysqlEnd = 9;

/** An answer has as many ends as its columns, rows and parameters have; an error is the end of all of them. */
const mysql: Packets = {
  headerBytes: mysqlHeader + 1,
  lengthOf: (header) => mysqlHeader + header.readUIntLE(0, 3),
  ends: (header) => {
    const kind = header[mysqlHeader];
    if (kind === 0xff) return Infinity;
    const isFirst = header[3] === 1;
    return (kind === 0xfe && header.readUIntLE(0, 3) < longestMysqlEnd) || (kind === 0 && isFirst) ? 1 : 0;
  },
};

const mongodb: Packets = { headerBytes: mongoHeaderBytes, lengthOf: lengthOfMongo, ends: () => 1, isBare: true };
const dns: Packets = { headerBytes: 2, lengthOf: (header) => 2 + header.readUInt16BE(0), ends: () => 1 };

const lineFeed = 10;
const simpleTypes = new Set(Array.from("+-:,#_(", code));
const bulkTypes = new Set(Array.from("$=!", code));
/** Types whose number says how many values belong to them, and how many each of these is. */
const groupTypes = new Map<number, number>(Array.from("*~>").map((type): [number, number] => [code(type), 1]));
groupTypes.set(code("%"), 2);
groupTypes.set(code("|"), 2);
/** What comes before a value and is none. */
const attribute = code("|");
/** What is said without having been asked for. */
const push = code(">");
const longestNumber = 12;

/** Redis: values on a line, values with a length, and groups of values. */
class RedisAnswers implements AnswerWalker {
  ended = 0;
  private broken = false;
  /** Type of the value whose line is being read; 0 between lines. */
  private type = 0;
  private number = "";
  /** Bytes of a value that are still to come. */
  private left = 0;
  /** Values that belong to the answer and have not ended. */
  private open = 0;
  private pushed = false;

  get whole(): boolean {
    return !this.broken && !this.isOpen;
  }

  get within(): boolean {
    return !this.broken && this.isOpen;
  }

  restart(): void {
    this.ended = this.type = this.left = this.open = 0;
    this.number = "";
    this.broken = false;
  }

  walk(bytes: Buffer, from: number, to: number, content?: ContentSink): void {
    content?.add(bytes, from, to);
    for (let at = from; at < to && !this.broken;) {
      if (this.left > 0) at = this.skip(at, to);
      else if (this.type === 0) this.begin(bytes[at++]!);
      else at = this.readLine(bytes, at, to);
    }
  }

  private get isOpen(): boolean {
    return this.open > 0;
  }

  private begin(type: number): void {
    this.type = type;
    if (this.open > 0) return;
    this.open = 1;
    this.pushed = type === push;
  }

  private skip(at: number, to: number): number {
    const part = Math.min(to - at, this.left);
    this.left -= part;
    if (this.left === 0) this.close(1);
    return at + part;
  }

  private readLine(bytes: Buffer, at: number, to: number): number {
    const found = bytes.indexOf(lineFeed, at);
    const end = found < 0 || found >= to ? to : found + 1;
    if (!simpleTypes.has(this.type)) {
      this.number += bytes.toString("latin1", at, end);
      this.broken = this.number.length > longestNumber;
    }
    if (end > at && bytes[end - 1] === lineFeed) this.takeLine();
    return end;
  }

  private takeLine(): void {
    const { type } = this;
    const number = this.number === "" ? 0 : Number(this.number);
    this.type = 0;
    this.number = "";
    const each = groupTypes.get(type);
    if (simpleTypes.has(type)) this.close(1);
    else if (!Number.isInteger(number) || (each === undefined && !bulkTypes.has(type))) this.broken = true;
    else if (each !== undefined) this.close(type === attribute ? -each * number : 1 - each * Math.max(0, number));
    else if (number < 0) this.close(1);
    else this.left = number + 2;
  }

  /** Values have ended; when it is a negative number, others have been announced. */
  private close(values: number): void {
    this.open -= values;
    if (this.open === 0 && !this.pushed) this.ended++;
  }
}

const walkers: Record<string, () => AnswerWalker> = {
  redis: () => new RedisAnswers(),
  postgres: () => new PacketAnswers(postgres),
  mysql: () => new PacketAnswers(mysql),
  mongodb: () => new PacketAnswers(mongodb),
  dns: () => new PacketAnswers(dns),
};

/** More of an answer comes; where it is not read, all of it is content. */
export function takeAnswer(
  walker: AnswerWalker | undefined,
  content: ContentSink,
  bytes: Buffer,
  from: number,
  to: number,
): void {
  if (walker === undefined) content.add(bytes, from, to);
  else walker.walk(bytes, from, to, content);
}

/** A walker for the answers of an application; undefined when their ends are not known. */
export function answersOf(application: string | undefined): AnswerWalker | undefined {
  return application === undefined ? undefined : walkers[application]?.();
}
