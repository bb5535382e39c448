import { setImmediate } from "node:timers/promises";

import {
  ArrivalClock,
  attachProgram,
  kernel,
  messageHeaderBytes,
  Socket,
  socketAddress,
  type Block,
  type Kernel,
} from "../kernel";
import { now } from "../time";
import { turns, type TurnResult, type TurnSource } from "../turns";
import type { PacketHandler } from "./sources";

const slots = 64;
const slotBytes = 65_536;
const headerBytes = messageHeaderBytes + 8;
const vectorBytes = 16;
const controlBytes = 64;
const batchesPerTurn = 8;
const blockBytes = slots * (headerBytes + vectorBytes + controlBytes + slotBytes);

/** Memory of sockets that are closed, for the next ones: what a buffer may still show cannot be given back. */
const spare: Block[] = [];

/**
 * A UDP socket that is read in batches (`recvmmsg`), with a receive buffer that may exceed the system's bound where
 * privilege allows, and with the kernel's own arrival times. The bytes that it hands on are overwritten by the next batch.
 */
export class BatchSocket implements TurnSource {
  /** Bytes of receive buffer that the kernel granted. */
  readonly granted: number;
  readonly port: number;
  private closed = false;
  private lastTime = 0;
  private dropped = 0;
  private lastCounter = 0;
  private readonly memory = Buffer.alloc(64);
  private readonly block: Block;
  private readonly clock: ArrivalClock;

  private constructor(
    private readonly calls: Kernel,
    private readonly descriptor: number,
    askedBytes: number,
    private readonly handle: PacketHandler,
  ) {
    this.block = spare.pop() ?? calls.allocate(blockBytes);
    this.clock = new ArrivalClock(calls);
    this.prepare();
    this.granted = this.enlarge(askedBytes);
    this.port = this.boundPort();
    turns.add(this);
  }

  /** Binds such a socket, `shared` with others of this program; undefined where it cannot be had, for whatever reason. */
  static open(
    address: string,
    port: number,
    askedBytes: number,
    handle: PacketHandler,
    shared = false,
  ): BatchSocket | undefined {
    const calls = kernel();
    if (calls === null) return undefined;
    const local = socketAddress(address, port);
    const descriptor = calls.socket(local.readUInt16LE(0), Socket.datagram | Socket.nonBlockingCloseOnExec, 0);
    if (descriptor < 0) return undefined;
    const one = Buffer.from([1, 0, 0, 0]);
    if (shared) calls.setOption(descriptor, Socket.levelSocket, Socket.reusePort, one, 4);
    if (calls.bind(descriptor, local, local.length) === 0) {
      return new BatchSocket(calls, descriptor, askedBytes, handle);
    }
    calls.close(descriptor);
    return undefined;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    turns.remove(this);
    this.calls.close(this.descriptor);
    spare.push(this.block);
  }

  /** Lets the kernel leave packets out by a filter program, or no longer; false when it does not take it. */
  filter(program: Buffer | undefined): boolean {
    const { calls, descriptor } = this;
    if (program !== undefined) return attachProgram(calls, descriptor, Socket.attachFilter, program);
    calls.setOption(descriptor, Socket.levelSocket, Socket.detachFilter, Buffer.alloc(4), 4);
    return true;
  }

  /** Lets a program choose among all sockets that share the address; false when the kernel does not take it. */
  steer(program: Buffer): boolean {
    return attachProgram(this.calls, this.descriptor, Socket.attachReusePortFilter, program);
  }

  /** Packets that the kernel did not give to this socket: no room, or left out by the filter; undefined when unknown. */
  drops(): number | undefined {
    if (this.closed) return undefined;
    const { memory, calls } = this;
    const length = Buffer.from([memory.length, 0, 0, 0]);
    const failed = calls.getOption(this.descriptor, Socket.levelSocket, Socket.memoryInformation, memory, length) !== 0;
    if (failed || length.readUInt32LE(0) < 36) return undefined;
    const counter = memory.readUInt32LE(32);
    this.dropped += (counter - this.lastCounter) >>> 0;
    this.lastCounter = counter;
    return this.dropped;
  }

  /** Reads what has come until now and nobody has looked at, but not for longer than until `deadline`. */
  async drain(deadline: number): Promise<void> {
    const asked = now();
    while (!this.closed && this.turn() === "more" && this.lastTime < asked && now() < deadline) await setImmediate();
  }

  /** Reads what is there; a full turn goes on after the other sockets had theirs. */
  turn(): TurnResult {
    let received = slots;
    let batches = 0;
    for (; batches < batchesPerTurn && received === slots && !this.closed; batches++) received = this.receiveBatch();
    if (received === slots) return "more";
    return batches > 1 || received > 0 ? "something" : "nothing";
  }

  private prepare(): void {
    const { view, address } = this.block;
    for (let slot = 0; slot < slots; slot++) {
      const header = slot * headerBytes;
      const vector = vectorAt(slot);
      view.setBigUint64(header + 16, address + BigInt(vector), true);
      view.setBigUint64(header + 24, 1n, true);
      view.setBigUint64(header + 32, address + BigInt(controlAt(slot)), true);
      view.setBigUint64(vector, address + BigInt(contentAt(slot)), true);
      view.setBigUint64(vector + 8, BigInt(slotBytes), true);
    }
  }

  private enlarge(askedBytes: number): number {
    const value = Buffer.alloc(4);
    value.writeInt32LE(askedBytes);
    const { calls, descriptor } = this;
    if (calls.setOption(descriptor, Socket.levelSocket, Socket.receiveBufferForce, value, 4) !== 0) {
      calls.setOption(descriptor, Socket.levelSocket, Socket.receiveBuffer, value, 4);
    }
    const one = Buffer.from([1, 0, 0, 0]);
    calls.setOption(descriptor, Socket.levelSocket, Socket.timestampNanoseconds, one, 4);
    const length = Buffer.from([4, 0, 0, 0]);
    calls.getOption(descriptor, Socket.levelSocket, Socket.receiveBuffer, value, length);
    return value.readInt32LE(0);
  }

  private boundPort(): number {
    const name = Buffer.alloc(28);
    const length = Buffer.from([28, 0, 0, 0]);
    this.calls.getName(this.descriptor, name, length);
    return name.readUInt16BE(2);
  }

  private receiveBatch(): number {
    const { block, calls, clock } = this;
    const { view, bytes } = block;
    for (let slot = 0; slot < slots; slot++) view.setUint32(slot * headerBytes + 40, controlBytes, true);
    const received = calls.receiveMany(this.descriptor, block.pointer, slots, Socket.dontWait, null);
    if (received <= 0) return 0;
    clock.set();
    for (let slot = 0; slot < received && !this.closed; slot++) {
      const start = contentAt(slot);
      const length = view.getUint32(slot * headerBytes + messageHeaderBytes, true);
      this.lastTime = Math.max(this.lastTime, clock.read(view, controlAt(slot)));
      this.handle(bytes, start, start + length, this.lastTime);
    }
    return received;
  }
}

function vectorAt(slot: number): number {
  return slots * headerBytes + slot * vectorBytes;
}

function controlAt(slot: number): number {
  return slots * (headerBytes + vectorBytes) + slot * controlBytes;
}

function contentAt(slot: number): number {
  return slots * (headerBytes + vectorBytes + controlBytes) + slot * slotBytes;
}
