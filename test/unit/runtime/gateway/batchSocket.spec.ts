import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mock } from "node:test";

import { BatchSocket } from "../../../../components/runtime/gateway/intake/batchSocket";
import { now } from "../../../../components/runtime/gateway/time";
import { TcpScript, vxlan } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

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

  for (const receiver of ["batched", "datagram"]) {
    it(`carries what has come and nobody has looked at when it is stopped, ${receiver}`, async () => {
      if (receiver === "datagram") mock.method(BatchSocket, "open", () => undefined);
      const shadow = await RecordingServer.start((socket) =>
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
      );
      const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
      const sender = createSocket("udp4");
      try {
        const port = Number(harness.gateway.intakeAddress.split(":")[1]);
        await new Promise<void>((done) => sender.connect(port, "127.0.0.1", done));
        const flows = 40;
        for (let index = 0; index < flows; index++) {
          const script = new TcpScript({ address: "10.8.0.1", port: 4_000 + index }, { address: "10.9.0.1", port: 80 });
          const { frames } = script.handshake().say(true, "GET / HTTP/1.1\r\n\r\n");
          for (const frame of frames) sender.send(vxlan(frame));
        }
        const { intake, requests } = await harness.stop();
        assert.equal(intake.receiver, receiver);
        assert.deepEqual([requests.onWire, requests.replayed, intake.refusedWhileClosed], [flows, flows, 0]);
      } finally {
        mock.restoreAll();
        sender.close();
        await shadow.stop();
        harness.remove();
      }
    });
  }

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
