import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { BodyMemory } from "../../components/runtime/gateway/compare/body";
import { ExchangeLog } from "../../components/runtime/gateway/compare/exchangeLog";
import type { GatewayConfig } from "../../components/runtime/gateway/config";
import type { ExchangeSample } from "../../components/runtime/gateway/exchange";
import { runGateway, type RunningGateway } from "../../components/runtime/gateway/gateway";
import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { vxlan } from "./capture";

/** Waits until a condition holds; fails with what it waited for. */
export async function until(what: string, condition: () => boolean, milliseconds = 20_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A port of the loopback address that no datagram socket has; the first who asks for it gets it. */
export async function freeDatagramPort(): Promise<number> {
  const probe = createSocket("udp4");
  await new Promise<void>((done) => probe.bind(0, "127.0.0.1", done));
  const { port } = probe.address();
  probe.close();
  return port;
}

/** Exchanges without a gateway: nothing is written, and no content is kept. */
export function quietLog(stats: GatewayStats): ExchangeLog {
  const nothing = (): void => undefined;
  return new ExchangeLog(stats, () => 1_000, nothing, nothing, new BodyMemory(0));
}

/** A shadow server that keeps every byte it gets, per connection. */
export class RecordingServer {
  /** Bytes per connection, in the order of connections. */
  readonly received: Buffer[] = [];
  readonly sockets = new Set<Socket>();
  private constructor(
    readonly server: Server,
    readonly port: number,
  ) {}

  /** `answer` gets the connection, what it said so far and how many bytes of it are new. */
  static async start(answer: (socket: Socket, all: Buffer, fresh: Buffer) => void, port = 0): Promise<RecordingServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const recording = new RecordingServer(server, (server.address() as { port: number }).port);
    server.on("connection", (socket) => {
      const index = recording.received.push(Buffer.alloc(0)) - 1;
      recording.sockets.add(socket);
      socket.on("close", () => recording.sockets.delete(socket));
      socket.on("error", () => undefined);
      socket.on("data", (fresh: Buffer) => {
        const all = Buffer.concat([recording.received[index]!, fresh]);
        recording.received[index] = all;
        answer(socket, all, fresh);
      });
    });
    return recording;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A gateway in this process with its own folder and a sender for frames. */
export class GatewayHarness {
  private constructor(
    readonly gateway: RunningGateway,
    readonly folder: string,
  ) {}

  static async start(config: Partial<GatewayConfig>): Promise<GatewayHarness> {
    const folder = mkdtempSync(join(tmpdir(), "gateway-test-"));
    const gateway = await runGateway({
      intake: "vxlan:127.0.0.1:0",
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
      ...config,
    });
    return new GatewayHarness(gateway, folder);
  }

  /** Sends frames one after another and waits until the gateway has taken them all. */
  async send(frames: readonly Buffer[]): Promise<void> {
    const [address, port] = this.gateway.intakeAddress.split(":");
    const before = { ...this.gateway.snapshot().intake };
    const goal = before.packets + before.refusedWhileClosed + (before.prefiltered ?? 0) + frames.length;
    const socket = createSocket("udp4");
    const taken = (): boolean => {
      const { packets, refusedWhileClosed, kernelDrops, prefiltered } = this.gateway.snapshot().intake;
      const lost = (kernelDrops ?? 0) - (before.kernelDrops ?? 0);
      return packets + refusedWhileClosed + lost + (prefiltered ?? 0) >= goal;
    };
    for (let at = 0; at < frames.length; at += 200) {
      const batch = frames.slice(at, at + 200);
      await Promise.all(
        batch.map((frame) => new Promise((resolve) => socket.send(vxlan(frame), Number(port), address, resolve))),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until("the gateway has taken every packet", taken);
    socket.close();
  }

  samples(): ExchangeSample[] {
    const text = readFileSync(join(this.folder, "samples.ndjson"), "utf8");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as ExchangeSample);
  }

  async stop(): Promise<GatewayStats> {
    return this.gateway.stop();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
