import { createRequire } from "node:module";

import { parseAddress } from "../../internal/cidr";
import { now } from "./time";

/** What is used of the foreign function package, which may be absent. */
interface ForeignFunctions {
  load(library: string): { func(declaration: string): (...args: unknown[]) => number };
  alloc(type: string, count: number): unknown;
  address(pointer: unknown): bigint;
  view(pointer: unknown, bytes: number): ArrayBuffer;
  errno(): number;
}

type Call = (...args: unknown[]) => number;

/** System calls that Node does not offer. Every one is of the thread that calls it and never waits. */
export interface Kernel {
  socket: Call;
  bind: Call;
  connect: Call;
  shutdown: Call;
  close: Call;
  setOption: Call;
  getOption: Call;
  getName: Call;
  send: Call;
  /** {@link send} of bytes at an address, as {@link addressOf} gives it. */
  sendAt: Call;
  receive: Call;
  receiveMany: Call;
  pollCreate: Call;
  pollControl: Call;
  pollWait: Call;
  clock: Call;
  /** `madvise`. */
  advise: Call;
  /** `malloc_trim`. */
  trim: Call;
  /** Number of the error of the last call that failed. */
  errorNumber(): number;
  /** Memory that stays where it is, for structures that hold addresses; it is never freed. */
  allocate(bytes: number): Block;
}

/** A piece of memory outside Node's heap. */
export interface Block {
  pointer: unknown;
  address: bigint;
  bytes: Buffer;
  view: DataView;
}

let known: Kernel | null | undefined;

/** The system calls, or null where the package or the platform is another. */
export function kernel(): Kernel | null {
  if (known !== undefined) return known;
  known = null;
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) return null;
  try {
    known = load(createRequire(__filename)("koffi") as ForeignFunctions);
  } catch {
    known = null;
  }
  return known;
}

function load(foreign: ForeignFunctions): Kernel {
  const library = foreign.load("libc.so.6");
  return {
    socket: library.func("int socket(int domain, int type, int protocol)"),
    bind: library.func("int bind(int fd, void *address, uint32_t length)"),
    connect: library.func("int connect(int fd, void *address, uint32_t length)"),
    shutdown: library.func("int shutdown(int fd, int how)"),
    close: library.func("int close(int fd)"),
    setOption: library.func("int setsockopt(int fd, int level, int name, void *value, uint32_t length)"),
    getOption: library.func("int getsockopt(int fd, int level, int name, void *value, void *length)"),
    getName: library.func("int getsockname(int fd, void *address, void *length)"),
    send: library.func("int send(int fd, void *bytes, size_t length, int flags)"),
    sendAt: library.func("int send(int fd, uintptr_t bytes, size_t length, int flags)"),
    receive: library.func("int recvmsg(int fd, void *header, int flags)"),
    receiveMany: library.func("int recvmmsg(int fd, void *headers, uint32_t count, int flags, void *timeout)"),
    pollCreate: library.func("int epoll_create1(int flags)"),
    pollControl: library.func("int epoll_ctl(int set, int operation, int fd, void *event)"),
    pollWait: library.func("int epoll_wait(int set, void *events, int count, int timeout)"),
    clock: library.func("int clock_gettime(int clock, void *time)"),
    advise: library.func("int madvise(uintptr_t start, size_t length, int advice)"),
    trim: library.func("int malloc_trim(size_t kept)"),
    errorNumber: () => foreign.errno(),
    allocate: (bytes) => allocate(foreign, bytes),
  };
}

function allocate(foreign: ForeignFunctions, bytes: number): Block {
  const pointer = foreign.alloc("uint8_t", bytes);
  const content = foreign.view(pointer, bytes);
  const address = foreign.address(pointer);
  addresses.set(content, Number(address));
  return { pointer, address, bytes: Buffer.from(content), view: new DataView(content) };
}

const addresses = new WeakMap<ArrayBufferLike, number>();
/** The chunk that was asked for last: most come from one block. */
let lastAsked: Buffer | undefined;
let lastAddress: number | undefined;

/** Where a chunk's first byte lies, when it is (part of) an allocated block. */
export function addressOf(chunk: Buffer): number | undefined {
  if (chunk === lastAsked) return lastAddress;
  const block = addresses.get(chunk.buffer);
  lastAsked = chunk;
  return (lastAddress = block === undefined ? undefined : block + chunk.byteOffset);
}

/** A `sockaddr_in` or `sockaddr_in6`. */
export function socketAddress(address: string, port: number): Buffer {
  const { family, value } = parseAddress(address)!;
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(family === 4 ? 2 : 10, 0);
  bytes.writeUInt16BE(port, 2);
  const hostBytes = family === 4 ? 4 : 16;
  bytes.write(value.toString(16).padStart(hostBytes * 2, "0"), family === 4 ? 4 : 8, "hex");
  return bytes;
}

/** Constants of the socket interface, the same on x64 and arm64. */
export const Socket = {
  stream: 1,
  datagram: 2,
  nonBlockingCloseOnExec: 0x800 | 0x80000,
  dontWait: 0x40,
  noSignal: 0x4000,
  levelSocket: 1,
  reuseAddress: 2,
  error: 4,
  receiveBuffer: 8,
  linger: 13,
  reusePort: 15,
  attachFilter: 26,
  detachFilter: 27,
  receiveBufferForce: 33,
  timestampNanoseconds: 35,
  attachReusePortFilter: 51,
  memoryInformation: 55,
  levelTcp: 6,
  noDelay: 1,
} as const;

/** Gives a socket a filter program, which the kernel copies; false when it does not take it. */
export function attachProgram(calls: Kernel, descriptor: number, option: number, program: Buffer): boolean {
  const block = calls.allocate(16 + program.length);
  block.view.setUint16(0, program.length / 8, true);
  block.view.setBigUint64(8, block.address + 16n, true);
  program.copy(block.bytes, 16);
  return calls.setOption(descriptor, Socket.levelSocket, option, block.pointer, 16) === 0;
}

/** `struct msghdr` with one vector and room for control data. */
export const messageHeaderBytes = 56;

/** Reads the kernel's arrival times as times of {@link "./time".now}. */
export class ArrivalClock {
  private time = 0;
  private seconds = 0;
  private nanoseconds = 0;
  private readonly value = Buffer.alloc(16);

  constructor(private readonly calls: Kernel) {}

  /** Compares both clocks, the kernel's first: however long that takes, nothing seems to have come before it came. */
  set(): void {
    this.calls.clock(0, this.value);
    this.time = now();
    this.seconds = this.value.readUInt32LE(0);
    this.nanoseconds = this.value.readUInt32LE(8);
  }

  /** The time in the control data at `control`; that of {@link set} when there is none. */
  read(view: DataView, control: number): number {
    if (view.getUint32(control + 12, true) !== Socket.timestampNanoseconds) return this.time;
    const since = (this.seconds - view.getUint32(control + 16, true)) * 1e3;
    const age = since + (this.nanoseconds - view.getUint32(control + 24, true)) / 1e6;
    // It may have come since both clocks were compared, in answer to what was said since.
    return age < 0 ? Math.min(now(), this.time - age) : this.time - Math.min(60_000, age);
  }
}
