import { Flag, type Packet } from "../intake/packet";
import { Belonging } from "./belonging";
import { EarlyPackets, type EarlyOwner } from "./earlyPackets";
import { saidBy, type PastConnection } from "./pastConnections";
import { StreamReassembler, type ReassemblyCounters, type StreamSink } from "./reassembly";
import { Resets, type ResetVerdict } from "./resets";

/** Takes what the packets of a TCP connection come to. */
export interface StreamsOwner extends StreamSink {
  /** Set when nothing more is taken. */
  readonly over: boolean;
  /** The connection was open before the first packet of it was seen. */
  readonly midStream: boolean;
  /** It is known where the server's stream is seen from, and whether that is its beginning. */
  serverSeen(fromStart: boolean): void;
  /** A reset ended the connection. */
  wasReset(time: number): void;
  /** A reset was not one that its receiver obeys. */
  strayReset(): void;
  /** What is held may have changed. */
  account(): void;
}

/** Both directions of one TCP connection: turns its packets, in whatever order they come, into two streams and their end. */
export class TcpStreams implements EarlyOwner {
  readonly client: StreamReassembler;
  readonly server: StreamReassembler;
  /** Which packets with its addresses and ports are its own; to be asked before one is handed over. */
  readonly belonging: Belonging;
  private readonly early: EarlyPackets;
  private readonly resets: Resets;
  private wasReset = false;

  constructor(
    private readonly owner: StreamsOwner,
    counters: ReassemblyCounters,
    overtakingMilliseconds: number,
  ) {
    this.client = new StreamReassembler(owner, true, counters);
    this.server = new StreamReassembler(owner, false, counters);
    this.belonging = new Belonging(this.client, this.server);
    this.early = new EarlyPackets(this, overtakingMilliseconds);
    this.resets = new Resets(this.client, this.server);
  }

  /** Bytes that wait for others. */
  get heldBytes(): number {
    return this.client.heldBytes + this.server.heldBytes + this.early.heldBytes;
  }

  /** Whether the reset that ended the connection was the client's. */
  get resetByClient(): boolean {
    return this.resets.byClient;
  }

  /** What tells a late packet of it when it is over, or when it `lapsed` and may go on. */
  past(lapsed: boolean): PastConnection {
    const mayGoOn = (fromClient: boolean): boolean => !lapsed && !this.hasEnded(fromClient);
    return { client: saidBy(this.client, mayGoOn(true)), server: saidBy(this.server, mayGoOn(false)) };
  }

  streamOf(fromClient: boolean): StreamReassembler {
    return fromClient ? this.client : this.server;
  }

  /** The next packet. Of a copy that was cut short, what is there is true; the rest is a hole as any other. */
  handle(packet: Packet, fromClient: boolean): void {
    this.streamOf(fromClient).heard = true;
    if (this.early.keep(packet, fromClient)) this.owner.account();
    else {
      this.take(packet, fromClient);
      this.early.advance();
    }
  }

  take(packet: Packet, fromClient: boolean): void {
    if (this.owner.over) return;
    if ((packet.flags & Flag.Rst) !== 0) {
      this.settleReset(this.resets.take(packet, fromClient), packet.time);
      return;
    }
    const mine = this.streamOf(fromClient);
    const peer = this.streamOf(!fromClient);
    const syn = (packet.flags & Flag.Syn) !== 0;
    const sequence = syn ? (packet.sequence + 1) >>> 0 : packet.sequence;
    if (!mine.started || (syn && mine.isUntouched)) {
      // One byte alone, where mirroring begins, is a keep-alive probe's: it stands before the stream and may be any.
      const isProbe = this.owner.midStream && !syn && packet.payloadLength === 1;
      mine.start(isProbe ? sequence + 1 : sequence);
      if (!fromClient) this.owner.serverSeen(syn);
    }
    if ((packet.flags & Flag.Ack) !== 0) this.takeAcknowledgement(packet, fromClient, peer);
    const peerOffset = (packet.flags & Flag.Ack) !== 0 && peer.started ? peer.offsetOf(packet.acknowledgement) : 0;
    const offset = mine.offsetOf(sequence);
    mine.push(packet.buffer, packet.payloadStart, packet.payloadEnd, offset, packet.time, peerOffset);
    const end = offset + packet.payloadLength;
    const finishes = (packet.flags & Flag.Fin) !== 0;
    mine.announced(finishes ? end + 1 : end);
    if (finishes) mine.finish(end, packet.time);
    this.settleReset(this.resets.weigh(fromClient), packet.time);
    this.owner.account();
  }

  /** Packets that wait for what they acknowledge wait no longer. */
  releaseEarly(): void {
    this.early.release();
  }

  /** Gives up the oldest hole of each direction that was noticed at a time or before. */
  loseHolesBefore(noticed: number, now: number): void {
    if (this.client.missesSince(noticed)) this.client.loseOldestHole(now);
    if (this.server.missesSince(noticed)) this.server.loseOldestHole(now);
  }

  /** Whether nothing has spoken against a reset that came at a time or before. */
  hasResetBefore(time: number): boolean {
    return this.resets.isUnrefutedSince(time);
  }

  /** Waits for no missing segment any longer, so that none is held. */
  loseAllHoles(time: number): void {
    this.early.release();
    this.client.loseAllHoles(time);
    this.server.loseAllHoles(time);
  }

  /** The connection is over: what is missing before a reset is lost, and all that is missing elsewhere. */
  end(time: number): void {
    this.resets.takePlace(time);
    this.loseAllHoles(time);
  }

  /** Forgets what is held. */
  clear(): void {
    this.early.release();
    this.client.clear();
    this.server.clear();
  }

  private takeAcknowledgement(packet: Packet, fromClient: boolean, peer: StreamReassembler): void {
    if (peer.started) {
      peer.acknowledged(peer.offsetOf(packet.acknowledgement), packet.time);
      return;
    }
    peer.start(packet.acknowledgement);
    if (!fromClient) return;
    this.owner.serverSeen(!this.owner.midStream && this.client.offsetOf(packet.sequence) === 0);
  }

  private settleReset(verdict: ResetVerdict, time: number): void {
    if (verdict === "refused") this.owner.strayReset();
    if (verdict !== "obeyed") return;
    this.wasReset = true;
    this.owner.wasReset(time);
  }

  private hasEnded(fromClient: boolean): boolean {
    return this.streamOf(fromClient).knowsEnd || (this.wasReset && this.resets.byClient === fromClient);
  }
}
