import type { MessageSink, ShadowReader } from "../compare/conversation";
import type { Exchange, ExchangeOwner } from "../compare/exchangeLog";
import { shortQueue, takeFirst } from "../queue";
import { now } from "../time";
import type { FlowLink } from "./flowLink";
import { ShadowConnection, type ConnectionOwner, type Endpoint, type ReplayDependencies } from "./shadowConnection";

/** More than these are woken by the next tick. */
const maximumFollowers = 64;

const none: readonly never[] = [];

/** What a link asks of its flow. */
export interface LinkOwner {
  newReader(): ShadowReader;
  /** A message waits longer than the flow may lag. */
  lagging(): void;
  /** Whether a message means something only after what was said before it on its connection. */
  needsSession(exchange: Exchange): boolean;
  /** A message is not sent, because the connection that it needs is gone. */
  sessionLost(): void;
}

/**
 * The shadow's side of one live flow: one connection, opened when the first message begins. When it is gone or has
 * stopped answering, the next message gets a fresh one, so that a shadow that recovers is seen to. A message that needs
 * what was said on the old one, such as a login, fails as long as the shadow cannot be reached, and is not sent when it can.
 */
export class ShadowLink implements FlowLink, MessageSink, ConnectionOwner, ExchangeOwner {
  private connection: ShadowConnection | undefined;
  private retired: readonly ShadowConnection[] = none;
  private queue = shortQueue<Exchange>();
  private queueBytes = 0;
  private opened = false;
  private ending: "no" | "idle" | "now" | "reset" = "no";
  private pumping = false;
  /** The shadow could be reached again after a connection was lost that had what messages need. */
  private reachedAgain = false;
  private wakening: NodeJS.Timeout | undefined;

  constructor(
    private readonly shared: ReplayDependencies,
    private readonly target: Endpoint,
    private readonly source: Endpoint | undefined,
    private readonly owner: LinkOwner,
    private readonly maximumLagMilliseconds: number,
  ) {}

  /** Request bytes that wait here or in the socket. */
  get queuedBytes(): number {
    let retired = 0;
    for (const connection of this.retired) retired += connection.queuedBytes;
    return this.queueBytes + retired + (this.connection?.queuedBytes ?? 0);
  }

  /** Whether nothing waits and no connection is open. */
  get idle(): boolean {
    return this.queue.length === 0 && this.connection === undefined && this.retired.length === 0;
  }

  prepare(): void {
    if (!this.opened) this.connection = this.open(false);
  }

  send(exchange: Exchange): void {
    this.shared.log.replaying(exchange);
    exchange.owner = this;
    this.enqueue(exchange);
    this.pump();
    exchange.own();
  }

  /** The live client has ended its direction; `outstanding` says whether it still waits for an answer. */
  clientEnded(outstanding: boolean): void {
    if (this.ending === "no") this.ending = outstanding ? "now" : "idle";
    this.pump();
  }

  /** Live's client has reset its connection. */
  reset(): void {
    for (const exchange of this.drainQueue()) {
      if (exchange.live.error === undefined) this.enqueue(exchange);
      else this.shared.log.settle(exchange, exchange.shadow, "reset");
    }
    this.ending = "reset";
    this.pump();
  }

  /** Gives up what is open; `error` is what unanswered exchanges get. */
  close(error: string): void {
    clearTimeout(this.wakening);
    for (const exchange of this.drainQueue()) {
      if (exchange.shadow.start === 0) exchange.shadow.start = now();
      this.shared.log.settle(exchange, exchange.shadow, error);
    }
    for (const connection of this.retired) connection.reset(error);
    this.connection?.reset(error);
  }

  /** Lets what was sent be answered, then closes. */
  abandon(): void {
    if (this.ending !== "reset") this.ending = "idle";
    this.pump();
  }

  shed(all: boolean): number {
    const unsent = this.drainQueue();
    for (const exchange of unsent) this.shared.log.forget(exchange);
    const open = this.connection === undefined ? [...this.retired] : [...this.retired, this.connection];
    const taken = all ? open.flatMap((connection) => connection.takeBack()) : [];
    this.abandon();
    return unsent.length + taken.length;
  }

  /** An exchange was not answered in time: its connection is not used for later messages. */
  timedOut(exchange: Exchange): void {
    const waits = this.queue.indexOf(exchange);
    if (waits >= 0) {
      this.queue.splice(waits, 1);
      this.queueBytes -= exchange.requestBytes;
    }
    for (const connection of this.retired) connection.retire();
    const { connection } = this;
    if (connection?.waiting.includes(exchange) === true) {
      this.retired = [...this.retired, connection];
      this.connection = undefined;
      connection.retire();
    }
    this.pump();
  }

  /** Called now and then. */
  tick(time: number): void {
    this.connection?.tick(time);
    for (const connection of this.retired) connection.tick(time);
    const [first] = this.queue;
    if (first !== undefined && time - first.due > this.maximumLagMilliseconds) this.owner.lagging();
    this.pump();
  }

  progressed(): void {
    this.pump();
  }

  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    if (this.connection?.holdsBack === true && this.connection.isConnected) this.giveUpSession(this.connection);
    if (this.connection?.retired === true) this.connection = undefined;
    if (this.connection?.hasEnded === true && this.queue.length > 0) {
      this.retired = [...this.retired, this.connection];
      this.connection = undefined;
    }
    if (this.retired.length > 0) this.retired = this.retired.filter(({ over }) => !over);
    let [first] = this.queue;
    while (first !== undefined && this.isComplete(first)) {
      if (this.connection?.isPast(first) === true) this.leave(this.connection);
      const lacksSession = this.connection === undefined && this.opened && this.owner.needsSession(first);
      if (lacksSession && this.reachedAgain) {
        this.leaveOutFirst(first);
        [first] = this.queue;
        continue;
      }
      this.connection ??= this.open(lacksSession);
      const wait = this.waitFor(this.connection, first);
      if (wait > 0) {
        this.connection.hurry();
        this.pumpIn(wait);
        break;
      }
      if (first.mayGo?.() === false) this.leaveOutFirst(first);
      else {
        takeFirst(this.queue);
        this.queueBytes -= first.requestBytes;
        this.connection.send(first);
      }
      [first] = this.queue;
    }
    if (this.queue.length === 0 && this.ending !== "no") this.endAsLive();
    this.pumping = false;
  }

  /** The shadow could be reached, and its connection is none that the next message can go on. */
  private leave(connection: ShadowConnection): void {
    this.reachedAgain = true;
    this.retired = [...this.retired, connection];
    this.connection = undefined;
    connection.retire();
  }

  /** Milliseconds until a message may go; one at a time asks whether the shadow can be reached. */
  private waitFor(connection: ShadowConnection, message: Exchange): number {
    if (!connection.holdsBack) return connection.sendableIn(message, now());
    return connection.waiting.length === 0 && this.owner.needsSession(message) ? 0 : Infinity;
  }

  private pumpIn(milliseconds: number): void {
    clearTimeout(this.wakening);
    if (milliseconds === Infinity) return;
    this.wakening = setTimeout(() => this.pump(), Math.ceil(milliseconds));
  }

  private giveUpSession(connection: ShadowConnection): void {
    this.reachedAgain = true;
    for (let left = connection.takeBack().length; left > 0; left--) this.owner.sessionLost();
    connection.retire();
  }

  private leaveOutFirst(first: Exchange): void {
    takeFirst(this.queue);
    this.queueBytes -= first.requestBytes;
    this.shared.log.forget(first);
    this.owner.sessionLost();
  }

  private endAsLive(): void {
    if (this.ending === "reset") this.connection?.passReset();
    else this.connection?.finish(this.ending === "now");
  }

  /** Whether a request has everything that it waited for; if not, sending goes on as soon as it has. */
  private isComplete(exchange: Exchange): boolean {
    if (exchange.complete === undefined) return true;
    const open = exchange.after.find(({ shadow, replayed }) => replayed && !shadow.settled);
    if (open !== undefined) {
      if (open.followers.length < maximumFollowers) open.follow(() => setImmediate(() => this.pump()));
      return false;
    }
    exchange.after = [];
    this.queueBytes -= exchange.requestBytes;
    exchange.complete();
    exchange.complete = undefined;
    this.queueBytes += exchange.requestBytes;
    return true;
  }

  private open(holdsBack: boolean): ShadowConnection {
    if (this.opened) this.shared.stats.replay.reconnections++;
    this.opened = true;
    if (!holdsBack) this.reachedAgain = false;
    return new ShadowConnection(this.shared, this.target, this.source, this.owner.newReader(), this, holdsBack);
  }

  private enqueue(exchange: Exchange): void {
    this.queue.push(exchange);
    this.queueBytes += exchange.requestBytes;
  }

  private drainQueue(): Exchange[] {
    this.queueBytes = 0;
    return this.queue.splice(0);
  }
}
