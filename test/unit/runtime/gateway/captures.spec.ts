import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { checkConfig, type GatewayConfig } from "../../../../components/runtime/gateway/config";
import { runGateway } from "../../../../components/runtime/gateway/gateway";
import { readCapture } from "../../../../components/runtime/gateway/intake/captureFile";
import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const get = "GET / HTTP/1.1\r\n\r\n";
const frames = new TcpScript({ address: "10.8.0.1", port: 4_000 }, { address: "10.9.0.1", port: 80 })
  .handshake()
  .say(true, get)
  .say(false, ok)
  .close().frames;
const packets = frames.map((frame) => frame.subarray(14));

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, index * 4));
  return bytes;
}

function pcap(linkType: number, contents: readonly Buffer[]): Buffer {
  const records = contents.flatMap((data, index) => [words(1_700_000_000, index, data.length, data.length), data]);
  return Buffer.concat([words(0xa1b2c3d4, 0x00040002, 0, 0, 262_144, linkType), ...records]);
}

function block(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const padding = Buffer.alloc((4 - (body.length % 4)) % 4);
  const length = 12 + body.length + padding.length;
  return Buffer.concat([words(type, length), body, padding, words(length)]);
}

const section = block(0x0a0d0d0a, words(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff));
const interfaceOf = (linkType: number, snapLength = 0): Buffer => block(1, words(linkType, snapLength));
const enhanced = (index: number, data: Buffer): Buffer => block(6, words(index, 0, 0, data.length, data.length), data);

function cooked(packet: Buffer): Buffer {
  return Buffer.concat([Buffer.from("00000001000602000000000100000800", "hex"), packet]);
}

function cooked2(packet: Buffer): Buffer {
  return Buffer.concat([Buffer.from("0800000000000001000100060200000000010000", "hex"), packet]);
}

function behind(word: number): (packet: Buffer) => Buffer {
  return (packet) => Buffer.concat([words(word), packet]);
}

const readable: Record<string, Buffer> = {
  "raw IP": pcap(101, packets),
  "IPv4 alone": pcap(228, packets),
  "Linux cooked": pcap(113, packets.map(cooked)),
  "Linux cooked, version 2": pcap(276, packets.map(cooked2)),
  "BSD loopback": pcap(0, packets.map(behind(2))),
  "BSD loopback of the other byte order": pcap(0, packets.map(behind(0x02000000))),
  "OpenBSD loopback": pcap(108, packets.map(behind(0x02000000))),
  "simple packets": Buffer.concat([
    section,
    interfaceOf(1),
    ...frames.map((frame) => block(3, words(frame.length), frame)),
  ]),
  "obsolete packets": Buffer.concat([
    section,
    interfaceOf(1),
    ...frames.map((frame) => block(2, words(0, 0, 0, frame.length, frame.length), frame)),
  ]),
  "interfaces of several kinds": Buffer.concat([
    section,
    ...[1, 113, 101, 147].map((linkType) => interfaceOf(linkType)),
    enhanced(3, Buffer.alloc(40, 0x45)),
    ...packets.map((packet, index) => enhanced(index % 3, [frames[index]!, cooked(packet), packet][index % 3]!)),
  ]),
};

describe("gateway: captures of every kind", () => {
  let folder: string;
  let shadow: RecordingServer;

  const file = (content: Buffer): string => {
    const path = join(folder, "capture");
    writeFileSync(path, content);
    return path;
  };
  const play = async (path: string, further: Partial<GatewayConfig> = {}): Promise<GatewayStats> => {
    const gateway = await runGateway({
      fromFile: path,
      speed: 0,
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
      ...further,
    });
    try {
      await gateway.finished;
    } finally {
      await gateway.stop();
    }
    return gateway.snapshot();
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-captures-"));
    shadow = await RecordingServer.start((socket) => socket.write(ok));
  });

  afterEach(async () => {
    await shadow.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [name, content] of Object.entries(readable)) {
    it(`replays ${name}, and what it records of it replays the same`, async () => {
      const again = join(folder, "again.pcapng");
      const { requests, intake } = await play(file(content), { record: again });
      const other = name.startsWith("interfaces") ? { linkType: 1 } : {};
      assert.deepEqual([requests.onWire, requests.answered, intake.malformed], [1, 1, other]);
      assert.equal((await play(again)).requests.answered, 1);
      assert.deepEqual(shadow.received.map(String), [get, get]);
    });
  }

  it("plays on as fast as it can where only the recording can end what is held", async () => {
    const upload = `POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n${"b".repeat(60_000)}`;
    const flows = [1, 2].map((port) =>
      new TcpScript({ address: "10.8.0.1", port }, { address: "10.9.0.1", port: 80 }).handshake().say(true, upload),
    );
    const sent = flows.map((flow) => flow.frames.splice(0));
    const together = sent[0]!.flatMap((frame, index) => [frame, sent[1]![index]!]);
    const ends = flows.flatMap((flow) => flow.say(false, ok).close().frames);
    const limits = { totalBytes: 150_000, bytesPerFlow: 100_000 };
    const { requests } = await play(file(pcap(1, [...together, ...ends])), { limits });
    assert.deepEqual([requests.onWire, requests.replayed], [2, 2]);
  });

  it("reads every whole packet of a file cut at any byte, and says that it is cut", async () => {
    const heads = { pcap: [pcap(1, []), 16], pcapng: [Buffer.concat([section, interfaceOf(1)]), 32] } as const;
    const data = [Buffer.alloc(61, 1), Buffer.alloc(10, 2)];
    const files = { pcap: pcap(1, data), pcapng: Buffer.concat([heads.pcapng[0], ...data.map((d) => enhanced(0, d))]) };
    for (const name of ["pcap", "pcapng"] as const) {
      const whole = files[name];
      const [head] = heads[name];
      const first = name === "pcap" ? head.length + 16 + 61 : head.length + enhanced(0, data[0]!).length;
      const ends = new Set([head.length, first, whole.length, ...(name === "pcapng" ? [section.length] : [])]);
      for (let length = 4; length <= whole.length; length++) {
        let cut = 0;
        const read = [];
        for await (const packet of readCapture(file(whole.subarray(0, length)), () => cut++)) read.push(packet.data);
        assert.deepEqual(read, data.slice(0, length < first ? 0 : length < whole.length ? 1 : 2), `${name} ${length}`);
        assert.equal(cut, ends.has(length) ? 0 : 1, `${name} ${length}`);
      }
    }
  });

  it("counts a cut file, and refuses what is none by saying what it is", async () => {
    const whole = pcap(1, frames);
    const { intake, requests } = await play(file(whole.subarray(0, whole.length - 3)));
    assert.deepEqual([intake.malformed, requests.answered], [{ recordingCut: 1 }, 1]);
    const refused: [Buffer, RegExp][] = [
      [Buffer.alloc(0), /is empty/],
      [Buffer.from("abc"), /is neither pcap nor pcapng/],
      [Buffer.from("abcd"), /is neither pcap nor pcapng/],
      [gzipSync(whole), /is compressed with gzip; unpack it first/],
    ];
    for (const [content, message] of refused) {
      await assert.rejects(play(file(content)), { code: "bad-capture", exitCode: 2, message });
    }
    await assert.rejects(play(join(folder, "nothing")), { code: "bad-capture", message: /cannot be read: ENOENT/ });
    await assert.rejects(play(folder), { code: "bad-capture", message: /cannot be read: EISDIR/ });
  });

  it("reads a pipe as it is written", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const read: Buffer[] = [];
    const reading = (async () => {
      for await (const { data } of readCapture(pipe)) read.push(data);
    })();
    const writer = await open(pipe, "w");
    await writer.write(pcap(1, [frames[0]!]));
    await until("the first packet is there", () => read.length === 1, 2_000);
    await writer.close();
    await reading;
  });

  it("refuses options that would do nothing", () => {
    const files = { stats: join(folder, "stats.json"), samples: join(folder, "samples.ndjson") };
    const intake = "vxlan:127.0.0.1:4789";
    assert.throws(() => checkConfig({ ...files, intake, speed: 2 }), /speed: is that of a recording/);
    assert.throws(() => checkConfig({ ...files, intake, startClosed: true }), /startClosed: needs control/);
    assert.throws(() => checkConfig({ ...files, fromFile: "x", startClosed: true }), /startClosed: a recording/);
  });
});
