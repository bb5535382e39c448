import assert from "node:assert/strict";

import fc from "fast-check";

import { InnerFrame, unwrapGeneve, unwrapVxlan } from "../../../../components/runtime/gateway/intake/encapsulation";
import { decodeEthernet, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { tcpFrame, TcpScript, udpFrame, vxlan } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const client = { address: "10.8.0.1", port: 40_000 };
const server = { address: "10.9.0.1", port: 80 };
const segment = { from: client, to: server, sequence: 7, acknowledgement: 9, flags: "PA" };

describe("gateway: packets of every shape, and hostile ones", () => {
  it("reads IPv4 options, IPv6 extension headers and VLAN tags", () => {
    const payload = Buffer.from("payload");
    const six = { from: { address: "fd00::1", port: 1 }, to: { address: "fd00::2", port: 2 } };
    const shapes = [
      { ...segment, ipOptions: 10, payload },
      { ...segment, vlan: 5, payload },
      { ...segment, ...six, extensionHeaders: 3, payload },
    ];
    for (const shape of shapes) {
      const frame = tcpFrame(shape);
      const packet = new Packet();
      assert.equal(decodeEthernet(frame, 0, frame.length, packet), "ok");
      assert.equal(packet.buffer.toString("latin1", packet.payloadStart, packet.payloadEnd), "payload");
      assert.equal(packet.sourcePort, shape.from.port);
    }
  });

  it("does not take the padding of short frames for payload", () => {
    const frame = Buffer.concat([tcpFrame({ ...segment, flags: "A" }), Buffer.alloc(6, 65)]);
    const packet = new Packet();
    assert.equal(decodeEthernet(frame, 0, frame.length, packet), "ok");
    assert.equal(packet.payloadEnd - packet.payloadStart, 0);
  });

  it("recognises a copy that was cut short, wherever it was cut", () => {
    const whole = tcpFrame({ ...segment, payload: Buffer.alloc(500, 65) });
    const packet = new Packet();
    for (let length = 0; length < whole.length; length++) {
      const outcome = decodeEthernet(whole, 0, length, packet);
      assert.ok(["truncated", "cut", "shortFrame"].includes(outcome), `${outcome} at ${length}`);
      assert.ok(packet.payloadEnd <= whole.length);
    }
  });

  it("takes a length of 0, as hosts leave it to their card, for all that is there unless that may be padding", () => {
    const payload = Buffer.alloc(3_000, 65);
    const six = { from: { address: "fd00::1", port: 1 }, to: { address: "fd00::2", port: 2 } };
    const packet = new Packet();
    for (const [shape, lengthAt] of [[segment, 16] as const, [{ ...segment, ...six }, 18] as const]) {
      const large = tcpFrame({ ...shape, payload });
      const small = tcpFrame(shape);
      const padded = Buffer.concat([small, Buffer.alloc(Math.max(0, 60 - small.length))]);
      for (const frame of [large, padded]) frame.writeUInt16BE(0, lengthAt);
      assert.equal(decodeEthernet(large, 0, large.length, packet), "ok");
      assert.deepEqual(large.subarray(packet.payloadStart, packet.payloadEnd), payload);
      if (lengthAt === 16) assert.equal(decodeEthernet(padded, 0, padded.length, packet), "badIpHeader");
    }
  });

  it("takes the first fragment of a datagram for a copy that was cut, and no padding behind it", () => {
    const six = { from: { address: "fd00::1", port: 1 }, to: { address: "fd00::2", port: 2 } };
    const packet = new Packet();
    const check = (frame: Buffer, outcome: string): void => {
      assert.equal(decodeEthernet(frame, 0, frame.length, packet), outcome);
      if (outcome !== "truncated") return;
      assert.deepEqual([packet.payloadEnd - packet.payloadStart, packet.payloadLength], [8, 100]);
    };
    const four = Buffer.concat([
      udpFrame(client, server, Buffer.alloc(100)).subarray(0, 14 + 20 + 16),
      Buffer.alloc(10),
    ]);
    four.writeUInt16BE(20 + 16, 16);
    const whole = udpFrame(six.from, six.to, Buffer.alloc(100));
    const header = Buffer.from("1100000100000009", "hex");
    const parts = [whole.subarray(0, 54), header, whole.subarray(54, 54 + 16), Buffer.alloc(10)];
    const longer = Buffer.concat(parts);
    longer.writeUInt16BE(8 + 16, 18);
    longer[20] = 44;
    for (const [frame, at, first, later] of [[four, 20, 0x2000, 0x2001] as const, [longer, 56, 1, 9] as const]) {
      frame.writeUInt16BE(first, at);
      check(frame, "truncated");
      frame.writeUInt16BE(later, at);
      check(frame, "fragment");
    }
  });

  it("does not look for VXLAN in a later fragment of what a load balancer sends", () => {
    const to = { address: "10.0.0.2", port: 4789 };
    const outer = udpFrame({ address: "10.0.0.1", port: 9 }, to, vxlan(tcpFrame(segment), 77));
    const aws = Buffer.concat([Buffer.from("0000080000000000", "hex"), outer.subarray(14)]);
    const frame = new InnerFrame();
    assert.ok(unwrapGeneve(aws, 0, aws.length, frame));
    aws.writeUInt16BE(0x0005, 8 + 6);
    assert.ok(!unwrapGeneve(aws, 0, aws.length, frame));
  });

  it("finds VXLAN in an IPv6 packet of a load balancer", () => {
    const inner = tcpFrame(segment);
    const six = { address: "fd00::2", port: 4789 };
    const outer = udpFrame({ address: "fd00::1", port: 9 }, six, vxlan(inner, 77)).subarray(14);
    const aws = Buffer.concat([Buffer.from("000086dd00000000", "hex"), outer]);
    const frame = new InnerFrame();
    assert.ok(unwrapGeneve(aws, 0, aws.length, frame));
    assert.deepEqual([frame.vni, aws.subarray(frame.start)], [77, inner]);
    for (let length = 0; length < 8 + 40 + 8; length++) assert.ok(!unwrapGeneve(aws, 0, length, frame));
    aws[8 + 6] = 6;
    assert.ok(!unwrapGeneve(aws, 0, aws.length, frame));
  });

  it("unwraps GENEVE with options, around Ethernet and around an AWS VXLAN packet", () => {
    const inner = tcpFrame(segment);
    const outer = udpFrame({ address: "10.0.0.1", port: 9 }, { address: "10.0.0.2", port: 4789 }, vxlan(inner, 77));
    const header = (type: number): Buffer => {
      const bytes = Buffer.alloc(8 + 32);
      bytes[0] = 8;
      bytes.writeUInt16BE(type, 2);
      return bytes;
    };
    const frame = new InnerFrame();
    const plain = Buffer.concat([header(0x6558), inner]);
    assert.ok(unwrapGeneve(plain, 0, plain.length, frame));
    assert.deepEqual(plain.subarray(frame.start), inner);
    const aws = Buffer.concat([header(0x0800), outer.subarray(14)]);
    assert.ok(unwrapGeneve(aws, 0, aws.length, frame));
    assert.deepEqual(aws.subarray(frame.start), inner);
    assert.equal(frame.vni, 77);
  });

  it("never reads outside a packet, whatever its bytes are", () => {
    const templates = [tcpFrame({ ...segment, payload: Buffer.alloc(64) }), tcpFrame({ ...segment, ipOptions: 3 })];
    templates.push(udpFrame({ address: "fd00::1", port: 1 }, { address: "fd00::2", port: 2 }, Buffer.alloc(30)));
    const change = fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...templates), change, fc.nat(150), (template, changes, length) => {
        const bytes = Buffer.from(template);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        const end = Math.min(length, bytes.length);
        const packet = new Packet();
        const frame = new InnerFrame();
        if (decodeEthernet(bytes, 0, end, packet) === "ok") assert.ok(packet.payloadEnd <= end);
        assert.ok(packet.payloadStart <= packet.payloadEnd);
        if (unwrapVxlan(bytes, 0, end, frame)) assert.ok(frame.start <= end);
        if (unwrapGeneve(bytes, 0, end, frame)) assert.ok(frame.start <= end);
      }),
      { numRuns: 20_000 },
    );
  });

  it("takes mutated packets for a bounded time and carries honest flows after them", async function () {
    this.timeout(60_000);
    const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const shadow = await RecordingServer.start((socket) => socket.write(ok));
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      limits: { totalBytes: 2 ** 20, flows: 100 },
    });
    const frames: Buffer[] = [];
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 4 }), fc.nat(9), (changes, which) => {
        const script = new TcpScript({ ...client, port: 30_000 + which }, server).handshake();
        script.say(true, "PUT /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789").say(false, ok).close();
        for (const frame of script.frames) {
          for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
          frames.push(frame);
        }
      }),
      { numRuns: 2_000 },
    );
    await harness.send(frames);
    const honest = new TcpScript({ address: "10.8.0.9", port: 1234 }, server).handshake();
    harness.gateway.endFlows();
    await until("there is room for another flow", () => harness.gateway.snapshot().flows.open === 0);
    const before = harness.gateway.snapshot().requests.replayed;
    await harness.send(honest.say(true, "GET /honest HTTP/1.1\r\n\r\n").say(false, ok).close().frames);
    const stats = await harness.stop();
    assert.equal(stats.requests.replayed, before + 1);
    assert.ok(shadow.received.some((bytes) => bytes.toString() === "GET /honest HTTP/1.1\r\n\r\n"));
    harness.remove();
    await shadow.stop();
  });
});
