import { bump } from "../stats";
import { BodyDigest } from "./body";
import type { Conversation, FlowContext, ShadowReader } from "./conversation";
import { Exchange } from "./exchangeLog";
import { RawShadowReader } from "./shadowReaders";

/** A client that says nothing more for this long has finished its turn, even when the server stays silent. */
const turnQuietMilliseconds = 200;
/** A server that says nothing more for this long has finished its answer, as far as that can be known. */
const answerQuietMilliseconds = 1_000;

/**
 * Any other TCP protocol, by turns: what the client says until the server speaks is a message, what the server says
 * until the client speaks again is its answer. A hole ends it, because no boundary is known to resume at.
 */
export class RawConversation implements Conversation {
  liveOutstanding = false;
  private turn: Exchange | undefined;
  private lastClientByte = 0;
  private answering: Exchange | undefined;
  private lastServerByte = 0;
  private serverSpokeFirst = false;
  private dead = false;
  private deadTurn = false;
  /** One byte is missing between two turns: the client's FIN, unless more follows. */
  private perhapsEnded = false;
  private index: number;

  constructor(
    private readonly flow: FlowContext,
    private readonly options: { index: number; afterUpgrade: boolean },
  ) {
    this.index = options.index;
  }

  get heldBytes(): number {
    return this.turn?.requestBytes ?? 0;
  }

  clientData(chunk: Buffer, from: number, to: number, time: number): void {
    if (this.perhapsEnded) this.clientHole(1);
    if (this.dead) {
      if (!this.deadTurn) this.count("noBoundary");
      this.deadTurn = true;
      return;
    }
    this.finishAnswer(undefined);
    this.turn ??= new Exchange(this.flow.label, this.index++, "raw", time);
    this.lastClientByte = time;
    if (this.flow.shedCause !== undefined) return;
    this.turn.parts.push(chunk.subarray(from, to));
    this.turn.requestBytes += to - from;
  }

  serverData(chunk: Buffer, from: number, to: number, time: number): void {
    this.deadTurn = false;
    if (this.dead) return;
    if (this.turn !== undefined) this.finishTurn(this.turn);
    this.lastServerByte = time;
    const { answering } = this;
    if (answering === undefined) {
      if (this.index === 0) this.serverSpokeFirst = true;
      return;
    }
    this.liveOutstanding = false;
    answering.live.firstByte ??= time;
    answering.live.end = time;
    answering.live.body ??= new BodyDigest(false);
    answering.live.body.add(chunk, from, to);
  }

  clientHole(length: number): void {
    if (this.dead) return;
    if (length === 1 && this.turn === undefined && !this.perhapsEnded) {
      this.perhapsEnded = true;
      return;
    }
    this.turn = undefined;
    if (this.flow.shedCause === undefined) this.flow.stats.requests.lostByMirror++;
    else bump(this.flow.stats.requests.shed, this.flow.shedCause);
    this.dead = this.deadTurn = true;
    this.finishAnswer("lost");
    this.flow.giveUp();
  }

  serverHole(): void {
    if (this.turn !== undefined) this.finishTurn(this.turn);
    this.finishAnswer("lost");
  }

  clientEnd(): void {
    if (this.turn !== undefined) this.finishTurn(this.turn);
  }

  serverEnd(): void {
    this.finishAnswer(undefined);
  }

  close(error: string): void {
    if (this.turn !== undefined) this.finishTurn(this.turn);
    this.finishAnswer(this.liveOutstanding ? error : undefined);
  }

  tick(now: number): void {
    if (this.turn !== undefined && now - this.lastClientByte >= turnQuietMilliseconds) this.finishTurn(this.turn);
    const answered = this.answering?.live.firstByte !== undefined;
    if (answered && now - this.lastServerByte >= answerQuietMilliseconds) this.finishAnswer(undefined);
  }

  newReader(): ShadowReader {
    return new RawShadowReader(this.flow.log, this.serverSpokeFirst && !this.options.afterUpgrade);
  }

  private finishTurn(turn: Exchange): void {
    this.turn = undefined;
    this.finishAnswer(undefined);
    if (this.flow.shedCause !== undefined) {
      bump(this.flow.stats.requests.shed, this.flow.shedCause);
      return;
    }
    turn.due = turn.live.start = this.lastClientByte;
    this.answering = turn;
    this.liveOutstanding = true;
    this.flow.link.send(turn);
  }

  private finishAnswer(error: string | undefined): void {
    const { answering } = this;
    if (answering === undefined) return;
    this.answering = undefined;
    this.liveOutstanding = false;
    this.flow.log.settle(answering, answering.live, error);
  }

  private count(cause: string): void {
    const { requests } = this.flow.stats;
    if (this.flow.shedCause !== undefined) bump(requests.shed, this.flow.shedCause);
    else bump(requests.unusable, cause);
  }
}
