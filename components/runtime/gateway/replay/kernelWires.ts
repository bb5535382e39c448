import { constants } from "node:os";

import { addressOf, ArrivalClock, messageHeaderBytes, Socket, socketAddress, type Block, type Kernel } from "../kernel";
import { now } from "../time";
import { turns, type TurnResult, type TurnSource } from "../turns";
import type { Endpoint } from "./shadowConnection";
import { foreignSource, type Wire, type WireEvents } from "./wire";

const readBytes = 131_072;
/** Reads of one connection in one turn, so that a shadow that never stops talking leaves time for everything else. */
const readsPerTurn = 2;
const controlBytes = 64;
const eventsPerTurn = 512;
/** `struct epoll_event` is packed on x64 alone. */
const eventBytes = process.arch === "x64" ? 12 : 16;
const eventData = eventBytes - 8;
const readable = 1;
const writable = 4;
const failed = 8;
const hungUp = 16;
const peerEnded = 0x2000;
const edgeTriggered = 0x8000_0000;
/** How long one call to hurry keeps the thread looking. */
const hurryMilliseconds = 1;

const again = constants.errno.EAGAIN;
const nothingThere = -again;
const inProgress = "EINPROGRESS";
const errorNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/**
 * Connections on the kernel's own interface, looked at once per turn: one `epoll_wait` for all, one `send` for a message,
 * one `recvmsg` for an answer, which has the kernel's arrival time. They cost a third of what Node's streams do.
 */
export class KernelWires implements TurnSource {
  private readonly set: number;
  private readonly events = Buffer.alloc(eventsPerTurn * eventBytes);
  private readonly eventView = new DataView(this.events.buffer, this.events.byteOffset, this.events.length);
  private readonly block: Block;
  private readonly clock: ArrivalClock;
  /** By descriptor. */
  private readonly wires: (KernelWire | undefined)[] = [];
  private open = 0;
  private generation = 0;
  private hurriedUntil = 0;
  /** Connections with more to read than one turn takes. */
  private unread: KernelWire[] = [];
  /** Connections that failed within a call of their owner. */
  private failures: { wire: KernelWire; error: string }[] = [];

  constructor(readonly calls: Kernel) {
    this.set = calls.pollCreate(0x80000);
    this.block = calls.allocate(messageHeaderBytes + 16 + controlBytes + readBytes);
    this.clock = new ArrivalClock(calls);
    const { view, address } = this.block;
    view.setBigUint64(16, address + BigInt(messageHeaderBytes), true);
    view.setBigUint64(24, 1n, true);
    view.setBigUint64(32, address + BigInt(messageHeaderBytes + 16), true);
    view.setBigUint64(messageHeaderBytes, address + BigInt(messageHeaderBytes + 16 + controlBytes), true);
    view.setBigUint64(messageHeaderBytes + 8, BigInt(readBytes), true);
    this.content = this.block.bytes.subarray(messageHeaderBytes + 16 + controlBytes);
  }

  /** What the last {@link read} gave. */
  readonly content: Buffer;

  connect(
    target: Endpoint,
    source: Endpoint | undefined,
    localPort: number | undefined,
    events: WireEvents,
  ): KernelWire {
    if (this.open++ === 0) turns.add(this);
    const wire = new KernelWire(this, events, ++this.generation & 0x3fff_ffff);
    const error = this.begin(wire, target, source?.address, localPort);
    if (error !== undefined) this.failLater(wire, error);
    return wire;
  }

  /** Nothing more is to be told of this connection. */
  forget(wire: KernelWire, reset: boolean): void {
    if (wire.descriptor >= 0) {
      if (reset) {
        const now = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
        this.calls.setOption(wire.descriptor, Socket.levelSocket, Socket.linger, now, now.length);
      }
      this.wires[wire.descriptor] = undefined;
      this.calls.close(wire.descriptor);
      wire.descriptor = -1;
    }
    if (--this.open === 0) turns.remove(this);
  }

  failLater(wire: KernelWire, error: string): void {
    this.failures.push({ wire, error });
    turns.hurry();
  }

  /** The rest of what a connection has is read in the next turn; the kernel does not tell of it again. */
  readLater(wire: KernelWire): void {
    this.unread.push(wire);
  }

  hurry(): void {
    this.hurriedUntil = now() + hurryMilliseconds;
    turns.hurry();
  }

  private bindError(): string {
    const error = this.errorName();
    return error === "EADDRNOTAVAIL" ? foreignSource : error;
  }

  private errorName(): string {
    return errorNames.get(this.calls.errorNumber()) ?? "EIO";
  }

  /** Bytes read into {@link content}; 0 at the end, else the negative number of the error. */
  read(descriptor: number): number {
    const { calls, block } = this;
    block.view.setUint32(40, controlBytes, true);
    const length = calls.receive(descriptor, block.pointer, Socket.dontWait);
    return length >= 0 ? length : -calls.errorNumber();
  }

  /** When what was read last came. */
  arrival(): number {
    return this.clock.read(this.block.view, messageHeaderBytes + 16);
  }

  turn(): TurnResult {
    for (const { wire, error } of this.failures.splice(0)) wire.fail(error);
    for (const wire of this.unread.splice(0)) wire.readOn();
    const count = this.calls.pollWait(this.set, this.events, eventsPerTurn, 0);
    const time = now();
    if (count > 0) this.clock.set();
    for (let index = 0; index < count; index++) {
      const at = index * eventBytes;
      const bits = this.eventView.getUint32(at, true);
      const wire = this.wires[this.eventView.getUint32(at + eventData, true)];
      if (wire?.generation === this.eventView.getUint32(at + eventData + 4, true)) wire.take(bits);
    }
    const left = this.failures.length > 0 || this.unread.length > 0;
    if (count === eventsPerTurn || time < this.hurriedUntil || left) return "more";
    return count > 0 ? "something" : "nothing";
  }

  private begin(
    wire: KernelWire,
    target: Endpoint,
    localAddress: string | undefined,
    localPort: number | undefined,
  ): string | undefined {
    const { calls } = this;
    const remote = socketAddress(target.address, target.port);
    const descriptor = calls.socket(remote.readUInt16LE(0), Socket.stream | Socket.nonBlockingCloseOnExec, 0);
    if (descriptor < 0) return this.errorName();
    wire.descriptor = descriptor;
    this.wires[descriptor] = wire;
    const one = Buffer.from([1, 0, 0, 0]);
    calls.setOption(descriptor, Socket.levelTcp, Socket.noDelay, one, 4);
    calls.setOption(descriptor, Socket.levelSocket, Socket.timestampNanoseconds, one, 4);
    if (localAddress !== undefined) {
      calls.setOption(descriptor, Socket.levelSocket, Socket.reuseAddress, one, 4);
      const local = socketAddress(localAddress, localPort ?? 0);
      if (calls.bind(descriptor, local, local.length) !== 0) return this.bindError();
    }
    const event = Buffer.alloc(eventBytes);
    event.writeUInt32LE((readable | writable | peerEnded | edgeTriggered) >>> 0, 0);
    event.writeUInt32LE(descriptor, eventData);
    event.writeUInt32LE(wire.generation, eventData + 4);
    if (calls.pollControl(this.set, 1, descriptor, event) !== 0) return this.errorName();
    if (calls.connect(descriptor, remote, remote.length) === 0) return undefined;
    const error = this.errorName();
    return error === inProgress ? undefined : error;
  }
}

/** One connection of {@link KernelWires}. */
class KernelWire implements Wire {
  queuedBytes = 0;
  descriptor = -1;
  private connected = false;
  private ending = false;
  private over = false;
  /** Waits for the next turn to read on. */
  private unread = false;
  private mayHaveEnded = false;
  /** What the kernel had no room for. */
  private queue: Buffer[] | undefined;

  constructor(
    private readonly all: KernelWires,
    private readonly events: WireEvents,
    readonly generation: number,
  ) {}

  write(parts: readonly Buffer[]): void {
    if (this.over || this.ending) return;
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    const sent = this.queue === undefined ? this.send(bytes) : 0;
    if (sent < 0 || sent === bytes.length) return;
    this.enqueue(bytes.subarray(sent));
  }

  writeBorrowed(chunk: Buffer, from: number, to: number): void {
    const address = this.queue !== undefined || this.over || this.ending ? undefined : addressOf(chunk);
    if (address === undefined) {
      this.write([chunk.subarray(from, to)]);
      return;
    }
    const { calls } = this.all;
    const sent = calls.sendAt(this.descriptor, address + from, to - from, Socket.dontWait | Socket.noSignal);
    if (sent === to - from) return;
    const taken = sent >= 0 ? sent : this.sendFailed();
    if (taken >= 0) this.enqueue(chunk.subarray(from + taken, to));
  }

  end(): void {
    this.ending = true;
    if (this.connected && this.queue === undefined && !this.over) this.all.calls.shutdown(this.descriptor, 1);
  }

  destroy(reset: boolean): void {
    if (this.over) return;
    this.over = true;
    this.queue = undefined;
    this.queuedBytes = 0;
    this.all.forget(this, reset);
  }

  hurry(): void {
    if (!this.over) this.all.hurry();
  }

  fail(error: string): void {
    if (this.connected) this.readRest();
    if (!this.over) this.events.closed(error);
  }

  /** What the peer said before a write to it failed. */
  private readRest(): void {
    const { all, events } = this;
    while (!this.over) {
      const length = all.read(this.descriptor);
      if (length <= 0) return;
      events.data(all.content, length, all.arrival());
    }
  }

  /** What the kernel has to say about this connection. */
  take(bits: number): void {
    if (!this.connected) {
      if ((bits & (writable | failed | hungUp)) === 0) return;
      const error = this.connectError();
      if (error !== 0) {
        this.fail(errorNames.get(error) ?? "EIO");
        return;
      }
      this.connected = true;
      this.events.connected();
    }
    if (!this.over && this.queue !== undefined && (bits & writable) !== 0) this.flush(this.queue);
    if ((bits & ~(readable | writable)) !== 0) this.mayHaveEnded = true;
    if ((bits & (readable | failed | hungUp | peerEnded)) !== 0 && !this.unread) this.readAll();
  }

  /** Goes on reading where the last turn stopped. */
  readOn(): void {
    this.unread = false;
    this.readAll();
  }

  /**
   * Reads until nothing is there, or for as long as a turn allows; what is less than the buffer is all, unless the end may
   * lie behind it.
   */
  private readAll(): void {
    const { all, events } = this;
    for (let reads = 0; !this.over; reads++) {
      if (reads === readsPerTurn) {
        this.unread = true;
        all.readLater(this);
        return;
      }
      const length = all.read(this.descriptor);
      if (length === nothingThere) return;
      if (length <= 0) {
        events.closed(length === 0 ? undefined : (errorNames.get(-length) ?? "EIO"));
        return;
      }
      events.data(all.content, length, all.arrival());
      if (length < readBytes && !this.mayHaveEnded) return;
    }
  }

  private flush(queue: Buffer[]): void {
    while (queue.length > 0) {
      const [first] = queue as [Buffer];
      const sent = this.send(first);
      if (sent < 0) return;
      this.queuedBytes -= sent;
      if (sent < first.length) {
        queue[0] = first.subarray(sent);
        return;
      }
      queue.shift();
    }
    this.queue = undefined;
    if (this.ending) this.all.calls.shutdown(this.descriptor, 1);
  }

  private enqueue(bytes: Buffer): void {
    (this.queue ??= []).push(Buffer.from(bytes));
    this.queuedBytes += bytes.length;
  }

  /** Bytes that the kernel took; -1 when the connection has failed, which its owner is told in the next turn. */
  private send(bytes: Buffer): number {
    const sent = this.all.calls.send(this.descriptor, bytes, bytes.length, Socket.dontWait | Socket.noSignal);
    return sent >= 0 ? sent : this.sendFailed();
  }

  private sendFailed(): number {
    const error = this.all.calls.errorNumber();
    if (error === again) return 0;
    this.all.failLater(this, errorNames.get(error) ?? "EIO");
    return -1;
  }

  private connectError(): number {
    const value = Buffer.alloc(4);
    this.all.calls.getOption(this.descriptor, Socket.levelSocket, Socket.error, value, Buffer.from([4, 0, 0, 0]));
    return value.readInt32LE(0);
  }
}
