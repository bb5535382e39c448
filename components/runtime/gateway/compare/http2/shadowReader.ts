import type { ShadowReader } from "../conversation";
import type { Exchange, ExchangeLog } from "../exchangeLog";
import {
  defaultWindow,
  FrameFlag,
  FrameReader,
  FrameType,
  incrementOf,
  largestWindow,
  makeFrame,
  payloadOf,
  Setting,
  settingsOf,
  windowUpdate,
  type Frame,
} from "./frames";
import { Http2Responses } from "./responses";

/** A window of the shadow's below this is opened again from here, whatever its live client does. */
const lowWindow = 32_768;

/** What the reader of a connection asks of its link. */
export interface Http2ReaderOwner {
  /** Sends a frame that belongs to this connection alone. */
  answer(bytes: Buffer): void;
  /** The shadow has told its settings. */
  settings(settings: ReadonlyMap<number, number>): void;
  /** A window had to be opened that the live client had not opened. */
  opened(): void;
}

/** Reads what the shadow says on one HTTP/2 connection, answers what asks for an answer, and knows all its windows. */
export class Http2ShadowReader implements ShadowReader {
  readonly responses: Http2Responses;
  broken = false;
  /** The shadow takes no more requests on this connection. */
  goingAway = false;
  /** When something last came. */
  lastData = 0;
  /** Why the connection is over. */
  endedWith: string | undefined;
  /** Longest content of a frame that the shadow takes. */
  maximumFrame = 16_384;
  /** Streams that may be open at once; until the shadow has said how many, one tells. */
  private maximumStreams = 1;
  private hasSettings = false;
  /** What may still be sent on the connection. */
  connectionCredit = defaultWindow;
  /** What each stream on which more will be sent may send beyond the shadow's initial window. */
  private readonly streamCredit = new Map<number, number>();
  private initialCredit = defaultWindow;
  private connectionWindow = defaultWindow;
  /** What the shadow may send on each stream that it has not ended. */
  private readonly streamWindows = new Map<number, number>();
  private readonly frames = new FrameReader();

  constructor(
    log: ExchangeLog,
    private readonly owner: Http2ReaderOwner,
    /** The live client's initial window: what the shadow may send on a stream. */
    private readonly initialWindow: number,
  ) {
    this.responses = new Http2Responses("shadow", log);
  }

  get waiting(): readonly Exchange[] {
    return [...this.responses.waiting.values()];
  }

  add(): void {
    // A request is known by its stream; the link gives it to the responses when it begins.
  }

  sendableIn(): number {
    return 0;
  }

  tick(): void {
    // Nothing here depends on time.
  }

  push(bytes: Buffer, length: number, time: number): void {
    this.lastData = time;
    const own = Buffer.from(bytes.subarray(0, length));
    const readable = this.frames.push(own, 0, length, (frame) => this.take(frame, time));
    if (!readable || this.responses.broken) this.broken = true;
  }

  ended(error: string): void {
    this.endedWith = error;
    this.responses.failAll(error);
  }

  /** A request begins on a stream. */
  begin(stream: number, exchange: Exchange): void {
    this.responses.waiting.set(stream, exchange);
    this.streamCredit.set(stream, 0);
    this.streamWindows.set(stream, this.initialWindow);
  }

  /** Whether a request may begin now: the shadow allows only so many at once. */
  get mayBegin(): boolean {
    let open = this.streamWindows.size;
    for (const stream of this.streamCredit.keys()) if (!this.streamWindows.has(stream)) open++;
    return open < this.maximumStreams;
  }

  /** Whether something can still be sent or received on a stream. */
  knows(stream: number): boolean {
    return this.streamCredit.has(stream) || this.streamWindows.has(stream);
  }

  /** Streams on which a request has begun and not ended. */
  get unfinished(): number[] {
    return [...this.streamCredit.keys()];
  }

  /** Whether a request on this stream has begun and not ended. */
  isSending(stream: number): boolean {
    return this.streamCredit.has(stream);
  }

  /** Nothing more is sent on a stream. */
  endSending(stream: number): void {
    this.streamCredit.delete(stream);
  }

  /** A request will not be whole: nobody waits for its answer. */
  forget(stream: number): void {
    this.responses.waiting.delete(stream);
    this.streamCredit.delete(stream);
    this.streamWindows.delete(stream);
  }

  /** How many bytes of data may be sent on a stream now. */
  creditOf(stream: number): number {
    return Math.min(this.connectionCredit, this.initialCredit + (this.streamCredit.get(stream) ?? 0));
  }

  /** Data goes out. */
  spend(stream: number, bytes: number): void {
    this.connectionCredit -= bytes;
    this.streamCredit.set(stream, (this.streamCredit.get(stream) ?? 0) - bytes);
  }

  /** Whether the live client's window update fits; it is then taken into account. */
  grant(stream: number, increment: number): boolean {
    const window = stream === 0 ? this.connectionWindow : this.streamWindows.get(stream);
    if (increment === 0 || window === undefined || window + increment > largestWindow) return false;
    if (stream === 0) this.connectionWindow += increment;
    else this.streamWindows.set(stream, window + increment);
    return true;
  }

  private take(frame: Frame, time: number): void {
    const acknowledges = (frame.flags & FrameFlag.Ack) !== 0;
    if (frame.type === FrameType.Settings && !acknowledges) this.takeSettings(settingsOf(frame));
    else if (frame.type === FrameType.Ping && !acknowledges) {
      this.owner.answer(makeFrame(FrameType.Ping, FrameFlag.Ack, 0, payloadOf(frame)));
    } else if (frame.type === FrameType.WindowUpdate) this.takeCredit(frame.stream, incrementOf(frame));
    else if (frame.type === FrameType.GoAway) this.takeGoAway(frame);
    else if (frame.type === FrameType.Data) this.takeData(frame);
    this.responses.take(frame, time);
    if (frame.type === FrameType.ResetStream) this.streamCredit.delete(frame.stream);
    const carries = frame.type === FrameType.Data || frame.type === FrameType.Headers;
    const ends = carries && (frame.flags & FrameFlag.EndStream) !== 0;
    if (ends || frame.type === FrameType.ResetStream) this.streamWindows.delete(frame.stream);
  }

  private takeSettings(settings: ReadonlyMap<number, number>): void {
    this.initialCredit = settings.get(Setting.InitialWindowSize) ?? this.initialCredit;
    this.maximumFrame = settings.get(Setting.MaxFrameSize) ?? this.maximumFrame;
    const allowed = settings.get(Setting.MaxConcurrentStreams);
    if (allowed !== undefined || !this.hasSettings) this.maximumStreams = allowed ?? Infinity;
    this.hasSettings = true;
    this.owner.answer(makeFrame(FrameType.Settings, FrameFlag.Ack, 0, Buffer.alloc(0)));
    this.owner.settings(settings);
  }

  private takeCredit(stream: number, increment: number): void {
    if (stream === 0) this.connectionCredit += increment;
    else {
      const credit = this.streamCredit.get(stream);
      if (credit !== undefined) this.streamCredit.set(stream, credit + increment);
    }
  }

  /** Streams above the last one named were not looked at. */
  private takeGoAway(frame: Frame): void {
    this.goingAway = true;
    const payload = payloadOf(frame);
    const last = payload.length >= 4 ? payload.readUInt32BE(0) & 0x7fffffff : 0;
    for (const stream of [...this.responses.waiting.keys()]) if (stream > last) this.responses.fail(stream, "closed");
  }

  private takeData(frame: Frame): void {
    const bytes = payloadOf(frame).length;
    this.connectionWindow -= bytes;
    if (this.connectionWindow < lowWindow) {
      this.connectionWindow += defaultWindow;
      this.open(0);
    }
    const window = this.streamWindows.get(frame.stream);
    if (window === undefined) return;
    const ends = (frame.flags & FrameFlag.EndStream) !== 0;
    const low = window - bytes < lowWindow && !ends;
    this.streamWindows.set(frame.stream, window - bytes + (low ? defaultWindow : 0));
    if (low) this.open(frame.stream);
  }

  private open(stream: number): void {
    this.owner.answer(windowUpdate(stream, defaultWindow));
    this.owner.opened();
  }
}
