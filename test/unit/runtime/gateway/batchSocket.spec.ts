import assert from "node:assert/strict";
import { createSocket } from "node:dgram";

import { BatchSocket } from "../../../../components/runtime/gateway/intake/batchSocket";
import { openUdp } from "../../../../components/runtime/gateway/intake/sources";
import { newStats } from "../../../../components/runtime/gateway/stats";
import { now } from "../../../../components/runtime/gateway/time";
import { until } from "../../../support/captureHarness";

async function received(address: string, messages: readonly Buffer[]): Promise<{ bytes: Buffer; time: number }[]> {
  const taken: { bytes: Buffer; time: number }[] = [];
  const socket = BatchSocket.open(address, 0, 1 << 20, (buffer, start, end, time) =>
    taken.push({ bytes: Buffer.from(buffer.subarray(start, end)), time }),
  );
  assert.ok(socket !== undefined, "the foreign function package is not installed");
  assert.ok(socket.granted >= 1 << 17);
  const sender = createSocket(address.includes(":") ? "udp6" : "udp4");
  try {
    for (const message of messages) {
      await new Promise((done) => sender.send(message, socket.port, address, done));
    }
    await until("every datagram is taken", () => taken.length === messages.length);
  } finally {
    sender.close();
    socket.close();
    socket.close();
  }
  return taken;
}

describe("gateway: reading in batches", () => {
  for (const address of ["127.0.0.1", "::1"]) {
    it(`takes datagrams of every size in order, with the time at which they came, on ${address}`, async () => {
      const messages = [0, 1, 63, 1_500, 9_216, 65_000, ...Array.from({ length: 300 }, (_, index) => index % 97)].map(
        (length, index) => Buffer.alloc(length, index),
      );
      const before = now();
      const taken = await received(address, messages);
      assert.deepEqual(
        taken.map(({ bytes }) => bytes),
        messages,
      );
      let last = before - 50;
      for (const { time } of taken) {
        assert.ok(time >= last, "time goes back");
        last = time;
      }
      assert.ok(last <= now());
    });
  }

  it("reads what has come and nobody has looked at before it is closed", async () => {
    const sender = createSocket("udp4");
    let taken = 0;
    const stats = newStats(now());
    const source = await openUdp({ kind: "vxlan", address: "127.0.0.1", port: 0 }, () => taken++, stats);
    assert.equal(stats.intake.receiver, "batched");
    const port = Number(source.address.split(":")[1]);
    const count = 1_000;
    const sent = Promise.all(
      Array.from(
        { length: count },
        () => new Promise((done) => sender.send(Buffer.alloc(50), port, "127.0.0.1", done)),
      ),
    );
    await sent;
    await source.close();
    sender.close();
    assert.equal(taken, count);
  });

  it("gives way where the address is taken", async () => {
    const taken = createSocket("udp4");
    await new Promise<void>((done) => taken.bind(0, "127.0.0.1", done));
    assert.equal(
      BatchSocket.open("127.0.0.1", taken.address().port, 1 << 20, () => undefined),
      undefined,
    );
    taken.close();
  });
});
