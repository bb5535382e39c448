import { isPlaceToBegin, type Http1Framer } from "./http1";
import { mostAfter } from "./lossEstimate";

/** Where a hole's bytes make so many times more requests than there can be answers, it was no usual request that it took. */
const mostPerAnswer = 4;

/** Fewer requests say little of the size of others: a hole is then taken to hold no more than one for each packet. */
const telling = 8;
const usualPacket = 1_460;

/**
 * Counts the requests that go by while it is not known where a message may safely begin, so that none is carried. Those
 * whose head is seen are read as if it were, also beyond holes in their bodies. What another hole took is judged by its
 * bytes: a mirror loses packets whatever they carry, so that what is missing holds as many requests as what was seen.
 */
export class SkippedRequests {
  /** Whether all since the last known place could be read, so that the number is no estimate. */
  sure = true;
  /** Those whose beginning was seen, or is surely in a hole. */
  begun = 0;
  private inHoles = 0;
  /** Missing bytes in which as many requests begin as elsewhere; judged late, when most was seen. */
  private usualBytes = 0;
  private reading = true;
  private seenBytes = 0;
  private seenRequests = 0;
  /** Packets in which requests begin, and whether the last one is among them already. */
  private packets = 0;
  private isNew = false;
  private largestPacket = 0;
  private answerBytes = 0;
  private answers = 0;
  /** What the client had received when the last whole request began; -1 when something was lost since. */
  private received = -1;

  /** The conversation leaves its framer here, as it stands where something is missing. */
  constructor(private readonly framer: Http1Framer) {}

  /** A packet of so many bytes of the client, which is carried. */
  saw(bytes: number): void {
    this.seenBytes += bytes;
    this.isNew = true;
    if (bytes > this.largestPacket) this.largestPacket = bytes;
  }

  /** A request begins in it. */
  noteBegun(): void {
    this.seenRequests++;
    if (this.isNew) this.packets++;
    this.isNew = false;
  }

  /** A whole request was read; its client had received `peerOffset` bytes when it began. */
  noteWhole(peerOffset: number): void {
    if (this.received >= 0) {
      this.answerBytes += peerOffset - this.received;
      this.answers++;
    }
    this.received = peerOffset;
  }

  /** The hole that ends what is carried; the request that it touches is not counted here. */
  lose(length: number): void {
    this.reading = this.sure = true;
    this.begun = this.inHoles = this.usualBytes = 0;
    const touchesNext = !this.framer.begun;
    this.hole(length);
    if (touchesNext) this.begun = 0;
  }

  /** Another hole. */
  hole(length: number): void {
    const { framer } = this;
    if (this.reading && framer.passOver(length)) return;
    if (!this.reading) this.usualBytes += length;
    else if (framer.begun && framer.bodyLeft === 0) this.inHoles += Math.max(0, this.requestsIn(length) - 1);
    else this.takeFromBoundary(length - framer.bodyLeft);
    this.reading = this.sure = false;
  }

  /** A packet that is not carried. */
  skip(chunk: Buffer, from: number, to: number, segmentStart: boolean): void {
    const { framer } = this;
    this.saw(to - from);
    if (!this.reading) {
      if (!segmentStart || !isPlaceToBegin(chunk, from, to)) return;
      this.reading = true;
      framer.reset();
    }
    let at = from;
    while (at < to && framer.problem === undefined) {
      if (!framer.begun) {
        while (at < to && (chunk[at] === 13 || chunk[at] === 10)) at++;
        if (at === to) return;
        this.begun++;
        this.noteBegun();
      }
      at = framer.push(chunk, at, to, "");
      if (framer.state === "done") framer.reset();
    }
    if (framer.problem !== undefined) this.reading = this.sure = false;
  }

  /** How many went by, when the client has received `peerOffset` bytes. */
  take(peerOffset: number): number {
    const answers = (this.answers * (peerOffset - Math.max(0, this.received))) / this.answerBytes;
    const most = this.answerBytes === 0 ? Infinity : mostPerAnswer * (answers + 1);
    const { begun } = this;
    this.received = -1;
    this.begun = 0;
    const inHoles = this.inHoles + this.requestsIn(this.usualBytes);
    return Math.round(begun + Math.min(inHoles, most, mostAfter(this.seenRequests)));
  }

  /** A hole at whose beginning a request begins: its first packet held as many as others of its kind. */
  private takeFromBoundary(length: number): void {
    // A single byte may be no byte but the client's FIN.
    if (length === 1) return;
    this.begun++;
    const inPacket = this.packets === 0 ? 1 : this.seenRequests / this.packets;
    this.inHoles += Math.max(1, Math.min(inPacket, this.requestsIn(length))) - 1;
    this.usualBytes += Math.max(0, length - this.largestPacket);
  }

  private requestsIn(length: number): number {
    if (this.seenRequests === 0) return 0;
    const size = this.seenBytes / this.seenRequests;
    return length / (this.seenRequests < telling ? Math.max(size, usualPacket) : size);
  }
}
