import { keptCopy } from "../intake/keep";
import type { ExchangeSample, ExchangeSide } from "../exchange";
import type { Wire } from "../replay/wire";
import { bump, type GatewayStats } from "../stats";
import type { BodyDigest, BodyMemory } from "./body";
import { differingPaths, otherPaths } from "./jsonPaths";

/** One side of an exchange while it happens. */
export class Side implements ExchangeSide {
  start = 0;
  firstByte?: number;
  end?: number;
  status?: number;
  grpcStatus?: number;
  bytes?: number;
  digest?: string;
  error?: string;
  body: BodyDigest | undefined;
  /** Its answer says that something is missing which was said before; undefined as long as there is none. */
  refused?: boolean;
  /** How many ends of answers came, where all of it could be read. */
  answers = 0;
  /** True when nothing more will come. */
  settled = false;
}

/** Whoever has an exchange in hand. */
export interface ExchangeOwner {
  /** The shadow did not answer in time. */
  timedOut(exchange: Exchange): void;
}

const none: readonly never[] = [];
/** Bytes of a message that tell what kind it is. */
const tellingBytes = 64;

/** One request and both of its responses; when both are there, it is the sample that is written. */
export class Exchange implements ExchangeSample {
  readonly live = new Side();
  readonly shadow = new Side();
  method?: string;
  path?: string;
  overlapping?: true;
  equal?: boolean;
  differences?: string[];
  /** Its client did not wait for the end of the answer before. */
  unawaited = false;
  /** No answer belongs to it. */
  told = false;
  requestBytes = 0;
  /** When its last byte arrived: the moment at which it is due in the shadow. */
  due = 0;
  /** Position in the live response stream that the client had reached when it sent this request. */
  peerOffset = 0;
  lagMilliseconds = 0;
  /** Exchanges that the shadow has to answer before this one is sent. */
  after: readonly Exchange[] = none;
  /** Makes the request ready once they are answered. */
  complete: (() => void) | undefined;
  /** Told when the shadow's side is settled. */
  followers: readonly (() => void)[] = none;
  /** Asked once, when it would be sent: whether the shadow's connection was told what it needs. */
  mayGo: (() => boolean) | undefined;
  owner: ExchangeOwner | undefined;
  /** The request's bytes exactly as they were on the wire, but for those that are borrowed. */
  private pieces: Buffer[] | undefined;
  /** The last bytes of the request, in memory that is used again when the call that brought them has returned. */
  private borrowed: Buffer | undefined;
  private borrowedFrom = 0;
  private borrowedTo = 0;
  /** Set once the exchange was handed to the replay; only then it gets a sample. */
  replayed = false;
  /** Neighbours among the exchanges that are under way; whether it is one of them. */
  previous: Exchange | undefined;
  next: Exchange | undefined;
  pending = false;

  constructor(
    readonly flow: string,
    readonly index: number,
    readonly protocol: string,
    start: number,
  ) {
    this.live.start = start;
  }

  /** Its client has said it before it had all of the answer to what it said before. */
  goesOnFrom(previous: Exchange | undefined): void {
    this.overlapping = this.unawaited = true;
    if (previous !== undefined) previous.overlapping = true;
  }

  follow(follower: () => void): void {
    this.followers = [...this.followers, follower];
  }

  /** The request's bytes that have memory of their own. */
  get parts(): readonly Buffer[] {
    return this.pieces ?? none;
  }

  /** At least as many of the request's first bytes as tell what kind it is. */
  get beginning(): Buffer | undefined {
    const [first] = this.parts;
    const tells = first === undefined || first.length >= tellingBytes || this.parts.length === 1;
    return tells ? first : Buffer.concat(this.parts);
  }

  /** Other bytes take the place of the request's. */
  replaceParts(parts: readonly Buffer[]): void {
    this.letGo();
    this.pieces = [...parts];
    this.requestBytes = parts.reduce((sum, part) => sum + part.length, 0);
  }

  /** More bytes of the request come; they stay where they are until {@link own}. */
  borrow(chunk: Buffer, from: number, to: number): void {
    this.requestBytes += to - from;
    if (this.borrowed === chunk && this.borrowedTo === from) {
      this.borrowedTo = to;
      return;
    }
    this.own();
    this.borrowed = chunk;
    this.borrowedFrom = from;
    this.borrowedTo = to;
  }

  /** Takes borrowed bytes into memory of its own; to be called by whoever holds them longer than the call that brought them. */
  own(): void {
    const { borrowed } = this;
    if (borrowed === undefined) return;
    this.add(keptCopy(borrowed, this.borrowedFrom, this.borrowedTo));
    this.borrowed = undefined;
  }

  /** One more piece of the request, in memory that stays. */
  add(part: Buffer): void {
    if (this.pieces === undefined) this.pieces = [part];
    else this.pieces.push(part);
  }

  /** Gives the request's bytes to a connection, which takes them over, and forgets them. */
  writeTo(wire: Wire): void {
    const { borrowed } = this;
    if (borrowed !== undefined && this.pieces === undefined)
      wire.writeBorrowed(borrowed, this.borrowedFrom, this.borrowedTo);
    else {
      this.own();
      wire.write(this.parts);
    }
    this.letGo();
  }

  /** Forgets the request's bytes. */
  letGo(): void {
    this.pieces = this.borrowed = undefined;
  }
}

function releaseBodies({ live, shadow }: Exchange): void {
  live.body?.release();
  shadow.body?.release();
  live.body = shadow.body = undefined;
}

/** Whether no side has said anything to a turn or a datagram, as where a client only tells. */
function isUnanswered({ protocol, live, shadow }: Exchange): boolean {
  const waited = live.error === undefined || live.error === "timeout";
  const mayOnlyTell = protocol === "raw" || protocol === "udp";
  return mayOnlyTell && waited && live.firstByte === undefined && shadow.firstByte === undefined;
}

function isEqual(live: Side, shadow: Side): boolean {
  const sameStatus = live.status === shadow.status && live.grpcStatus === shadow.grpcStatus;
  return sameStatus && live.bytes === shadow.bytes && live.digest === shadow.digest;
}

const fieldPathLimit = 10_000;

/** Keeps the exchanges that are under way, compares and reports them when both sides are settled. */
export class ExchangeLog {
  /** Those that are under way, in the order in which they were handed to the replay. */
  private first: Exchange | undefined;
  private last: Exchange | undefined;
  private pending = 0;
  /** How many of them the shadow has not answered yet. */
  awaited = 0;
  /** How many field paths have a counter of their own. */
  private namedPaths = 0;

  constructor(
    private readonly stats: GatewayStats,
    private readonly timeoutMilliseconds: () => number,
    private readonly write: (sample: ExchangeSample) => void,
    private readonly noteLag: (milliseconds: number) => void,
    /** Where the content of responses is held. */
    readonly bodies: BodyMemory,
  ) {}

  get size(): number {
    return this.pending;
  }

  /** An exchange whose request is complete and goes to the shadow. */
  replaying(exchange: Exchange): void {
    exchange.replayed = true;
    this.stats.requests.replayed++;
    this.link(exchange);
    this.awaited++;
    if (exchange.shadow.settled) this.countShadow(exchange);
    if (exchange.live.settled && exchange.shadow.settled) this.finish(exchange);
  }

  /** Takes back an exchange that was never sent. */
  forget(exchange: Exchange): void {
    exchange.replayed = false;
    exchange.letGo();
    releaseBodies(exchange);
    if (!this.unlink(exchange)) return;
    this.stats.requests.replayed--;
    if (!exchange.shadow.settled) this.awaited--;
  }

  /** The response of one side is complete, or will never be (`error`). */
  settle(exchange: Exchange, side: Side, error?: string): void {
    if (side.settled) {
      // It had timed out, or its request was taken back; what came after that is of no use.
      if (!exchange.pending) side.body?.release();
      return;
    }
    side.settled = true;
    if (error !== undefined) side.error = error;
    if (side.body !== undefined) {
      side.bytes = side.body.bytes;
      if (side.error === undefined)
        side.digest = side.body.digest((side === exchange.shadow ? exchange.live : exchange.shadow).body);
      if (!exchange.replayed) side.body.release();
    }
    if (side === exchange.shadow && exchange.replayed) this.countShadow(exchange);
    if (exchange.replayed && exchange.live.settled && exchange.shadow.settled) this.finish(exchange);
    if (side === exchange.shadow && exchange.followers.length > 0) this.tellFollowers(exchange);
    if (side === exchange.live && exchange.shadow.error !== undefined) this.closedSilently(exchange);
  }

  /** The shadow has ended the connection instead of an answer: right when live does so too, which may be later. */
  closedSilently(exchange: Exchange): void {
    const { live, shadow } = exchange;
    if (shadow.settled) return;
    shadow.error = live.settled && live.firstByte === undefined ? undefined : "closed";
    if (live.settled || live.firstByte !== undefined) this.settle(exchange, shadow);
  }

  /** Settles what has waited too long. */
  expire(now: number): void {
    const timeout = this.timeoutMilliseconds();
    for (const exchange of this.underWaySince(now - timeout)) {
      if (!exchange.pending) continue;
      this.settle(exchange, exchange.live, "timeout");
      const begun = exchange.shadow.start;
      if (!exchange.shadow.settled && now - (begun === 0 ? exchange.due : begun) >= timeout) {
        if (!this.giveUp(exchange)) exchange.owner?.timedOut(exchange);
      }
    }
  }

  /** Settles everything at the end of the process. */
  close(): void {
    for (const exchange of this.underWaySince(Infinity)) {
      this.settle(exchange, exchange.live, "timeout");
      this.giveUp(exchange);
    }
  }

  /** The shadow's answer is waited for no longer; whether there had to be none. */
  private giveUp(exchange: Exchange): boolean {
    const { shadow } = exchange;
    const silent = shadow.start > 0 && isUnanswered(exchange);
    if (shadow.start === 0) shadow.start = exchange.due;
    this.settle(exchange, shadow, silent ? undefined : "timeout");
    return silent;
  }

  /** What has been under way since a time or longer; a list of its own, because settling one may take out others. */
  private underWaySince(time: number): Exchange[] {
    const found = [];
    for (let exchange = this.first; exchange !== undefined && exchange.due <= time; exchange = exchange.next) {
      found.push(exchange);
    }
    return found;
  }

  private link(exchange: Exchange): void {
    exchange.pending = true;
    exchange.previous = this.last;
    if (this.last === undefined) this.first = exchange;
    else this.last.next = exchange;
    this.last = exchange;
    this.pending++;
  }

  private unlink(exchange: Exchange): boolean {
    if (!exchange.pending) return false;
    const { previous, next } = exchange;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    exchange.pending = false;
    exchange.previous = exchange.next = undefined;
    this.pending--;
    return true;
  }

  private tellFollowers(exchange: Exchange): void {
    const { followers } = exchange;
    exchange.followers = none;
    for (const follower of followers) follower();
  }

  private countShadow({ shadow }: Exchange): void {
    this.awaited--;
    if (shadow.error === undefined) this.stats.requests.answered++;
    else bump(this.stats.requests.failed, shadow.error);
  }

  private finish(exchange: Exchange): void {
    this.unlink(exchange);
    const { live, shadow } = exchange;
    const { compare } = this.stats;
    this.noteLag(exchange.lagMilliseconds);
    if (live.error !== undefined) compare.liveIncomplete++;
    if (live.error === undefined && shadow.error === undefined) {
      compare.paired++;
      this.compare(exchange);
    }
    releaseBodies(exchange);
    exchange.letGo();
    this.write(exchange);
  }

  private compare(exchange: Exchange): void {
    const { compare } = this.stats;
    if (exchange.overlapping) {
      compare.overlapping++;
      return;
    }
    exchange.equal = isEqual(exchange.live, exchange.shadow);
    if (exchange.equal) compare.equal++;
    else this.explain(exchange);
  }

  /** The path's own name as long as there are not too many. */
  private counterFor(path: string): string {
    if (path in this.stats.compare.fieldPaths) return path;
    if (this.namedPaths === fieldPathLimit) return otherPaths;
    this.namedPaths++;
    return path;
  }

  private explain(exchange: Exchange): void {
    const { compare } = this.stats;
    compare.different++;
    const { body: live } = exchange.live;
    const { body: shadow } = exchange.shadow;
    if (live?.json !== true || shadow?.json !== true) return;
    const [a, b] = [live.content(), shadow.content()];
    if (a === undefined || b === undefined) {
      compare.fieldsNotKept++;
      return;
    }
    const paths = differingPaths(a, b);
    if (paths === undefined) return;
    exchange.differences = paths;
    for (const path of paths) bump(compare.fieldPaths, this.counterFor(path));
  }
}
