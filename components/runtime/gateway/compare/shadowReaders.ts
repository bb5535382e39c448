import type { ResponseObserver } from "../replay/hooks/hook";
import { takeAnswer, type AnswerWalker } from "./answers";
import { BodyDigest } from "./body";
import type { ShadowReader } from "./conversation";
import type { Exchange, ExchangeLog, Side } from "./exchangeLog";
import { Http1Responses } from "./responses";
import type { Refusal } from "./session";

/** An answer without a known end is taken for complete after this much silence. */
const quietMilliseconds = 1_000;
/** After this much silence the next message may go out. */
const pauseMilliseconds = 50;
/** The same where the answer is longer than live's, so that nothing that live had is missing. */
const shortPauseMilliseconds = 10;

/** Knows what the beginning of an answer says of its connection. */
export interface AnswerJudge {
  /** Whether it is no answer, but says that the request should not have been sent. */
  refusalIn(exchange: Exchange, bytes: Buffer, from: number, to: number): Refusal;
  /** A request was taken back for that. */
  takenBack(): void;
}

/** Whether all of live's answer has been seen, also when it was none. */
function isKnown({ settled, error }: Side): boolean {
  return settled && error !== "lost";
}

/** Whether live's answer is known, and is that of this turn alone. */
function hasOwnAnswer({ live, overlapping }: Exchange): boolean {
  return isKnown(live) && overlapping !== true;
}

/** Reads a shadow connection by turns: the bytes between one message and the next are its answer. */
export class RawShadowReader implements ShadowReader {
  readonly waiting: Exchange[] = [];
  readonly broken = false;
  private lastByte = 0;
  private greeted = 0;
  /** What the answer that comes now says; a request is taken back at its end, so that the next one waits for it. */
  private refusal: Refusal = "none";

  constructor(
    private readonly log: ExchangeLog,
    /** What is to come before the first message may go out: as much as live's server said unasked. */
    private greetingBytes: number,
    private readonly judge?: AnswerJudge,
    /** Where an answer ends; undefined when that is not known. */
    private readonly answers?: AnswerWalker,
  ) {}

  add(exchange: Exchange): void {
    const [previous] = this.waiting;
    if (previous !== undefined) this.settleFirst(previous, undefined);
    this.waiting.push(exchange);
    this.greetingBytes = 0;
    this.answers?.restart();
  }

  push(bytes: Buffer, length: number, time: number): void {
    this.take(bytes, 0, length, time);
  }

  /** Bytes `from`–`to` came. */
  take(bytes: Buffer, from: number, to: number, time: number): void {
    this.lastByte = time;
    const [exchange] = this.waiting;
    if (exchange === undefined) {
      this.greeted += to - from;
      return;
    }
    const { shadow } = exchange;
    if (shadow.settled) return;
    if (shadow.firstByte === undefined) this.refusal = this.judge?.refusalIn(exchange, bytes, from, to) ?? "none";
    if (this.refusal === "all") {
      this.settleFirst(exchange, undefined);
      return;
    }
    shadow.firstByte ??= time;
    shadow.end = time;
    shadow.body ??= new BodyDigest(this.log.bodies, false);
    takeAnswer(this.answers, shadow.body, bytes, from, to);
  }

  ended(error: string): void {
    const [exchange] = this.waiting;
    if (exchange === undefined) return;
    const silent = exchange.shadow.firstByte === undefined;
    if (silent && error === "closed") {
      this.waiting.shift();
      this.log.closedSilently(exchange);
    } else this.settleFirst(exchange, silent ? error : undefined);
  }

  sendableIn(exchange: Exchange, now: number): number {
    const [previous] = this.waiting;
    if (previous === undefined) return this.greetedIn(now);
    const { live, shadow } = previous;
    if (shadow.start === 0) return Infinity;
    if (exchange.unawaited) return 0;
    if (isKnown(live) && live.firstByte === undefined) return 0;
    if (shadow.firstByte === undefined) {
      return live.settled && !hasOwnAnswer(previous) ? Math.max(0, this.quietAt(previous) - now) : Infinity;
    }
    const progress = this.progressOf(previous);
    if (progress === "whole") return 0;
    if (progress === "within") return Infinity;
    if (progress === "owing") return Math.max(0, this.quietAt(previous) - now);
    const pause = progress === "longer" ? shortPauseMilliseconds : pauseMilliseconds;
    return Math.max(0, this.lastByte + pause - now);
  }

  private greetedIn(now: number): number {
    if (this.greeted >= this.greetingBytes) return 0;
    return this.greeted === 0 ? Infinity : Math.max(0, this.lastByte + pauseMilliseconds - now);
  }

  tick(now: number): void {
    const [exchange] = this.waiting;
    if (exchange?.live.settled !== true || exchange.shadow.start === 0) return;
    if (exchange.shadow.firstByte === undefined && exchange.overlapping !== true && !exchange.told) return;
    const progress = this.progressOf(exchange);
    if (progress === "within") return;
    if (progress === "whole" || now >= this.quietAt(exchange)) this.settleFirst(exchange, undefined);
  }

  /**
   * How far an answer that has begun is: by the protocol where that tells, so that another end of it may be owed, else as
   * far as live's answer shows it.
   */
  private progressOf(exchange: Exchange): "within" | "owing" | "shorter" | "longer" | "whole" {
    const { live, shadow } = exchange;
    if (!hasOwnAnswer(exchange)) return "shorter";
    const { answers } = this;
    if (answers !== undefined && live.answers > 0) {
      if (answers.within) return "within";
      if (answers.whole) return answers.ended >= live.answers ? "whole" : "owing";
    }
    const [came, expected] = [shadow.body?.bytes ?? 0, live.bytes ?? 0];
    return came === expected ? "whole" : came > expected ? "longer" : "shorter";
  }

  /** When it will have been quiet for long, also since the message was sent. */
  private quietAt({ shadow }: Exchange): number {
    return Math.max(this.lastByte, shadow.start) + quietMilliseconds;
  }

  private settleFirst(exchange: Exchange, error: string | undefined): void {
    this.waiting.shift();
    const { refusal } = this;
    this.refusal = "none";
    if (refusal === "none" || exchange.shadow.settled) this.log.settle(exchange, exchange.shadow, error);
    else {
      this.log.forget(exchange);
      this.judge?.takenBack();
    }
  }
}

/** Reads HTTP/1.x responses from a shadow connection, and turns after an upgrade. */
export class Http1ShadowReader implements ShadowReader {
  private readonly responses: Http1Responses;
  /** What comes after an upgrade. */
  private raw: RawShadowReader | undefined;

  constructor(
    private readonly log: ExchangeLog,
    observer: ResponseObserver | undefined,
  ) {
    this.responses = new Http1Responses("shadow", log, observer);
  }

  get waiting(): readonly Exchange[] {
    return this.raw === undefined || this.responses.waiting.length > 0 ? this.responses.waiting : this.raw.waiting;
  }

  get broken(): boolean {
    return this.responses.broken;
  }

  add(exchange: Exchange): void {
    if (exchange.protocol === "raw") this.afterUpgrade().add(exchange);
    else this.responses.waiting.push(exchange);
  }

  push(bytes: Buffer, length: number, time: number): void {
    const at = this.responses.push(bytes, 0, length, time);
    if (!this.responses.upgraded) return;
    this.responses.failAll("malformed");
    if (at < length) this.afterUpgrade().take(bytes, at, length, time);
  }

  ended(error: string, time: number): void {
    if (!this.responses.upgraded) this.responses.ended(error, time);
    this.raw?.ended(error);
  }

  isPast(exchange: Exchange): boolean {
    const { upgraded, waiting } = this.responses;
    return exchange.protocol === "raw" ? !upgraded && waiting.length === 0 : upgraded;
  }

  sendableIn(exchange: Exchange, now: number): number {
    if (exchange.protocol !== "raw") return 0;
    return this.responses.upgraded ? this.afterUpgrade().sendableIn(exchange, now) : Infinity;
  }

  tick(now: number): void {
    this.raw?.tick(now);
  }

  private afterUpgrade(): RawShadowReader {
    return (this.raw ??= new RawShadowReader(this.log, 0));
  }
}
