import { shortQueue, takeFirst } from "../queue";
import type { ResponseObserver } from "../replay/hooks/hook";
import { BodyDigest } from "./body";
import type { Exchange, ExchangeLog, Side } from "./exchangeLog";
import { Http1Framer, type BodySink } from "./http1";

/** Reads HTTP/1.x responses from one side's byte stream and gives them, in order, to the exchanges that wait. */
export class Http1Responses implements BodySink {
  /** Exchanges whose responses are still to come, oldest first. */
  readonly waiting = shortQueue<Exchange>();
  /** Final responses begun so far, also those for which no exchange waited. */
  finals = 0;
  /** Final responses that have ended. */
  completed = 0;
  /** Set when the stream can no longer be framed. */
  broken = false;
  /** Set after 101 or a successful CONNECT: what follows is no HTTP. */
  upgraded = false;
  private readonly framer: Http1Framer;
  private body: BodyDigest | undefined;
  private firstByte = 0;
  private counted = false;

  constructor(
    private readonly which: "live" | "shadow",
    private readonly log: ExchangeLog,
    private readonly observer?: ResponseObserver,
  ) {
    this.framer = new Http1Framer("response", this);
    this.framer.keepsHead = observer !== undefined;
  }

  /** Whether the stream stands between two responses. */
  get atBoundary(): boolean {
    return !this.framer.begun && !this.broken;
  }

  /** Whether the stream stands inside a final response whose head was read. */
  get finalBegun(): boolean {
    return this.counted;
  }

  /** Reads a chunk; returns where reading stopped, which is before `to` only after an upgrade. */
  push(chunk: Buffer, from: number, to: number, time: number): number {
    let at = from;
    while (at < to && !this.broken && !this.upgraded) {
      if (!this.framer.begun) this.firstByte = time;
      const exchange = this.waiting[0];
      at = this.framer.push(chunk, at, to, exchange?.method ?? "");
      if (this.framer.problem !== undefined) this.broken = true;
      else this.note(exchange, time);
    }
    return at;
  }

  /** The sender ended the stream: a response that lasts until then is complete, all others will never be. */
  ended(error: string, time: number): void {
    if (this.framer.state === "untilClose") this.complete(this.waiting[0], time);
    this.failAll(error);
  }

  /** Nothing more will come for the exchanges that wait. */
  failAll(error: string): void {
    for (const exchange of this.waiting.splice(0)) this.log.settle(exchange, this.sideOf(exchange), error);
    this.restart();
  }

  /** Begins at a new response. */
  restart(): void {
    this.framer.reset();
    // Only a response that has begun has given its body to an exchange.
    if (!this.counted) this.body?.release();
    this.body = undefined;
    this.counted = false;
    this.broken = false;
  }

  private note(exchange: Exchange | undefined, time: number): void {
    const { head, state } = this.framer;
    if (head === undefined) return;
    if (head.status >= 200 || head.status === 101) this.begin(exchange, head.status, head.json);
    if (state !== "done") return;
    if (head.status < 200 && head.status !== 101) {
      this.framer.reset();
      return;
    }
    this.upgraded = head.status === 101 || (exchange?.method === "CONNECT" && head.status < 300);
    this.complete(exchange, time);
  }

  private begin(exchange: Exchange | undefined, status: number, json: boolean): void {
    if (this.counted) return;
    this.counted = true;
    this.finals++;
    if (exchange === undefined) return;
    this.body ??= new BodyDigest(this.log.bodies, json);
    const side = this.sideOf(exchange);
    side.status = status;
    side.firstByte = this.firstByte;
    side.body = this.body;
    this.observer?.head(exchange, this.which, this.framer.headText);
  }

  takeBody(buffer: Buffer, from: number, to: number): void {
    if (this.waiting.length === 0) return;
    this.body ??= new BodyDigest(this.log.bodies, this.framer.head?.json ?? false);
    this.body.add(buffer, from, to);
  }

  private complete(exchange: Exchange | undefined, time: number): void {
    this.completed++;
    if (exchange !== undefined) {
      const side = this.sideOf(exchange);
      side.end = time;
      takeFirst(this.waiting);
      const content = this.observer === undefined ? undefined : this.body?.content();
      if (content !== undefined) this.observer?.content(exchange, this.which, content);
      this.log.settle(exchange, side);
    }
    this.restart();
  }

  private sideOf(exchange: Exchange): Side {
    return this.which === "live" ? exchange.live : exchange.shadow;
  }
}
