import { createSocket, type Socket } from "node:dgram";

import { BodyDigest } from "../compare/body";
import { Exchange } from "../compare/exchangeLog";
import { keptCopy } from "../intake/keep";
import type { Packet } from "../intake/packet";
import type { Endpoint } from "../replay/shadowConnection";
import { bump } from "../stats";
import { now } from "../time";
import { DatagramOrder, type OrderedRequest } from "./datagramOrder";
import type { FlowShared } from "./flowShared";

const maximumWaiting = 1_024;
/** No number of a DNS message. */
const noId = -1;
const isDnsResponse = 0x80;

interface Waiting extends OrderedRequest {
  /** What the answer repeats of the request. */
  id: number;
}

/**
 * One live UDP flow: the client's datagrams are forwarded, the answers of both sides are paired by DNS id or in order. A
 * client may want no answers at all, so that there are no more than so many datagrams whose answers are waited for.
 */
export class UdpFlow {
  lastSeen = 0;
  over = false;
  /** Bytes of datagrams that wait for the socket. */
  memory = 0;
  readonly standing = "carried";
  private socket: Socket | undefined;
  private ready = false;
  private unsent: { exchange: Exchange; bytes: Buffer }[] = [];
  private waiting: Waiting[] = [];
  private readonly recentIds = new RecentIds();
  private readonly order = new DatagramOrder();
  private index = 0;
  private shedCause: string | undefined;

  constructor(
    private readonly shared: FlowShared,
    readonly label: string,
    private readonly target: Endpoint,
    private readonly source: Endpoint | undefined,
    private readonly dns: boolean,
  ) {
    shared.stats.selection.flowsSelected++;
    shared.stats.flows.udp++;
  }

  handle(packet: Packet, fromClient: boolean, truncated: boolean): void {
    const silence = packet.time - this.lastSeen;
    this.lastSeen = packet.time;
    if (this.over && fromClient) {
      if (this.shedCause !== undefined) bump(this.shared.stats.requests.shed, this.shedCause);
      return;
    }
    const bytes = keptCopy(packet.buffer, packet.payloadStart, packet.payloadEnd);
    if (fromClient) this.takeRequest(bytes, packet.time, truncated, silence);
    else if (this.answersUnseen(bytes)) this.shared.stats.requests.lostByMirror++;
    else if (truncated) this.loseResponse(bytes);
    else this.takeResponse(bytes, packet.time, "live");
  }

  shed(cause: string): void {
    if (this.over) return;
    bump(this.shared.stats.flows.shed, cause);
    this.shedCause = cause;
    for (const { exchange } of this.takeUnsent()) {
      this.shared.log.forget(exchange);
      this.waiting = this.waiting.filter((entry) => entry.exchange !== exchange);
      bump(this.shared.stats.requests.shed, cause);
    }
    this.finish();
  }

  tick(time: number): void {
    this.waiting = this.waiting.filter(isOpen);
    if (time - this.lastSeen > this.shared.limits.idleTimeoutMilliseconds) this.close();
  }

  /** Nothing more comes of live; what its client said goes to the shadow, which may still answer. */
  close(): void {
    for (const { exchange } of this.waiting) this.shared.log.settle(exchange, exchange.live, "timeout");
    this.finish();
  }

  /** Whether it ended for want of datagrams, so that another one begins a flow anew. */
  get hasLapsed(): boolean {
    return this.over && this.shedCause === undefined;
  }

  /** Takes no more requests, and closes the socket when the shadow has answered those that it has, or never will. */
  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.hold(-this.memory);
    const open = this.waiting.filter(({ exchange }) => !exchange.shadow.settled);
    let unanswered = open.length;
    for (const { exchange } of open) exchange.follow(() => --unanswered === 0 && this.closeSocket());
    if (unanswered === 0) this.closeSocket();
  }

  private closeSocket(): void {
    this.socket?.close();
    this.socket = undefined;
  }

  private takeUnsent(): { exchange: Exchange; bytes: Buffer }[] {
    this.hold(-this.memory);
    return this.unsent.splice(0);
  }

  private hold(bytes: number): void {
    this.memory += bytes;
    this.shared.memory.used += bytes;
  }

  private idOf(bytes: Buffer): number {
    return this.dns && bytes.length >= 2 ? bytes.readUInt16BE(0) : noId;
  }

  private takeRequest(bytes: Buffer, time: number, truncated: boolean, silence: number): void {
    const { requests } = this.shared.stats;
    const id = this.idOf(bytes);
    this.recentIds.isNew(id);
    if (truncated) {
      requests.lostByMirror++;
      return;
    }
    if (this.unsent.length >= maximumWaiting) {
      bump(requests.shed, "datagramsWaiting");
      return;
    }
    this.makeRoom();
    const exchange = new Exchange(this.label, this.index++, "udp", time);
    exchange.due = time;
    exchange.requestBytes = bytes.length;
    this.shared.log.replaying(exchange);
    if (id === noId) this.order.follow(exchange, this.waiting, silence);
    this.waiting.push({ exchange, id, past: false });
    if (this.ready) this.send(exchange, bytes);
    else {
      this.unsent.push({ exchange, bytes });
      this.hold(bytes.length);
    }
    this.socket ??= this.open(this.source?.port);
    if (this.memory > this.shared.limits.bytesPerFlow) this.shed("bytesPerFlow");
  }

  /** The oldest is waited for no longer where there are too many, so that one which nobody answers keeps no other back. */
  private makeRoom(): void {
    const { waiting } = this;
    while (waiting.length > 0 && !isOpen(waiting[0]!)) waiting.shift();
    if (waiting.length < maximumWaiting) return;
    const { exchange } = waiting.shift()!;
    const silent = exchange.live.firstByte === undefined && exchange.shadow.firstByte === undefined;
    this.shared.log.settle(exchange, exchange.live, "timeout");
    this.shared.log.settle(exchange, exchange.shadow, silent ? undefined : "timeout");
  }

  private send(exchange: Exchange, bytes: Buffer): void {
    exchange.shadow.start = now();
    exchange.lagMilliseconds = exchange.shadow.start - exchange.due;
    this.socket?.send(bytes, (error: NodeJS.ErrnoException | null) => {
      if (error === null) return;
      // Tells of a datagram that was sent before, too.
      if (error.code === "ECONNREFUSED") this.failAll(error);
      else this.shared.log.settle(exchange, exchange.shadow, udpErrorName(error));
    });
  }

  private awaiting(bytes: Buffer, which: "live" | "shadow"): Exchange | undefined {
    const id = this.idOf(bytes);
    const open = (entry: Waiting): boolean => !entry.exchange[which].settled && entry.id === id;
    return (this.waiting.find((entry) => !entry.past && open(entry)) ?? this.waiting.find(open))?.exchange;
  }

  /** Whether live answers a request of DNS that the mirror has not delivered. */
  private answersUnseen(bytes: Buffer): boolean {
    if (this.over || this.index === 0 || bytes.length < 3 || (bytes[2]! & isDnsResponse) === 0) return false;
    return this.recentIds.isNew(this.idOf(bytes));
  }

  /** Live answered, but the mirror cut the answer short. */
  private loseResponse(bytes: Buffer): void {
    const exchange = this.awaiting(bytes, "live");
    this.order.answer(undefined);
    if (exchange !== undefined) this.shared.log.settle(exchange, exchange.live, "lost");
  }

  private takeResponse(bytes: Buffer, time: number, which: "live" | "shadow"): void {
    const exchange = this.awaiting(bytes, which);
    if (which === "live") this.order.answer(exchange);
    if (exchange === undefined) return;
    const side = exchange[which];
    side.firstByte = side.end = time;
    side.body = new BodyDigest(this.shared.log.bodies, false);
    side.body.add(bytes, 0, bytes.length);
    this.shared.log.settle(exchange, side);
  }

  private open(port: number | undefined): Socket {
    const socket = createSocket(this.target.address.includes(":") ? "udp6" : "udp4");
    socket.on("message", (bytes) => this.takeResponse(bytes, now(), "shadow"));
    socket.on("error", (error: NodeJS.ErrnoException) => this.failed(socket, error, port));
    socket.on("connect", () => {
      this.ready = true;
      for (const { exchange, bytes } of this.takeUnsent()) this.send(exchange, bytes);
    });
    const bound = (): void => socket.connect(this.target.port, this.target.address);
    if (this.source === undefined) bound();
    else socket.bind({ address: this.source.address, port: port ?? 0, exclusive: true }, bound);
    return socket;
  }

  private failed(socket: Socket, error: NodeJS.ErrnoException, port: number | undefined): void {
    if (error.code === "EADDRINUSE" && port !== undefined && !this.ready) {
      this.shared.stats.replay.sourcePortTaken++;
      socket.close();
      this.socket = this.open(undefined);
      return;
    }
    this.failAll(error);
    if (this.ready) return;
    this.takeUnsent();
    if (this.socket === socket) this.closeSocket();
  }

  private failAll(error: NodeJS.ErrnoException): void {
    const name = udpErrorName(error);
    bump(this.shared.stats.replay.errors, name);
    for (const { exchange } of this.waiting) {
      if (exchange.shadow.start === 0) exchange.shadow.start = exchange.due;
      this.shared.log.settle(exchange, exchange.shadow, name);
    }
  }
}

/** The numbers that a flow's last requests had. */
class RecentIds {
  private readonly ids = new Set<number>();

  /** Whether it has not been met lately; from now on it has. */
  isNew(id: number): boolean {
    if (id === noId) return false;
    const isNew = !this.ids.delete(id);
    this.ids.add(id);
    if (this.ids.size > maximumWaiting) this.ids.delete(this.ids.values().next().value!);
    return isNew;
  }
}

/** Whether one of both sides has still to answer. */
function isOpen({ exchange }: Waiting): boolean {
  return !exchange.live.settled || !exchange.shadow.settled;
}

function udpErrorName({ code, syscall }: NodeJS.ErrnoException): string {
  if (code === "EADDRNOTAVAIL" && syscall === "bind") return "sourceAddress";
  return code === "ECONNREFUSED" ? "refused" : "unreachable";
}
