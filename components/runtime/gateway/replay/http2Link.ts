import type { FlowLink } from "./flowLink";
import {
  FrameFlag,
  FrameType,
  internalError,
  incrementOf,
  makeFrame,
  payloadOf,
  resetStream,
  Setting,
  settingsOf,
  contentOf,
  defaultWindow,
} from "../compare/http2/frames";
import type { Http2Sink } from "../compare/http2/http2Conversation";
import { Http2ShadowReader } from "../compare/http2/shadowReader";
import { reencode, type Http2Unit } from "../compare/http2/unit";
import type { Exchange, ExchangeOwner } from "../compare/exchangeLog";
import { now } from "../time";
import { ShadowConnection, type Endpoint, type ReplayDependencies } from "./shadowConnection";

/** Settings in which the two servers may differ without the client noticing, until it matters. */
const comparedSettings = [Setting.HeaderTableSize, Setting.InitialWindowSize, Setting.MaxFrameSize];
/** Size of a header table whose owner has said nothing else. */
const usualTable = 4_096;

/**
 * The shadow's side of a live HTTP/2 connection. The client's frames go verbatim and in order as far as the shadow's
 * windows let them; what belongs to one connection alone (acknowledged settings, pings, windows that the shadow needs
 * beyond live's) is answered here. When the connection is gone, the next request begins a new one, whose header blocks
 * are written out, because the compression tables went with the old one.
 */
export class Http2Link implements FlowLink, Http2Sink, ExchangeOwner {
  private connection: ShadowConnection | undefined;
  private reader: Http2ShadowReader | undefined;
  private readonly retired = new Set<ShadowConnection>();
  private queue: Http2Unit[] = [];
  private queueBytes = 0;
  /** The client's preface and first settings, for a connection that replaces the first. */
  private opening: Buffer[] = [];
  private initialWindow = defaultWindow;
  private plain = false;
  private opened = false;
  private stalled = false;
  private ending: "no" | "idle" | "now" | "reset" = "no";
  private pumping = false;
  private expected: ReadonlyMap<number, number> | undefined;
  /** Size of the shadow's header table, once it has told its settings. */
  private shadowTable: number | undefined;

  constructor(
    private readonly shared: ReplayDependencies,
    private readonly target: Endpoint,
    private readonly source: Endpoint | undefined,
    private readonly lagging: () => void,
    private readonly maximumLagMilliseconds: number,
  ) {}

  get queuedBytes(): number {
    let retired = 0;
    for (const connection of this.retired) retired += connection.queuedBytes;
    return this.queueBytes + retired + (this.connection?.queuedBytes ?? 0);
  }

  get idle(): boolean {
    return this.queue.length === 0 && this.connection === undefined && this.retired.size === 0;
  }

  send(unit: Http2Unit): void {
    if (this.opening.length < 2) this.noteOpening(unit);
    if (unit.ends && unit.exchange !== undefined) {
      const { exchange } = unit;
      this.shared.log.replaying(exchange);
      exchange.owner = this;
    }
    this.enqueue(unit);
    this.pump();
  }

  liveSettings(settings: ReadonlyMap<number, number>): void {
    this.expected ??= settings;
    this.compareTables();
  }

  leftOut(): void {
    this.plain = true;
  }

  forget(stream: number): void {
    const unsent = this.drain();
    for (const unit of unsent) if (unit.stream !== stream) this.enqueue(unit);
    if (unsent.some((unit) => unit.stream === stream && unit.fields !== undefined)) this.plain = true;
    this.resetHalf(stream);
  }

  clientEnded(outstanding: boolean): void {
    if (this.ending === "no") this.ending = outstanding ? "now" : "idle";
    this.pump();
  }

  reset(outstanding: boolean): void {
    if (outstanding) this.settleQueued("reset");
    this.ending = "reset";
    this.pump();
  }

  close(error: string): void {
    this.settleQueued(error);
    for (const connection of this.retired) connection.reset(error);
    this.connection?.reset(error);
  }

  abandon(): void {
    if (this.ending !== "reset") this.ending = "idle";
    this.pump();
  }

  shed(all: boolean): number {
    const unsent = this.drain().filter((unit) => unit.ends);
    for (const { exchange, stream } of unsent) {
      if (exchange !== undefined) this.shared.log.forget(exchange);
      this.forget(stream);
    }
    this.resetHalves();
    const open = this.connection === undefined ? [...this.retired] : [...this.retired, this.connection];
    const taken = all ? open.flatMap((connection) => connection.takeBack()) : [];
    this.abandon();
    return unsent.length + taken.length;
  }

  tick(time: number): void {
    this.connection?.tick(time);
    for (const connection of this.retired) connection.tick(time);
    const [first] = this.queue;
    if (first !== undefined && first.due > 0 && time - first.due > this.maximumLagMilliseconds) this.lagging();
    this.pump();
  }

  /** A connection that says nothing at all any more is not used for later requests. */
  timedOut(exchange: Exchange): void {
    const { connection, reader } = this;
    for (const old of this.retired) old.retire();
    if (connection === undefined || reader === undefined || reader.lastData > exchange.shadow.start) return;
    this.retire(connection);
    this.pump();
  }

  private retire(connection: ShadowConnection): void {
    this.resetHalves();
    this.retired.add(connection);
    this.connection = undefined;
    connection.retire();
  }

  /** Tells the shadow of every request of which a part was sent that the rest will not come. */
  private resetHalves(): void {
    for (const stream of this.reader?.unfinished ?? []) this.resetHalf(stream);
  }

  private resetHalf(stream: number): void {
    const { reader, connection } = this;
    if (reader?.isSending(stream) === true && connection?.isConnected === true) {
      connection.writeBytes([resetStream(stream, internalError)]);
      this.shared.stats.replay.http2.halvesReset++;
    }
    reader?.forget(stream);
  }

  private noteOpening(unit: Http2Unit): void {
    this.opening.push(...unit.bytes);
    if (unit.type !== FrameType.Settings) return;
    const settings = settingsOf({ type: unit.type, flags: unit.flags, stream: 0, bytes: unit.bytes[0]! });
    this.initialWindow = settings.get(Setting.InitialWindowSize) ?? defaultWindow;
  }

  private differs(settings: ReadonlyMap<number, number>): boolean {
    const { expected } = this;
    return (
      expected !== undefined && comparedSettings.some((setting) => expected.get(setting) !== settings.get(setting))
    );
  }

  /** The client refers to what live remembers, and to no less than the usual until it knows of live's table. */
  private compareTables(): void {
    const live = Math.max(usualTable, this.expected?.get(Setting.HeaderTableSize) ?? usualTable);
    this.plain ||= this.shadowTable !== undefined && this.shadowTable < live;
  }

  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    if (this.connection?.retired === true) this.connection = undefined;
    if (this.connection?.hasEnded === true && this.queue.length > 0) this.retire(this.connection);
    for (const connection of this.retired) if (connection.over) this.retired.delete(connection);
    if (this.connection !== undefined && this.reader?.goingAway === true) this.retire(this.connection);
    while (this.queue.length > 0 && this.ready(this.queue[0]!) && this.sendFirst(this.queue[0]!)) continue;
    if (this.queue.length === 0 && this.ending === "reset") this.connection?.passReset();
    else if (this.queue.length === 0 && this.ending !== "no") this.connection?.finish(this.ending === "now");
    this.pumping = false;
  }

  /** Whether there is a connection that takes bytes now; one is opened for the first unit and for a request that begins. */
  private ready(unit: Http2Unit): boolean {
    if (this.connection === undefined && (!this.opened || unit.begins)) this.open();
    return this.connection?.isConnected ?? true;
  }

  private open(): void {
    const again = this.opened;
    if (again) this.shared.stats.replay.reconnections++;
    this.opened = true;
    this.plain ||= again;
    const { http2 } = this.shared.stats.replay;
    const owner = {
      answer: (bytes: Buffer) => connection.writeBytes([bytes]),
      settings: (settings: ReadonlyMap<number, number>) => {
        if (this.differs(settings)) http2.settingsDiffer++;
        this.shadowTable = settings.get(Setting.HeaderTableSize) ?? this.shadowTable ?? usualTable;
        this.compareTables();
      },
      opened: () => http2.windowsOpened++,
    };
    const reader = new Http2ShadowReader(this.shared.log, owner, this.initialWindow);
    let greeted = !again;
    const progressed = (mine: ShadowConnection): void => {
      if (!mine.isConnected && mine.over) this.failFirst(reader.endedWith);
      else if (!greeted && mine.isConnected) mine.writeBytes(this.opening);
      greeted ||= mine.isConnected;
      this.pump();
    };
    const connection = new ShadowConnection(this.shared, this.target, this.source, reader, { progressed });
    this.reader = reader;
    this.connection = connection;
  }

  /** No connection came about: the request for which it was opened is over, later ones may have better luck. */
  private failFirst(error: string | undefined): void {
    const first = this.queue.findIndex((unit) => unit.begins);
    const tried = first < 0 ? undefined : this.queue[first]!.exchange;
    const left = this.queue.filter((unit, index) => index > first && first >= 0 && unit.exchange !== tried);
    this.settleQueued(error, tried);
    for (const unit of left) this.enqueue(unit);
  }

  /** False when the unit has to wait. */
  private sendFirst(unit: Http2Unit): boolean {
    const { connection, reader } = this;
    const gone = connection === undefined || reader === undefined;
    if (gone || (unit.stream !== 0 && !unit.begins && !reader.knows(unit.stream))) {
      this.dequeue();
      if (unit.ends) this.failUnit(unit);
      return true;
    }
    if (unit.begins && !reader.mayBegin) return this.overtake(reader, connection);
    if (unit.type === FrameType.Data && !this.fits(unit, reader, connection)) return false;
    const [written] = this.queue;
    this.dequeue();
    if (written !== undefined) this.write(written, reader, connection);
    return true;
  }

  /** While the shadow takes no further request, what those that it has still lack may go ahead; false when there is nothing. */
  private overtake(reader: Http2ShadowReader, connection: ShadowConnection): boolean {
    const at = this.queue.findIndex(({ type, stream }) => type === FrameType.Data && reader.isSending(stream));
    if (at >= 0) this.queue.unshift(...this.queue.splice(at, 1));
    else this.stall(connection);
    return at >= 0;
  }

  private stall(connection: ShadowConnection): void {
    if (!this.stalled) this.shared.stats.replay.http2.stalls++;
    this.stalled = true;
    connection.hurry();
  }

  private write(unit: Http2Unit, reader: Http2ShadowReader, connection: ShadowConnection): void {
    const { exchange, stream } = unit;
    if (unit.type === FrameType.WindowUpdate && !reader.grant(stream, incrementOf(frameOf(unit)))) return;
    if (unit.begins && exchange !== undefined) {
      this.stalled = false;
      reader.begin(stream, exchange);
      exchange.shadow.start = now();
    }
    if (unit.ends && exchange !== undefined) exchange.lagMilliseconds = now() - exchange.due;
    const rewritten = unit.fields !== undefined && this.plain;
    if (rewritten) this.shared.stats.replay.http2.headersRewritten++;
    connection.writeBytes(rewritten ? reencode(unit) : unit.bytes);
    if (unit.type === FrameType.ResetStream) reader.responses.fail(stream, "reset");
    if (unit.ends || unit.type === FrameType.ResetStream) reader.endSending(stream);
  }

  /** Whether the shadow takes a frame of data whole; what it takes of a larger one goes ahead. */
  private fits(unit: Http2Unit, reader: Http2ShadowReader, connection: ShadowConnection): boolean {
    const { http2 } = this.shared.stats.replay;
    const frame = frameOf(unit);
    const length = payloadOf(frame).length;
    const room = Math.min(reader.creditOf(unit.stream), reader.maximumFrame);
    if (length <= room) {
      reader.spend(unit.stream, length);
      this.stalled = false;
      return true;
    }
    const content = contentOf(frame);
    if (room > 0 && content !== undefined) {
      const ahead = content.subarray(0, room);
      http2.framesSplit++;
      reader.spend(unit.stream, ahead.length);
      connection.writeBytes([makeFrame(FrameType.Data, 0, unit.stream, ahead)]);
      const rest = makeFrame(
        FrameType.Data,
        unit.flags & FrameFlag.EndStream,
        unit.stream,
        content.subarray(ahead.length),
      );
      this.queueBytes += rest.length - unit.size;
      const shorter = { ...unit, bytes: [rest], size: rest.length, flags: rest[4]! };
      this.queue[0] = shorter;
      return this.fits(shorter, reader, connection);
    }
    this.stall(connection);
    return false;
  }

  private enqueue(unit: Http2Unit): void {
    this.queue.push(unit);
    this.queueBytes += unit.size;
  }

  private dequeue(): void {
    const unit = this.queue.shift();
    if (unit !== undefined) this.queueBytes -= unit.size;
  }

  private drain(): Http2Unit[] {
    this.queueBytes = 0;
    return this.queue.splice(0);
  }

  /** Fails the requests that wait; those of one exchange alone when it is given. */
  private settleQueued(error: string | undefined, only?: Exchange): void {
    for (const unit of this.drain())
      if (unit.ends && (only === undefined || unit.exchange === only)) this.failUnit(unit, error);
  }

  private failUnit({ exchange }: Http2Unit, error = "closed"): void {
    if (exchange === undefined) return;
    if (exchange.shadow.start === 0) exchange.shadow.start = now();
    this.shared.log.settle(exchange, exchange.shadow, error);
  }
}

function frameOf(unit: Http2Unit): { type: number; flags: number; stream: number; bytes: Buffer } {
  return { type: unit.type, flags: unit.flags, stream: unit.stream, bytes: unit.bytes[0]! };
}
