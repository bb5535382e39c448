import { Flag, type Packet } from "../intake/packet";
import type { StreamReassembler } from "./reassembly";

/** What becomes of a reset; undefined as long as that is open. */
export type ResetVerdict = "obeyed" | "refused" | undefined;

interface Doubted {
  stream: StreamReassembler;
  offset: number;
  since: number;
}

/**
 * Tells which resets end a connection. Its receiver obeys one that has just the number that it waits for (RFC 5961). One
 * that stands further on is forged or of another connection, or bytes before it are late, or the mirror lost them: what
 * comes next tells, and silence says that it was true.
 */
export class Resets {
  /** Who sent the one that is judged. */
  byClient = false;
  private doubted: Doubted | undefined;

  constructor(
    private readonly client: StreamReassembler,
    private readonly server: StreamReassembler,
  ) {}

  /** A reset has come. */
  take(packet: Packet, byClient: boolean): ResetVerdict {
    const [stream, receiver] = byClient ? [this.client, this.server] : [this.server, this.client];
    const offset = stream.offsetOf(packet.sequence);
    const obeyed = stream.started ? isAwaited(stream, offset) : answersOpening(receiver, packet);
    if (!obeyed && (!stream.started || offset < stream.position)) return "refused";
    if (obeyed || this.doubted === undefined) this.byClient = byClient;
    if (obeyed) this.doubted = undefined;
    else this.doubted ??= { stream, offset, since: packet.time };
    return obeyed ? "obeyed" : undefined;
  }

  /** Another packet was taken after it: what was missing before the reset has come, or the connection goes on. */
  weigh(fromClient: boolean): ResetVerdict {
    if (this.doubted === undefined) return undefined;
    const { stream, offset } = this.doubted;
    if (stream.position === offset) return "obeyed";
    if (fromClient === this.byClient && stream.position < offset) return undefined;
    this.doubted = undefined;
    return "refused";
  }

  /** Whether nothing has spoken against a reset that came before this time. */
  isUnrefutedSince(time: number): boolean {
    return this.doubted !== undefined && this.doubted.since <= time;
  }

  /** The connection is over: what is missing before a reset that was not refuted is lost. */
  takePlace(time: number): void {
    this.doubted?.stream.loseBefore(this.doubted.offset, time);
    this.doubted = undefined;
  }
}

function isAwaited(stream: StreamReassembler, offset: number): boolean {
  if (offset === stream.position || offset === stream.acknowledgedTo) return true;
  // A FIN takes a place too.
  return stream.isEnded && offset === stream.position + 1;
}

/** Whether a reset answers what its receiver said first. */
function answersOpening(receiver: StreamReassembler, packet: Packet): boolean {
  const offset = receiver.offsetOf(packet.acknowledgement);
  return (packet.flags & Flag.Ack) !== 0 && offset >= 0 && offset <= receiver.furthest;
}
