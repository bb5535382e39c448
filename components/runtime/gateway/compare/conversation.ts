import type { RequestHook } from "../replay/hooks/hook";
import type { GatewayStats } from "../stats";
import type { Exchange, ExchangeLog } from "./exchangeLog";

/** Reads what the shadow answers on one connection. */
export interface ShadowReader {
  /** Exchanges sent on this connection that are not settled, oldest first. */
  readonly waiting: readonly Exchange[];
  /** What came cannot be framed: the connection is of no use any more. */
  readonly broken: boolean;
  add(exchange: Exchange): void;
  /** The first `length` bytes came; their memory is used again after the call. */
  push(bytes: Buffer, length: number, time: number): void;
  /** The connection is over; what still waits gets this error. */
  ended(error: string, time: number): void;
  /** In how many milliseconds this exchange may be sent unless more comes: it waits for an earlier answer as its client did. */
  sendableIn(exchange: Exchange, now: number): number;
  /** Whether this exchange can never be sent here, because the connection has become something else, or has not. */
  isPast?(exchange: Exchange): boolean;
  /** Called now and then. */
  tick(now: number): void;
}

/** Where a conversation sends whole messages. */
export interface MessageSink {
  /** A first message has begun: the connection is opened while the rest of it comes. */
  prepare(): void;
  send(exchange: Exchange): void;
}

/** What a conversation knows of its flow. */
export interface FlowContext {
  /** `tcp CLIENT:PORT>SERVER:PORT`. */
  readonly label: string;
  readonly stats: GatewayStats;
  readonly log: ExchangeLog;
  readonly link: MessageSink;
  /** Changes to requests before they are sent; undefined when they go verbatim. */
  readonly hooks: readonly RequestHook[] | undefined;
  /** Why the whole flow was shed; undefined while it is carried. */
  readonly shedCause: string | undefined;
  /** True when the first packet seen was not the connection's first. */
  readonly midStream: boolean;
  /** True when the server's stream was seen from its first byte on. */
  readonly serverFromStart: boolean;
  /** How far the client has acknowledged the server's stream. */
  clientAcknowledged(): number;
  /** How far the server has acknowledged the client's stream. */
  serverAcknowledged(): number;
  /** How far the server's stream has been read in order. */
  serverPosition(): number;
  /** From here on the flow is another conversation. */
  become(next: Conversation): void;
  /** No boundary is known at which the flow could be taken up again. */
  giveUp(): void;
  /** Counts a request that is not carried, because the shadow's connection has not been told what it needs. */
  sessionLost(): void;
}

/** Turns the two byte streams of a flow into exchanges. Positions are as in {@link StreamSink}. */
export interface Conversation {
  /** Bytes of unfinished messages that are held. */
  readonly heldBytes: number;
  /** True when bytes are only looked at during the call; otherwise they are given in memory that stays. */
  readonly readsInPlace?: boolean;
  clientData(
    chunk: Buffer,
    from: number,
    to: number,
    time: number,
    offset: number,
    peerOffset: number,
    segmentStart: boolean,
  ): void;
  serverData(
    chunk: Buffer,
    from: number,
    to: number,
    time: number,
    offset: number,
    peerOffset: number,
    segmentStart: boolean,
  ): void;
  /** The mirror lost `length` bytes of the client. A single one may have been no byte but its FIN. */
  clientHole(length: number): void;
  serverHole(): void;
  clientEnd(time: number): void;
  serverEnd(time: number): void;
  /** Whether live still owes an answer to a request. */
  readonly liveOutstanding: boolean;
  /** The flow is over: `error` is why live will not answer any more, `cause` why an unfinished request is unusable. */
  close(error: string, cause: string, time: number): void;
  /** Called now and then. */
  tick(now: number): void;
  /** Whether an exchange means something only after what was said before it on its connection. */
  needsSession?(index: number): boolean;
  /** A reader for one new connection to the shadow; for conversations that send whole messages. */
  newReader?(): ShadowReader;
  /** The flow is shed: what is held of requests is let go. */
  shed?(): void;
}
