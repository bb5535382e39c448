import { keptCopy } from "../intake/keep";
import { LastSegment } from "./lastSegment";

/** Takes what both directions of a TCP connection yield, each in order. */
export interface StreamSink {
  /**
   * Bytes `from`–`to` of the chunk come next. `offset` is their position in the stream, `peerOffset` how much of the other
   * direction the sender had received, `segmentStart` whether a segment of the sender begins here. The memory may be that
   * of the receiver, which is used again after the call.
   */
  data(
    fromClient: boolean,
    chunk: Buffer,
    from: number,
    to: number,
    time: number,
    offset: number,
    peerOffset: number,
    segmentStart: boolean,
  ): void;
  /** The next `length` bytes will never come. */
  hole(fromClient: boolean, length: number): void;
  /** The sender has ended this direction. */
  end(fromClient: boolean, time: number): void;
}

interface Segment {
  offset: number;
  buffer: Buffer;
  time: number;
  peerOffset: number;
  segmentStart: boolean;
}

/** An acknowledgement further ahead than the largest TCP window cannot be one of this connection. */
const largestWindow = 2 ** 30;

/** Counters that all streams share. */
export interface ReassemblyCounters {
  reorderedSegments: number;
  retransmittedSegments: number;
  overlapConflicts: number;
  holes: number;
  holeBytes: number;
}

/**
 * One direction of a TCP connection: puts segments in order, drops what came twice (the first copy wins), and declares
 * holes. Positions are plain numbers counted from the first known byte, so sequence numbers may wrap around.
 */
export class StreamReassembler {
  private segments: Segment[] = [];
  private nextOffset = 0;
  /** Sequence number of the next byte in order. */
  private nextSequence = 0;
  /** Where its sender's packets end. */
  private announcedTo = 0;
  private endOffset = -1;
  private ended = false;
  private readonly last = new LastSegment();
  /** False until the first packet told where the stream is. */
  started = false;
  /** Whether a packet of its sender has come; the peer's may also have told where the stream is. */
  heard = false;
  /** How far the peer has acknowledged this direction. */
  acknowledgedTo = 0;
  /** Bytes held because something before them is missing. */
  heldBytes = 0;
  /** When the oldest hole was noticed; 0 when there is none. */
  holeSince = 0;

  constructor(
    private readonly sink: StreamSink,
    private readonly fromClient: boolean,
    private readonly counters: ReassemblyCounters,
  ) {}

  /** Position of the next byte in order. */
  get position(): number {
    return this.nextOffset;
  }

  /** Position behind everything that was seen, announced or given up. */
  get furthest(): number {
    return Math.max(this.nextOffset, this.announcedTo);
  }

  /** Position behind all that its sender is known to have said. */
  get saidTo(): number {
    return Math.max(this.announcedTo, this.acknowledgedTo);
  }

  /** Whether nothing of it was seen, so that only an acknowledgement may have told where it begins. */
  get isUntouched(): boolean {
    return this.nextOffset === 0 && this.segments.length === 0;
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /** Whether its sender has said where it ends. */
  get knowsEnd(): boolean {
    return this.endOffset >= 0;
  }

  /** Sets where the stream begins, by the sequence number of its next byte. */
  start(sequence: number): void {
    this.started = true;
    this.nextSequence = sequence >>> 0;
  }

  /** Position that a sequence number of this direction stands for. */
  offsetOf(sequence: number): number {
    return this.nextOffset + ((sequence - this.nextSequence) | 0);
  }

  /** Sequence number of a position. */
  sequenceOf(offset: number): number {
    return (this.nextSequence + offset - this.nextOffset) >>> 0;
  }

  /** A packet of the sender ends here, also when its copy was cut. */
  announced(offset: number): void {
    if (offset > this.announcedTo) this.announcedTo = offset;
  }

  /** Whether this number stands further on than any packet of the sender. */
  isAhead(sequence: number): boolean {
    const offset = this.offsetOf(sequence);
    return this.started && offset > this.furthest && offset <= this.nextOffset + largestWindow;
  }

  /** Takes a segment; `offset` comes from {@link offsetOf}. */
  push(buffer: Buffer, start: number, end: number, offset: number, time: number, peerOffset: number): void {
    const length = end - start;
    if (length === 0 || this.ended) return;
    const skip = this.nextOffset - offset;
    if (skip >= length) {
      this.noteRetransmission(buffer, start, end, offset);
    } else if (skip >= 0) {
      if (skip > 0) this.noteRetransmission(buffer, start, start + skip, offset);
      const held = this.segments[0];
      if (held === undefined || offset + length <= held.offset) {
        this.deliver(buffer, start + skip, end, time, peerOffset, skip === 0);
      } else this.insert(buffer, start + skip, end, this.nextOffset, time, peerOffset, skip === 0);
      if (held !== undefined) this.drain();
    } else {
      this.hold(buffer, start, end, offset, time, peerOffset);
    }
    this.checkEnd(time);
  }

  /** The sender's FIN stands at this position. */
  finish(offset: number, time: number): void {
    if (this.endOffset < 0) this.endOffset = offset;
    this.checkEnd(time);
  }

  /** The peer has received everything before `offset`: what is still missing there, the mirror has lost. */
  acknowledged(offset: number, time: number): void {
    if (offset > this.nextOffset + largestWindow) return;
    this.acknowledgedTo = Math.max(this.acknowledgedTo, offset);
    this.loseBefore(offset, time);
  }

  /** What is missing before this position is lost. */
  loseBefore(offset: number, time: number): void {
    const limit = this.endOffset >= 0 ? Math.min(offset, this.endOffset) : offset;
    if (limit <= this.nextOffset || this.ended) return;
    this.loseUpTo(limit);
    this.checkEnd(time);
  }

  /** Gives up waiting for the oldest hole. */
  loseOldestHole(time: number): void {
    const first = this.segments[0];
    if (first !== undefined) this.loseUpTo(first.offset);
    else if (this.endOffset > this.nextOffset) this.loseUpTo(this.endOffset);
    this.checkEnd(time);
  }

  /** Gives up every hole: what is held is delivered, what is missing is lost. */
  loseAllHoles(time: number): void {
    while (!this.ended && (this.segments.length > 0 || this.endOffset > this.nextOffset)) this.loseOldestHole(time);
  }

  /** Whether a hole was noticed at this time or before. */
  missesSince(time: number): boolean {
    return this.holeSince !== 0 && this.holeSince <= time;
  }

  /** Forgets what is held. */
  clear(): void {
    this.segments = [];
    this.heldBytes = 0;
    this.holeSince = 0;
    this.last.clear();
    this.ended = true;
  }

  private loseUpTo(limit: number): void {
    while (this.nextOffset < limit) {
      const first = this.segments[0];
      if (first !== undefined && first.offset <= this.nextOffset) {
        this.drain();
        continue;
      }
      const until = first === undefined ? limit : Math.min(limit, first.offset);
      const length = until - this.nextOffset;
      this.counters.holes++;
      this.counters.holeBytes += length;
      this.sink.hole(this.fromClient, length);
      this.last.forget();
      this.advance(length);
    }
    this.drain();
  }

  private deliver(
    buffer: Buffer,
    from: number,
    to: number,
    time: number,
    peerOffset: number,
    segmentStart: boolean,
  ): void {
    const offset = this.nextOffset;
    this.advance(to - from);
    this.last.set(buffer, from, to);
    this.sink.data(this.fromClient, buffer, from, to, time, offset, peerOffset, segmentStart);
  }

  private advance(length: number): void {
    this.nextOffset += length;
    this.nextSequence = (this.nextSequence + length) >>> 0;
  }

  private hold(buffer: Buffer, start: number, end: number, offset: number, time: number, peerOffset: number): void {
    this.counters.reorderedSegments++;
    if (this.holeSince === 0) this.holeSince = time;
    this.insert(buffer, start, end, offset, time, peerOffset, true);
  }

  /** Puts what is new of a segment among those that are held; `isWhole` says whether it begins where its sender's does. */
  private insert(
    buffer: Buffer,
    start: number,
    end: number,
    offset: number,
    time: number,
    peerOffset: number,
    isWhole: boolean,
  ): void {
    let from = offset;
    const to = offset + end - start;
    let index = 0;
    while (from < to) {
      const held = this.segments[index];
      const heldEnd = held === undefined ? Infinity : held.offset + held.buffer.length;
      if (held !== undefined && heldEnd <= from) {
        index++;
        continue;
      }
      const limit = held === undefined ? to : Math.min(to, held.offset);
      if (limit > from) {
        const part = keptCopy(buffer, start + from - offset, start + limit - offset);
        this.segments.splice(index, 0, {
          offset: from,
          buffer: part,
          time,
          peerOffset,
          segmentStart: isWhole && from === offset,
        });
        this.heldBytes += part.length;
        index++;
      }
      if (held === undefined) return;
      const overlapStart = Math.max(from, held.offset);
      const overlapEnd = Math.min(to, heldEnd);
      if (overlapEnd > overlapStart) {
        this.counters.retransmittedSegments++;
        const mine = buffer.subarray(start + overlapStart - offset, start + overlapEnd - offset);
        const theirs = held.buffer.subarray(overlapStart - held.offset, overlapEnd - held.offset);
        if (!mine.equals(theirs)) this.counters.overlapConflicts++;
      }
      from = Math.max(limit, overlapEnd);
      index++;
    }
  }

  private drain(): void {
    let first = this.segments[0];
    while (first !== undefined && first.offset <= this.nextOffset) {
      this.segments.shift();
      this.heldBytes -= first.buffer.length;
      const skip = this.nextOffset - first.offset;
      if (skip < first.buffer.length) {
        this.deliver(
          first.buffer,
          skip,
          first.buffer.length,
          first.time,
          first.peerOffset,
          skip === 0 && first.segmentStart,
        );
      }
      first = this.segments[0];
    }
    if (first === undefined) this.holeSince = 0;
  }

  /**
   * Compares a repeated segment with the last bytes delivered, as far as they are still known. The one byte of a keep-alive
   * probe may be any.
   */
  private noteRetransmission(buffer: Buffer, start: number, end: number, offset: number): void {
    this.counters.retransmittedSegments++;
    const isProbe = end - start === 1 && offset === this.nextOffset - 1;
    if (this.last.length === 0 || isProbe) return;
    const knownStart = this.nextOffset - this.last.length;
    const from = Math.max(offset, knownStart);
    const to = Math.min(offset + end - start, this.nextOffset);
    if (to <= from) return;
    if (!this.last.equals(from - knownStart, buffer, start + from - offset, to - from)) {
      this.counters.overlapConflicts++;
    }
  }

  private checkEnd(time: number): void {
    if (this.endOffset < 0 || this.ended) return;
    if (this.nextOffset >= this.endOffset) {
      this.ended = true;
      this.sink.end(this.fromClient, time);
    } else if (this.holeSince === 0) {
      this.holeSince = time;
    }
  }
}
