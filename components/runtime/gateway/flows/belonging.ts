import { Flag, type Packet } from "../intake/packet";
import { keptPacket } from "./keptPacket";
import type { StreamReassembler } from "./reassembly";

/** How far from what was seen of a connection the numbers of its packets may be: more than windows are by default. */
export const reach = 2 ** 22;
/** No mirror loses that much of one connection: what lies further on is another one. */
const largestGap = 2 ** 30;
/** How late a SYN may be that the mirror has reordered. */
const lateSynMilliseconds = 1_000;
/** How many bytes a client may have said when its SYN, or the answer to it, comes; a new connection's number is further away. */
const lateSynBytes = 65_536;

/**
 * Whether a packet is one of a connection (`believed`), opens `another`, or is of none that is known (`doubted`). Together
 * with the one that was doubted before it may show that the connection is `further` on, or that another one has `replaced` it.
 */
export type Belief = "believed" | "doubted" | "another" | "further" | "replaced";

/**
 * Judges by both its numbers whether a packet belongs to a connection that is open. A single one that does not fit is a
 * late one of an earlier connection, or forged. When the next one that does not fit agrees with it, the mirror missed
 * something large; where both sides are heard it takes one of each to say so.
 */
export class Belonging {
  private doubted: Packet | undefined;
  private doubtedFromClient = false;
  private confirmed: Packet | undefined;

  constructor(
    private readonly client: StreamReassembler,
    private readonly server: StreamReassembler,
  ) {}

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
    if (begins && mine.started && mine.offsetOf(packet.sequence + 1) > 0) return "another";
    // Where a stream begins, its SYN says better than an acknowledgement of it.
    const mineFits = (begins && mine.isUntouched) || isNear(mine, packet.sequence);
    if (mineFits && (!acknowledges || isNear(peer, packet.acknowledgement))) {
      this.doubted = undefined;
      return "believed";
    }
    if (!acknowledges || (packet.flags & Flag.Rst) !== 0) return "doubted";
    return begins ? "another" : this.doubt(packet, fromClient);
  }

  /** The packet that was doubted before one which agreed with it; it comes first. */
  takeConfirmed(): Packet | undefined {
    const { confirmed } = this;
    this.confirmed = undefined;
    return confirmed;
  }

  private doubt(packet: Packet, fromClient: boolean): Belief {
    const { doubted } = this;
    const bothHeard = this.client.heard && this.server.heard;
    const another = !bothHeard || fromClient !== this.doubtedFromClient;
    if (doubted === undefined || !another || !this.agrees(doubted, packet, fromClient)) {
      this.doubted = keptPacket(packet);
      this.doubtedFromClient = fromClient;
      return "doubted";
    }
    this.doubted = undefined;
    this.confirmed = doubted;
    const [client, server] = numbersOf(doubted, this.doubtedFromClient);
    if (!this.goesOnAt(client, server)) return "replaced";
    this.client.acknowledged(this.client.offsetOf(client), packet.time);
    this.server.acknowledged(this.server.offsetOf(server), packet.time);
    return "further";
  }

  private agrees(doubted: Packet, packet: Packet, fromClient: boolean): boolean {
    const [client, server] = numbersOf(packet, fromClient);
    const [doubtedClient, doubtedServer] = numbersOf(doubted, this.doubtedFromClient);
    return isClose(client, doubtedClient) && isClose(server, doubtedServer);
  }

  /** Whether one side has gone on while the mirror missed it; where neither number is near, it is another connection. */
  private goesOnAt(client: number, server: number): boolean {
    if (isNear(this.client, client)) return isAhead(this.server, server);
    return isNear(this.server, server) && isAhead(this.client, client);
  }
}

/** Where a packet says that the client and the server are. */
function numbersOf(packet: Packet, fromClient: boolean): [client: number, server: number] {
  const { sequence, acknowledgement } = packet;
  return fromClient ? [sequence, acknowledgement] : [acknowledgement, sequence];
}

/** Whether two sequence numbers can be of one stream at about one time. */
function isClose(a: number, b: number): boolean {
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
  return distance >= 0 && distance <= largestGap;
}
