import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { runGateway } from "../../../../components/runtime/gateway/gateway";
import { readCapture, type CapturedPacket } from "../../../../components/runtime/gateway/intake/captureFile";
import { CaptureWriter } from "../../../../components/runtime/gateway/intake/captureWriter";
import { gatewayStatsSchema } from "../../../../components/runtime/gateway/statsSchema";
import { now } from "../../../../components/runtime/gateway/time";
import { OrderedRecorder } from "../../../../components/runtime/gateway/workers/orderedRecorder";
import { TcpScript, vxlan } from "../../../support/capture";
import { freeDatagramPort, GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const program = resolve(__dirname, "../../../../dist/components/runtime/cli/main.js");

/** Connections side by side, every packet of which is unlike every other. */
function capture(flowCount: number): { flows: Buffer[][]; frames: Buffer[] } {
  const flows = Array.from({ length: flowCount }, (_, index) => {
    const flow = new TcpScript({ address: `10.8.${index % 5}.${index}`, port: 3_000 + 7 * index }, server).handshake();
    for (let request = 0; request < 3; request++) {
      const text = `PUT /${index}/${request} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n${"b".repeat(900)}`;
      flow.say(true, text, 300).acknowledge(false).say(false, ok).acknowledge(true);
    }
    return flow.close().frames;
  });
  const longest = Math.max(...flows.map((frames) => frames.length));
  const frames = Array.from({ length: longest }, (_, at) => flows.flatMap((all) => all[at] ?? [])).flat();
  return { flows, frames };
}

async function packetsOf(file: string): Promise<CapturedPacket[]> {
  const packets: CapturedPacket[] = [];
  for await (const packet of readCapture(file)) packets.push(packet);
  return packets;
}

const texts = (frames: readonly Buffer[]): string[] => frames.map((frame) => frame.toString("latin1"));

describe("gateway: a recording of several workers", function () {
  this.timeout(120_000);
  let folder: string;
  let shadow: RecordingServer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-recording-"));
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      for (const found of fresh.toString("latin1").match(/PUT /g) ?? []) socket.write(found === "" ? "" : ok);
    });
  });

  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    await shadow.stop();
  });

  const record = async (workers: number, percent: number, frames: Buffer[]): Promise<CapturedPacket[]> => {
    const file = join(folder, `${workers}-${percent}.pcapng`);
    const to = { "10.9.0.1:80": `127.0.0.1:${shadow.port}` };
    const harness = await GatewayHarness.start({ to, workers, percent, seed: 5, record: file });
    await harness.send(frames);
    await until("all is answered", () => {
      const { requests } = harness.gateway.snapshot();
      return requests.replayed > 0 && requests.answered === requests.replayed;
    });
    const { selection } = await harness.stop();
    harness.remove();
    const packets = await packetsOf(file);
    assert.deepEqual([selection.packetsSelected, selection.packetsUnrecorded], [packets.length, 0]);
    return packets;
  };

  it("holds each packet of selected flows once, in the order of arrival, and of no others", async () => {
    const { flows, frames } = capture(60);
    const all = await record(2, 100, frames);
    assert.deepEqual(texts(all.map(({ data }) => data)).sort(), texts(frames).sort());
    for (const flow of flows) {
      const wanted = texts(flow);
      const own = new Set(wanted);
      const recorded = texts(all.map(({ data }) => data)).filter((text) => own.has(text));
      assert.deepEqual(recorded, wanted);
    }
    const backwards = all.filter(({ time }, index) => index > 0 && time < all[index - 1]!.time - 1);
    assert.deepEqual(backwards, [], "packets of one thread do not come after later ones of the other");
    const one = await record(1, 40, frames);
    const three = await record(3, 40, frames);
    assert.deepEqual(texts(three.map(({ data }) => data)).sort(), texts(one.map(({ data }) => data)).sort());
    assert.ok(one.length > 0 && one.length < frames.length);
  });

  it("is written by the command, read by tshark, and replays the same", async () => {
    const port = await freeDatagramPort();
    const files = { stats: join(folder, "stats.json"), samples: join(folder, "samples.ndjson") };
    const file = join(folder, "flows.pcapng");
    const to = { "10.9.0.1:80": `127.0.0.1:${shadow.port}` };
    const options = `--intake vxlan:127.0.0.1:${port} --to 10.9.0.1:80=127.0.0.1:${shadow.port} --workers 2 --record ${file}`;
    const argv = [program, "gateway", ...options.split(" "), "--json"];
    const child = spawn(process.execPath, [...argv, "--stats", files.stats, "--samples", files.samples], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [printed, said] = ["", ""];
    child.stdout.on("data", (text: Buffer) => (printed += text.toString()));
    child.stderr.on("data", (text: Buffer) => (said += text.toString()));
    const ended = new Promise<number | null>((done) => child.on("close", done));
    const stats = () => gatewayStatsSchema.parse(JSON.parse(readFileSync(files.stats, "utf8")));
    const { frames } = capture(40);
    try {
      await until("statistics are there", () => existsSync(files.stats));
      const sender = createSocket("udp4");
      for (const frame of frames) {
        await new Promise((done) => sender.send(vxlan(frame), port, "127.0.0.1", done));
      }
      sender.close();
      await until("all is answered", () => stats().requests.answered === 120);
      child.kill("SIGTERM");
      assert.equal(await ended, 0, said);
      assert.match(said, new RegExp(`takes packets in at 127.0.0.1:${port}; counters in ${files.stats}`));
      assert.equal(gatewayStatsSchema.parse(JSON.parse(printed)).requests.answered, 120);
    } finally {
      child.kill("SIGKILL");
    }
    const listed = execFileSync("tshark", ["-r", file, "-T", "fields", "-e", "frame.number"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    assert.equal(listed.trim().split("\n").length, frames.length);
    assert.deepEqual(texts((await packetsOf(file)).map(({ data }) => data)).sort(), texts(frames).sort());
    const before = texts(shadow.received.splice(0)).sort();
    const again = await runGateway({ ...files, to, fromFile: file, speed: 0 });
    await again.finished;
    assert.equal((await again.stop()).requests.answered, 120);
    assert.deepEqual(texts(shadow.received).sort(), before);
  });

  it("counts what the disk does not take", async () => {
    const { frames } = capture(4);
    const to = { "10.9.0.1:80": `127.0.0.1:${shadow.port}` };
    const harness = await GatewayHarness.start({ to, workers: 2, record: "/dev/full" });
    await harness.send(frames.slice(0, 20));
    await new Promise((done) => setTimeout(done, 1_500));
    await harness.send(frames.slice(20));
    const { selection } = await harness.stop();
    harness.remove();
    assert.equal(selection.packetsSelected, frames.length);
    assert.ok(selection.packetsUnrecorded >= frames.length - 20, `${selection.packetsUnrecorded} are left out`);
  });

  it("merges by time, keeps each thread's own order, and holds no more than it may", async () => {
    const written: [string, number][] = [];
    const recorder = {
      dropped: 0,
      write: (frame: Buffer, time: number) => void written.push([frame.toString("latin1", 0, 2), time]),
      close: () => Promise.resolve(),
    };
    const ordered = new OrderedRecorder(recorder);
    const old = now() - 10_000;
    const frame = (text: string, time: number, size = 2) => ({ bytes: Buffer.alloc(size, text), time });
    ordered.take(1, [frame("b1", old + 2), frame("b2", old + 1), frame("b3", now() + 5_000)]);
    ordered.take(0, [frame("a1", old), frame("a2", old + 3), frame("a3", now() + 4_000)]);
    assert.deepEqual(
      written.map(([text]) => text),
      ["b1", "b2", "a1", "a2"],
      "what is old waits for nothing",
    );
    const big = frame("c1", now() + 6_000, 33 * 2 ** 20);
    ordered.take(0, [big]);
    assert.deepEqual(
      written.slice(4).map(([text]) => text),
      ["a3", "b3", "c1"],
    );
    const soon = now() + 60_000;
    ordered.take(1, [frame("d2", soon + 1)]);
    ordered.take(0, [frame("d1", soon)]);
    assert.equal(written.length, 7);
    await ordered.close();
    assert.deepEqual(
      written.slice(7).map(([text]) => text),
      ["d1", "d2"],
    );
  });

  it("of one thread counts what cannot be written", async () => {
    const writer = new CaptureWriter("/dev/full");
    writer.write(Buffer.alloc(60), 1);
    await new Promise((done) => setTimeout(done, 200));
    writer.write(Buffer.alloc(60), 2);
    await writer.close();
    assert.equal(writer.dropped, 2);
  });
});
