import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";

import fc from "fast-check";

import { BodyMemory } from "../../../../components/runtime/gateway/compare/body";
import { ExchangeLog } from "../../../../components/runtime/gateway/compare/exchangeLog";
import type { FlowShared } from "../../../../components/runtime/gateway/flows/flowShared";
import { Selection } from "../../../../components/runtime/gateway/flows/selectors";
import { FlowTable } from "../../../../components/runtime/gateway/flows/table";
import { decodeEthernet, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { newStats } from "../../../../components/runtime/gateway/stats";
import { now } from "../../../../components/runtime/gateway/time";
import { TcpScript } from "../../../support/capture";
import { until } from "../../../support/captureHarness";

/** A flow table that is fed from one piece of memory, which is overwritten after every packet. */
class PoisonedTable {
  readonly stats = newStats(now());
  readonly log = new ExchangeLog(
    this.stats,
    () => 10_000,
    () => undefined,
    () => undefined,
    new BodyMemory(2 ** 26),
  );
  readonly table: FlowTable;
  private readonly memory = Buffer.alloc(70_000);
  private readonly packet = new Packet();

  constructor(shadowPort: number) {
    const shared: FlowShared = {
      stats: this.stats,
      log: this.log,
      limits: {
        flows: 100,
        descriptors: Infinity,
        bytesPerFlow: 2 ** 24,
        totalBytes: 2 ** 28,
        maximumLagMilliseconds: 60_000,
        holeTimeoutMilliseconds: 2_000,
        idleTimeoutMilliseconds: 60_000,
        overtakingMilliseconds: 10,
        openingMilliseconds: 200,
      },
      memory: { used: 0 },
      selection: new Selection([], []),
      recorder: undefined,
      hooks: undefined,
    };
    const shadow = { address: "127.0.0.1", port: shadowPort };
    this.table = new FlowTable(shared, {
      percent: 100,
      seed: 1,
      sampleBy: "flow",
      targets: new Map([["10.9.0.1:80", shadow]]),
      keepSource: false,
      ownAddressFor: undefined,
    });
  }

  feed(frames: readonly Buffer[]): void {
    for (const frame of frames) {
      frame.copy(this.memory);
      assert.equal(decodeEthernet(this.memory, 0, frame.length, this.packet), "ok");
      this.packet.time = now();
      this.table.handle(this.packet, false, 0, frame.length);
      this.memory.fill(0xee);
    }
  }
}

const request = fc.record({
  size: fc.constantFrom(0, 1, 40, 900, 9_000, 60_000, 400_000),
  mss: fc.constantFrom(50, 536, 1460, 9_000, 60_000),
  swap: fc.boolean(),
});

function script(requests: { size: number; mss: number; swap: boolean }[]): { frames: Buffer[]; bytes: Buffer } {
  const flow = new TcpScript({ address: "10.8.0.1", port: 4_000 }, { address: "10.9.0.1", port: 80 }).handshake();
  const whole: Buffer[] = [];
  for (const [index, { size, mss, swap }] of requests.entries()) {
    const body = Buffer.alloc(size, 97 + index);
    const text = Buffer.concat([Buffer.from(`PUT /${index} HTTP/1.1\r\nContent-Length: ${size}\r\n\r\n`), body]);
    const before = flow.frames.length;
    flow.say(true, text, mss);
    if (swap && flow.frames.length > before + 1) {
      flow.frames.push(...flow.frames.splice(before, 1));
    }
    whole.push(text);
  }
  return { frames: flow.frames, bytes: Buffer.concat(whole) };
}

describe("gateway: bytes that are read where they were received", () => {
  it("sends what was on the wire, although the receiver's memory is used again after each packet", async function () {
    this.timeout(120_000);
    const property = fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      async (list, slow) => {
        const received: Buffer[] = [];
        const sockets = new Set<Socket>();
        const server = createServer((socket) => {
          sockets.add(socket);
          socket.on("error", () => undefined);
          if (slow) socket.pause();
          socket.on("data", (bytes) => received.push(bytes));
          if (slow) setTimeout(() => socket.resume(), 50);
        });
        await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
        const poisoned = new PoisonedTable((server.address() as { port: number }).port);
        const { frames, bytes } = script(list);
        const half = Math.floor(frames.length / 2);
        poisoned.feed(frames.slice(0, half));
        await new Promise((done) => setTimeout(done, 5));
        poisoned.feed(frames.slice(half));
        const length = (): number => received.reduce((sum, part) => sum + part.length, 0);
        await until("the shadow has every byte", () => length() >= bytes.length);
        assert.ok(Buffer.concat(received).equals(bytes));
        assert.equal(poisoned.stats.requests.replayed, list.length);
        poisoned.table.abort();
        for (const socket of sockets) socket.destroy();
        await new Promise((done) => server.close(done));
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });
});
