import { amqpFraming } from "./amqp";
import { isToldToMongo, lengthOfMongo, mongoFlaggedBytes } from "./mongodb";

/** Follows the messages of one client, so that it is known where one ends. */
export interface Walker {
  /** Whether the last message has ended and no other has begun. */
  readonly atBoundary: boolean;
  /** What came is no message of the protocol; from then on no boundary is known. */
  readonly broken: boolean;
  /** Messages that have ended, where each is answered. */
  readonly ended?: number;
  /** What was read ends with a message that is not answered, and there is none before it that is. */
  readonly told?: boolean;
  /**
   * Reads on, at most to the end of a first message that is not answered; returns the position after the last message
   * that ended, or `from` when none did.
   */
  walk(chunk: Buffer, from: number, to: number): number;
}

/** A protocol other than HTTP whose messages have a known end. */
export interface Framing {
  /** Its application's name. */
  readonly application: string;
  /** A walker for a connection, or for one that is taken up in the middle. */
  walker(fromStart: boolean): Walker;
  /** Each message has one answer. */
  answersEach?: boolean;
  /** Whether a segment begins with a message, as far as that can be told from it. */
  begins(chunk: Buffer, from: number, to: number): boolean;
  /** Whether a connection can be taken up in the middle: nothing said on it first, such as a login, is needed. */
  sessionless: boolean;
}

/** Says how long a message is by its first bytes: its length, 0 when it is none. */
type LengthOf = (header: Buffer) => number;

class LengthWalker implements Walker {
  broken = false;
  told = false;
  private unanswered = false;
  private readonly header: Buffer;
  private have = 0;
  private left = 0;

  constructor(
    headerBytes: number,
    private readonly lengthOf: LengthOf,
    private readonly isTold?: (header: Buffer) => boolean,
  ) {
    this.header = Buffer.alloc(headerBytes);
  }

  get atBoundary(): boolean {
    return this.have === 0 && this.left === 0;
  }

  walk(chunk: Buffer, from: number, to: number): number {
    let ended = from;
    this.told = false;
    for (let at = from; at < to && !this.broken && !this.told;) {
      at = this.walkOne(chunk, at, to);
      if (!this.atBoundary) break;
      this.told = this.unanswered && ended === from;
      ended = at;
    }
    return ended;
  }

  /** Reads until a message ends or the bytes do, and returns where that is. */
  walkOne(chunk: Buffer, from: number, to: number): number {
    let at = from;
    do {
      const part = Math.min(to - at, this.left > 0 ? this.left : this.header.length - this.have);
      if (this.left > 0) this.left -= part;
      else {
        chunk.copy(this.header, this.have, at, at + part);
        this.have += part;
        if (this.have === this.header.length) this.begin();
      }
      at += part;
    } while (at < to && !this.atBoundary && !this.broken);
    return at;
  }

  private begin(): void {
    const rest = this.lengthOf(this.header) - this.header.length;
    this.have = 0;
    this.left = Math.max(0, rest);
    this.broken = rest < 0;
    this.unanswered = this.isTold?.(this.header) === true;
  }
}

const longestLine = 65_536;

/** Redis: arrays of bulk strings, and commands that are a line of text. */
class RedisWalker implements Walker {
  broken = false;
  ended = 0;
  private bulks = 0;
  private left = 0;
  private line = "";

  get atBoundary(): boolean {
    return this.bulks === 0 && this.left === 0 && this.line === "";
  }

  walk(chunk: Buffer, from: number, to: number): number {
    let ended = from;
    for (let at = from; at < to && !this.broken;) {
      at = this.left > 0 ? this.skipData(at, to) : this.readLine(chunk, at, to);
      if (this.atBoundary) ended = at;
    }
    return ended;
  }

  private skipData(at: number, to: number): number {
    const part = Math.min(to - at, this.left);
    this.left -= part;
    if (this.left === 0 && --this.bulks === 0) this.ended++;
    return at + part;
  }

  private readLine(chunk: Buffer, at: number, to: number): number {
    const newline = chunk.indexOf(10, at);
    const end = newline < 0 || newline >= to ? to : newline + 1;
    this.line += chunk.toString("latin1", at, end);
    if (this.line.endsWith("\n")) this.takeLine();
    else if (this.line.length > longestLine) this.broken = true;
    return end;
  }

  private takeLine(): void {
    const { line } = this;
    this.line = "";
    if (this.bulks > 0) {
      const size = /^\$(\d{1,9})\r\n$/.exec(line);
      if (size === null) this.broken = true;
      else this.left = Number(size[1]) + 2;
      return;
    }
    const count = /^\*(-?\d{1,7})\r\n$/.exec(line);
    if (count !== null) this.bulks = Math.max(0, Number(count[1]));
    else if (!/^[ -~\t]*\r?\n$/.test(line)) this.broken = true;
    else if (line.trim() !== "") this.ended++;
  }
}

const postgresTypes = new Set(Array.from("QPBDESXCHFdcfp", (letter) => letter.charCodeAt(0)));
const postgresLongest = 2 ** 30;

/** PostgreSQL: before the login messages have no type, and a question whether encryption is possible may come first. */
class PostgresWalker implements Walker {
  private readonly asking = new LengthWalker(8, (header) => this.lengthOfStart(header));
  private readonly talking = new LengthWalker(5, lengthOfPostgres);
  private started: boolean;

  constructor(fromStart: boolean) {
    this.started = !fromStart;
  }

  get atBoundary(): boolean {
    return this.asking.atBoundary && this.talking.atBoundary;
  }

  get broken(): boolean {
    return this.asking.broken || this.talking.broken;
  }

  walk(chunk: Buffer, from: number, to: number): number {
    let ended = from;
    for (let at = from; at < to && !this.broken;) {
      const walker = this.started && this.asking.atBoundary ? this.talking : this.asking;
      at = walker.walkOne(chunk, at, to);
      if (walker.atBoundary) ended = at;
    }
    return ended;
  }

  private lengthOfStart(header: Buffer): number {
    const code = header.readUInt32BE(4);
    if (code >> 16 === 3) this.started = true;
    else if (code < 80_877_102 || code > 80_877_104) return 0;
    return header.readUInt32BE(0);
  }
}

/** Length of a message of PostgreSQL that has a type; 0 when it is none. */
export function lengthOfPostgres(header: Buffer): number {
  const length = header.readUInt32BE(1);
  return postgresTypes.has(header[0]!) && length >= 4 && length < postgresLongest ? 1 + length : 0;
}

/** An answer to the server's greeting that is this long asks for encryption; one with a login is longer. */
const encryptionAsked = 32;

/** MySQL; where encryption is asked for, nothing can be read. */
function mysqlWalker(fromStart: boolean): Walker {
  let first = fromStart;
  return new LengthWalker(4, (header) => {
    const length = header.readUIntLE(0, 3);
    const encrypted = first && length === encryptionAsked;
    first = false;
    return encrypted ? 0 : 4 + length;
  });
}

const mongoWalker = (): LengthWalker => new LengthWalker(mongoFlaggedBytes, lengthOfMongo, isToldToMongo);

function lengthOfDns(header: Buffer): number {
  const length = header.readUInt16BE(0);
  return length >= 12 ? 2 + length : 0;
}

/** Whether a segment is whole messages and nothing else: what makes chance unlikely where messages have no clear mark. */
function isWhole(walker: Walker, chunk: Buffer, from: number, to: number): boolean {
  walker.walk(chunk, from, to);
  return walker.atBoundary && !walker.broken;
}

function lengthFraming(application: string, headerBytes: number, lengthOf: LengthOf): Framing {
  const walker = (): Walker => new LengthWalker(headerBytes, lengthOf);
  return { application, walker, begins: (chunk, from, to) => isWhole(walker(), chunk, from, to), sessionless: true };
}

/** Protocols by the names of their signatures. */
const framings: Record<string, Framing> = {
  redis: {
    application: "redis",
    walker: () => new RedisWalker(),
    answersEach: true,
    begins: (chunk, from, to) => {
      if (!/^\*[1-9]\d{0,6}\r\n\$\d{1,9}\r\n/.test(chunk.toString("latin1", from, Math.min(to, from + 32))))
        return false;
      const walker = new RedisWalker();
      walker.walk(chunk, from, to);
      return !walker.broken;
    },
    sessionless: true,
  },
  mongodb: {
    application: "mongodb",
    walker: mongoWalker,
    begins: (chunk, from, to) => {
      const walker = mongoWalker();
      let at = from;
      do at = walker.walk(chunk, at, to);
      while (walker.told && at < to);
      return to - from >= mongoFlaggedBytes && !walker.broken;
    },
    sessionless: true,
  },
  dns: lengthFraming("dns", 2, lengthOfDns),
  amqp: amqpFraming,
  postgres: {
    application: "postgres",
    walker: (fromStart) => new PostgresWalker(fromStart),
    begins: (chunk, from, to) => isWhole(new PostgresWalker(false), chunk, from, to),
    sessionless: false,
  },
  mysql: {
    application: "mysql",
    walker: mysqlWalker,
    begins: (chunk, from, to) =>
      to - from > 4 && chunk[from + 3] === 0 && chunk[from + 4]! < 32 && isWhole(mysqlWalker(false), chunk, from, to),
    sessionless: false,
  },
};

/** The framing of an application; undefined when its messages have no known end. */
export function framingOf(application: string | undefined): Framing | undefined {
  return application === undefined ? undefined : framings[application];
}

/** The protocol of a connection that is taken up in the middle, where a segment begins that only one of them begins with. */
export function framingInside(chunk: Buffer, from: number, to: number): Framing | undefined {
  const found = Object.values(framings).filter((framing) => framing.sessionless && framing.begins(chunk, from, to));
  return found.length === 1 ? found[0] : undefined;
}
