import { connect, type Socket } from "node:net";

import type { ShadowReader } from "../compare/conversation";
import type { Exchange, ExchangeLog } from "../compare/exchangeLog";
import { bump, type GatewayStats } from "../stats";
import { now } from "../time";

/** An address and a port. */
export interface Endpoint {
  address: string;
  port: number;
}

/** What all connections of a gateway share. */
export interface ReplayDependencies {
  stats: GatewayStats;
  log: ExchangeLog;
}

/** What is read is digested before the next read, so that all connections share one buffer. */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

/** How long a shadow server may leave a finished connection open. */
const lingerMilliseconds = 5_000;

/** The name that a socket's error has in samples and counters. */
function errorName(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "refused";
    case "ECONNRESET":
    case "EPIPE":
      return "reset";
    case "ETIMEDOUT":
      return "timeout";
    default:
      return "unreachable";
  }
}

/** One TCP connection to the shadow. It never retries: what it cannot deliver ends as an error in the samples. */
export class ShadowConnection {
  /** Takes no more messages: it is over, or an answer on it has timed out. */
  retired = false;
  /** Bytes handed over that the kernel has not taken yet. */
  get queuedBytes(): number {
    return (this.socket?.writableLength ?? 0) + this.unsentBytes;
  }

  /** Whether the socket is gone. */
  get over(): boolean {
    return this.socket === undefined;
  }

  private socket: Socket | undefined;
  private connected = false;
  private unsent: Exchange[] = [];
  private unsentBytes = 0;
  private finishing = false;
  private portTried = false;

  constructor(
    private readonly shared: ReplayDependencies,
    private readonly target: Endpoint,
    private readonly source: Endpoint | undefined,
    readonly reader: ShadowReader,
    private readonly progressed: () => void,
  ) {
    shared.stats.replay.connections++;
    shared.stats.replay.openConnections++;
    this.open(source?.port);
  }

  /** Writes the message now, or as soon as the connection stands. */
  send(exchange: Exchange): void {
    this.reader.add(exchange);
    if (!this.connected) {
      this.unsent.push(exchange);
      this.unsentBytes += exchange.requestBytes;
      return;
    }
    this.write(exchange);
  }

  /** Ends the connection once everything sent is answered, as a client does that leaves; or at once. */
  finish(atOnce: boolean): void {
    this.finishing = true;
    if (atOnce) this.endWritable();
    else this.endWhenIdle();
  }

  /** Resets the connection; what waits for an answer fails with `error`. */
  reset(error: string): void {
    this.conclude(error);
  }

  /** Takes no more messages and ends when the last answer is there or has timed out. */
  retire(): void {
    this.retired = true;
    this.endWhenIdle();
  }

  private open(localPort: number | undefined): void {
    this.portTried = localPort !== undefined;
    const socket = connect({
      host: this.target.address,
      port: this.target.port,
      localAddress: this.source?.address,
      localPort,
      noDelay: true,
      onread: { buffer: readBuffer, callback: (bytes) => this.takeData(bytes) },
    });
    this.socket = socket;
    socket.on("connect", () => this.takeConnected());
    socket.on("end", () => this.conclude("closed"));
    socket.on("error", (error: NodeJS.ErrnoException) => this.failed(error));
    socket.on("close", () => {
      if (this.socket === socket) this.conclude("closed");
    });
  }

  /** Bytes of the shadow, in memory that the next read of any connection uses again. */
  private takeData(bytes: number): boolean {
    if (this.socket === undefined) return true;
    this.reader.push(readBuffer.subarray(0, bytes), now());
    if (this.reader.broken) this.conclude("malformed");
    else this.afterData();
    return true;
  }

  private failed(error: NodeJS.ErrnoException): void {
    const taken = error.code === "EADDRINUSE" || error.code === "EADDRNOTAVAIL";
    if (taken && this.portTried && !this.connected) {
      this.shared.stats.replay.sourcePortTaken++;
      this.socket = undefined;
      this.open(undefined);
      return;
    }
    const name = errorName(error);
    bump(this.shared.stats.replay.errors, name);
    this.conclude(name);
  }

  private takeConnected(): void {
    this.connected = true;
    const { unsent } = this;
    this.unsent = [];
    this.unsentBytes = 0;
    for (const exchange of unsent) this.write(exchange);
    if (this.finishing) this.endWhenIdle();
    this.progressed();
  }

  private write(exchange: Exchange): void {
    const { socket } = this;
    const { parts } = exchange;
    exchange.parts = [];
    if (socket === undefined || exchange.shadow.settled) return;
    exchange.shadow.start = now();
    exchange.lagMilliseconds = exchange.shadow.start - exchange.due;
    if (parts.length === 1) {
      socket.write(parts[0]!);
      return;
    }
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
  }

  private afterData(): void {
    if (this.finishing || this.retired) this.endWhenIdle();
    this.progressed();
  }

  private get busy(): boolean {
    return this.unsent.length > 0 || this.reader.waiting.some((exchange) => !exchange.shadow.settled);
  }

  private endWhenIdle(): void {
    if (this.busy) return;
    if (this.retired) this.conclude("closed");
    else this.endWritable();
  }

  private endWritable(): void {
    const { socket } = this;
    if (this.connected && socket?.writableEnded === false) {
      socket.end();
      socket.on("timeout", () => (this.busy ? socket.setTimeout(lingerMilliseconds) : this.conclude("closed")));
      socket.setTimeout(lingerMilliseconds);
    } else if (this.connected) return;
    else if (this.unsent.length === 0) this.conclude("closed");
  }

  private conclude(error: string): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.socket = undefined;
    this.retired = true;
    this.shared.stats.replay.openConnections--;
    socket.removeAllListeners();
    socket.on("error", () => undefined);
    if (error === "reset" && !socket.destroyed) socket.resetAndDestroy();
    else socket.destroy();
    const time = now();
    for (const exchange of this.unsent.splice(0)) if (exchange.shadow.start === 0) exchange.shadow.start = time;
    this.unsentBytes = 0;
    this.reader.ended(error, time);
    this.progressed();
  }
}
