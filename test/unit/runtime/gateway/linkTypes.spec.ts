import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { GatewayConfig } from "../../../../components/runtime/gateway/config";
import { runGateway } from "../../../../components/runtime/gateway/gateway";
import { readCapture } from "../../../../components/runtime/gateway/intake/captureFile";
import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript, udpFrame, vxlan } from "../../../support/capture";
import { RecordingServer } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const get = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

function pcap(linkType: number, packets: readonly Buffer[], most = Infinity): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt32LE(linkType, 20);
  const records = packets.flatMap((packet) => {
    const kept = packet.subarray(0, most);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(kept.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return [record, kept];
  });
  return Buffer.concat([header, ...records]);
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const cooked = hex("0000000100060000000000000000");
const cooked2 = hex("000000000001000106000000000000000000");
/** A plain Ethernet frame as captures of other kinds of link hold it, by their number. */
const links: [string, number, (frame: Buffer) => Buffer][] = [
  ["Ethernet", 1, (frame) => frame],
  ["IP alone", 101, (frame) => frame.subarray(14)],
  ["the Linux any interface", 113, (frame) => Buffer.concat([cooked, frame.subarray(12)])],
  ["its second version", 276, (frame) => Buffer.concat([frame.subarray(12, 14), cooked2, frame.subarray(14)])],
  ["BSD loopback", 0, (frame) => Buffer.concat([hex("02000000"), frame.subarray(14)])],
];

describe("gateway: recordings of every kind of link", () => {
  let folder: string;
  let shadow: RecordingServer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-links-"));
    shadow = await RecordingServer.start((socket) => socket.write(ok));
  });

  afterEach(async () => {
    rmSync(folder, { recursive: true });
    await shadow.stop();
  });

  const play = async (bytes: Buffer, more: Partial<GatewayConfig> = {}): Promise<GatewayStats> => {
    const fromFile = join(folder, "played.pcap");
    writeFileSync(fromFile, bytes);
    const target = `127.0.0.1:${shadow.port}`;
    const gateway = await runGateway({
      ...{ fromFile, speed: 0, to: { "10.9.0.1:80": target, "[fd00::1]:80": target }, ...more },
      ...{ stats: join(folder, "stats.json"), samples: join(folder, "samples.ndjson") },
    });
    await gateway.finished;
    return gateway.stop();
  };
  const flow = (client: string, server: string): Buffer[] =>
    new TcpScript({ address: client, port: 7 }, { address: server, port: 80 })
      .handshake()
      .say(true, get)
      .say(false, ok)
      .close().frames;
  const frames = [...flow("10.8.0.1", "10.9.0.1"), ...flow("fd00::8", "fd00::1")];
  const outer = (frame: Buffer): Buffer =>
    udpFrame({ address: "10.0.0.1", port: 9 }, { address: "10.0.0.2", port: 4789 }, vxlan(frame, 77));

  for (const [name, linkType, as] of links) {
    it(`replays one of ${name}, plain and in VXLAN, and records frames that others read`, async () => {
      const record = join(folder, "recorded.pcapng");
      for (const packets of [frames, frames.map(outer)]) {
        const { requests } = await play(pcap(linkType, packets.map(as)), { record });
        assert.deepEqual([requests.onWire, requests.answered], [2, 2]);
        const recorded: Buffer[] = [];
        for await (const { data } of readCapture(record)) recorded.push(data.subarray(12));
        assert.deepEqual(
          recorded,
          frames.map((frame) => frame.subarray(12)),
        );
      }
      assert.deepEqual(shadow.received.map(String), [get, get, get, get]);
    });
  }

  it("counts the packets of a kind of link that it does not read", async () => {
    const { intake, requests } = await play(pcap(105, frames));
    assert.deepEqual([intake.malformed, requests.onWire], [{ linkType: frames.length }, 0]);
  });

  it("takes one network alone, and what is there of VXLAN packets that were cut", async () => {
    const packets = frames.map(outer);
    assert.equal((await play(pcap(1, packets), { vni: 78 })).intake.ignored, packets.length);
    assert.equal((await play(pcap(1, frames), { vni: 77 })).intake.ignored, frames.length);
    const cut = outer(frames[3]!).length - 3;
    const { intake, requests } = await play(pcap(1, packets, cut), { vni: 77 });
    assert.deepEqual(
      [intake.truncated > 0, requests.onWire, requests.lostByMirror, requests.replayed],
      [true, 2, 2, 0],
    );
  });
});
