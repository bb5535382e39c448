import { Flag, type Packet } from "../intake/packet";
import type { StreamReassembler } from "./reassembly";

/** How far from what was seen of a connection the numbers of its packets may be: more than windows are by default. */
const reach = 2 ** 22;
/** No mirror loses that much of one connection: what lies further on is another one. */
const largestGap = 2 ** 28;
/** How late a SYN may be that the mirror has reordered. */
const lateSynMilliseconds = 1_000;
/** How many bytes a client may have said when its SYN, or the answer to it, comes; a new connection's number is further away. */
const lateSynBytes = 65_536;

/**
 * Whether a packet is one of a connection (`believed`) or of none that is known (`doubted`). Together with the one that
 * was doubted before it may show that the connection is `further` on, or that another one has `replaced` it.
 */
export type Belief = "believed" | "doubted" | "further" | "replaced";

/**
 * Judges by both its numbers whether a packet belongs to a connection that is open. A single one that does not fit is a
 * late one of an earlier connection, or forged. When the next one that does not fit agrees with it, the mirror missed
 * something large; where both sides are heard it takes one of each to say so.
 */
export class Belonging {
  /** Sides that were heard: 1 = client, 2 = server. */
  private heard = 0;
  private doubted = false;
  private doubtedFromClient = false;
  private doubtedClient = 0;
  private doubtedServer = 0;

  constructor(
    private readonly client: StreamReassembler,
    private readonly server: StreamReassembler,
  ) {}

  /** Sequence number of what the client says next. */
  get clientNext(): number {
    return this.client.nextSequence;
  }

  /** Whether the server was not seen yet: a SYN of it may cross the client's. */
  get awaitsServer(): boolean {
    return !this.server.started;
  }

  /** Whether a SYN that arrives late is the one that opened this connection, which was last seen at that time. */
  awaitsSyn(packet: Packet, lastSeen: number): boolean {
    if (!this.client.started || packet.time - lastSeen > lateSynMilliseconds) return false;
    const offset = this.client.offsetOf(packet.sequence + 1);
    return offset <= 0 && offset > -lateSynBytes;
  }

  judge(packet: Packet, fromClient: boolean): Belief {
    const mine = fromClient ? this.client : this.server;
    const peer = fromClient ? this.server : this.client;
    const acknowledges = (packet.flags & Flag.Ack) !== 0;
    const begins = (packet.flags & Flag.Syn) !== 0;
    // Where a stream begins, its SYN says better than an acknowledgement of it.
    const mineFits = (begins && mine.isUntouched) || isNear(mine, packet.sequence);
    if (mineFits && (!acknowledges || isNear(peer, packet.acknowledgement))) {
      this.heard |= fromClient ? 1 : 2;
      this.doubted = false;
      return "believed";
    }
    if (!acknowledges || (packet.flags & Flag.Rst) !== 0) return "doubted";
    return begins ? "replaced" : this.doubt(packet, fromClient);
  }

  private doubt(packet: Packet, fromClient: boolean): Belief {
    const client = fromClient ? packet.sequence : packet.acknowledgement;
    const server = fromClient ? packet.acknowledgement : packet.sequence;
    const agrees = isClose(client, this.doubtedClient) && isClose(server, this.doubtedServer);
    const another = this.heard !== 3 || fromClient !== this.doubtedFromClient;
    if (!this.doubted || !agrees || !another) {
      this.doubted = true;
      this.doubtedFromClient = fromClient;
      this.doubtedClient = client;
      this.doubtedServer = server;
      return "doubted";
    }
    this.doubted = false;
    if (!isAhead(this.client, client) || !isAhead(this.server, server)) return "replaced";
    this.client.acknowledged(this.client.offsetOf(client), packet.time);
    this.server.acknowledged(this.server.offsetOf(server), packet.time);
    return "further";
  }
}

/** Whether two sequence numbers can be of one stream at about one time. */
export function isClose(a: number, b: number): boolean {
  return Math.abs((a - b) | 0) <= reach;
}

/** Whether a packet shows that the connection which a SYN with this number asked for has come about. */
export function goesOnFrom(syn: number, packet: Packet, fromClient: boolean): boolean {
  if ((packet.flags & (Flag.Ack | Flag.Rst)) !== Flag.Ack) return false;
  if (!fromClient && (packet.flags & Flag.Syn) === 0) return false;
  // A SYN may carry data.
  return ((fromClient ? packet.sequence : packet.acknowledgement) - syn - 1) >>> 0 < lateSynBytes;
}

function isNear(stream: StreamReassembler, number: number): boolean {
  if (!stream.started) return true;
  const offset = stream.offsetOf(number);
  return offset >= stream.position - reach && offset <= stream.furthest + reach;
}

function isAhead(stream: StreamReassembler, number: number): boolean {
  const distance = stream.offsetOf(number) - stream.position;
  return !stream.started || (distance >= -reach && distance <= largestGap);
}
