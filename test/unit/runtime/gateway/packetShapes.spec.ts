import assert from "node:assert/strict";

import { InnerFrame, unwrapGeneve, unwrapVxlan } from "../../../../components/runtime/gateway/intake/encapsulation";
import { decodeEthernet, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { geneve, tcpFrame, udpFrame, vxlan } from "../../../support/capture";

const four = { from: { address: "10.8.1.2", port: 40_001 }, to: { address: "192.168.3.4", port: 8_081 } };
const six = { from: { address: "fd00:1:2:3:4:5:6:7", port: 40_001 }, to: { address: "fe80::a:b", port: 8_081 } };
const segment = { sequence: 0xfedcba98, acknowledgement: 0x89abcdef, flags: "PA" };
const payload = Buffer.from("what a segment carries");

/** Headers between IPv6 and what it carries, by their numbers: hop by hop, routing, whole "fragment", options, authentication. */
const chain: [number: number, bytes: number][] = [
  [0, 16],
  [43, 24],
  [44, 8],
  [60, 8],
  [51, 24],
];

/** A frame of IPv6 with headers of every kind before its segment. */
function extended(frame: Buffer, kinds = chain): Buffer {
  const headers = kinds.map(([number, bytes], index) => {
    const header = Buffer.alloc(bytes);
    header[0] = kinds[index + 1]?.[0] ?? frame[20]!;
    if (number !== 44) header[1] = number === 51 ? bytes / 4 - 2 : bytes / 8 - 1;
    return header;
  });
  const added = Buffer.concat(headers);
  const result = Buffer.concat([frame.subarray(0, 54), added, frame.subarray(54)]);
  result.writeUInt16BE(frame.readUInt16BE(18) + added.length, 18);
  result[20] = kinds[0]![0];
  return result;
}

const segments: [name: string, frame: Buffer, headers: number][] = [
  ["IPv4 with options", tcpFrame({ ...four, ...segment, ipOptions: 3, payload }), 14 + 32 + 20],
  ["IPv6", tcpFrame({ ...six, ...segment, payload }), 14 + 40 + 20],
  ["IPv6 with headers of every kind", extended(tcpFrame({ ...six, ...segment, payload })), 14 + 40 + 80 + 20],
];

describe("gateway: what is read of a packet", () => {
  const packet = new Packet();
  const decoded = (frame: Buffer, end = frame.length): string => decodeEthernet(frame, 0, end, packet);

  for (const [name, frame, headers] of segments) {
    it(`is all that the headers say: ${name}`, () => {
      assert.equal(decoded(frame), "ok");
      const { family, sourcePort, destinationPort, sequence, acknowledgement, flags, window } = packet;
      assert.deepEqual([sourcePort, destinationPort, sequence], [40_001, 8_081, segment.sequence]);
      assert.deepEqual([acknowledgement, flags, window], [segment.acknowledgement, 0x18, 65_535]);
      const words = [packet.s0, packet.s1, packet.s2, packet.s3, packet.d0, packet.d1, packet.d2, packet.d3];
      const zero = [0, 0, 0];
      assert.deepEqual(
        words,
        family === 4
          ? [...zero, 0x0a080102, ...zero, 0xc0a80304]
          : [0xfd000001, 0x00020003, 0x00040005, 0x00060007, 0xfe800000, 0, 0, 0x000a000b],
      );
      assert.deepEqual(frame.subarray(packet.payloadStart, packet.payloadEnd), payload);
      assert.equal(packet.payloadLength, payload.length);
    });

    it(`is, of a copy that was cut, what is there of it: ${name}`, () => {
      const ip = headers - 20;
      for (let length = 0; length < frame.length; length++) {
        const outcome = decoded(frame, length);
        const least = frame[12] === 0x08 ? 14 + 20 : 14 + 40;
        const expected = length < least ? "shortFrame" : length < ip + 20 ? "cut" : "truncated";
        assert.equal(outcome, expected, `${length} of ${frame.length}`);
        if (outcome !== "truncated") continue;
        const { payloadStart, payloadEnd, payloadLength } = packet;
        assert.deepEqual([payloadStart, payloadEnd, payloadLength], [headers, length, payload.length]);
      }
    });
  }

  it("is nothing where a header lies about itself", () => {
    const [[, ipv4], [, ipv6], [, long]] = segments as [
      (typeof segments)[0],
      (typeof segments)[0],
      (typeof segments)[0],
    ];
    const datagram = udpFrame(four.from, four.to, payload);
    const changed = (frame: Buffer, change: (bytes: Buffer) => void): string => {
      const bytes = Buffer.from(frame);
      change(bytes);
      return decoded(bytes);
    };
    const outcomes = [
      changed(ipv4, (b) => (b[14] = 0x44)),
      changed(ipv4, (b) => (b[14] = 0x68)),
      changed(ipv4, (b) => b.writeUInt16BE(31, 16)),
      changed(ipv6, (b) => (b[14] = 0x40)),
      changed(long, (b) => b.writeUInt16BE(60, 18)),
      changed(ipv4, (b) => b.writeUInt16BE(32 + 19, 16)),
      changed(ipv4, (b) => (b[14 + 32 + 12] = 0x40)),
      changed(ipv4, (b) => (b[14 + 32 + 12] = 0xf0)),
      changed(datagram, (b) => b.writeUInt16BE(7, 14 + 20 + 4)),
      changed(datagram, (b) => b.writeUInt16BE(8 + payload.length + 1, 14 + 20 + 4)),
      changed(ipv4, (b) => (b[14 + 9] = 1)),
      changed(long, (b) => (b[20] = 59)),
      changed(ipv4, (b) => (b[13] = 6)),
    ];
    const [ip, transport] = ["badIpHeader", "badTransportHeader"];
    assert.deepEqual(outcomes, [
      ...[ip, ip, ip, ip, ip],
      ...[transport, transport, transport, transport, transport],
      ...["notTcpOrUdp", "notTcpOrUdp", "notIp"],
    ]);
  });

  it("is behind tags of every kind, also of several networks within each other", () => {
    const plain = segments[0]![1];
    for (const tags of ["81000005", "88a80005", "91000005", "88a800058100ffff", "810000018100000281000003"]) {
      const tagged = Buffer.concat([plain.subarray(0, 12), Buffer.from(tags, "hex"), plain.subarray(12)]);
      assert.equal(decoded(tagged), "ok", tags);
      assert.deepEqual(tagged.subarray(packet.payloadStart, packet.payloadEnd), payload);
      for (let length = 0; length < 14 + tags.length / 2; length++) assert.equal(decoded(tagged, length), "shortFrame");
    }
  });

  it("lies in its encapsulation behind whatever that has, and under the whole number of its network", () => {
    const frame = new InnerFrame();
    const inner = segments[0]![1];
    const vni = 0xabcdef;
    const options = Buffer.alloc(12, 1);
    const optioned = (): Buffer => {
      const outer = tcpFrame({ ...four, ...segment, ipOptions: 2 }).subarray(14, 14 + 28);
      const datagram = udpFrame(four.from, { ...four.to, port: 4_789 }, vxlan(inner, vni)).subarray(34);
      outer[9] = 17;
      return Buffer.concat([Buffer.from("0000080000000000", "hex"), outer, datagram]);
    };
    const found: [Buffer, typeof unwrapVxlan][] = [
      [vxlan(inner, vni), unwrapVxlan],
      [geneve(inner, { vni, aws: false }), unwrapGeneve],
      [geneve(inner, { vni, aws: false, options }), unwrapGeneve],
      [geneve(inner, { vni, options }), unwrapGeneve],
      [optioned(), unwrapGeneve],
    ];
    for (const [bytes, unwrap] of found) {
      assert.ok(unwrap(bytes, 0, bytes.length, frame));
      assert.deepEqual([frame.vni, bytes.subarray(frame.start)], [vni, inner]);
      for (let length = 0; length < bytes.length - inner.length; length++) assert.ok(!unwrap(bytes, 0, length, frame));
      assert.ok(unwrap(bytes, 0, bytes.length - inner.length, frame));
    }
  });

  it("is not looked for in what is no encapsulation", () => {
    const frame = new InnerFrame();
    const aws = geneve(segments[0]![1]);
    const changed = (at: number, value: number): boolean => {
      const bytes = Buffer.from(aws);
      bytes[at] = value;
      return unwrapGeneve(bytes, 0, bytes.length, frame);
    };
    assert.ok(unwrapGeneve(aws, 0, aws.length, frame));
    const version = changed(0, 0x40);
    const control = changed(1, 0x80);
    const payloadType = changed(2, 0x09);
    const ihl = changed(8, 0x44);
    const family = changed(8, 0x65);
    const tcp = changed(8 + 9, 6);
    const port = changed(8 + 20 + 3, 0);
    const noNetwork = changed(8 + 20 + 8, 0);
    const all = [version, control, payloadType, ihl, family, tcp, port, noNetwork];
    assert.deepEqual(all, Array<boolean>(8).fill(false));
    assert.ok(changed(1, 0x40), "options that must not be passed over may be there all the same");
    const bare = vxlan(segments[0]![1]);
    bare[0] = 0xf7;
    assert.ok(!unwrapVxlan(bare, 0, bare.length, frame));
  });
});
