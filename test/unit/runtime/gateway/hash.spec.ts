import assert from "node:assert/strict";

import fc from "fast-check";

import { flowHash, isSampled, reciprocalScale } from "../../../../components/runtime/gateway/flows/jhash";
import { decodeEthernet, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { udpFrame, type Peer } from "../../../support/capture";

function packetOf(from: Peer, to: Peer): Packet {
  const packet = new Packet();
  const frame = udpFrame(from, to, Buffer.alloc(1));
  assert.equal(decodeEthernet(frame, 0, frame.length, packet), "ok");
  return packet;
}

describe("gateway: the sampling hash", () => {
  it("gives the values that the Linux kernel gives", () => {
    const seed = 0x1234;
    const vectors: [string, number, string, number, number, number, number][] = [
      ["10.8.0.1", 5000, "10.8.0.2", 7000, 0x2cdb5380, 17, 175_221],
      ["10.8.0.1", 5001, "10.8.0.2", 7001, 0xbb9ee65f, 73, 732_893],
      ["fd00:8::1", 5000, "fd00:8::2", 7000, 0xac6a1285, 67, 673_493],
    ];
    for (const [source, sourcePort, destination, port, hash, hundredth, millionth] of vectors) {
      const packet = packetOf({ address: source, port: sourcePort }, { address: destination, port });
      assert.equal(flowHash(packet, false, seed), hash);
      assert.equal(reciprocalScale(hash, 100), hundredth);
      assert.equal(reciprocalScale(hash, 1_000_000), millionth);
    }
  });

  it("is the same in both directions of a flow", () => {
    const peer = fc.record({ address: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) });
    fc.assert(
      fc.property(peer, peer, fc.nat(0xffffffff), (client, server, seed) => {
        assert.equal(flowHash(packetOf(client, server), false, seed), flowHash(packetOf(server, client), true, seed));
      }),
    );
  });

  it("keeps about the share asked for, and a larger share keeps every flow of a smaller one", () => {
    let kept = 0;
    for (let port = 1; port <= 20_000; port++) {
      const hash = flowHash(packetOf({ address: "10.0.0.1", port }, { address: "10.0.0.2", port: 80 }), false, 7);
      if (isSampled(hash, 12.5)) {
        kept++;
        assert.ok(isSampled(hash, 30));
      }
      assert.ok(!isSampled(hash, 0) && isSampled(hash, 100));
    }
    assert.ok(Math.abs(kept - 2_500) < 250, `${kept} of 20000 kept`);
  });
});
