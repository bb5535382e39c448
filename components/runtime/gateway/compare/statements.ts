import type { Exchange } from "./exchangeLog";

/**
 * Follows the statements that a client has prepared on one connection. Where the mirror has lost what prepared one, a
 * request that runs it would run another one in the shadow, so that it is not sent.
 */
export interface Statements {
  /** The client's turn is whole and about to be sent. */
  note(turn: Exchange): void;
  /** Something that the client said was not seen. */
  hole(): void;
  /** Live's answer begins, or goes on, with these bytes. */
  liveAnswers?(turn: Exchange, bytes: Buffer, from: number, to: number): void;
  /** The shadow's answer begins with these bytes. */
  shadowAnswers?(turn: Exchange, bytes: Buffer, from: number, to: number): void;
}

/** As much of a message as tells what it prepares or runs, with two names of PostgreSQL, which have up to 63 bytes. */
const tellingBytes = 160;
const held = Buffer.alloc(tellingBytes);

/** The beginnings of messages, the length of which is known from a header of so many bytes; up to what is no message. */
export function beginningsIn(
  parts: readonly Buffer[],
  headerBytes: number,
  lengthOf: (header: Buffer) => number,
): Buffer[] {
  const beginnings: Buffer[] = [];
  let have = 0;
  let length = headerBytes;
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      const taken = Math.min(part.length - at, length - have);
      if (have < tellingBytes) part.copy(held, have, at, at + taken);
      have += taken;
      at += taken;
      if (have < length) continue;
      if (length === headerBytes) length = lengthOf(held);
      if (length < headerBytes) return beginnings;
      if (have < length) continue;
      beginnings.push(Buffer.from(held.subarray(0, Math.min(length, tellingBytes))));
      have = 0;
      length = headerBytes;
    }
  }
  return beginnings;
}
