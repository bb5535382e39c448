import type { ResponseObserver } from "../replay/hooks/hook";
import { BodyDigest } from "./body";
import type { ShadowReader } from "./conversation";
import type { Exchange, ExchangeLog, Side } from "./exchangeLog";
import { Http1Responses } from "./responses";

/** An answer without a known end is taken for complete after this much silence. */
const quietMilliseconds = 1_000;
/** After this much silence the next message may go out. */
const pauseMilliseconds = 50;

/** Knows whether an answer that begins so is none, but says that the request should not have been sent. */
export interface AnswerJudge {
  isRefused(bytes: Buffer, from: number, to: number): boolean;
}

/** Whether all of live's answer has been seen, also when it was none. */
function isKnown({ settled, error }: Side): boolean {
  return settled && error !== "lost";
}

/** Reads a shadow connection by turns: the bytes between one message and the next are its answer. */
export class RawShadowReader implements ShadowReader {
  readonly waiting: Exchange[] = [];
  readonly broken = false;
  private lastByte = 0;

  constructor(
    private readonly log: ExchangeLog,
    private greetingExpected: boolean,
    private readonly judge?: AnswerJudge,
  ) {}

  add(exchange: Exchange): void {
    const [previous] = this.waiting;
    if (previous !== undefined) this.settleFirst(previous, undefined);
    this.waiting.push(exchange);
  }

  push(bytes: Buffer, length: number, time: number): void {
    this.take(bytes, 0, length, time);
  }

  /** Bytes `from`–`to` came. */
  take(bytes: Buffer, from: number, to: number, time: number): void {
    this.greetingExpected = false;
    this.lastByte = time;
    const [exchange] = this.waiting;
    if (exchange === undefined) return;
    const { shadow } = exchange;
    if (shadow.settled) return;
    if (shadow.firstByte === undefined && this.judge?.isRefused(bytes, from, to) === true) {
      this.waiting.shift();
      this.log.forget(exchange);
      return;
    }
    shadow.firstByte ??= time;
    shadow.end = time;
    shadow.body ??= new BodyDigest(this.log.bodies, false);
    shadow.body.add(bytes, from, to);
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

  maySend(_exchange: Exchange, now: number): boolean {
    const [previous] = this.waiting;
    if (previous === undefined) return !this.greetingExpected;
    const { live, shadow } = previous;
    if (shadow.start === 0) return false;
    if (isKnown(live) && live.firstByte === undefined) return true;
    if (shadow.firstByte === undefined)
      return live.settled && !isKnown(live) && now - shadow.start >= quietMilliseconds;
    const expected = isKnown(live) ? (live.bytes ?? 0) : Infinity;
    return (shadow.body?.bytes ?? 0) >= expected || now - this.lastByte >= pauseMilliseconds;
  }

  tick(now: number): void {
    const [exchange] = this.waiting;
    if (exchange?.shadow.firstByte === undefined || !exchange.live.settled) return;
    const enough = isKnown(exchange.live) && (exchange.shadow.body?.bytes ?? 0) === exchange.live.bytes;
    if (enough || now - this.lastByte >= quietMilliseconds) this.settleFirst(exchange, undefined);
  }

  private settleFirst(exchange: Exchange, error: string | undefined): void {
    this.waiting.shift();
    this.log.settle(exchange, exchange.shadow, error);
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

  maySend(exchange: Exchange, now: number): boolean {
    if (exchange.protocol !== "raw") return true;
    return this.responses.upgraded && this.afterUpgrade().maySend(exchange, now);
  }

  tick(now: number): void {
    this.raw?.tick(now);
  }

  private afterUpgrade(): RawShadowReader {
    return (this.raw ??= new RawShadowReader(this.log, false));
  }
}
