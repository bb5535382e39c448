import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

function framed(frames: readonly Buffer[]): Buffer {
  return Buffer.concat(
    frames.map((frame) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      return Buffer.concat([length, frame]);
    }),
  );
}

describe("gateway: a feed of frames over TCP", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    shadow = await RecordingServer.start((socket) => socket.write(ok));
    harness = await GatewayHarness.start({
      intake: "tcp:127.0.0.1:0",
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const request = (port: number): string => `GET /${port} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const flow = (port: number): Buffer[] =>
    new TcpScript({ address: "10.8.0.1", port }, server).handshake().say(true, request(port)).say(false, ok).close()
      .frames;

  /** Writes bytes in pieces on a connection of their own and ends it. */
  const feed = async (bytes: Buffer, piece = bytes.length): Promise<void> => {
    const socket = connect(Number(harness.gateway.intakeAddress.split(":")[1]), "127.0.0.1");
    socket.setNoDelay();
    socket.on("error", () => undefined);
    for (let at = 0; at < bytes.length; at += piece) {
      await new Promise((done) => socket.write(bytes.subarray(at, at + piece), done));
    }
    await new Promise<void>((done) => socket.on("close", () => done()).end());
  };

  it("cuts frames out of pieces of any size, on several connections at once", async () => {
    const sizes = [1, 2, 3, 5, 57, 58, 59, 1000];
    await Promise.all(sizes.map((size, index) => feed(framed(flow(index + 1)), size)));
    await until("all are answered", () => harness.gateway.snapshot().requests.answered === sizes.length);
    assert.deepEqual(shadow.received.map(String).sort(), sizes.map((_, index) => request(index + 1)).sort());
  });

  it("counts a frame that a feed began and did not end", async () => {
    const bytes = framed(flow(1));
    for (const [index, left] of [bytes.length - 9, 2, bytes.length].entries()) {
      await feed(bytes.subarray(0, left));
      await until("it is counted", () => harness.gateway.snapshot().intake.truncated === Math.min(index + 1, 2));
    }
    assert.deepEqual(harness.gateway.snapshot().intake.malformed, {});
  });

  /** Writes bytes on a connection of their own, which stays open. */
  const feedOn = (bytes: Buffer): Promise<unknown> => {
    const socket = connect(Number(harness.gateway.intakeAddress.split(":")[1]), "127.0.0.1");
    socket.on("error", () => undefined);
    return new Promise((done) => socket.write(bytes, done));
  };

  it("takes what has come of every feed before it stops", async () => {
    const flows = Array.from({ length: 300 }, (_, index) => framed(flow(index + 1)));
    await Promise.all([0, 100, 200].map((first) => feedOn(Buffer.concat(flows.slice(first, first + 100)))));
    const { requests, selection } = await harness.stop();
    assert.deepEqual([requests.replayed, selection.flowsSeen], [300, 300]);
  });

  it("counts the frame that is half there when it stops, also where nothing else is under way", async () => {
    await feedOn(framed(flow(1)).subarray(0, 40));
    const { truncated, packets } = (await harness.stop()).intake;
    assert.deepEqual([truncated, packets], [1, 0]);
    const last = JSON.parse(readFileSync(join(harness.folder, "stats.json"), "utf8")) as GatewayStats;
    assert.equal(last.intake.truncated, 1);
  });

  it("ends a feed whose length cannot be true, counts that once, and goes on with others", async () => {
    for (const length of ["ffffffff", "00000000", "00010040"]) await feed(Buffer.from(`${length}00`, "hex"));
    await feed(framed(flow(7)));
    await until("it is answered", () => harness.gateway.snapshot().requests.answered === 1);
    const { malformed, truncated } = harness.gateway.snapshot().intake;
    assert.deepEqual([malformed, truncated], [{ frameLength: 3 }, 0]);
  });
});
