import { Flag, type Packet } from "../intake/packet";
import { keptPacket } from "./keptPacket";
import type { StreamReassembler } from "./reassembly";

/** The flow whose packets wait. */
export interface EarlyOwner {
  streamOf(fromClient: boolean): StreamReassembler;
  /** Takes a packet whose turn has come. */
  take(packet: Packet, fromClient: boolean): void;
}

interface EarlyPacket {
  packet: Packet;
  fromClient: boolean;
}

/**
 * Packets that came before what they answer, because the copies of the two directions take different ways. One that
 * acknowledges bytes of which nothing was seen waits a moment for them, and behind it what its sender said later; after
 * that the bytes are lost.
 */
export class EarlyPackets {
  /** Bytes of the packets that wait. */
  heldBytes = 0;
  private waiting: EarlyPacket[] | undefined;
  /** One side was waited for in vain before anything of it was heard: the mirror may not copy it at all. */
  private isOneSided = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly owner: EarlyOwner,
    private readonly waitMilliseconds: number,
  ) {}

  /** Keeps a copy of a packet whose turn has not come; false when it has. */
  keep(packet: Packet, fromClient: boolean): boolean {
    const first = this.waiting?.[0];
    if (first !== undefined && packet.time - first.packet.time >= this.waitMilliseconds) this.giveUp();
    if (!this.isEarly(packet, fromClient) && !this.isBehind(packet, fromClient)) return false;
    const kept = keptPacket(packet);
    this.heldBytes += kept.buffer.length;
    this.waiting ??= [];
    this.waiting.push({ packet: kept, fromClient });
    if (this.waiting.length === 1) this.startTimer();
    return true;
  }

  /** Hands on those whose turn has come. */
  advance(): void {
    for (let [first] = this.waiting ?? []; first !== undefined; [first] = this.waiting ?? []) {
      if (this.isEarly(first.packet, first.fromClient)) return;
      this.handOnFirst();
    }
  }

  /** Hands on all of them: what they acknowledge will not come. */
  release(): void {
    while (this.waiting !== undefined) this.handOnFirst();
  }

  private giveUp(): void {
    const [first] = this.waiting ?? [];
    if (first !== undefined && !this.owner.streamOf(!first.fromClient).heard) this.isOneSided = true;
    this.release();
  }

  /** Gives each packet its time once it is the first. */
  private startTimer(): void {
    this.timer = setTimeout(() => this.giveUp(), this.waitMilliseconds);
  }

  private handOnFirst(): void {
    const { packet, fromClient } = this.waiting!.shift()!;
    this.heldBytes -= packet.buffer.length;
    clearTimeout(this.timer);
    if (this.waiting!.length === 0) this.waiting = undefined;
    else this.startTimer();
    this.owner.take(packet, fromClient);
  }

  private isEarly(packet: Packet, fromClient: boolean): boolean {
    const peer = this.owner.streamOf(!fromClient);
    if (this.isOneSided && !peer.heard) return false;
    return (packet.flags & Flag.Ack) !== 0 && peer.isAhead(packet.acknowledgement);
  }

  private isBehind(packet: Packet, fromClient: boolean): boolean {
    return (
      this.waiting?.some(
        (early) => early.fromClient === fromClient && ((packet.sequence - early.packet.sequence) | 0) >= 0,
      ) === true
    );
  }
}
