import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runGateway } from "../../../../components/runtime/gateway/gateway";
import { CaptureWriter } from "../../../../components/runtime/gateway/intake/captureWriter";
import { serveMetrics } from "../../../../components/runtime/gateway/metrics";
import { newStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { damaged } from "../../../support/damage";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

function flow(port: number, mss = 1_460): TcpScript {
  return new TcpScript({ address: "10.8.0.1", port }, server, {
    mss,
  }).handshake();
}

function answer(socket: { write(text: string): unknown }, _all: Buffer, fresh: Buffer): void {
  for (let count = fresh.toString("latin1").split("HTTP/1.1\r\n").length - 1; count > 0; count--) socket.write(ok);
}

/** What the client says in the first connection of a recording, as Wireshark puts it together. */
function clientBytesByTshark(file: string): Buffer {
  const text = execFileSync("tshark", ["-r", file, "-q", "-z", "follow,tcp,raw,0"], {
    encoding: "latin1",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines = text.split("\n").filter((line) => /^[0-9a-f]+$/.test(line));
  return Buffer.from(lines.join(""), "hex");
}

describe("gateway: the ends of a connection, and the word of others", function () {
  this.timeout(60_000);
  let shadow: RecordingServer;
  let folder: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-wire-"));
    shadow = await RecordingServer.start(answer);
  });

  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    await shadow.stop();
  });

  const carried = async (frames: Buffer[], requests: number): Promise<GatewayHarness> => {
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
    });
    await harness.send(frames);
    await until("all is answered", () => harness.gateway.snapshot().requests.answered === requests);
    return harness;
  };

  for (const seed of [1, 2, 3, 4]) {
    it(`delivers the bytes that tshark reassembles from the same packets, seed ${seed}`, async () => {
      const script = flow(40_000 + seed, 97);
      for (let index = 0; index < 12; index++) {
        const body = `${index}`.repeat(50 * index);
        script.say(true, `POST /${index} HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        script.acknowledge(false).say(false, ok).acknowledge(true);
      }
      const frames = [
        ...script.frames.slice(0, 3),
        ...damaged(script.frames.slice(3), {
          loss: 0,
          duplicate: 0.2,
          reorder: 0,
          skip: 0,
          seed,
        }),
      ];
      const file = join(folder, "flow.pcapng");
      const writer = new CaptureWriter(file);
      frames.forEach((frame, index) => writer.write(frame, 1_700_000_000_000 + index));
      await writer.close();
      const harness = await carried(frames, 12);
      const told = clientBytesByTshark(file).toString("latin1").split(ok).join("");
      assert.equal(Buffer.concat(shadow.received).toString("latin1"), told);
      await harness.stop();
      harness.remove();
    });
  }

  it("carries a connection that both sides close at once, and one that is only half closed", async () => {
    const both = flow(41_000).say(true, get("/both")).say(false, ok);
    both.end(true).end(false).acknowledge(true).acknowledge(false);
    const half = flow(41_001).say(true, get("/half")).end(true).say(false, ok).acknowledge(true);
    const harness = await carried([...both.frames, ...half.frames], 2);
    assert.deepEqual(shadow.received.map(String).sort(), [get("/both"), get("/half")]);
    const { requests } = await harness.stop();
    assert.equal(requests.coverage, 1);
    harness.remove();
  });

  it("counts a request whose copy was cut short as lost, and carries the next one", async () => {
    const script = flow(41_002).say(true, get("/1")).say(false, ok).acknowledge(true);
    const cut = script.frames.length;
    script.say(true, get("/2")).say(false, ok).acknowledge(true).say(true, get("/3")).say(false, ok).close();
    const frames = script.frames.map((frame, index) => (index === cut ? frame.subarray(0, frame.length - 9) : frame));
    const harness = await carried(frames, 2);
    const { requests, intake } = await harness.stop();
    assert.deepEqual([intake.truncated, requests.onWire, requests.lostByMirror], [1, 3, 1]);
    assert.equal(shadow.received.join(""), get("/1") + get("/3"));
    harness.remove();
  });

  it("plays a recording at its own speed, faster, and as fast as possible", async () => {
    const file = join(folder, "slow.pcapng");
    const writer = new CaptureWriter(file);
    const script = flow(41_003);
    for (let index = 0; index < 10; index++)
      script
        .say(true, get(`/${index}`))
        .say(false, ok)
        .acknowledge(true);
    script.close().frames.forEach((frame, index) => writer.write(frame, 1_700_000_000_000 + index * 60));
    await writer.close();
    const took: number[] = [];
    for (const speed of [1, 4, 0]) {
      const begun = performance.now();
      const gateway = await runGateway({
        fromFile: file,
        speed,
        to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
        stats: join(folder, "stats.json"),
        samples: join(folder, `samples-${speed}.ndjson`),
      });
      await gateway.finished;
      assert.equal((await gateway.stop()).requests.answered, 10);
      took.push(performance.now() - begun);
    }
    const [own, faster, fastest] = took as [number, number, number];
    assert.ok(own > 2 * faster && faster > fastest, took.join(" "));
  });

  it("waits for answers when it stops, though not for ever, and says what became of each request", async () => {
    const silent = await RecordingServer.start(() => undefined);
    const probe = await RecordingServer.start(() => undefined);
    await probe.stop();
    const health = `http://127.0.0.1:${probe.port}/health?from=balancer`;
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${silent.port}` },
      responseTimeoutSeconds: 600,
      metrics: `127.0.0.1:${probe.port}`,
    });
    await harness.send(flow(41_004).say(true, get("/hangs")).frames);
    await until("the request is there", () => silent.received.length === 1);
    assert.equal((await fetch(health)).status, 200);
    const stopping = harness.stop();
    assert.equal((await fetch(health)).status, 503, "a load balancer sends nothing more while it waits");
    const { requests } = await stopping;
    assert.deepEqual([requests.replayed, requests.failed], [1, { timeout: 1 }]);
    assert.equal(harness.samples()[0]?.shadow.error, "timeout");
    harness.remove();
    await silent.stop();
  });

  it("answers a load balancer's health check by whether its intake is open", async () => {
    const stats = newStats(0);
    const metrics = await serveMetrics("127.0.0.1", 0, () => stats);
    const { port } = metrics.address() as { port: number };
    const status = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/health`)).status;
    assert.equal(await status(), 503);
    stats.intake.open = true;
    assert.equal(await status(), 200);
    metrics.close();
    metrics.closeAllConnections();
  });
});
