import assert from "node:assert/strict";

import fc from "fast-check";

import {
  endpointOf,
  isFromClient,
  isOfFlow,
  packetKey,
  tupleOf,
} from "../../../../components/runtime/gateway/flows/tuples";
import { decodeEthernet, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { tcpFrame, udpFrame, type Peer } from "../../../support/capture";

function packetOf(from: Peer, to: Peer, tcp = true): Packet {
  const segment = { from, to, sequence: 1, acknowledgement: 1, flags: "A" };
  const frame = tcp ? tcpFrame(segment) : udpFrame(from, to, Buffer.alloc(4));
  const packet = new Packet();
  assert.equal(decodeEthernet(frame, 0, frame.length, packet), "ok");
  return packet;
}

const peers: Record<string, [client: Peer, server: Peer]> = {
  IPv4: [
    { address: "10.8.0.1", port: 40_000 },
    { address: "10.9.0.1", port: 80 },
  ],
  IPv6: [
    { address: "fd00:1:2:3:4:5:6:7", port: 40_000 },
    { address: "fd00:8:9:a:b:c:d:e", port: 80 },
  ],
};

/** Peers of which one differs in one field: the port, or any of the words of the address. */
function neighbours(peer: Peer): Peer[] {
  const separator = peer.address.includes(":") ? ":" : ".";
  const parts = peer.address.split(separator);
  const changed = parts.map((part, index) => {
    const other = separator === ":" ? (parseInt(part, 16) ^ 1).toString(16) : String(Number(part) ^ 1);
    return { ...peer, address: parts.map((same, at) => (at === index ? other : same)).join(separator) };
  });
  return [{ ...peer, port: peer.port + 1 }, ...changed];
}

describe("gateway: which flow a packet belongs to", () => {
  for (const [kind, [client, server]] of Object.entries(peers)) {
    it(`is told by both addresses and ports and the protocol, in both directions: ${kind}`, () => {
      const there = packetOf(client, server);
      const back = packetOf(server, client);
      for (const tuple of [tupleOf(there, true), tupleOf(back, false)]) {
        assert.deepEqual([endpointOf(tuple, true), endpointOf(tuple, false)], [client, server]);
        assert.deepEqual([isOfFlow(tuple, there), isOfFlow(tuple, back)], [true, true]);
        assert.deepEqual([isFromClient(tuple, there), isFromClient(tuple, back)], [true, false]);
        const strangers = [
          ...neighbours(client).map((other) => [other, server] as const),
          ...neighbours(server).map((other) => [client, other] as const),
          [
            { ...client, port: server.port },
            { ...server, port: client.port },
          ] as const,
        ];
        for (const [one, other] of strangers) {
          assert.equal(isOfFlow(tuple, packetOf(one, other)), false, `${one.address} ${other.address}`);
          assert.equal(isOfFlow(tuple, packetOf(other, one)), false, `${other.address} ${one.address}`);
        }
        assert.equal(isOfFlow(tuple, packetOf(client, server, false)), false);
      }
    });
  }

  it("is not that of another kind of address with the same last word", () => {
    const mapped = packetOf({ address: "0:0:0:0:0:0:a08:1", port: 40_000 }, { address: "0:0:0:0:0:0:a09:1", port: 80 });
    const [client, server] = peers["IPv4"]!;
    assert.equal(isOfFlow(tupleOf(packetOf(client, server), true), mapped), false);
  });

  it("is looked up by a number that both directions have, and that spreads", () => {
    const peer = (address: fc.Arbitrary<string>): fc.Arbitrary<Peer> =>
      fc.record({ address, port: fc.integer({ min: 1, max: 65_535 }) });
    const address = fc.ipV4();
    const words = fc
      .array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })
      .map((parts) => parts.map((part) => part.toString(16)).join(":"));
    for (const kind of [address, words]) {
      fc.assert(
        fc.property(peer(kind), peer(kind), fc.nat(0xffffff), (one, other, vni) => {
          const [there, back] = [packetOf(one, other), packetOf(other, one)];
          there.vni = back.vni = vni;
          assert.equal(packetKey(there), packetKey(back));
          assert.ok(packetKey(there) >= 0 && packetKey(there) < 2 ** 30);
        }),
      );
    }
    const [client, server] = peers["IPv4"]!;
    const keys = new Set<number>();
    for (let port = 1; port <= 20_000; port++) keys.add(packetKey(packetOf({ ...client, port }, server)) & 0xffff);
    assert.ok(keys.size > 15_000, `${keys.size} of 65536 places for 20000 flows`);
  });
});
