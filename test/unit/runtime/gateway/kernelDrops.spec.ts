import assert from "node:assert/strict";
import { createSocket } from "node:dgram";

import { flowHash, isSampled } from "../../../../components/runtime/gateway/flows/jhash";
import { lossesIn, ofIpv4, ofIpv6 } from "../../../../components/runtime/gateway/intake/kernelDrops";
import { decodeEthernet, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { tcpFrame, vxlan } from "../../../support/capture";
import { GatewayHarness, until } from "../../../support/captureHarness";

const [percent, seed] = [10, 3];
const server = { address: "10.9.0.1", port: 80 };

/** A large packet of the first flow that is sampled, or is not. */
function largePacket(sampled: boolean): Buffer {
  const packet = new Packet();
  for (let port = 1_000; ; port++) {
    const from = { address: "10.8.0.1", port };
    const payload = Buffer.alloc(60_000, "x");
    const frame = tcpFrame({ from, to: server, sequence: 1, acknowledgement: 1, flags: "A", payload });
    assert.equal(decodeEthernet(frame, 0, frame.length, packet), "ok");
    if (isSampled(flowHash(packet, false, seed), percent) === sampled) return vxlan(frame);
  }
}

describe("gateway: packets that the kernel does not give to a filtered intake", () => {
  for (const from of ["127.0.0.1", "::1"]) {
    it(`are losses where there was no room, for a socket of both families, from ${from}`, async () => {
      const harness = await GatewayHarness.start({
        intake: "vxlan:[::]:0",
        to: { "10.9.0.1:80": "127.0.0.1:1" },
        percent,
        seed,
      });
      const port = Number(/\d+$/.exec(harness.gateway.intakeAddress)![0]);
      const { granted } = harness.gateway.snapshot().intake.receiveBufferBytes;
      const sender = createSocket(from === "::1" ? "udp6" : "udp4");
      await new Promise<void>((done) => sender.connect(port, from, done));
      const [kept, left] = [largePacket(true), largePacket(false)];
      const [sent, leftOut] = [Math.ceil(granted / kept.length) + 50, 5];
      // All at once, so that nothing is read meanwhile.
      for (let index = 0; index < leftOut; index++) sender.send(left);
      for (let index = 0; index < sent; index++) sender.send(kept);
      const counted = (): number => {
        const { packets, kernelDrops, prefiltered } = harness.gateway.snapshot().intake;
        return packets + kernelDrops! + prefiltered!;
      };
      await until("all are counted", () => counted() === sent + leftOut);
      sender.close();
      const { intake, requests } = await harness.stop();
      harness.remove();
      assert.equal(intake.prefiltered, leftOut);
      assert.ok(intake.kernelDrops! > 0);
      assert.equal(intake.packets + intake.kernelDrops!, sent);
      assert.ok(requests.coverageAtLeast! < 1);
    });
  }

  it("are counted whatever they were lost for, as far as the kernel says", () => {
    const ipv4 =
      "Tcp: RtoMin\nTcp: 5\nUdp: InDatagrams InErrors RcvbufErrors InCsumErrors MemErrors\nUdp: 900 9 2 3 4\n" +
      "UdpLite: RcvbufErrors\nUdpLite: 70\n";
    const ipv6 = "Udp6InDatagrams 900\nUdp6RcvbufErrors\t5\nUdp6InCsumErrors   6\nUdpLite6RcvbufErrors 70\n";
    assert.deepEqual([lossesIn(ofIpv4(ipv4)), lossesIn(ofIpv6(ipv6))], [9, 11]);
    assert.equal(lossesIn(ofIpv4("")), undefined);
  });
});
