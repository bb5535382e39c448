import { observerIn } from "../replay/hooks/configured";
import { awaitedBy, rewriteRequest, type RequestHook } from "../replay/hooks/hook";
import { bump } from "../stats";
import type { Conversation, FlowContext, ShadowReader } from "./conversation";
import { Exchange } from "./exchangeLog";
import { keptCopy } from "../intake/keep";
import { framingInside, type Framing } from "./framings";
import { beginsResponse, Http1Framer, isPlaceToBegin } from "./http1";
import { Http1Responses } from "./responses";
import { RawConversation } from "./rawConversation";
import { Http1ShadowReader } from "./shadowReaders";
import { SkippedRequests } from "./skippedRequests";

/**
 * HTTP/1.x on one connection. A request goes to the shadow when its last byte is there, never before, so that a hole can
 * only cost whole requests. After a hole the conversation is taken up again where a segment begins with a request line
 * and the acknowledgements prove that a response has ended just before it.
 */
export class Http1Conversation implements Conversation {
  private readonly framer = new Http1Framer("request", undefined);
  private readonly live: Http1Responses;
  private current: Exchange | undefined;
  private index = 0;
  private clientInSync: boolean;
  private serverInSync: boolean;
  /** While out of sync: a request counts as a boundary only when its client had received more than this. */
  private searchBeyond = -Infinity;
  /** Requests begun or known to be lost since the streams were last known to agree. */
  private counted = 0;
  private lost = false;
  private serverGapless: boolean;
  /** A response was read without knowing its request, so its framing may be wrong (HEAD). */
  private serverUncertain = false;
  private clientPosition = 0;
  /** The client has begun a request while it was owed an answer. */
  private pipelines = false;
  /** Where it stood when the server had last ended an answer; only the client's next message begins there. */
  private answeredAt = -1;
  /** Where it stood when the server last said something. */
  private serverHad = -1;
  /** What the client says now was counted as begun before mirroring. */
  private skippedTurn = false;
  private skippedAny = false;
  private readonly skipped: SkippedRequests;
  /** One byte is missing between two requests: the client's FIN, unless more follows. */
  private perhapsEnded = false;

  /** Hooks may hold a request for a while. */
  readonly readsInPlace: boolean;

  constructor(private readonly flow: FlowContext) {
    this.skipped = new SkippedRequests(this.framer);
    this.readsInPlace = flow.hooks === undefined;
    this.live = new Http1Responses("live", flow.log, observerIn(flow.hooks));
    this.clientInSync = !flow.midStream;
    this.serverInSync = this.serverGapless = !flow.midStream && flow.serverFromStart;
  }

  get heldBytes(): number {
    return this.current?.requestBytes ?? 0;
  }

  shed(): void {
    if (this.current === undefined) return;
    this.current.letGo();
    this.current.requestBytes = 0;
  }

  /** What the mirror lost of the server may have been the answer: its client did not go before it then. */
  get liveOutstanding(): boolean {
    return this.serverInSync && this.live.waiting.length > 0;
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
    if (!this.clientInSync) {
      const boundary = segmentStart && this.isBoundary(offset, peerOffset);
      if (!boundary || !isPlaceToBegin(chunk, from, to)) {
        const other = boundary && this.searching ? framingInside(chunk, from, to) : undefined;
        if (this.lost) this.skipped.skip(chunk, from, to, segmentStart);
        if (other === undefined) this.skip(peerOffset);
        else this.leaveTo(other).clientData(keptCopy(chunk, from, to), 0, to - from, time, offset, peerOffset, true);
        return;
      }
      this.resume(peerOffset);
    }
    this.skipped.saw(to - from);
    let at = from;
    while (at < to) {
      if (this.current === undefined) {
        while (at < to && (chunk[at] === 13 || chunk[at] === 10)) at++;
        if (at === to) return;
        this.current = this.begin(time, peerOffset);
        this.skipped.noteBegun();
        if (this.flow.shedCause === undefined) this.flow.link.prepare();
      }
      const next = this.framer.push(chunk, at, to, "");
      if (this.framer.problem !== undefined) {
        this.drop(this.framer.problem, peerOffset);
        return;
      }
      this.keep(chunk, at, next);
      at = next;
      if (this.framer.state !== "done") continue;
      this.skipped.noteWhole(this.current.peerOffset);
      this.complete(this.current, time);
    }
    this.current?.own();
  }

  serverData(chunk: Buffer, from: number, to: number, time: number, offset: number, peerOffset: number): void {
    this.skippedTurn = false;
    this.serverHad = peerOffset;
    const start = this.serverInSync ? from : this.findResponse(chunk, from, to, offset);
    if (this.live.waiting.length === 0 && this.live.atBoundary) this.serverUncertain = true;
    const { completed } = this.live;
    const stopped = start < 0 ? to : this.live.push(chunk, start, to, time);
    if (start < 0 || this.serverUncertain || this.live.completed > completed) this.answeredAt = peerOffset;
    if (start < 0) return;
    if (this.live.broken) this.loseServer("malformed");
    if (!this.live.upgraded) return;
    const lost = !this.clientInSync;
    const options = { index: this.index, afterUpgrade: true, framing: undefined, midStream: false, lost };
    const raw = new RawConversation(this.flow, options);
    this.flow.become(raw);
    if (lost) this.flow.giveUp();
    if (stopped < to) raw.serverData(chunk, stopped, to, time);
  }

  clientHole(length: number): void {
    this.clientPosition += length;
    if (this.clientInSync && this.current === undefined && length === 1 && !this.perhapsEnded) {
      this.perhapsEnded = true;
      return;
    }
    this.perhapsEnded = false;
    if (this.clientInSync) {
      if (this.current === undefined) this.counted++;
      this.skipped.lose(length);
      this.current = undefined;
      this.countLost(1);
      this.lost = true;
    } else if (this.lost) this.skipped.hole(length);
    this.clientInSync = false;
    this.searchBeyond = Math.max(this.searchBeyond, this.flow.clientAcknowledged());
  }

  serverHole(): void {
    // The end of the answer is in the hole, or after it; the server had at least this by then.
    if (this.live.finalBegun) this.answeredAt = this.serverHad;
    this.loseServer("lost");
  }

  clientEnd(): void {
    if (this.current !== undefined) this.drop("incomplete", 0);
  }

  serverEnd(time: number): void {
    if (this.serverInSync) this.live.ended("closed", time);
    else this.live.failAll("lost");
  }

  close(error: string, cause: string, time: number): void {
    if (this.current !== undefined) this.drop(cause, 0);
    if (this.serverInSync) this.live.ended(error, time);
    else this.live.failAll("lost");
    // A single byte behind the last answer is no request but the client's FIN.
    const allAnswered = this.answeredAt + 1 >= this.clientPosition && !this.seemsOwed;
    this.reconcile(this.flow.serverPosition(), this.serverGapless && allAnswered);
    if (this.searching && this.skippedAny) this.flow.giveUp();
  }

  tick(): void {
    // Nothing in HTTP/1.x depends on time.
  }

  newReader(): ShadowReader {
    return new Http1ShadowReader(this.flow.log, observerIn(this.flow.hooks));
  }

  private begin(time: number, peerOffset: number): Exchange {
    const exchange = new Exchange(this.flow.label, this.index++, "http1", time);
    exchange.peerOffset = peerOffset;
    this.framer.reset();
    this.live.waiting.push(exchange);
    this.pipelines ||= this.isOwed;
    this.counted++;
    return exchange;
  }

  private keep(chunk: Buffer, from: number, to: number): void {
    const { current } = this;
    if (current === undefined || this.flow.shedCause !== undefined) return;
    current.borrow(chunk, from, to);
  }

  private complete(exchange: Exchange, time: number): void {
    this.current = undefined;
    const head = this.framer.head;
    exchange.method = head?.method;
    exchange.path = head?.target;
    this.framer.reset();
    exchange.due = time;
    if (this.flow.shedCause !== undefined) {
      bump(this.flow.stats.requests.shed, this.flow.shedCause);
      return;
    }
    const { hooks, link } = this.flow;
    if (hooks !== undefined) this.applyHooks(exchange, hooks);
    link.send(exchange);
  }

  private applyHooks(exchange: Exchange, hooks: readonly RequestHook[]): void {
    exchange.own();
    exchange.after = awaitedBy(exchange.parts, hooks);
    if (exchange.after.length === 0) this.rewrite(exchange, hooks);
    else exchange.complete = () => this.rewrite(exchange, hooks);
  }

  private rewrite(exchange: Exchange, hooks: readonly RequestHook[]): void {
    exchange.replaceParts(rewriteRequest(exchange.parts, hooks));
  }

  /** Leaves out the request that is under way; what follows it is no boundary yet. */
  private drop(cause: string, peerOffset: number): void {
    const { requests } = this.flow.stats;
    if (this.flow.shedCause !== undefined) bump(requests.shed, this.flow.shedCause);
    else bump(requests.unusable, cause);
    this.current?.letGo();
    this.current = undefined;
    this.clientInSync = false;
    this.searchBeyond = Math.max(peerOffset, this.flow.clientAcknowledged());
  }

  private skip(peerOffset: number): void {
    if (this.searching && !this.skippedTurn) {
      this.skippedTurn = this.skippedAny = true;
      if (this.flow.shedCause !== undefined) bump(this.flow.stats.requests.shed, this.flow.shedCause);
      else bump(this.flow.stats.requests.unusable, "startedBefore");
    }
    this.searchBeyond = Math.max(this.searchBeyond, peerOffset);
  }

  /** Whether the flow was open before mirroring began and no request of it has been seen. */
  private get searching(): boolean {
    return this.flow.midStream && this.index === 0 && !this.lost;
  }

  /** Whether nothing has been seen of the client yet that could tell where a message begins. */
  private get isFirstSeen(): boolean {
    return this.searching && !this.skippedAny;
  }

  /** The flow is no HTTP/1.x but a protocol that can be taken up here. */
  private leaveTo(framing: Framing): Conversation {
    const raw = new RawConversation(this.flow, { index: 0, afterUpgrade: false, framing, midStream: true });
    this.flow.become(raw);
    return raw;
  }

  private isBoundary(offset: number, peerOffset: number): boolean {
    if (peerOffset <= this.searchBeyond || peerOffset < this.flow.serverPosition()) return false;
    if (!this.isFirstSeen && this.answeredAt < offset) return false;
    if (this.lost && this.awaitsMore()) return false;
    if (!this.serverInSync || this.serverUncertain) return true;
    return this.live.atBoundary && peerOffset === this.flow.serverPosition();
  }

  private resume(peerOffset: number): void {
    if (this.flow.midStream && this.index === 0) this.flow.stats.flows.pickedUpMidStream++;
    if (this.lost) this.flow.stats.flows.resumedAfterLoss++;
    this.live.failAll("lost");
    this.reconcile(peerOffset, this.serverGapless);
    this.clientInSync = true;
    this.serverInSync = this.serverGapless = peerOffset === this.flow.serverPosition();
    this.serverUncertain = false;
    this.live.restart();
  }

  /** Whether there are surely more requests than answers. */
  private get isOwed(): boolean {
    return this.serverGapless && !this.serverUncertain && this.counted > this.live.finals;
  }

  /** Whether more requests were seen than answers; what looked like a request may have been in a body, though. */
  private get seemsOwed(): boolean {
    return this.serverGapless && this.counted + this.skipped.begun > this.live.finals;
  }

  /** Whether the client, to which the server has ended an answer, waits for others, which must not be taken for later ones. */
  private awaitsMore(): boolean {
    this.pipelines ||= this.isOwed;
    return this.pipelines && this.seemsOwed;
  }

  /**
   * Responses without a request tell how many requests went by unseen, if all have come. Else what was seen of the requests
   * tells, with a part that can only be judged by its bytes; the client has received `peerOffset` bytes.
   */
  private reconcile(peerOffset: number, answersTell: boolean): void {
    if (this.lost) {
      const answered = this.live.finals - this.counted;
      const known = answersTell || this.skipped.sure;
      // Taken in any case, because that also begins the measure of answers anew.
      const skipped = this.skipped.take(peerOffset);
      const unseen = answersTell ? answered : Math.max(answered, skipped);
      this.countLost(Math.max(0, unseen));
      // One was counted with the first hole.
      if (!known && this.flow.shedCause === undefined)
        this.flow.stats.requests.lostEstimated += Math.max(0, unseen) + 1;
    }
    this.lost = false;
    this.counted = 0;
    this.live.finals = 0;
  }

  private countLost(count: number): void {
    if (count === 0) return;
    if (this.flow.shedCause !== undefined) bump(this.flow.stats.requests.shed, this.flow.shedCause, count);
    else this.flow.stats.requests.lostByMirror += count;
  }

  private loseServer(error: string): void {
    if (!this.live.atBoundary) {
      const [exchange] = this.live.waiting.splice(0, 1);
      if (exchange !== undefined) this.flow.log.settle(exchange, exchange.live, error);
    }
    this.live.restart();
    this.serverInSync = this.serverGapless = false;
  }

  /** Where a response begins that is surely the answer to a known request: at the position its client had reached. */
  private findResponse(chunk: Buffer, from: number, to: number, offset: number): number {
    const { waiting } = this.live;
    for (let index = 0; index < waiting.length; index++) {
      const at = from + waiting[index]!.peerOffset - offset;
      if (at < from || at >= to || !beginsResponse(chunk, at, to)) continue;
      for (const exchange of waiting.splice(0, index)) this.flow.log.settle(exchange, exchange.live, "lost");
      this.live.restart();
      this.serverInSync = true;
      return at;
    }
    return -1;
  }
}
