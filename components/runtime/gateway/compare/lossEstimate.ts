/** What was seen of a connection speaks for no more than so many times as much that was not. */
const farthest = 8;

/**
 * How many requests an estimate may say that went by, after so many were seen: the bytes that seem to be missing may also be
 * the distance to the numbers of another connection.
 */
export function mostAfter(seen: number): number {
  return farthest * (seen + 1);
}

/**
 * How many requests went by between two known places of a flow when both directions lost bytes there, so that neither
 * requests nor responses can be counted. Judged by the largest request and the largest response of the flow so far, and
 * by the direction that speaks for fewer, so that regular traffic is estimated well and from below.
 */
export class LossEstimate {
  private responseStart = 0;
  /** Whether the last whole request's own response is among those since. */
  private ownResponses = 0;
  private largestRequest = 0;
  private largestResponse = 0;
  private seen = 0;
  /** Where what is not carried was last told apart; -1 right after a hole. */
  private skippedFrom = -1;
  private skippedPeer = 0;

  /** `requestEnd` is where the last whole request ended: 0 where all of the flow was seen, -1 elsewhere. */
  constructor(private requestEnd = -1) {}

  /** A whole request was read: it began at `start`, ended at `end`, its client had received `peerOffset` bytes. */
  note(start: number, end: number, peerOffset: number): void {
    if (start === this.requestEnd && this.ownResponses > 0) this.measure(end - start, peerOffset - this.responseStart);
    else this.measure(end - start, 0);
    this.requestEnd = end;
    this.responseStart = peerOffset;
    this.ownResponses = 1;
  }

  /** Something is missing of what the client said. */
  hole(): void {
    this.skippedFrom = -1;
  }

  /** Whether its client had received something between what begins at `start`, which is not carried, and what it said before. */
  parts(start: number, peerOffset: number): boolean {
    const known = this.skippedFrom >= 0;
    const parted = known && peerOffset > this.skippedPeer;
    if (parted) this.measure(start - this.skippedFrom, peerOffset - this.skippedPeer);
    if (parted || !known) {
      this.skippedFrom = start;
      this.skippedPeer = peerOffset;
    }
    return parted;
  }

  /** Requests between the last whole one and a request at `start` whose client had received `peerOffset` bytes. */
  between(start: number, peerOffset: number): number {
    if (this.requestEnd < 0 || this.largestResponse === 0) return 1;
    const byRequests = Math.round((start - this.requestEnd) / this.largestRequest);
    const byResponses = Math.floor((peerOffset - this.responseStart) / this.largestResponse) - this.ownResponses;
    return Math.max(1, Math.min(byRequests, byResponses, mostAfter(this.seen)));
  }

  private measure(request: number, response: number): void {
    this.seen++;
    this.largestRequest = Math.max(this.largestRequest, request);
    this.largestResponse = Math.max(this.largestResponse, response);
  }
}
