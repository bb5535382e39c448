import type { Conversation, FlowContext, ShadowReader } from "../compare/conversation";
import type { Exchange } from "../compare/exchangeLog";
import { Http2Conversation } from "../compare/http2/http2Conversation";
import { keptCopy } from "../intake/keep";
import { Flag, type Packet } from "../intake/packet";
import type { FlowLink } from "../replay/flowLink";
import { Http2Link } from "../replay/http2Link";
import type { Endpoint } from "../replay/shadowConnection";
import { ShadowLink, type LinkOwner } from "../replay/shadowLink";
import { bump } from "../stats";
import { conversationFor } from "./conversationFor";
import { Belonging } from "./belonging";
import { EarlyPackets, type EarlyOwner } from "./earlyPackets";
import type { FlowShared, Standing } from "./flowShared";
import { Opening, type FlowEvent } from "./opening";
import { StreamReassembler, type StreamSink } from "./reassembly";
import { Resets, type ResetVerdict } from "./resets";
import { type FlowTuple } from "./selectors";
import { recognise, signatureBytes } from "./signatures";

/** One live TCP connection: both byte streams, the conversation on them, and the shadow's side. */
export class TcpFlow implements FlowContext, StreamSink, LinkOwner, EarlyOwner {
  /** Where whole messages go. */
  readonly link: ShadowLink;
  /** The shadow's side of this flow, whatever it carries. */
  shadow: FlowLink;
  shedCause: string | undefined;
  lastSeen = 0;
  /** Bytes that this flow holds now. */
  memory = 0;
  /** Set when nothing more will come of this flow. */
  over = false;
  /** It ended because nothing came; the connection may still be there. */
  hasLapsed = false;
  /** Whether selectors have it carried; they may need its first bytes. */
  standing: Standing;
  serverFromStart = false;
  /** Which packets with its addresses and ports are its own; to be asked before one is handed over. */
  readonly belonging: Belonging;
  private readonly client: StreamReassembler;
  private readonly server: StreamReassembler;
  private readonly early: EarlyPackets;
  private conversation: Conversation | undefined;
  private opening: Opening | undefined;
  private readonly resets: Resets;
  private givenUp = false;
  /** Requests of it were not carried for want of a session. */
  private withoutSession = false;
  private holeInOpening = false;
  private serverEnded = false;
  private clientEnded = false;

  constructor(
    private readonly shared: FlowShared,
    readonly label: string,
    readonly tuple: FlowTuple,
    readonly midStream: boolean,
    private readonly target: Endpoint,
    private readonly source: Endpoint | undefined,
    /** Whether selectors need its first bytes to decide. */
    undecided: boolean,
  ) {
    const { stats, selection, limits } = shared;
    this.client = new StreamReassembler(this, true, stats.flows);
    this.server = new StreamReassembler(this, false, stats.flows);
    this.early = new EarlyPackets(this, limits.overtakingMilliseconds);
    this.resets = new Resets(this.client, this.server);
    this.belonging = new Belonging(this.client, this.server);
    this.standing = undecided ? "undecided" : "carried";
    this.opening = new Opening(
      undecided ? selection.openingBytes : signatureBytes,
      undecided && selection.needsServerName,
    );
    this.link = new ShadowLink(shared, target, source, this, shared.limits.maximumLagMilliseconds);
    this.shadow = this.link;
    if (!undecided) this.countSelected();
  }

  get stats(): FlowShared["stats"] {
    return this.shared.stats;
  }

  get log(): FlowShared["log"] {
    return this.shared.log;
  }

  get hooks(): FlowShared["hooks"] {
    return this.shared.hooks;
  }

  clientAcknowledged(): number {
    return this.server.acknowledgedTo;
  }

  serverAcknowledged(): number {
    return this.client.acknowledgedTo;
  }

  serverPosition(): number {
    return this.server.position;
  }

  become(next: Conversation): void {
    this.conversation = next;
  }

  newReader(): ShadowReader {
    return this.conversation!.newReader!();
  }

  lagging(): void {
    this.shed("lag");
  }

  needsSession({ index }: Exchange): boolean {
    return this.conversation?.needsSession?.(index) ?? false;
  }

  sessionLost(): void {
    bump(this.stats.requests.unusable, "sessionLost");
    if (!this.withoutSession && !this.givenUp) this.stats.flows.uncovered++;
    this.withoutSession = true;
  }

  giveUp(): void {
    if (this.givenUp) return;
    this.givenUp = true;
    if (!this.withoutSession) this.stats.flows.uncovered++;
    this.shadow.abandon();
  }

  streamOf(fromClient: boolean): StreamReassembler {
    return fromClient ? this.client : this.server;
  }

  /** A packet of this flow. Of a copy that was cut short, what is there is true; the rest is a hole as any other. */
  handle(packet: Packet, fromClient: boolean): void {
    this.lastSeen = packet.time;
    if (this.over) return;
    if (this.early.keep(packet, fromClient)) this.account();
    else {
      this.take(packet, fromClient);
      this.early.advance();
    }
  }

  take(packet: Packet, fromClient: boolean): void {
    if (this.over) return;
    const { flags } = packet;
    const mine = this.streamOf(fromClient);
    const peer = this.streamOf(!fromClient);
    if ((flags & Flag.Rst) !== 0) {
      this.settleReset(this.resets.take(packet, fromClient), packet.time);
      return;
    }
    const syn = (flags & Flag.Syn) !== 0;
    const sequence = syn ? (packet.sequence + 1) >>> 0 : packet.sequence;
    if (!mine.started || (syn && mine.isUntouched)) {
      // One byte alone, where mirroring begins, is a keep-alive probe's: it stands before the stream and may be any.
      const isProbe = this.midStream && !syn && packet.payloadLength === 1;
      mine.start(isProbe ? sequence + 1 : sequence);
      if (!fromClient) {
        this.serverFromStart = syn;
        this.decide(false);
      }
    }
    if ((flags & Flag.Ack) !== 0) this.takeAcknowledgement(packet, fromClient, peer);
    const peerOffset = (flags & Flag.Ack) !== 0 && peer.started ? peer.offsetOf(packet.acknowledgement) : 0;
    const offset = mine.offsetOf(sequence);
    mine.push(packet.buffer, packet.payloadStart, packet.payloadEnd, offset, packet.time, peerOffset);
    const end = offset + packet.payloadLength;
    const finishes = (flags & Flag.Fin) !== 0;
    mine.announced(finishes ? end + 1 : end);
    if (finishes) mine.finish(end, packet.time);
    this.settleReset(this.resets.weigh(fromClient), packet.time);
    this.account();
  }

  /** A packet of a flow that is not decided yet; `frame` is kept for the recording, if there is one. */
  hold(frame: Buffer | undefined, time: number): void {
    if (this.opening === undefined) return;
    this.opening.packets++;
    if (frame === undefined) return;
    this.opening.hold(keptCopy(frame, 0, frame.length), time);
    this.account();
  }

  /** Carries nothing more of this flow: what was sent is answered, what comes is counted, and what is held is let go. */
  shed(cause: string): void {
    if (this.standing === "leftOut") return;
    if (this.shedCause === undefined) this.stopCarrying(cause);
    if (cause !== "lag") this.loseHoles();
    if (this.shedCause !== undefined) this.takeBack(this.shedCause, cause);
    this.account();
  }

  /** Called now and then. */
  tick(now: number): void {
    const { holeTimeoutMilliseconds } = this.shared.limits;
    const noticedBefore = now - holeTimeoutMilliseconds;
    if (this.client.missesSince(noticedBefore)) this.client.loseOldestHole(now);
    if (this.server.missesSince(noticedBefore)) this.server.loseOldestHole(now);
    if (this.resets.isUnrefutedSince(noticedBefore)) this.endByDoubted(now);
    const undecided = this.standing === "undecided";
    if (this.opening?.isOverdue(now, this.shared.limits, undecided, this.midStream) === true) this.decide(true);
    this.conversation?.tick(now);
    this.shadow.tick(now);
    this.account();
  }

  /** Ends the flow: it was idle too long, its port was used again, or the gateway stops. */
  close(error: string, cause: string, now: number): void {
    this.early.release();
    if (this.over) return;
    this.resets.takePlace(now);
    this.client.loseAllHoles(now);
    this.server.loseAllHoles(now);
    this.decide(true);
    const outstanding = this.conversation?.liveOutstanding ?? false;
    this.conversation?.close(error, cause, now);
    this.over = true;
    this.client.clear();
    this.server.clear();
    if (error === "reset" && this.resets.byClient) this.shadow.reset(outstanding);
    else this.shadow.clientEnded(outstanding && error === "closed");
    this.account();
  }

  private stopCarrying(cause: string): void {
    this.shedCause = cause;
    this.decide(true);
    if (this.isLeftOut()) {
      this.shedCause = undefined;
      return;
    }
    bump(this.stats.flows.shed, cause);
    this.conversation?.shed?.();
  }

  /** What a connection holds is on its way to the shadow, unless it is what there is too much of. */
  private takeBack(shedCause: string, cause: string): void {
    const tooMuch = cause === "totalBytes" || this.shadow.queuedBytes > this.shared.limits.bytesPerFlow;
    const unsent = this.shadow.shed(tooMuch);
    if (unsent > 0) bump(this.stats.requests.shed, shedCause, unsent);
  }

  /** Waits for no missing segment any longer, so that none is held. */
  private loseHoles(): void {
    this.early.release();
    this.client.loseAllHoles(this.lastSeen);
    this.server.loseAllHoles(this.lastSeen);
  }

  private takeAcknowledgement(packet: Packet, fromClient: boolean, peer: StreamReassembler): void {
    if (!peer.started) {
      peer.start(packet.acknowledgement);
      if (fromClient) {
        this.serverFromStart = !this.midStream && this.client.offsetOf(packet.sequence) === 0;
        this.decide(false);
      }
      return;
    }
    peer.acknowledged(peer.offsetOf(packet.acknowledgement), packet.time);
  }

  /** Nothing spoke against a reset that may have been none; should something still come, it is taken up again. */
  private endByDoubted(now: number): void {
    this.close("reset", "incomplete", now);
    this.hasLapsed = true;
  }

  private settleReset(verdict: ResetVerdict, time: number): void {
    if (verdict === "refused") this.stats.flows.strayPackets++;
    if (verdict === "obeyed") this.close("reset", "incomplete", time);
  }

  private countSelected(): void {
    this.stats.selection.flowsSelected++;
    this.stats.flows.tcp++;
  }

  data(
    fromClient: boolean,
    chunk: Buffer,
    from: number,
    to: number,
    time: number,
    offset: number,
    peerOffset: number,
    segmentStart: boolean,
  ): void {
    const { conversation } = this;
    if (conversation?.readsInPlace === true) {
      if (fromClient) conversation.clientData(chunk, from, to, time, offset, peerOffset, segmentStart);
      else conversation.serverData(chunk, from, to, time, offset, peerOffset, segmentStart);
    } else this.takeCopy(fromClient, keptCopy(chunk, from, to), time, offset, peerOffset, segmentStart);
  }

  hole(fromClient: boolean, length: number): void {
    if (fromClient && this.opening !== undefined) {
      this.holeInOpening = true;
      this.opening.noteHole();
    }
    this.dispatch((conversation) => (fromClient ? conversation.clientHole(length) : conversation.serverHole()));
  }

  end(fromClient: boolean, time: number): void {
    this.dispatch((conversation) => (fromClient ? this.endClient(conversation, time) : conversation.serverEnd(time)));
    if (fromClient) this.clientEnded = true;
    else this.serverEnded = true;
    if (this.clientEnded && this.serverEnded) this.close("closed", "incomplete", time);
  }

  /** Bytes that are looked at later, or by a conversation that holds them. */
  private takeCopy(
    fromClient: boolean,
    bytes: Buffer,
    time: number,
    offset: number,
    peerOffset: number,
    segmentStart: boolean,
  ): void {
    const opens = this.conversation === undefined;
    if (opens) this.opening?.note(fromClient, bytes, time);
    this.dispatch((receiver) => {
      if (fromClient) receiver.clientData(bytes, 0, bytes.length, time, offset, peerOffset, segmentStart);
      else receiver.serverData(bytes, 0, bytes.length, time, offset, peerOffset, segmentStart);
    });
    if (opens) this.decide(false);
  }

  private endClient(conversation: Conversation, time: number): void {
    conversation.clientEnd(time);
    this.shadow.clientEnded(conversation.liveOutstanding);
  }

  private dispatch(event: FlowEvent): void {
    if (this.conversation !== undefined) event(this.conversation);
    else this.opening?.events.push(event);
  }

  /** Settles which application this is, whether the flow is carried, and begins the conversation. */
  private decide(final: boolean): void {
    const { opening } = this;
    if (opening === undefined) return;
    // Data in a SYN comes before it is known from where on the server is seen.
    if (!final && !this.server.started && !this.midStream) return;
    const { client, server, answered } = opening;
    // When some of the client's first bytes are lost, it is the server's that tell.
    const said = client.length >= signatureBytes && !this.holeInOpening;
    const enough = final || said || answered;
    const application = recognise(client, server, enough);
    const unknown = !final && this.midStream && server.length === 0 ? "maybe" : undefined;
    if (this.standing === "undecided") this.choose(opening, application ?? unknown, final || answered);
    if (this.standing !== "carried") return;
    if (application === "maybe" || (application === undefined && this.holeInOpening && !enough)) return;
    this.opening = undefined;
    const { holeInOpening } = this;
    this.conversation =
      application === "http2"
        ? this.newHttp2()
        : conversationFor(this, { application, holeInOpening, serverSpoke: server.length > 0 });
    for (const event of opening.events) event(this.conversation);
  }

  private choose(opening: Opening, application: string | undefined, final: boolean): void {
    const { selection, recorder, stats } = this.shared;
    if (final) opening.hello?.end();
    const choice = selection.choose(this.tuple, {
      application,
      client: opening.clientPrefix,
      serverName: opening.hello?.name,
      final: final || opening.clientPrefixEnded,
    });
    if (choice === "maybe") return;
    this.standing = choice === "yes" ? "carried" : "leftOut";
    if (choice === "yes") {
      this.countSelected();
      stats.selection.packetsSelected += opening.packets;
      for (const { bytes, time } of opening.frames.splice(0)) recorder?.write(bytes, time);
    } else this.leaveOut();
  }

  private leaveOut(): void {
    this.opening = undefined;
    this.over = true;
    this.early.release();
    this.client.clear();
    this.server.clear();
    this.stats.selection.flowsExcluded++;
    this.account();
  }

  private isLeftOut(): boolean {
    return this.standing === "leftOut";
  }

  private newHttp2(): Conversation {
    const { shared, target, source } = this;
    const lag = shared.limits.maximumLagMilliseconds;
    const link = new Http2Link(shared, target, source, () => this.shed("lag"), lag);
    this.shadow = link;
    return new Http2Conversation(this, link);
  }

  private account(): void {
    const held = this.client.heldBytes + this.server.heldBytes + this.early.heldBytes;
    const opening = this.opening?.heldBytes ?? 0;
    const memory = held + opening + (this.conversation?.heldBytes ?? 0) + this.shadow.queuedBytes;
    this.shared.memory.used += memory - this.memory;
    this.memory = memory;
    if (memory <= this.shared.limits.bytesPerFlow) return;
    if (this.shedCause === undefined) this.shed("bytesPerFlow");
    else if (held > this.shared.limits.bytesPerFlow) this.loseHoles();
  }
}
