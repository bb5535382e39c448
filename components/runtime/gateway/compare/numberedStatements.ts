import type { Exchange } from "./exchangeLog";
import { beginningsIn, type Statements } from "./statements";

const headerBytes = 4;
const commandAt = headerBytes;
const numberAt = commandAt + 1;
const numberEnd = numberAt + 4;

const prepare = 0x16;
const sendLongData = 0x18;
const close = 0x19;
/** Execute, send a part of a parameter, close, reset, fetch, execute for many rows. */
const usesNumber = new Set([0x17, sendLongData, close, 0x1a, 0x1c, 0xfa]);
const unanswered = new Set([sendLongData, close]);
/** Change the user, reset the connection. */
const forgetsAll = new Set([0x11, 0x1f]);
/** Stands for the statement that was prepared last. */
const newest = 0xffffffff;

/** More are not under way at once, unless the shadow does not get them. */
const mostPreparing = 1_024;

function commandsIn({ parts }: Exchange): Buffer[] {
  const packets = beginningsIn(parts, headerBytes, (header) => headerBytes + header.readUIntLE(0, 3));
  return packets.filter((packet) => packet[3] === 0 && packet.length > commandAt);
}

function isAbout(packet: Buffer): boolean {
  const command = packet[commandAt]!;
  return command === prepare || forgetsAll.has(command) || (usesNumber.has(command) && packet.length >= numberEnd);
}

/** The number that a server gives to a statement, which is taken out: it is no part of what is compared. */
function takeNumber(bytes: Buffer, from: number, to: number): number | undefined {
  if (to - from < numberEnd || bytes[from + commandAt] !== 0) return undefined;
  const number = bytes.readUInt32LE(from + numberAt);
  bytes.writeUInt32LE(0, from + numberAt);
  return number;
}

/** A statement between its request and both answers. */
interface Prepared {
  /** Which stretch of the client's stream it is in. */
  readonly stretch: number;
  live?: number;
  /** The mirror has lost live's answer. */
  unseen?: true;
  shadow?: number;
}

/**
 * MySQL's statements, which the server numbers. One that the shadow does not have shifts the numbers of all that follow, so
 * that only those run in the shadow to which both servers have given the same number.
 */
export class NumberedStatements implements Statements {
  private readonly same = new Set<number>();
  /** By the turns that prepare. */
  private readonly preparing = new Map<number, Prepared>();
  /** The stretch of the client's stream between two holes. */
  private stretch = 0;
  /** The one in which both servers number alike; -1 when they do not. */
  private alikeIn = 0;
  /** The one in which the shadow has last prepared a statement. */
  private newestIn = -1;

  note(turn: Exchange): void {
    for (const [index, prepared] of this.preparing) {
      if (prepared.live === undefined) this.settle(index, { ...prepared, unseen: true });
    }
    const commands = commandsIn(turn);
    const answered = commands.find((packet) => !unanswered.has(packet[commandAt]!));
    const { stretch } = this;
    if (answered?.[commandAt] === prepare) this.begin(turn.index, stretch);
    const about = commands.filter(isAbout);
    if (about.length > 0) turn.mayGo = () => this.carries(turn, about, stretch);
  }

  hole(): void {
    this.stretch++;
  }

  liveAnswers({ index }: Exchange, bytes: Buffer, from: number, to: number): void {
    const prepared = this.preparing.get(index);
    if (prepared === undefined || prepared.live !== undefined) return;
    const live = takeNumber(bytes, from, to);
    if (live === undefined) this.preparing.delete(index);
    else this.settle(index, { ...prepared, live });
  }

  shadowAnswers({ index }: Exchange, bytes: Buffer, from: number, to: number): void {
    const prepared = this.preparing.get(index);
    if (prepared === undefined) return;
    const shadow = takeNumber(bytes, from, to);
    if (shadow === undefined) this.preparing.delete(index);
    else this.settle(index, { ...prepared, shadow });
  }

  private begin(index: number, stretch: number): void {
    this.preparing.set(index, { stretch });
    const [oldest] = this.preparing.keys();
    if (this.preparing.size > mostPreparing) this.preparing.delete(oldest!);
  }

  private settle(index: number, prepared: Prepared): void {
    const { live, unseen, shadow, stretch } = prepared;
    if (shadow === undefined || (live === undefined && unseen !== true)) {
      this.preparing.set(index, prepared);
      return;
    }
    this.preparing.delete(index);
    if (live === undefined) {
      if (this.alikeIn === stretch) this.same.add(shadow);
    } else if (live === shadow) {
      this.same.add(shadow);
      this.alikeIn = Math.max(this.alikeIn, stretch);
    } else {
      this.same.delete(live);
      this.same.delete(shadow);
      this.alikeIn = -1;
    }
  }

  /** Whether the shadow has all statements that a turn needs; asked when it has answered what came before. */
  private carries({ index }: Exchange, commands: readonly Buffer[], stretch: number): boolean {
    const prepares = commands.some((packet) => packet[commandAt] === prepare);
    if (!this.hasAll(commands, stretch)) {
      this.preparing.delete(index);
      if (prepares) this.alikeIn = this.newestIn = -1;
      return false;
    }
    if (prepares) this.newestIn = stretch;
    for (const packet of commands) {
      if (packet[commandAt] === close) this.same.delete(packet.readUInt32LE(numberAt));
      else if (forgetsAll.has(packet[commandAt]!)) this.same.clear();
    }
    return true;
  }

  private hasAll(commands: readonly Buffer[], stretch: number): boolean {
    let hasNewest = this.newestIn === stretch;
    return commands.every((packet) => {
      const command = packet[commandAt]!;
      hasNewest ||= command === prepare;
      if (!usesNumber.has(command)) return true;
      const number = packet.readUInt32LE(numberAt);
      return number === newest ? hasNewest : this.same.has(number);
    });
  }
}
