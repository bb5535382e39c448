import { bump } from "../stats";
import { answersOf, takeAnswer, type AnswerWalker } from "./answers";
import { BodyDigest } from "./body";
import type { Conversation, FlowContext, ShadowReader } from "./conversation";
import { Exchange } from "./exchangeLog";
import { framingInside, type Framing, type Walker } from "./framings";
import { LossEstimate } from "./lossEstimate";
import { Session, sessionRulesOf, type Refusal } from "./session";
import type { Statements } from "./statements";
import { OwedAnswers } from "./owedAnswers";
import { RawShadowReader, type AnswerJudge } from "./shadowReaders";

/** A client that says nothing more for this long has finished its turn, even when the server stays silent. */
const turnQuietMilliseconds = 200;
/** The same where the server has not acknowledged all of it, so that more may have gone by unseen. */
const unacknowledgedQuietMilliseconds = 2_000;
/** A server that says nothing more for this long has finished its answer, as far as that can be known. */
const answerQuietMilliseconds = 1_000;

/** How a conversation by turns begins. */
export interface TurnOptions {
  /** Position of its first exchange within the flow. */
  index: number;
  afterUpgrade: boolean;
  /** Which application it was recognised as, also one whose messages have no known end. */
  application?: string | undefined;
  /** How the client's messages end; undefined when that is not known. */
  framing: Framing | undefined;
  /** Which protocol it is could not be seen; it may show itself where the conversation is taken up. */
  unknown?: boolean;
  /** The flow was open before mirroring began, and can be taken up where a message begins. */
  midStream: boolean;
  /** Something that the client said before is missing. */
  lost?: boolean;
}

/**
 * Any TCP protocol other than HTTP, by turns: what the client says until the server speaks is a message, what the server
 * says until the client speaks again is its answer. Where the protocol's own messages are known, a turn ends with one of
 * them, and after a hole the conversation is taken up again where a segment begins with one and the acknowledgements prove
 * that an answer has ended just before it. Elsewhere a hole ends it.
 */
export class RawConversation implements Conversation, AnswerJudge {
  liveOutstanding = false;
  private turn: Exchange | undefined;
  /** Bytes of the turn that are whole messages. */
  private wholeBytes = 0;
  private framing: Framing | undefined;
  private walker: Walker | undefined;
  private answers: AnswerWalker | undefined;
  private lastClientByte = 0;
  private clientPosition = 0;
  /** Since when a pause was seen once. */
  private pausedSince = 0;
  /** The server said something unseen since the turn began; whether the turn was over, the client's next segment tells. */
  private unheard = false;
  private answering: Exchange | undefined;
  private lastServerByte = 0;
  /** What the server said before its client did. */
  private greetingBytes = 0;
  /** Out of sync: what the client says is counted by turns and not carried. */
  private lost = false;
  private lostTurn = false;
  /** It was taken up after a hole or in the middle, at a place that looked like the beginning of a message. */
  private takenUp = false;
  private lostTurns = 0;
  /** A hole was counted as one turn since the last known place; whether it was more, only the server can tell. */
  private holed = false;
  private lostCause: string;
  /** Where the client's next segment must have got the server's answer to, to be a boundary. */
  private searchBeyond = -Infinity;
  /** Nothing is missing of what the server said since it was last heard before the hole. */
  private serverGapless = true;
  /** One byte is missing between two turns: the client's FIN, unless more follows. */
  private perhapsEnded = false;
  private index: number;
  private turnStart = 0;
  private turnPeerOffset = 0;
  private readonly estimate: LossEstimate;
  private readonly session: Session;
  private readonly statements: Statements | undefined;
  private owed: OwedAnswers;

  constructor(
    private readonly flow: FlowContext,
    private readonly options: TurnOptions,
  ) {
    this.index = options.index;
    this.estimate = new LossEstimate(options.midStream || options.index > 0 ? -1 : 0);
    this.lost = options.midStream || options.lost === true;
    this.lostCause = options.midStream ? "startedBefore" : "noBoundary";
    this.framing = options.framing;
    this.walker = options.framing?.walker(!options.midStream);
    this.answers = answersOf(options.framing?.application);
    this.owed = new OwedAnswers(options.framing);
    const rules = sessionRulesOf(options.framing?.application ?? options.application);
    this.statements = rules?.statements?.();
    this.session = new Session(rules, options.midStream, options.afterUpgrade ? options.index : undefined);
  }

  get heldBytes(): number {
    return this.turn?.requestBytes ?? 0;
  }

  shed(): void {
    if (this.turn === undefined) return;
    this.turn.letGo();
    this.turn.requestBytes = this.wholeBytes = 0;
  }

  clientData(
    chunk: Buffer,
    from: number,
    to: number,
    time: number,
    offset: number,
    peerOffset: number,
    segmentStart: boolean,
  ): void {
    if (this.perhapsEnded) this.clientHole(1);
    this.clientPosition = offset + to - from;
    if (this.lost && !(segmentStart && this.resumes(chunk, from, to, offset, peerOffset))) {
      this.skip(offset, peerOffset);
      return;
    }
    if (this.unheard && peerOffset > this.turnPeerOffset) this.finishUnheard();
    this.lastClientByte = time;
    for (let at = from; at < to;) {
      if (this.turn === undefined) this.begin(time, offset + at - from, peerOffset, this.answering);
      this.finishAnswer(undefined);
      at = this.keep(this.turn!, chunk, at, to);
    }
    if (this.walker?.broken === true) this.leaveFraming(peerOffset);
  }

  serverData(chunk: Buffer, from: number, to: number, time: number): void {
    this.lostTurn = false;
    if (this.turn !== undefined) this.finishTurn();
    this.lastServerByte = time;
    if (!this.lost) this.serverGapless = true;
    this.owed.heard(chunk, from, to);
    const { answering } = this;
    if (answering === undefined) {
      if (this.index === 0 && !this.lost) this.greetingBytes += to - from;
      return;
    }
    this.liveOutstanding = false;
    this.session.liveAnswers(chunk, from, to);
    answering.live.refused ??= this.session.refusalIn(chunk, from, to) !== "none";
    this.statements?.liveAnswers?.(answering, chunk, from, to);
    answering.live.firstByte ??= time;
    answering.live.end = time;
    if (answering.live.settled) return;
    answering.live.body ??= new BodyDigest(this.flow.log.bodies, false);
    takeAnswer(this.answers, answering.live.body, chunk, from, to);
  }

  clientHole(length: number): void {
    if (length === 1 && this.turn === undefined && !this.perhapsEnded) {
      this.perhapsEnded = !this.lost;
      return;
    }
    this.perhapsEnded = false;
    this.clientPosition += length;
    this.session.hole();
    this.statements?.hole();
    this.turn = undefined;
    this.searchBeyond = Math.max(this.searchBeyond, this.flow.clientAcknowledged());
    if (!this.lostTurn) {
      this.countLost("lost");
      this.holed = true;
    }
    this.lostTurn = true;
    this.estimate.hole();
    if (this.lost) return;
    this.lost = true;
    this.lostCause = "noBoundary";
    this.finishAnswer("lost");
    if (this.framing === undefined && this.options.unknown !== true) this.flow.giveUp();
  }

  serverHole(): void {
    this.owed.hole();
    this.serverGapless = false;
    this.unheard = this.turn !== undefined;
    this.finishAnswer("lost");
  }

  clientEnd(): void {
    if (this.unheard) this.finishUnheard();
    else if (this.turn !== undefined) this.finishTurn();
  }

  serverEnd(): void {
    this.finishAnswer(this.unheard ? "lost" : undefined);
  }

  close(error: string, cause: string, time: number): void {
    const whole = error === "reset" ? this.acknowledged : this.turn !== undefined && this.mayEnd(this.turn, time);
    if (this.turn !== undefined && (whole || this.walker !== undefined)) this.finishTurn();
    if (this.turn !== undefined) this.count(cause);
    this.turn = undefined;
    const unanswered = this.liveOutstanding ? error : undefined;
    this.finishAnswer(this.unheard ? "lost" : unanswered);
    if (this.lost && !this.serverGapless) this.estimateLoss(this.clientPosition, this.flow.clientAcknowledged());
    if (this.lost && this.index === 0) this.flow.giveUp();
  }

  tick(now: number): void {
    if (this.turn !== undefined && this.mayEnd(this.turn, now)) {
      // Seen twice: before the first time, packets may have waited for this thread.
      const since = this.quietSince(this.turn);
      if (this.pausedSince === since) this.finishTurn();
      this.pausedSince = since;
    }
    const answered = this.answering?.live.firstByte !== undefined;
    if (answered && now - this.lastServerByte >= answerQuietMilliseconds) this.finishAnswer(undefined);
  }

  newReader(): ShadowReader {
    const greeting = this.options.afterUpgrade ? 0 : this.greetingBytes;
    return new RawShadowReader(this.flow.log, greeting, this, answersOf(this.framing?.application));
  }

  needsSession(index: number): boolean {
    return this.session.needs(index, this.greetingBytes > 0);
  }

  refusalIn(exchange: Exchange, bytes: Buffer, from: number, to: number): Refusal {
    this.statements?.shadowAnswers?.(exchange, bytes, from, to);
    const refusal = exchange.live.refused === true ? "none" : this.session.refusalIn(bytes, from, to);
    if (refusal === "all") this.session.lost = true;
    return refusal;
  }

  /** It counts as not carried. */
  takenBack(): void {
    this.flow.sessionLost();
  }

  /** Whether the client has finished, or has said whole messages for so long that no answer is needed to go on. */
  private mayEnd(turn: Exchange, now: number): boolean {
    const sure = this.acknowledged || this.hasWhole;
    return now - this.quietSince(turn) >= (sure ? turnQuietMilliseconds : unacknowledgedQuietMilliseconds);
  }

  private quietSince(turn: Exchange): number {
    return this.hasWhole ? turn.live.start : this.lastClientByte;
  }

  private get hasWhole(): boolean {
    return this.walker !== undefined && this.wholeBytes > 0;
  }

  /** Whether the server has all that was seen of the client; were more lost, it would have acknowledged beyond it. */
  private get acknowledged(): boolean {
    return this.flow.serverAcknowledged() >= this.clientPosition;
  }

  private finishUnheard(): void {
    if (this.turn !== undefined) this.finishTurn();
    this.finishAnswer("lost");
    this.unheard = false;
  }

  private begin(time: number, offset: number, peerOffset: number, previous: Exchange | undefined): void {
    this.turn = new Exchange(this.flow.label, this.index++, "raw", time);
    const crossed = previous?.live.firstByte !== undefined && peerOffset < this.flow.serverPosition();
    if (this.owed.areOwed || crossed) this.turn.goesOnFrom(previous);
    this.owed.begin();
    this.wholeBytes = 0;
    this.unheard = false;
    this.turnStart = offset;
    this.turnPeerOffset = peerOffset;
    if (this.flow.shedCause === undefined && !this.session.lost) this.flow.link.prepare();
  }

  /** Takes bytes to the turn, and returns where those that belong to it end: a message that is not answered is a turn. */
  private keep(turn: Exchange, chunk: Buffer, from: number, to: number): number {
    const alone = this.wholeBytes === 0;
    const ended = this.walker?.walk(chunk, from, to) ?? from;
    const told = this.walker?.told === true;
    const end = told ? ended : to;
    if (this.flow.shedCause === undefined) {
      if (ended > from) this.wholeBytes = turn.requestBytes + ended - from;
      turn.add(chunk.subarray(from, end));
      turn.requestBytes += end - from;
    }
    if (told && alone) {
      turn.told = true;
      this.finishTurn();
      this.finishAnswer(undefined);
    }
    return end;
  }

  /** What came is no message: it is another protocol, or the place at which the flow was taken up was none. */
  private leaveFraming(peerOffset: number): void {
    this.walker = undefined;
    if (!this.takenUp) {
      this.framing = this.answers = undefined;
      return;
    }
    this.turn = undefined;
    this.lost = true;
    this.lostCause = "noBoundary";
    this.skip(this.turnStart, peerOffset);
  }

  /** Sends the turn as far as it is whole messages; the beginning of another one stays. */
  private finishTurn(): void {
    const turn = this.turn!;
    const whole = this.walker === undefined ? turn.requestBytes : this.wholeBytes;
    if (whole === 0 && turn.requestBytes > 0) return;
    this.turn = undefined;
    this.finishAnswer(undefined);
    this.owed.asked(this.walker);
    if (whole < turn.requestBytes) this.split(turn, whole);
    if (this.flow.shedCause !== undefined) {
      bump(this.flow.stats.requests.shed, this.flow.shedCause);
      return;
    }
    this.estimate.note(this.turnStart, this.turnStart + whole, this.turnPeerOffset);
    this.session.note(turn.index, turn.beginning);
    if (this.session.lost) {
      turn.letGo();
      this.flow.sessionLost();
      return;
    }
    if (this.walker !== undefined) this.statements?.note(turn);
    turn.due = turn.live.start = this.lastClientByte;
    this.answering = turn;
    this.answers?.restart();
    this.liveOutstanding = true;
    this.flow.link.send(turn);
  }

  private split(turn: Exchange, whole: number): void {
    const bytes = Buffer.concat(turn.parts);
    turn.replaceParts([bytes.subarray(0, whole)]);
    this.begin(this.lastClientByte, this.turnStart + whole, this.turnPeerOffset, turn);
    this.turn!.replaceParts([bytes.subarray(whole)]);
  }

  private finishAnswer(error: string | undefined): void {
    const { answering } = this;
    if (answering === undefined) return;
    this.answering = undefined;
    this.liveOutstanding = false;
    if (error === undefined && this.answers?.whole === true) answering.live.answers = this.answers.ended;
    this.flow.log.settle(answering, answering.live, error);
  }

  /** Whether a segment is a place to take the conversation up, and does so. */
  private resumes(chunk: Buffer, from: number, to: number, offset: number, peerOffset: number): boolean {
    if (peerOffset <= this.searchBeyond || peerOffset < this.flow.serverPosition()) return false;
    const framing = this.options.unknown === true ? framingInside(chunk, from, to) : this.framing;
    const first = this.options.midStream && this.index === 0;
    if (framing?.begins(chunk, from, to) !== true) return false;
    if (first) this.flow.stats.flows.pickedUpMidStream++;
    else this.flow.stats.flows.resumedAfterLoss++;
    if (!first && !this.serverGapless) this.estimateLoss(offset, peerOffset);
    this.holed = false;
    this.serverGapless = true;
    this.framing = framing;
    this.session.rules = sessionRulesOf(framing.application);
    this.walker = framing.walker(false);
    this.answers = answersOf(framing.application);
    this.owed = new OwedAnswers(framing);
    this.lost = this.lostTurn = false;
    this.takenUp = true;
    this.lostTurns = 0;
    return true;
  }

  /** What the client says while it is not known where a message begins. */
  private skip(offset: number, peerOffset: number): void {
    // An answer that went by unseen parts two turns as well.
    const parted = this.estimate.parts(offset, peerOffset);
    if (!this.lostTurn || parted) this.countLost(this.lostCause);
    this.lostTurn = true;
    this.searchBeyond = Math.max(this.searchBeyond, peerOffset);
  }

  private countLost(cause: string): void {
    this.lostTurns++;
    this.count(cause);
  }

  /** Holes in both directions: what went by can only be judged by its bytes, and so the one that was counted is a guess too. */
  private estimateLoss(offset: number, peerOffset: number): void {
    const unseen = this.estimate.between(offset, peerOffset) - this.lostTurns;
    for (let turn = 0; turn < unseen; turn++) this.count("lost");
    const estimated = Math.max(0, unseen) + (this.holed ? 1 : 0);
    if (this.flow.shedCause === undefined) this.flow.stats.requests.lostEstimated += estimated;
  }

  private count(cause: string): void {
    const { requests } = this.flow.stats;
    if (this.flow.shedCause !== undefined) bump(requests.shed, this.flow.shedCause);
    else if (cause === "lost") requests.lostByMirror++;
    else bump(requests.unusable, cause);
  }
}
