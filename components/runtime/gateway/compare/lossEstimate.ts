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
  private requestEnd = -1;
  private responseStart = 0;
  private largestRequest = 0;
  private largestResponse = 0;
  private seen = 0;

  /** A whole request was read: it began at `start`, ended at `end`, its client had received `peerOffset` bytes. */
  note(start: number, end: number, peerOffset: number): void {
    this.seen++;
    this.largestRequest = Math.max(this.largestRequest, end - start);
    if (start === this.requestEnd)
      this.largestResponse = Math.max(this.largestResponse, peerOffset - this.responseStart);
    this.requestEnd = end;
    this.responseStart = peerOffset;
  }

  /** Requests between the last whole one and a request at `start` whose client had received `peerOffset` bytes. */
  between(start: number, peerOffset: number): number {
    if (this.requestEnd < 0 || this.largestResponse === 0) return 1;
    const byRequests = Math.round((start - this.requestEnd) / this.largestRequest);
    const byResponses = Math.floor((peerOffset - this.responseStart) / this.largestResponse) - 1;
    return Math.max(1, Math.min(byRequests, byResponses, mostAfter(this.seen)));
  }
}
