import { NumberedStatements } from "./numberedStatements";
import type { Statements } from "./statements";
import { UnnamedStatements } from "./unnamedStatements";

/** What must have been said on a connection before its requests mean what they meant in live. */
export interface SessionRules {
  /** Every connection begins with a login; elsewhere only the messages that build one up show that there is one. */
  readonly always: boolean;
  /** Whether the first bytes of a client's turn are part of a login, or of something else that changes later answers. */
  builds(message: Buffer, index: number): boolean;
  /** Whether what the server says shows that the login is done. */
  welcomes?(bytes: Buffer, from: number, to: number): boolean;
  /** The server makes up a part of the login, so that the shadow takes none of live's, unless it takes everybody. */
  readonly challenges?: boolean;
  /** Whether an answer says that a login is missing; undefined when that cannot be told. */
  denies?(bytes: Buffer, from: number, to: number): boolean;
  /** What is missing then concerns single requests; the others still mean what they meant. */
  readonly deniesOne?: boolean;
  /** Whether an answer says that something is unknown whose name the server makes up: no shadow knows live's. */
  isUnknown?(bytes: Buffer, from: number, to: number): boolean;
  /** Follows the statements that its clients prepare. */
  statements?(): Statements;
}

/** What an answer says of what the connection was told before: nothing, or that its request, or all of them, lacks some of it. */
export type Refusal = "none" | "one" | "all";

/** Follows what one live connection is told before its requests, which a fresh connection to the shadow would not know. */
export class Session {
  rules: SessionRules | undefined;
  /** The login, or a part of it, was not seen, so that the shadow does not have it. */
  lost = false;
  /** Something went by unseen; only the shadow's answer can tell whether it was a login. */
  private uncertain: boolean;
  private building = true;
  private firstBuilt = Infinity;
  private lastBuilt = -1;

  /** `from` is the first exchange that needs what was said before it; undefined where the rules tell. */
  constructor(
    rules: SessionRules | undefined,
    midStream: boolean,
    private readonly from: number | undefined,
  ) {
    this.rules = rules;
    this.uncertain = midStream;
  }

  /** The client's turn is whole and about to be sent. */
  note(index: number, message: Buffer | undefined): void {
    const { rules } = this;
    if (rules === undefined || message === undefined) return;
    if (!rules.builds(message, index)) {
      this.building = false;
      return;
    }
    this.firstBuilt = Math.min(this.firstBuilt, index);
    this.lastBuilt = index;
    if (rules.always) return;
    this.lost = false;
    this.uncertain = rules.challenges === true;
  }

  /** Something that the client said was not seen. */
  hole(): void {
    this.uncertain = true;
    if (this.rules?.always === true && this.building) this.lost = true;
  }

  /** Whether an exchange cannot be the first on a connection. */
  needs(index: number, greeted: boolean): boolean {
    if (this.from !== undefined) return index >= this.from;
    if (this.rules?.always === true || (this.rules === undefined && greeted)) return index > 0;
    return index > this.firstBuilt && index !== this.lastBuilt;
  }

  /** Live's server says something. */
  liveAnswers(bytes: Buffer, from: number, to: number): void {
    if (this.building && this.rules?.welcomes?.(bytes, from, to) === true) this.building = false;
  }

  /** What an answer that begins with these bytes lacks. */
  refusalIn(bytes: Buffer, from: number, to: number): Refusal {
    const { rules } = this;
    if (rules?.isUnknown?.(bytes, from, to) === true) return "one";
    if (!this.uncertain || rules?.denies?.(bytes, from, to) !== true) return "none";
    return rules.deniesOne === true ? "one" : "all";
  }
}

const lowerCase = 32;

/** Whether a Redis command of at most nine words, as logins are, begins with this word. */
function isRedisWord(message: Buffer, word: string): boolean {
  if (message.length < 8 + word.length || message[0] !== 42 || message[4] !== 36) return false;
  if (message[5] !== 48 + word.length) return false;
  for (let at = 0; at < word.length; at++) if ((message[8 + at]! | lowerCase) !== word.charCodeAt(at)) return false;
  return true;
}

const noAuthentication = Buffer.from("-NOAUTH");

function beginsWith(bytes: Buffer, from: number, to: number, expected: Buffer): boolean {
  if (to - from < expected.length) return false;
  return bytes.compare(expected, 0, expected.length, from, from + expected.length) === 0;
}

/** Where the first field's name stands in a MongoDB message of the present kind. */
const mongoCommand = 26;
const saslCommands = [Buffer.from("saslStart\0"), Buffer.from("saslContinue\0")];
const speculative = Buffer.from("speculativeAuthenticate\0");
const unauthorized = Buffer.from("codeName\0\x0d\0\0\0Unauthorized\0", "latin1");
const cursorNotFound = Buffer.from("codeName\0\x0f\0\0\0CursorNotFound\0", "latin1");
/** The list of those that could not be closed; an empty one has five bytes. */
const cursorsNotFound = Buffer.from("\x04cursorsNotFound\0", "latin1");
const emptyList = 5;
const longestDenial = 1_024;

/** Codes of PostgreSQL's errors for a prepared statement and for a portal that it does not know. */
const unknownNames = [Buffer.from("\0C26000\0"), Buffer.from("\0C34000\0")];

const isAmqpLogin = (message: Buffer): boolean =>
  message[0] === 65 || (message.length > 8 && message[0] === 1 && [10, 20].includes(message.readUInt16BE(7)));

const amqpChannelOpen = (20 << 16) | 11;

/** Whether MongoDB's answer says that there is no such cursor, or that one could not be closed. */
function isUnknownCursor(bytes: Buffer, from: number, to: number): boolean {
  const beginning = bytes.subarray(from, Math.min(to, from + longestDenial));
  if (beginning.includes(cursorNotFound)) return true;
  const found = beginning.indexOf(cursorsNotFound);
  return found >= 0 && beginning[found + cursorsNotFound.length]! > emptyList;
}

/** Whether MySQL's answer is a packet that says that all is well, behind one that says that the password was known or not. */
function isMysqlOk(bytes: Buffer, from: number, to: number): boolean {
  const first = bytes[from + 4] === 1 && to - from > 6 ? from + 4 + bytes.readUIntLE(from, 3) : from;
  return first + 4 < to && bytes[first + 4] === 0;
}

/** The rules of applications, by the names of their signatures. */
const rules: Record<string, SessionRules> = {
  redis: {
    always: false,
    builds: (message) => ["auth", "hello", "select"].some((word) => isRedisWord(message, word)),
    denies: (bytes, from, to) => beginsWith(bytes, from, to, noAuthentication),
  },
  mongodb: {
    always: false,
    builds: (message, index) =>
      saslCommands.some((name) => beginsWith(message, mongoCommand, message.length, name)) ||
      (index === 0 && message.includes(speculative)),
    challenges: true,
    denies: (bytes, from, to) => bytes.subarray(from, Math.min(to, from + longestDenial)).includes(unauthorized),
    isUnknown: isUnknownCursor,
  },
  postgres: {
    always: true,
    builds: (message) => message[0] === 0 || message[0] === 112,
    // "Ready for query", the last thing that is said.
    welcomes: (bytes, from, to) => to - from >= 6 && bytes[to - 6] === 90 && bytes.readUInt32BE(to - 5) === 5,
    denies: (bytes, from, to) => {
      const beginning = bytes.subarray(from, Math.min(to, from + longestDenial));
      return beginning[0] === 69 && unknownNames.some((code) => beginning.includes(code));
    },
    deniesOne: true,
    statements: () => new UnnamedStatements(),
  },
  mysql: {
    always: true,
    builds: (message) => message.length > 3 && message[3] !== 0,
    welcomes: isMysqlOk,
    statements: () => new NumberedStatements(),
  },
  amqp: {
    always: true,
    builds: isAmqpLogin,
    welcomes: (bytes, from, to) => to - from >= 11 && bytes.readUInt32BE(from + 7) === amqpChannelOpen,
  },
  tls: { always: true, builds: () => true },
  ssh: { always: true, builds: () => true },
};

/** What the connections of an application need; undefined when that is not known. */
export function sessionRulesOf(application: string | undefined): SessionRules | undefined {
  return application === undefined ? undefined : rules[application];
}
