import { beginsRequest } from "../compare/http1";
import { preface } from "../compare/http2/frames";
import { StreamSightings } from "../compare/http2/streamSightings";
import { Flag, type Packet } from "../intake/packet";
import { bump, type GatewayStats } from "../stats";

const tcp = 6;
const headEnd = Buffer.from("\r\n\r\n");

/** A flow, or all that are not remembered, over a bound from its beginning: nothing is put together, requests are counted. */
export class ShedFlow {
  private readonly connection = new UnreadConnection();

  /** `cause` is the bound; without `remembered` each packet must tell by itself, because nothing is kept of its flow. */
  constructor(
    private readonly stats: GatewayStats,
    private readonly cause: string,
    private readonly remembered: boolean,
  ) {}

  take(packet: Packet, fromClient: boolean): void {
    const count = this.requestsIn(packet, fromClient);
    if (count === 0) return;
    const { requests } = this.stats;
    bump(requests.shed, this.cause, count);
    if (packet.protocol === tcp) requests.shedEstimated += count;
  }

  private requestsIn(packet: Packet, fromClient: boolean): number {
    if (packet.protocol !== tcp) return fromClient ? 1 : 0;
    if (packet.payloadLength === 0) return 0;
    if (this.remembered) return this.connection.requestsIn(packet, fromClient);
    return fromClient ? requestsInOne(packet) : 0;
  }
}

/**
 * Judges how many requests a connection has by what its single segments show: request lines of HTTP/1.x, numbers of
 * streams of HTTP/2, and for any other protocol how often the client speaks anew.
 */
class UnreadConnection {
  private kind: "http1" | "http2" | "turns" | undefined;
  /** Where what was seen of the client ends. */
  private clientNext = 0;
  private clientSpeaks = false;
  private streams: StreamSightings | undefined;

  requestsIn({ buffer, payloadStart, payloadEnd, sequence }: Packet, fromClient: boolean): number {
    if (!fromClient) {
      this.clientSpeaks = false;
      return 0;
    }
    const next = (sequence + payloadEnd - payloadStart) >>> 0;
    if (this.kind !== undefined && ((next - this.clientNext) | 0) <= 0) return 0;
    this.clientNext = next;
    this.kind ??= kindOf(buffer, payloadStart, payloadEnd);
    if (this.kind === "http2") return this.newStreams(buffer, payloadStart, payloadEnd);
    if (this.kind === "http1") return requestLines(buffer, payloadStart, payloadEnd);
    const begins = !this.clientSpeaks;
    this.clientSpeaks = true;
    return begins ? 1 : 0;
  }

  private newStreams(bytes: Buffer, from: number, to: number): number {
    const streams = (this.streams ??= new StreamSightings());
    const before = streams.highest;
    streams.look(bytes, from + (beginsPreface(bytes, from, to) ? preface.length : 0), to, 0);
    // Streams have odd numbers.
    return ((streams.highest + 1) >>> 1) - ((before + 1) >>> 1);
  }
}

function kindOf(bytes: Buffer, from: number, to: number): "http1" | "http2" | "turns" {
  if (beginsPreface(bytes, from, to)) return "http2";
  return beginsRequest(bytes, from, to) ? "http1" : "turns";
}

function beginsPreface(bytes: Buffer, from: number, to: number): boolean {
  return to - from >= preface.length && bytes.compare(preface, 0, preface.length, from, from + preface.length) === 0;
}

/** Requests of HTTP/1.x that begin with a segment, or in it behind a head. */
function requestLines(bytes: Buffer, from: number, to: number): number {
  let count = beginsRequest(bytes, from, to) ? 1 : 0;
  const segment = bytes.subarray(from, to);
  for (let at = segment.indexOf(headEnd); at >= 0; at = segment.indexOf(headEnd, at)) {
    at += headEnd.length;
    if (beginsRequest(segment, at, segment.length)) count++;
  }
  return count;
}

/** Requests that a client's segment shows by itself; where a message of another protocol ends, its sender pushes it. */
function requestsInOne({ buffer, payloadStart, payloadEnd, flags }: Packet): number {
  const lines = requestLines(buffer, payloadStart, payloadEnd);
  return lines === 0 && (flags & Flag.Psh) !== 0 ? 1 : lines;
}
