import { bump } from "../../stats";
import type { Conversation, FlowContext } from "../conversation";
import { Exchange } from "../exchangeLog";
import { LossEstimate } from "../lossEstimate";
import { FrameFlag, FrameReader, FrameType, preface, settingsOf, type Frame } from "./frames";
import { fieldOf, HeaderBlocks, type HeaderBlock } from "./headerBlocks";
import { Http2Responses } from "./responses";
import { StreamSightings } from "./streamSightings";
import type { Http2Unit } from "./unit";

/** Where the client's side of an HTTP/2 connection goes. */
export interface Http2Sink {
  send(unit: Http2Unit): void;
  /** The live server has told its settings. */
  liveSettings(settings: ReadonlyMap<number, number>): void;
  /** A request of which parts were sent will not be whole. */
  forget(stream: number): void;
  /** A request was left out: what its header block put into the compression table, the shadow does not know. */
  leftOut(): void;
}

interface Request {
  exchange: Exchange;
  stream: number;
  /** A part of it has gone to the shadow. */
  sent: boolean;
  /** The server answers before it has all of it, or the client pauses: its parts go to the shadow one by one. */
  streams: boolean;
  /** When its last frame came. */
  lastFrame: number;
  /** The last frame after which a pause was seen once. */
  pausedAfter: number;
}

/** Of a flow that is only counted any more, this much may be held. */
const longestFrameWhenShed = 65_536;
/** A client that adds nothing to a request for this long is waiting for an answer to a part of it. */
const pauseMilliseconds = 200;

/**
 * HTTP/2 on one connection that is known from its first byte on. Frames go to the shadow in their order, held back until
 * no request is half there, so that a hole costs whole requests; only a request whose client waits for an answer before
 * it has ended goes in parts. After a hole the compression tables are unknown: nothing later can be read.
 */
export class Http2Conversation implements Conversation {
  private readonly reader = new FrameReader();
  private readonly serverReader = new FrameReader();
  private readonly blocks = new HeaderBlocks();
  private readonly live: Http2Responses;
  private readonly requests = new Map<number, Request>();
  private pending: Http2Unit[] = [];
  private pendingBytes = 0;
  private opening: Buffer | undefined = Buffer.alloc(0);
  private index = 0;
  private lost = false;
  private serverLost = false;
  private lastStream = 0;
  /** As what the next request counts that is known by its response alone. */
  private unseenCause: "lost" | "noBoundary" = "noBoundary";
  private unseen = 0;
  /** Why nothing more of the client can be read. */
  private stopCause: string | undefined;
  /** Bytes of the client's streams, with all that could not be read, and how many they were when a request was last complete. */
  private streamBytes = 0;
  private requestEnd = 0;
  private readonly estimate = new LossEstimate();
  private readonly sightings = new StreamSightings();
  /** One byte is missing between two frames: the client's FIN, unless more follows. */
  private perhapsEnded = false;

  constructor(
    private readonly flow: FlowContext,
    private readonly sink: Http2Sink,
  ) {
    this.live = new Http2Responses("live", flow.log, (stream) => this.takeUnasked(stream));
  }

  get heldBytes(): number {
    const frames = this.reader.heldBytes + this.serverReader.heldBytes;
    return this.pendingBytes + frames + this.blocks.heldBytes;
  }

  shed(): void {
    this.reader.letGoOfData();
    this.flush();
    if (!this.reader.limit(longestFrameWhenShed)) this.stop("malformed");
    if (!this.serverReader.limit(longestFrameWhenShed)) this.serverHole();
  }

  get liveOutstanding(): boolean {
    return this.live.waiting.size > 0;
  }

  clientData(
    chunk: Buffer,
    from: number,
    to: number,
    time: number,
    _offset: number,
    _peerOffset: number,
    segmentStart: boolean,
  ): void {
    if (this.perhapsEnded) this.stop("lost");
    if (this.lost) {
      this.streamBytes += to - from;
      if (segmentStart) this.sightings.look(chunk, from, to, this.lastStream);
      return;
    }
    const at = this.takePreface(chunk, from, to);
    if (!this.reader.push(chunk, at, to, (frame) => this.takeFrame(frame, time)) || this.blocks.broken) {
      this.stop("malformed");
      return;
    }
    this.flush();
  }

  serverData(
    chunk: Buffer,
    from: number,
    to: number,
    time: number,
    _offset: number,
    _peerOffset: number,
    segmentStart: boolean,
  ): void {
    if (this.serverLost) {
      if (segmentStart && this.lost) this.sightings.look(chunk, from, to, this.lastStream);
      return;
    }
    const readable = this.serverReader.push(chunk, from, to, (frame) => this.takeServerFrame(frame, time));
    if (!readable || this.live.broken) this.serverHole();
    this.flush();
  }

  clientHole(length: number): void {
    this.streamBytes += length;
    if (this.lost) return;
    const between = length === 1 && this.reader.heldBytes === 0 && !this.perhapsEnded;
    if (between) this.perhapsEnded = true;
    else this.stop("lost");
  }

  serverHole(): void {
    this.serverLost = true;
    this.live.failAll("lost");
  }

  clientEnd(): void {
    this.dropUnfinished("incomplete");
    this.flush();
  }

  serverEnd(): void {
    this.live.failAll("closed");
  }

  close(error: string, cause: string): void {
    this.dropUnfinished(cause);
    this.flush();
    this.live.failAll(error);
    if (this.stopCause === "lost" && this.serverLost) this.estimateUnseen();
  }

  tick(now: number): void {
    for (const request of this.requests.values()) {
      if (now - request.lastFrame < pauseMilliseconds) continue;
      // Seen twice: before the first time, packets may have waited for this thread.
      if (request.pausedAfter === request.lastFrame) request.streams = true;
      request.pausedAfter = request.lastFrame;
    }
    this.flush();
  }

  private takePreface(chunk: Buffer, from: number, to: number): number {
    if (this.opening === undefined) return from;
    const at = Math.min(to, from + preface.length - this.opening.length);
    this.opening = Buffer.concat([this.opening, chunk.subarray(from, at)]);
    if (this.opening.length < preface.length) return at;
    if (!this.opening.equals(preface)) this.stop("startedBefore");
    if (this.lost) return to;
    const first = this.unit({ type: -1, flags: 0, stream: 0, bytes: this.opening }, 0);
    this.opening = undefined;
    this.hold(first);
    return at;
  }

  private takeFrame(frame: Frame, time: number): void {
    if (this.blocks.broken) return;
    if (frame.stream !== 0) this.streamBytes += frame.bytes.length;
    if (HeaderBlocks.takes(frame)) {
      const block = this.blocks.push(frame);
      if (block !== undefined) this.takeHead(block, frame, time);
      else this.countUnreadable(frame.stream);
      return;
    }
    const answered = frame.type === FrameType.Settings || frame.type === FrameType.Ping;
    if (answered && (frame.flags & FrameFlag.Ack) !== 0) return;
    const unit = this.unit(frame, time);
    const request = this.requests.get(frame.stream);
    if (request !== undefined && frame.type === FrameType.Data) {
      unit.exchange = request.exchange;
      unit.ends = (frame.flags & FrameFlag.EndStream) !== 0;
      request.lastFrame = time;
    }
    this.hold(unit);
    if (unit.ends) this.complete(frame.stream, request!, time);
    if (frame.type === FrameType.ResetStream) this.cancel(frame.stream, request);
  }

  private takeHead({ stream, fields, endStream, bytes }: HeaderBlock, frame: Frame, time: number): void {
    const known = this.requests.get(stream);
    const request = known ?? this.begin(stream, time);
    const unit = this.unit(frame, time);
    unit.type = FrameType.Headers;
    unit.flags = endStream ? FrameFlag.EndStream : 0;
    unit.bytes = bytes;
    unit.size = bytes.reduce((sum, part) => sum + part.length, 0);
    unit.fields = fields;
    unit.exchange = request.exchange;
    unit.begins = known === undefined;
    unit.ends = endStream;
    request.lastFrame = time;
    if (unit.begins) {
      request.exchange.method = fieldOf(fields, ":method");
      request.exchange.path = fieldOf(fields, ":path");
    }
    this.hold(unit);
    if (endStream) this.complete(stream, request, time);
  }

  /** A request is counted of whose head something cannot be decoded. */
  private countUnreadable(stream: number): void {
    if (this.blocks.broken && !this.requests.has(stream)) this.count("malformed");
  }

  private begin(stream: number, time: number): Request {
    const exchange = new Exchange(this.flow.label, this.index++, "http2", time);
    const request = { exchange, stream, sent: false, streams: false, lastFrame: time, pausedAfter: -1 };
    this.requests.set(stream, request);
    this.lastStream = Math.max(this.lastStream, stream);
    if (this.serverLost) this.flow.log.settle(exchange, exchange.live, "lost");
    else this.live.waiting.set(stream, exchange);
    return request;
  }

  private complete(stream: number, request: Request, time: number): void {
    request.exchange.due = time;
    // The first request and its response are larger than others: no table has their fields yet.
    if (this.requestEnd > 0) this.estimate.note(this.requestEnd, this.streamBytes, this.flow.serverPosition());
    this.requestEnd = this.streamBytes;
    this.requests.delete(stream);
    if (this.flow.shedCause !== undefined) bump(this.flow.stats.requests.shed, this.flow.shedCause);
  }

  /** The client gives a request up, complete or not. */
  private cancel(stream: number, request: Request | undefined): void {
    this.live.fail(stream, "reset");
    if (request === undefined) return;
    this.requests.delete(stream);
    this.drop("incomplete", request);
  }

  private takeServerFrame(frame: Frame, time: number): void {
    if (frame.type === FrameType.Settings && (frame.flags & FrameFlag.Ack) === 0)
      this.sink.liveSettings(settingsOf(frame));
    const request = this.requests.get(frame.stream);
    if (request !== undefined && frame.type === FrameType.Headers) request.streams = true;
    this.live.take(frame, time);
  }

  private unit(frame: Frame, due: number): Http2Unit {
    const { type, flags, stream, bytes } = frame;
    return {
      bytes: [bytes],
      size: bytes.length,
      type,
      flags,
      stream,
      due,
      exchange: undefined,
      begins: false,
      ends: false,
      fields: undefined,
    };
  }

  private hold(unit: Http2Unit): void {
    if (this.flow.shedCause !== undefined) return;
    this.pending.push(unit);
    this.pendingBytes += unit.size;
  }

  /** Hands on what is held, once no request in it is half there. */
  private flush(): void {
    if (this.pending.length === 0) return;
    if (this.flow.shedCause === undefined) {
      for (const request of this.requests.values()) if (!request.streams) return;
    }
    const units = this.pending;
    this.pending = [];
    this.pendingBytes = 0;
    if (this.flow.shedCause !== undefined) {
      const whole = units.filter((unit) => unit.ends).length;
      if (whole > 0) bump(this.flow.stats.requests.shed, this.flow.shedCause, whole);
      return;
    }
    for (const request of this.requests.values()) request.sent = true;
    for (const unit of units) this.sink.send(unit);
  }

  /** Requests that were begun and will not be whole. */
  private dropUnfinished(cause: string): void {
    for (const request of this.requests.values()) this.drop(cause, request);
    this.requests.clear();
  }

  /** Counts a request that will not be whole, and leaves it out when nothing of it has been sent. */
  private drop(cause: string, request: Request): void {
    this.count(cause);
    if (request.sent) {
      this.sink.forget(request.stream);
      return;
    }
    this.pending = this.pending.filter((unit) => unit.stream !== request.stream);
    this.pendingBytes = this.pending.reduce((sum, unit) => sum + unit.size, 0);
    this.sink.leftOut();
  }

  private count(cause: string, by = 1): void {
    const { requests } = this.flow.stats;
    if (this.flow.shedCause !== undefined) bump(requests.shed, this.flow.shedCause, by);
    else if (cause === "lost") requests.lostByMirror += by;
    else bump(requests.unusable, cause, by);
  }

  /** Nothing after this can be read: neither frames nor header blocks have a known beginning. */
  private stop(cause: string): void {
    this.perhapsEnded = false;
    if (this.requests.size === 0) this.unseenCause = cause === "lost" ? "lost" : "noBoundary";
    this.dropUnfinished(cause);
    this.flush();
    this.stopCause ??= cause;
    this.lost = true;
    this.flow.giveUp();
  }

  /** A response to a request that was never read: what tells of requests after a hole. */
  private takeUnasked(stream: number): void {
    if (this.lost && stream > this.lastStream && stream % 2 === 1) this.countUnseen();
  }

  /**
   * Both directions lost bytes, so that something was there: streams that were sighted tell how much, else the bytes how
   * much at least.
   */
  private estimateUnseen(): void {
    const least = this.unseen === 0 && this.unseenCause === "lost" ? 1 : 0;
    const unseen = Math.max(least, (this.sightings.any ? this.sighted() : this.unseenByBytes()) - this.unseen);
    this.count("lost", unseen);
    if (this.flow.shedCause === undefined) this.flow.stats.requests.lostEstimated += unseen;
  }

  private sighted(): number {
    return Math.ceil((this.sightings.highest - this.lastStream) / 2);
  }

  private unseenByBytes(): number {
    return this.requestEnd === 0 ? 0 : this.estimate.between(this.streamBytes, this.flow.serverPosition());
  }

  private countUnseen(): void {
    this.unseen++;
    this.count(this.unseenCause);
    this.unseenCause = "noBoundary";
  }
}
