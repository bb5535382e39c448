import type { Conversation, FlowContext, ShadowReader } from "../compare/conversation";
import type { Exchange } from "../compare/exchangeLog";
import { Http2Conversation } from "../compare/http2/http2Conversation";
import { keptCopy } from "../intake/keep";
import type { Packet } from "../intake/packet";
import type { FlowLink } from "../replay/flowLink";
import { Http2Link } from "../replay/http2Link";
import type { Endpoint } from "../replay/shadowConnection";
import { ShadowLink, type LinkOwner } from "../replay/shadowLink";
import { bump } from "../stats";
import { conversationFor } from "./conversationFor";
import type { FlowShared, Standing } from "./flowShared";
import { Opening, type FlowEvent } from "./opening";
import { type FlowTuple } from "./selectors";
import { recognise, signatureBytes } from "./signatures";
import { TcpStreams, type StreamsOwner } from "./tcpStreams";

/** One live TCP connection: its streams, the conversation on them, and the shadow's side. */
export class TcpFlow implements FlowContext, LinkOwner, StreamsOwner {
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
  /** What its packets come to. */
  readonly streams: TcpStreams;
  private conversation: Conversation | undefined;
  private opening: Opening | undefined;
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
    this.streams = new TcpStreams(this, stats.flows, limits.overtakingMilliseconds);
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
    return this.streams.server.acknowledgedTo;
  }

  serverAcknowledged(): number {
    return this.streams.client.acknowledgedTo;
  }

  serverPosition(): number {
    return this.streams.server.position;
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

  /** A packet of this flow. */
  handle(packet: Packet, fromClient: boolean): void {
    this.lastSeen = packet.time;
    if (!this.over) this.streams.handle(packet, fromClient);
  }

  serverSeen(fromStart: boolean): void {
    this.serverFromStart = fromStart;
    this.decide(false);
  }

  wasReset(time: number): void {
    this.close("reset", "incomplete", time);
  }

  strayReset(): void {
    this.stats.flows.strayPackets++;
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
    if (cause !== "lag") this.streams.loseAllHoles(this.lastSeen);
    if (this.shedCause !== undefined) this.takeBack(this.shedCause, cause);
    this.account();
  }

  /** Called now and then. */
  tick(now: number): void {
    const noticedBefore = now - this.shared.limits.holeTimeoutMilliseconds;
    this.streams.loseHolesBefore(noticedBefore, now);
    if (this.streams.hasResetBefore(noticedBefore)) this.endByDoubted(now);
    const undecided = this.standing === "undecided";
    if (this.opening?.isOverdue(now, this.shared.limits, undecided, this.midStream) === true) this.decide(true);
    this.conversation?.tick(now);
    this.shadow.tick(now);
    this.account();
  }

  /** Ends the flow: it was idle too long, its port was used again, or the gateway stops. */
  close(error: string, cause: string, now: number): void {
    this.streams.releaseEarly();
    if (this.over) return;
    this.streams.end(now);
    this.decide(true);
    const outstanding = this.conversation?.liveOutstanding ?? false;
    this.conversation?.close(error, cause, now);
    this.over = true;
    this.streams.clear();
    if (error === "reset" && this.streams.resetByClient) this.shadow.reset(outstanding);
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

  /** Nothing spoke against a reset that may have been none; should something still come, it is taken up again. */
  private endByDoubted(now: number): void {
    this.close("reset", "incomplete", now);
    this.hasLapsed = true;
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
    if (!final && !this.streams.server.started && !this.midStream) return;
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
    this.streams.clear();
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

  account(): void {
    const held = this.streams.heldBytes;
    const opening = this.opening?.heldBytes ?? 0;
    const memory = held + opening + (this.conversation?.heldBytes ?? 0) + this.shadow.queuedBytes;
    this.shared.memory.used += memory - this.memory;
    this.memory = memory;
    if (memory <= this.shared.limits.bytesPerFlow) return;
    if (this.shedCause === undefined) this.shed("bytesPerFlow");
    else if (held > this.shared.limits.bytesPerFlow) this.streams.loseAllHoles(this.lastSeen);
  }
}
