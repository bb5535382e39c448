import type { ShadowReader } from "../compare/conversation";
import type { Exchange, ExchangeLog } from "../compare/exchangeLog";
import { bump, type GatewayStats } from "../stats";
import { now } from "../time";
import { connectWire, foreignSource, type Wire, type WireEvents } from "./wire";

/** An address and a port. */
export interface Endpoint {
  address: string;
  port: number;
}

/** What all connections of a gateway share. */
export interface ReplayDependencies {
  stats: GatewayStats;
  log: ExchangeLog;
  limits: { maximumLagMilliseconds: number };
}

/** How long a shadow server may leave a finished connection open. */
const lingerMilliseconds = 5_000;

/** The name that a socket's error has in samples and counters. */
function errorName(code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "refused";
    case "ECONNRESET":
    case "EPIPE":
      return "reset";
    case "ETIMEDOUT":
      return "timeout";
    case "EADDRNOTAVAIL":
    case "EADDRINUSE":
      return "sourcePort";
    case foreignSource:
      return "sourceAddress";
    case "EMFILE":
    case "ENFILE":
      return "descriptors";
    default:
      return "unreachable";
  }
}

/** Whom a connection belongs to. */
export interface ConnectionOwner {
  /** It stands, something came, or it is over. */
  progressed(connection: ShadowConnection): void;
}

/** One TCP connection to the shadow. It never retries: what it cannot deliver ends as an error in the samples. */
export class ShadowConnection implements WireEvents {
  /** Takes no more messages: it is over, or an answer on it has timed out. */
  retired = false;
  /** Bytes handed over that the kernel has not taken yet. */
  get queuedBytes(): number {
    return (this.wire?.queuedBytes ?? 0) + this.unsentBytes;
  }

  /** Whether the socket is gone. */
  get over(): boolean {
    return this.wire === undefined;
  }

  /** Whether this side has ended: a later message needs another connection. */
  get hasEnded(): boolean {
    return this.ended;
  }

  /** Whether bytes can be written. */
  get isConnected(): boolean {
    return this.stands && this.wire !== undefined;
  }

  private wire: Wire | undefined;
  private stands = false;
  private ended = false;
  /** When something last came, once this side has ended. */
  private lastData = 0;
  /** Messages that came before the connection stood. */
  private unsent: Exchange[] | undefined;
  private unsentBytes = 0;
  private finishing = false;
  /** Live's client has reset its connection: this one does not end in any other way. */
  private resetting = false;
  private portTried = false;

  constructor(
    private readonly shared: ReplayDependencies,
    private readonly target: Endpoint,
    private readonly source: Endpoint | undefined,
    readonly reader: ShadowReader,
    private readonly owner: ConnectionOwner,
    /** Only tells whether the shadow can be reached: what it is given waits, to be taken back, when it can. */
    readonly holdsBack = false,
  ) {
    shared.stats.replay.connections++;
    shared.stats.replay.openConnections++;
    this.open(source?.port);
  }

  /** Writes the message now, or as soon as the connection stands. */
  send(exchange: Exchange): void {
    if (this.stands) {
      this.write(exchange);
      return;
    }
    (this.unsent ??= []).push(exchange);
    this.unsentBytes += exchange.requestBytes;
  }

  /** In how many milliseconds a message may be given to it, unless more comes. */
  sendableIn(exchange: Exchange, time: number): number {
    // What stands behind a CONNECT that is granted is no request any more.
    if ((this.unsent ?? this.reader.waiting).at(-1)?.method === "CONNECT") return Infinity;
    if (this.unsent === undefined) return this.reader.sendableIn(exchange, time);
    // A turn waits for what was said before it.
    return exchange.protocol === "raw" ? Infinity : 0;
  }

  /** Whether a message can never be sent here. */
  isPast(exchange: Exchange): boolean {
    return this.unsent === undefined && this.reader.isPast?.(exchange) === true;
  }

  /** Messages that it was given and that are not answered, oldest first. */
  get waiting(): readonly Exchange[] {
    return this.unsent === undefined ? this.reader.waiting : [...this.reader.waiting, ...this.unsent];
  }

  /** Writes bytes that are no message of their own; only where {@link isConnected}, and nothing once {@link hasEnded}. */
  writeBytes(parts: readonly Buffer[]): void {
    if (!this.ended) this.wire?.write(parts);
  }

  /** Ends the connection once everything sent is answered, as a client does that leaves; or at once. */
  finish(atOnce: boolean): void {
    this.finishing = true;
    if (atOnce) this.endWritable();
    else this.endWhenIdle();
  }

  /**
   * Resets the connection, as live's client did, once everything that live got is sent and what live answered is answered
   * here too.
   */
  passReset(): void {
    this.finishing = this.resetting = true;
    this.endWhenIdle();
  }

  /** Resets the connection; what waits for an answer fails with `error`. */
  reset(error: string): void {
    this.conclude(error);
  }

  /**
   * When something of what it was given has not been sent, takes back everything that is not answered, and resets the
   * connection; returns those exchanges.
   */
  takeBack(): Exchange[] {
    if (this.queuedBytes === 0) return [];
    const open = this.waiting.filter(({ shadow, replayed }) => replayed && !shadow.settled);
    for (const exchange of open) this.shared.log.forget(exchange);
    this.conclude("reset");
    return open;
  }

  /** Takes no more messages and ends when the last answer is there or has timed out. */
  retire(): void {
    this.retired = true;
    this.endWhenIdle();
  }

  /** An answer to what was sent is needed for something else to go on. */
  hurry(): void {
    this.wire?.hurry();
  }

  /** Called now and then. */
  tick(time: number): void {
    this.reader.tick(time);
    if (!this.ended || time - this.lastData < lingerMilliseconds) return;
    if (this.busy) this.lastData = time;
    else this.conclude("closed");
  }

  private open(localPort: number | undefined): void {
    this.portTried = localPort !== undefined;
    this.wire = connectWire(this.target, this.source, localPort, this);
  }

  closed(error: string | undefined): void {
    if (error === undefined) this.conclude("closed");
    else this.failed(error);
  }

  data(buffer: Buffer, length: number, time: number): void {
    this.lastData = time;
    this.reader.push(buffer, length, time);
    if (this.reader.broken) this.conclude("malformed");
    else this.afterData();
  }

  private failed(code: string): void {
    const taken = code === "EADDRINUSE" || code === "EADDRNOTAVAIL";
    if (taken && this.portTried && !this.stands) {
      this.shared.stats.replay.sourcePortTaken++;
      this.wire?.destroy(false);
      this.open(undefined);
      return;
    }
    const name = errorName(code);
    bump(this.shared.stats.replay.errors, name);
    this.conclude(name);
  }

  connected(): void {
    this.stands = true;
    if (this.holdsBack) {
      this.owner.progressed(this);
      return;
    }
    this.giveUpLate(now());
    for (const exchange of this.takeUnsent()) this.write(exchange);
    if (this.finishing || this.retired) this.endWhenIdle();
    this.owner.progressed(this);
  }

  /** What has waited for the connection longer than a flow may lag is not sent any more. */
  private giveUpLate(time: number): void {
    for (const exchange of this.unsent ?? []) {
      if (exchange.shadow.settled || time - exchange.due <= this.shared.limits.maximumLagMilliseconds) continue;
      exchange.shadow.start = exchange.due;
      this.shared.log.settle(exchange, exchange.shadow, "timeout");
      exchange.owner?.timedOut(exchange);
    }
  }

  private takeUnsent(): readonly Exchange[] {
    const { unsent = [] } = this;
    this.unsent = undefined;
    this.unsentBytes = 0;
    return unsent;
  }

  private write(exchange: Exchange): void {
    const { wire } = this;
    if (wire === undefined || exchange.shadow.settled) {
      exchange.letGo();
      return;
    }
    this.reader.add(exchange);
    exchange.shadow.start = now();
    exchange.lagMilliseconds = exchange.shadow.start - exchange.due;
    exchange.writeTo(wire);
  }

  private afterData(): void {
    if (this.finishing || this.retired) this.endWhenIdle();
    this.owner.progressed(this);
  }

  private get busy(): boolean {
    const toSend = this.unsent?.some(({ shadow }) => !shadow.settled) === true;
    return toSend || this.reader.waiting.some((exchange) => this.isAwaited(exchange));
  }

  /** A client that resets does not wait for what live had not answered. */
  private isAwaited({ live, shadow }: Exchange): boolean {
    return !shadow.settled && !(this.resetting && live.error !== undefined);
  }

  private endWhenIdle(): void {
    if (this.busy) return;
    if (this.resetting) this.concludeByReset();
    else if (this.retired) this.conclude("closed");
    else this.endWritable();
  }

  private endWritable(): void {
    if (this.stands && !this.ended) {
      this.ended = true;
      this.lastData = now();
      this.wire?.end();
    } else if (!this.stands && this.unsent === undefined) this.conclude("closed");
  }

  private concludeByReset(): void {
    if (this.wire === undefined) return;
    this.shared.stats.replay.clientResets++;
    this.conclude("reset");
  }

  private conclude(error: string): void {
    const { wire } = this;
    if (wire === undefined) return;
    this.wire = undefined;
    this.retired = true;
    this.shared.stats.replay.openConnections--;
    // A part of a message is left: an ordinary end would let it pass for the whole.
    wire.destroy(error === "reset" || wire.queuedBytes > 0);
    const time = now();
    this.reader.ended(error, time);
    for (const exchange of this.takeUnsent()) {
      if (exchange.shadow.start === 0) exchange.shadow.start = time;
      this.shared.log.settle(exchange, exchange.shadow, error);
    }
    this.owner.progressed(this);
  }
}
