import type { Conversation } from "../compare/conversation";
import { HelloReader } from "./clientHello";
import type { FlowLimits } from "./flowShared";
import { awaitsRequestLine } from "./signatures";

/** A client that types its first request slowly is waited for; no selector is, and no server answers half a line. */
const requestLineMilliseconds = 2_000;
/** What one side says before the other is not held for longer than any first bytes once it is more than this. */
const mostAwaited = 262_144;

/** Something that a conversation is told. */
export type FlowEvent = (conversation: Conversation) => void;

/** What came of a flow before it is known what it carries, and whether it is carried at all. */
export class Opening {
  /** The first bytes of each side, as far as signatures look at them. */
  client: Buffer = Buffer.alloc(0);
  server: Buffer = Buffer.alloc(0);
  /** When the first byte came, or the client's first after a server that spoke first; 0 before. */
  private since = 0;
  /** No more bytes came for as long as they are waited for, when that was looked at last. */
  private overdue = false;
  /** The server has spoken after the client, so that what the client opened with is over. */
  answered = false;
  /** Told to the conversation when there is one. */
  readonly events: FlowEvent[] = [];
  /** Packets that count and are recorded only if the flow is carried. */
  packets = 0;
  readonly frames: { bytes: Buffer; time: number }[] = [];
  readonly hello: HelloReader | undefined;
  private eventBytes = 0;
  private frameBytes = 0;
  private clientWhole = Infinity;

  constructor(
    readonly mostBytes: number,
    needsServerName: boolean,
  ) {
    this.hello = needsServerName ? new HelloReader() : undefined;
  }

  get heldBytes(): number {
    return this.eventBytes + this.frameBytes + (this.hello?.heldBytes ?? 0);
  }

  /** The client's first bytes without a gap. */
  get clientPrefix(): Buffer {
    return this.client.length <= this.clientWhole ? this.client : this.client.subarray(0, this.clientWhole);
  }

  /** Whether nothing more will come of {@link clientPrefix}. */
  get clientPrefixEnded(): boolean {
    return this.clientWhole !== Infinity || this.client.length >= this.mostBytes;
  }

  /** Whether a hello has begun in which the server's name may still come. */
  private get awaitsName(): boolean {
    return this.client.length > 0 && this.hello?.name === null;
  }

  /**
   * Whether it must be decided what this is, though more bytes could tell. Said when that is seen for the second time: before
   * the first, packets may have waited for this thread.
   */
  isOverdue(now: number, limits: FlowLimits, undecided: boolean, midStream: boolean): boolean {
    if (this.since === 0 || now - this.since < this.patience(limits, undecided, midStream)) return false;
    const before = this.overdue;
    this.overdue = true;
    return before;
  }

  /**
   * How long the first bytes may leave open what this is; the end of a hello or of a request line is worth waiting for. A
   * server may greet its client long before selectors know what the client says; and where mirroring began inside what the
   * client says, how the server answers may tell.
   */
  private patience(limits: FlowLimits, undecided: boolean, midStream: boolean): number {
    const { client, server } = this;
    const oneSided = client.length === 0 || (midStream && server.length === 0);
    const awaitsPeer = undecided && oneSided && this.heldBytes < mostAwaited;
    if (this.awaitsName || awaitsPeer) return limits.maximumLagMilliseconds;
    return !undecided && awaitsRequestLine(client, server) ? requestLineMilliseconds : limits.openingMilliseconds;
  }

  note(fromClient: boolean, bytes: Buffer, time: number): void {
    if (this.since === 0 || (fromClient && this.client.length === 0)) {
      this.since = time;
      this.overdue = false;
    }
    this.eventBytes += bytes.length;
    if (fromClient) {
      this.client = this.longer(this.client, bytes);
      this.hello?.push(bytes, 0, bytes.length);
      return;
    }
    this.server = this.longer(this.server, bytes);
    if (this.client.length === 0) return;
    this.answered = true;
    this.hello?.end();
  }

  /** Some of the client's first bytes are lost. */
  noteHole(): void {
    this.clientWhole = Math.min(this.clientWhole, this.client.length);
    this.hello?.end();
  }

  /** A packet as it came, for the recording. */
  hold(bytes: Buffer, time: number): void {
    this.frames.push({ bytes, time });
    this.frameBytes += bytes.length;
  }

  private longer(have: Buffer, more: Buffer): Buffer {
    if (have.length >= this.mostBytes) return have;
    const fresh = more.subarray(0, this.mostBytes - have.length);
    return have.length === 0 ? fresh : Buffer.concat([have, fresh]);
  }
}
