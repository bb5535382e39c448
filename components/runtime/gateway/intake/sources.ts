import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";

import { ExitCode, ShadownetError } from "../../../internal/problems";
import { endpointKey } from "../endpointKey";
import type { GatewayStats } from "../stats";
import { now } from "../time";
import { BatchSocket } from "./batchSocket";
import { FilteredDrops } from "./kernelDrops";

/** Gets each encapsulated packet, or each frame of a TCP feed; the bytes may change after the call. */
export type PacketHandler = (buffer: Buffer, start: number, end: number, time: number) => void;

/** Where mirrored packets come in. */
export interface IntakeSource {
  /** `address:port` that is really listened on. */
  readonly address: string;
  /** Reads the kernel's own drop counter into the statistics. */
  readDrops(): void;
  /** Where the kernel can leave packets out: takes a filter program, or none; false when the kernel does not take it. */
  filter?(program: Buffer | undefined): boolean;
  /** Where sockets can share the address: lets a program choose among them; false when the kernel does not take it. */
  steer?(program: Buffer): boolean;
  /** Hands on what had come before this call, as far as it has not been looked at by `deadline`. */
  drain?(deadline: number): Promise<void>;
  close(): Promise<void>;
}

/** Kind, address and port of an intake such as `vxlan:127.0.0.1:4789` or `tcp:[::1]:9000`. */
export interface IntakeAddress {
  kind: "vxlan" | "geneve" | "tcp";
  address: string;
  port: number;
}

/** Largest frame of a TCP feed: a coalesced one with its headers. */
const maximumFrame = 65_535 + 64;
const askedBuffer = 33_554_432;
const waitingMilliseconds = 5;

/** Listens for UDP packets with a receive buffer as large as the kernel grants. */
export async function openUdp(
  at: IntakeAddress,
  handle: PacketHandler,
  stats: GatewayStats,
  shared = false,
): Promise<IntakeSource> {
  const type = at.address.includes(":") ? "udp6" : "udp4";
  const batched = BatchSocket.open(at.address, at.port, askedBuffer, handle, shared);
  if (batched !== undefined) return batchedSource(at, type, batched, stats);
  const socket = createSocket({ type, recvBufferSize: askedBuffer });
  socket.on("message", (message) => handle(message, 0, message.length, now()));
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => reject(cannotListen(at, error)));
    socket.bind(at.port, at.address, resolve);
  });
  socket.on("error", () => undefined);
  const granted = socket.getRecvBufferSize();
  stats.intake.receiveBufferBytes = { asked: askedBuffer, granted };
  stats.intake.receiver = "datagram";
  const { address, port } = socket.address();
  const row = new SocketRow(port, type, address);
  return {
    address: endpointKey({ address, port }),
    readDrops: () => (stats.intake.kernelDrops = row.drops()),
    drain: async (deadline) => {
      while (row.waitingBytes() > 0 && now() < deadline) await setTimeout(waitingMilliseconds);
    },
    close: () => closeUdp(socket),
  };
}

function batchedSource(
  { address }: IntakeAddress,
  type: "udp4" | "udp6",
  socket: BatchSocket,
  stats: GatewayStats,
): IntakeSource {
  stats.intake.receiveBufferBytes = { asked: askedBuffer, granted: socket.granted };
  stats.intake.receiver = "batched";
  let filtered: FilteredDrops | undefined;
  return {
    address: endpointKey({ address, port: socket.port }),
    filter: (program) => {
      filtered ??= new FilteredDrops(type === "udp4" ? 4 : 6);
      return socket.filter(program);
    },
    steer: (program) => socket.steer(program),
    readDrops: () => {
      const drops = socket.drops();
      if (drops === undefined || filtered === undefined) stats.intake.kernelDrops = drops ?? stats.intake.kernelDrops;
      else Object.assign(stats.intake, filtered.split(drops));
    },
    drain: (deadline) => socket.drain(deadline),
    close: () => {
      socket.close();
      return Promise.resolve();
    },
  };
}

function closeUdp(socket: UdpSocket): Promise<void> {
  return new Promise((resolve) => socket.close(resolve));
}

/** The socket's row in `/proc/net/udp`. */
class SocketRow {
  private readonly port: string;

  constructor(
    port: number,
    private readonly type: "udp4" | "udp6",
    private readonly address: string,
  ) {
    this.port = port.toString(16).toUpperCase().padStart(4, "0");
  }

  /** Packets dropped for want of buffer. */
  drops(): number | null {
    const dropped = this.columns()?.at(-1);
    return dropped === undefined ? null : Number(dropped);
  }

  /** Bytes that have come and were not read yet. */
  waitingBytes(): number {
    return parseInt(this.columns()?.[4]?.split(":")[1] ?? "0", 16);
  }

  private columns(): string[] | undefined {
    try {
      const text = readFileSync(this.type === "udp4" ? "/proc/net/udp" : "/proc/net/udp6", "latin1");
      const local = `${this.type === "udp4" ? kernelAddress(this.address) : ""}:${this.port}`;
      const rows = text.split("\n").map((line) => line.trim().split(/\s+/));
      return rows.find((columns) => columns[1]?.endsWith(local));
    } catch {
      return undefined;
    }
  }
}

/** An IPv4 address as `/proc/net/udp` writes it: the bytes of a little-endian word. */
function kernelAddress(address: string): string {
  const bytes = address.split(".").reverse();
  return bytes.map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0")).join("");
}

/** Listens for feeds of frames, each behind its length as four bytes, most significant first. */
export async function openTcp(at: IntakeAddress, handle: PacketHandler, stats: GatewayStats): Promise<IntakeSource> {
  const sockets = new Set<Socket>();
  let arrivals = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    arrivals++;
    const reader = new FrameReader(handle);
    socket.on("data", (chunk: Buffer) => {
      arrivals++;
      if (reader.push(chunk, now())) return;
      stats.intake.malformed["frameLength"] = (stats.intake.malformed["frameLength"] ?? 0) + 1;
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      if (reader.insideFrame) stats.intake.truncated++;
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(at, error)));
    server.listen(at.port, at.address, resolve);
  });
  const bound = server.address() as { address: string; port: number };
  return {
    address: endpointKey(bound),
    readDrops: () => (stats.intake.kernelDrops = 0),
    drain: async (deadline) => {
      let before: number;
      do {
        before = arrivals;
        await setTimeout(waitingMilliseconds);
      } while (arrivals > before && now() < deadline);
    },
    close: () => closeServer(server, sockets),
  };
}

/** Closes a server; ends when its connections, which are ended too, have told that they are. */
async function closeServer(server: Server, sockets: Iterable<Socket>): Promise<void> {
  const closed = [...sockets].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())));
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  await Promise.all(closed);
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  private rest: Buffer = Buffer.alloc(0);

  constructor(private readonly handle: PacketHandler) {}

  /** Whether a frame has begun, or its length, and has not ended. */
  get insideFrame(): boolean {
    return this.rest.length > 0;
  }

  /** Takes the next bytes; false when a length is not believable, after which the stream cannot be trusted. */
  push(chunk: Buffer, time: number): boolean {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (at + 4 <= bytes.length) {
      const length = bytes.readUInt32BE(at);
      if (length === 0 || length > maximumFrame) {
        this.rest = Buffer.alloc(0);
        return false;
      }
      if (at + 4 + length > bytes.length) break;
      this.handle(bytes, at + 4, at + 4 + length, time);
      at += 4 + length;
    }
    this.rest = bytes.subarray(at);
    return true;
  }
}

function cannotListen(at: IntakeAddress, error: Error): ShadownetError {
  const reason = `${at.kind}:${at.address}:${at.port}: ${error.message}`;
  return new ShadownetError("cannot-listen", `the intake cannot be opened, ${reason}`, ExitCode.NotPossibleHere);
}
