import { createRequire } from "node:module";

import { parseAddress } from "../../../internal/cidr";
import { now } from "../time";
import type { PacketHandler } from "./sources";

/** What is used of the foreign function package, which may be absent. */
interface ForeignFunctions {
  load(library: string): { func(declaration: string): (...args: unknown[]) => number };
  alloc(type: string, count: number): unknown;
  free(pointer: unknown): void;
  address(pointer: unknown): bigint;
  view(pointer: unknown, bytes: number): ArrayBuffer;
}

interface Kernel {
  memory: ForeignFunctions;
  socket: (...args: unknown[]) => number;
  bind: (...args: unknown[]) => number;
  close: (...args: unknown[]) => number;
  setOption: (...args: unknown[]) => number;
  getOption: (...args: unknown[]) => number;
  getName: (...args: unknown[]) => number;
  receive: (...args: unknown[]) => number;
  clock: (...args: unknown[]) => number;
}

const slots = 64;
const slotBytes = 65_536;
const headerBytes = 64;
const vectorBytes = 16;
const controlBytes = 64;
const batchesPerTurn = 8;
const quietAfterMilliseconds = 100;
const busyPollMilliseconds = 1;
const quietPollMilliseconds = 4;

const datagramNonBlockingCloseOnExec = 2 | 0x800 | 0x80000;
const dontWait = 0x40;
const solSocket = 1;
const soReceiveBuffer = 8;
const soReceiveBufferForce = 33;
const soTimestampNanoseconds = 35;

let kernel: Kernel | null | undefined;

/** The system calls, or null where the package or the platform is another. */
function systemCalls(): Kernel | null {
  if (kernel !== undefined) return kernel;
  kernel = null;
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) return null;
  try {
    const memory = createRequire(__filename)("koffi") as ForeignFunctions;
    const library = memory.load("libc.so.6");
    kernel = {
      memory,
      socket: library.func("int socket(int domain, int type, int protocol)"),
      bind: library.func("int bind(int fd, void *address, uint32_t length)"),
      close: library.func("int close(int fd)"),
      setOption: library.func("int setsockopt(int fd, int level, int name, void *value, uint32_t length)"),
      getOption: library.func("int getsockopt(int fd, int level, int name, void *value, void *length)"),
      getName: library.func("int getsockname(int fd, void *address, void *length)"),
      receive: library.func("int recvmmsg(int fd, void *headers, uint32_t count, int flags, void *timeout)"),
      clock: library.func("int clock_gettime(int clock, void *time)"),
    };
  } catch {
    kernel = null;
  }
  return kernel;
}

/**
 * A UDP socket that is read in batches (`recvmmsg`), with a receive buffer that may exceed the system's bound where
 * privilege allows, and with the kernel's own arrival times. The bytes that it hands on are overwritten by the next batch.
 */
export class BatchSocket {
  /** Bytes of receive buffer that the kernel granted. */
  readonly granted: number;
  readonly port: number;
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;
  private closed = false;
  private lastPacket = 0;
  private lastTime = 0;
  private readonly block: unknown;
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly time = Buffer.alloc(16);

  private constructor(
    private readonly kernel: Kernel,
    private readonly descriptor: number,
    askedBytes: number,
    private readonly handle: PacketHandler,
  ) {
    const total = slots * (headerBytes + vectorBytes + controlBytes + slotBytes);
    this.block = kernel.memory.alloc("uint8_t", total);
    const content = kernel.memory.view(this.block, total);
    this.bytes = Buffer.from(content);
    this.view = new DataView(content);
    this.prepare(kernel.memory.address(this.block));
    this.granted = this.enlarge(askedBytes);
    this.port = this.boundPort();
    this.schedule(busyPollMilliseconds);
  }

  /** Binds such a socket; undefined where it cannot be had, for whatever reason. */
  static open(address: string, port: number, askedBytes: number, handle: PacketHandler): BatchSocket | undefined {
    const calls = systemCalls();
    if (calls === null) return undefined;
    const local = socketAddress(address, port);
    const descriptor = calls.socket(local.readUInt16LE(0), datagramNonBlockingCloseOnExec, 0);
    if (descriptor < 0) return undefined;
    if (calls.bind(descriptor, local, local.length) === 0) {
      return new BatchSocket(calls, descriptor, askedBytes, handle);
    }
    calls.close(descriptor);
    return undefined;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.kernel.close(this.descriptor);
  }

  private prepare(base: bigint): void {
    for (let slot = 0; slot < slots; slot++) {
      const header = slot * headerBytes;
      const vector = vectorAt(slot);
      this.view.setBigUint64(header + 16, base + BigInt(vector), true);
      this.view.setBigUint64(header + 24, 1n, true);
      this.view.setBigUint64(header + 32, base + BigInt(controlAt(slot)), true);
      this.view.setBigUint64(vector, base + BigInt(contentAt(slot)), true);
      this.view.setBigUint64(vector + 8, BigInt(slotBytes), true);
    }
  }

  private enlarge(askedBytes: number): number {
    const value = Buffer.alloc(4);
    value.writeInt32LE(askedBytes);
    const { kernel, descriptor } = this;
    if (kernel.setOption(descriptor, solSocket, soReceiveBufferForce, value, 4) !== 0) {
      kernel.setOption(descriptor, solSocket, soReceiveBuffer, value, 4);
    }
    const one = Buffer.from([1, 0, 0, 0]);
    kernel.setOption(descriptor, solSocket, soTimestampNanoseconds, one, 4);
    const length = Buffer.from([4, 0, 0, 0]);
    kernel.getOption(descriptor, solSocket, soReceiveBuffer, value, length);
    return value.readInt32LE(0);
  }

  private boundPort(): number {
    const name = Buffer.alloc(28);
    const length = Buffer.from([28, 0, 0, 0]);
    this.kernel.getName(this.descriptor, name, length);
    return name.readUInt16BE(2);
  }

  private schedule(milliseconds: number): void {
    this.timer = setTimeout(() => this.poll(), milliseconds);
  }

  /** Reads what is there; a full turn goes on after the other sockets had theirs. */
  private poll(): void {
    let received = slots;
    for (let batch = 0; batch < batchesPerTurn && received === slots && !this.closed; batch++) {
      received = this.receiveBatch();
    }
    if (this.closed) return;
    if (received === slots) this.immediate = setImmediate(() => this.poll());
    else this.schedule(now() - this.lastPacket > quietAfterMilliseconds ? quietPollMilliseconds : busyPollMilliseconds);
  }

  private receiveBatch(): number {
    const { view } = this;
    for (let slot = 0; slot < slots; slot++) view.setUint32(slot * headerBytes + 40, controlBytes, true);
    const received = this.kernel.receive(this.descriptor, this.block, slots, dontWait, null);
    if (received <= 0) return 0;
    const time = now();
    this.lastPacket = time;
    this.kernel.clock(0, this.time);
    const seconds = this.time.readUInt32LE(0);
    const nanoseconds = this.time.readUInt32LE(8);
    for (let slot = 0; slot < received && !this.closed; slot++) {
      const start = contentAt(slot);
      const length = view.getUint32(slot * headerBytes + 56, true);
      this.handle(this.bytes, start, start + length, this.arrival(slot, time, seconds, nanoseconds));
    }
    return received;
  }

  /** When the kernel took the packet, on the clock of {@link now}; never before an earlier packet. */
  private arrival(slot: number, time: number, seconds: number, nanoseconds: number): number {
    const control = controlAt(slot);
    const { view } = this;
    const stamped = view.getUint32(control + 12, true) === soTimestampNanoseconds;
    const since = (seconds - view.getUint32(control + 16, true)) * 1e3;
    const age = stamped ? since + (nanoseconds - view.getUint32(control + 24, true)) / 1e6 : 0;
    this.lastTime = Math.max(this.lastTime, time - Math.max(0, Math.min(60_000, age)));
    return this.lastTime;
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

function socketAddress(address: string, port: number): Buffer {
  const { family, value } = parseAddress(address)!;
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(family === 4 ? 2 : 10, 0);
  bytes.writeUInt16BE(port, 2);
  const hostBytes = family === 4 ? 4 : 16;
  bytes.write(value.toString(16).padStart(hostBytes * 2, "0"), family === 4 ? 4 : 8, "hex");
  return bytes;
}
