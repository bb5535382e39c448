import { connect, type Socket } from "node:net";

import { now } from "../time";
import type { Endpoint } from "./shadowConnection";
import { foreignSource, type Wire, type WireEvents } from "./wire";

/** What is read is digested before the next read, so that all connections share one buffer. */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

/** A connection of Node's own, where the system calls cannot be had. */
export class NodeWire implements Wire {
  private readonly socket: Socket;

  constructor(target: Endpoint, localAddress: string | undefined, localPort: number | undefined, events: WireEvents) {
    const socket = connect({
      host: target.address,
      port: target.port,
      localAddress,
      localPort,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (bytes) => {
          if (!socket.destroyed) events.data(readBuffer, bytes, now());
          return true;
        },
      },
    });
    this.socket = socket;
    socket.on("connect", () => events.connected());
    socket.on("end", () => events.closed(undefined));
    socket.on("error", (error: NodeJS.ErrnoException) => events.closed(codeOf(error)));
    socket.on("close", () => events.closed(undefined));
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  write(parts: readonly Buffer[]): void {
    this.socket.cork();
    for (const part of parts) this.socket.write(Buffer.from(part));
    this.socket.uncork();
  }

  writeBorrowed(chunk: Buffer, from: number, to: number): void {
    this.socket.write(Buffer.from(chunk.subarray(from, to)));
  }

  end(): void {
    this.socket.end();
  }

  destroy(reset: boolean): void {
    const { socket } = this;
    socket.removeAllListeners();
    socket.on("error", () => undefined);
    if (reset && !socket.destroyed) socket.resetAndDestroy();
    else socket.destroy();
  }

  hurry(): void {
    // Node's loop tells at once.
  }
}

function codeOf({ code, syscall }: NodeJS.ErrnoException): string {
  return code === "EADDRNOTAVAIL" && syscall === "bind" ? foreignSource : (code ?? "EIO");
}
