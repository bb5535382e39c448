import { kernel } from "../kernel";
import type { Endpoint } from "./shadowConnection";
import { KernelWires } from "./kernelWires";
import { NodeWire } from "./nodeWire";

/** The error of a connection whose source address this machine may not use. */
export const foreignSource = "the source address is not this machine's";

/** What a connection tells its owner; never from within a call to it. */
export interface WireEvents {
  connected(): void;
  /** The first `length` bytes of `buffer` came at `time`; their memory is used again after the call. */
  data(buffer: Buffer, length: number, time: number): void;
  /** The peer has ended it, or it failed with an error such as `ECONNRESET` or {@link foreignSource}. */
  closed(error: string | undefined): void;
}

/** One TCP connection, from its owner's first attempt to connect on. */
export interface Wire {
  /** Bytes that the kernel has not taken yet. */
  readonly queuedBytes: number;
  /** The bytes are taken over during the call; never after {@link end}. */
  write(parts: readonly Buffer[]): void;
  /** The same for bytes `from`–`to` of a chunk whose memory is used again. */
  writeBorrowed(chunk: Buffer, from: number, to: number): void;
  /** Ends this side after what was written. */
  end(): void;
  /** Gives it up, by a reset or not; no event follows. */
  destroy(reset: boolean): void;
  /** Something waits for this connection's answer: it is looked at as soon as possible. */
  hurry(): void;
}

let wires: KernelWires | undefined;

/** Connects to `target`, from the address of `source` and from `localPort` when they are given. */
export function connectWire(
  target: Endpoint,
  source: Endpoint | undefined,
  localPort: number | undefined,
  events: WireEvents,
): Wire {
  const calls = kernel();
  if (calls === null) return new NodeWire(target, source?.address, localPort, events);
  wires ??= new KernelWires(calls);
  return wires.connect(target, source, localPort, events);
}
