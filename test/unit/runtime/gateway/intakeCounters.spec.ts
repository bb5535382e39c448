import assert from "node:assert/strict";
import { createSocket } from "node:dgram";

import { tcpFrame, udpFrame, vxlan } from "../../../support/capture";
import { GatewayHarness, until } from "../../../support/captureHarness";

const from = { address: "10.8.0.1", port: 40_000 };
const to = { address: "10.9.0.1", port: 80 };
const segment = { from, to, sequence: 1, acknowledgement: 1, flags: "PA", payload: Buffer.alloc(20, "x") };

/** A frame with some of its bytes changed. */
function changed(frame: Buffer, ...changes: [at: number, value: number][]): Buffer {
  const bytes = Buffer.from(frame);
  for (const [at, value] of changes) bytes[at] = value;
  return bytes;
}

const whole = tcpFrame(segment);
const fragmented = changed(udpFrame(from, to, Buffer.alloc(20)), [21, 5]);

/** What comes, where it is counted, and how often. */
const packets: [counter: string, packet: Buffer, times: number][] = [
  ["malformed.encapsulation", vxlan(whole).subarray(0, 7), 2],
  ["malformed.encapsulation", changed(vxlan(whole, 7), [0, 0]), 3],
  ["malformed.shortFrame", vxlan(whole.subarray(0, 13), 7), 4],
  ["malformed.badIpHeader", vxlan(changed(whole, [14, 0x43]), 7), 5],
  ["malformed.badTransportHeader", vxlan(changed(whole, [14 + 20 + 12, 0x10]), 7), 6],
  ["malformed.fragment", vxlan(fragmented, 7), 7],
  ["ignored", vxlan(changed(whole, [13, 6]), 7), 8],
  ["ignored", vxlan(changed(whole, [14 + 9, 1]), 7), 9],
  ["ignored", vxlan(whole, 8), 10],
  ["truncated", vxlan(whole.subarray(0, 14 + 20 + 10), 7), 11],
  ["truncated", vxlan(whole.subarray(0, -3), 7), 12],
];

describe("gateway: packets that carry no flow", () => {
  it("raise one counter each, and nothing else", async () => {
    const harness = await GatewayHarness.start({ vni: 7, to: { "10.9.0.1:80": "127.0.0.1:9" } });
    const port = Number(harness.gateway.intakeAddress.split(":")[1]);
    const socket = createSocket("udp4");
    const expected = new Map<string, number>();
    let [sent, bytes] = [0, 0];
    for (const [counter, packet, times] of packets) {
      expected.set(counter, (expected.get(counter) ?? 0) + times);
      for (let time = 0; time < times; time++) {
        await new Promise((done) => socket.send(packet, port, "127.0.0.1", done));
        sent++;
        bytes += packet.length;
      }
    }
    socket.close();
    await until("all are taken", () => harness.gateway.snapshot().intake.packets === sent);
    const { intake, requests, selection } = await harness.stop();
    harness.remove();
    const { malformed, truncated, ignored } = intake;
    const counted = Object.entries(malformed).map(([name, times]) => [`malformed.${name}`, times] as const);
    assert.deepEqual(new Map([...counted, ["ignored", ignored], ["truncated", truncated]]), expected);
    assert.deepEqual([intake.bytes, requests.replayed, selection.flowsSeen], [bytes, 0, 1]);
  });
});
