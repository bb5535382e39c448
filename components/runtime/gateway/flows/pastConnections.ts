import { Flag, type Packet } from "../intake/packet";
import { reach } from "./belonging";
import type { StreamReassembler } from "./reassembly";

/** So many connections on the same addresses and ports are remembered. */
const mostKept = 4;
/** So much of what one side said last is remembered. */
const longest = 2 ** 26;

/** Sequence numbers of one side of a connection. */
interface Said {
  first: number;
  length: number;
  /** Its end was not seen, so that some may still come. */
  mayGoOn: boolean;
}

/** Both sides of a connection that is over. */
export interface PastConnection {
  client: Said;
  server: Said;
}

/**
 * What was said on connections that are over, as far as it tells a late packet of theirs from the first that is seen of
 * another connection on their addresses and ports.
 */
export class PastConnections {
  /** The last one first; made anew, because a list that grows takes room for more than it will have. */
  private known: readonly PastConnection[] = [];

  add(connection: PastConnection): void {
    this.known = [connection, ...this.known].slice(0, mostKept);
  }

  /** Whether a packet repeats, by both its numbers, what was said on one of them. */
  said(packet: Packet, fromClient: boolean): boolean {
    return this.known.some((connection) => isOf(connection, packet, fromClient, 0));
  }

  /** Whether it does, or may have been said on the last of them without the mirror having seen it. */
  maySay(packet: Packet, fromClient: boolean): boolean {
    return this.known.some((connection, index) => isOf(connection, packet, fromClient, index === 0 ? reach : 0));
  }
}

/** What one side has said, its SYN included. */
export function saidBy(stream: StreamReassembler, mayGoOn: boolean): Said {
  const { saidTo } = stream;
  const length = Math.min(saidTo, longest) + 1;
  return { first: stream.sequenceOf(saidTo - length), length, mayGoOn };
}

function isOf({ client, server }: PastConnection, packet: Packet, fromClient: boolean, unseen: number): boolean {
  const [mine, peer] = fromClient ? [client, server] : [server, client];
  return holds(mine, packet.sequence, placesOf(packet), unseen) && holds(peer, packet.acknowledgement, 0, unseen);
}

/** Whether so many places from a number on are among those, or as many before them and behind as went by `unseen`. */
function holds({ first, length, mayGoOn }: Said, number: number, places: number, unseen: number): boolean {
  return ((number - first + unseen) >>> 0) + places <= unseen + length + (mayGoOn ? unseen : 0);
}

/** How many sequence numbers a packet takes. */
function placesOf({ flags, payloadLength }: Packet): number {
  return payloadLength + ((flags & Flag.Syn) === 0 ? 0 : 1) + ((flags & Flag.Fin) === 0 ? 0 : 1);
}
