import assert from "node:assert/strict";
import { mock } from "node:test";

import fc from "fast-check";

import { EarlyPackets } from "../../../../components/runtime/gateway/flows/earlyPackets";
import { StreamReassembler } from "../../../../components/runtime/gateway/flows/reassembly";
import { Flag, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { randomFrom } from "../../../support/damage";

const server = { address: "10.9.0.1", port: 80 };
const sourcePortAt = 14 + 20;

/** Packets whose two directions took ways of different length: each keeps its order, and one may pass the other. */
function overtaken(frames: readonly Buffer[], port: number, reach: number, seed: number): Buffer[] {
  const random = randomFrom(seed);
  const last = { client: 0, server: 0 };
  const due = frames.map((frame, index) => {
    const side = frame.readUInt16BE(sourcePortAt) === port ? "client" : "server";
    last[side] = Math.max(last[side], index + random() * reach);
    return { frame, at: last[side] };
  });
  return due.sort((one, other) => one.at - other.at).map(({ frame }) => frame);
}

describe("gateway: a mirror whose two directions overtake each other", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      const requests = fresh.toString("latin1").split("\r\n\r\n").length - 1;
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".repeat(requests));
    });
  });

  const start = async (overtakingMilliseconds?: number): Promise<void> => {
    const to = { "10.9.0.1:80": `127.0.0.1:${shadow.port}` };
    harness = await GatewayHarness.start({ to, limits: { overtakingMilliseconds } });
  };

  afterEach(async () => {
    await harness.stop();
    await shadow.stop();
    harness.remove();
  });

  /** `count` exchanges on one connection. */
  const exchanges = (port: number, count: number, mss = 1460): TcpScript => {
    const flow = new TcpScript({ address: "10.8.0.1", port }, server, { mss, clientIsn: 0xffff_ff00 }).handshake();
    for (let index = 0; index < count; index++) {
      flow.say(true, `GET /${index} HTTP/1.1\r\nHost: x\r\nX-Filler: ${"f".repeat(100)}\r\n\r\n`).acknowledge(false);
      flow.say(false, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").acknowledge(true);
    }
    return flow;
  };

  it("loses nothing of it", async function () {
    this.timeout(120_000);
    await start(60_000);
    let port = 10_000;
    const count = fc.integer({ min: 1, max: 12 });
    const [mss, reach] = [fc.constantFrom(50, 1460), fc.constantFrom(2, 5, 12)];
    const property = fc.asyncProperty(count, mss, reach, fc.integer(), async (count, mss, reach, seed) => {
      port++;
      const before = { ...harness.gateway.snapshot().requests };
      await harness.send(overtaken(exchanges(port, count, mss).close().frames, port, reach, seed));
      await until("all are answered", () => {
        const { answered, replayed } = harness.gateway.snapshot().requests;
        return answered - before.answered === count && answered === replayed;
      });
    });
    await fc.assert(property, { numRuns: 60 });
    const { flows, requests } = harness.gateway.snapshot();
    assert.deepEqual([flows.holes, flows.uncovered, requests.lostByMirror], [0, 0, 0]);
    const equal = (): number => harness.gateway.snapshot().compare.equal;
    await until("all are compared", () => equal() === requests.onWire);
  });

  it("waits a moment for what was acknowledged, and goes on without it", async () => {
    await start();
    const { frames } = exchanges(20_000, 3);
    // The second request is lost; its acknowledgement and the answer come.
    await harness.send(frames.toSpliced(3 + 4, 1));
    await until("the third is answered", () => harness.gateway.snapshot().requests.answered === 2);
    const { requests, flows } = harness.gateway.snapshot();
    assert.deepEqual([requests.replayed, requests.lostByMirror, flows.holes, flows.heldBytes], [2, 1, 1, 0]);
    assert.match(shadow.received[0]!.toString("latin1"), /GET \/0 [^]*GET \/2 /);
  });
});

describe("gateway: packets that come before what they answer", () => {
  const nothing = (): void => undefined;
  const sink = { data: nothing, hole: nothing, end: nothing };
  const counters = { reorderedSegments: 0, retransmittedSegments: 0, overlapConflicts: 0, holes: 0, holeBytes: 0 };

  /** A packet without content that acknowledges everything before a number. */
  const acknowledging = (acknowledgement: number, time: number): Packet =>
    Object.assign(new Packet(), { flags: Flag.Ack, acknowledgement, time });

  it("wait once for a direction that the mirror does not copy", () => {
    const [client, server] = [true, false].map((side) => new StreamReassembler(sink, side, counters));
    server!.start(1000);
    const taken: number[] = [];
    const early = new EarlyPackets(
      {
        streamOf: (fromClient) => (fromClient ? client! : server!),
        take: (packet) => taken.push(packet.acknowledgement),
      },
      60_000,
    );
    assert.equal(early.keep(acknowledging(1000, 0), true), false, "nothing is missing");
    assert.equal(early.keep(acknowledging(1100, 0), true), true);
    early.advance();
    assert.deepEqual(taken, []);
    assert.equal(early.keep(acknowledging(1200, 60_000), true), false, "no longer than it may, and never again");
    assert.deepEqual(taken, [1100]);
    server!.heard = true;
    assert.equal(early.keep(acknowledging(1000, 60_001), false), false);
    assert.equal(early.keep(acknowledging(1300, 60_002), true), true);
    early.release();
    assert.deepEqual([taken, early.heldBytes], [[1100, 1300], 0]);
  });

  it("have each its time, and not what another has left of it", () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const [client, server] = [true, false].map((side) => new StreamReassembler(sink, side, counters));
      server!.start(1000);
      const taken: number[] = [];
      const take = (packet: Packet): void => void taken.push(packet.acknowledgement);
      const early = new EarlyPackets({ streamOf: (fromClient) => (fromClient ? client! : server!), take }, 10);
      assert.equal(early.keep(acknowledging(1100, 0), true), true);
      mock.timers.tick(9);
      assert.equal(early.keep(acknowledging(1200, 9), true), true);
      server!.announced(100);
      early.advance();
      assert.deepEqual(taken, [1100]);
      mock.timers.tick(9);
      assert.deepEqual(taken, [1100]);
      mock.timers.tick(1);
      assert.deepEqual([taken, early.heldBytes], [[1100, 1200], 0]);
    } finally {
      mock.timers.reset();
    }
  });
});
