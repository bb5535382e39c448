import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

import { geneve, geneveOption, TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** The options of an AWS Gateway Load Balancer: endpoint, attachment and flow cookie. */
const options = Buffer.concat([
  geneveOption(0x0108, 1, Buffer.from("1122334455667788", "hex")),
  geneveOption(0x0108, 2, Buffer.from("8877665544332211", "hex")),
  geneveOption(0x0108, 3, Buffer.from("cafecafe", "hex")),
]);

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

describe("gateway: behind a load balancer that speaks GENEVE", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  let health: string;

  beforeEach(async () => {
    shadow = await RecordingServer.start((socket) => socket.write(ok));
    const port = await freePort();
    health = `http://127.0.0.1:${port}/health`;
    harness = await GatewayHarness.start({
      intake: "geneve:127.0.0.1:0",
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      metrics: `127.0.0.1:${port}`,
      vni: 42,
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const send = async (packets: Buffer[]): Promise<void> => {
    const port = Number(harness.gateway.intakeAddress.split(":")[1]);
    const goal = harness.gateway.snapshot().intake.packets + packets.length;
    const socket = createSocket("udp4");
    for (const packet of packets) await new Promise((done) => socket.send(packet, port, "127.0.0.1", done));
    await until("they are taken", () => harness.gateway.snapshot().intake.packets === goal);
    socket.close();
  };
  const flow = (port: number, path: string): Buffer[] =>
    new TcpScript({ address: "10.8.0.1", port }, server).handshake().say(true, get(path)).say(false, ok).close().frames;

  it("answers its health check, skips its options and replays what the mirror put into it", async () => {
    assert.equal((await fetch(health)).status, 200);
    await send(flow(1, "/aws").map((frame) => geneve(frame, { options, vni: 42 })));
    await send(flow(2, "/plain").map((frame) => geneve(frame, { options, vni: 42, aws: false })));
    await send(flow(3, "/bare").map((frame) => geneve(frame, { vni: 42 })));
    await until("all are paired", () => harness.gateway.snapshot().compare.equal === 3);
    assert.deepEqual(shadow.received.map(String).sort(), [get("/aws"), get("/bare"), get("/plain")]);
    const { requests, intake } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, requests.coverage, intake.malformed, intake.ignored], [3, 1, {}, 0]);
  });

  it("fails its health check while the intake is closed", async () => {
    harness.gateway.setOpen(false);
    assert.equal((await fetch(health)).status, 503);
    harness.gateway.setOpen(true);
    assert.equal((await fetch(health)).status, 200);
  });

  it("takes options of every length, counts those that reach beyond the packet, and leaves other networks out", async () => {
    const longest = Buffer.concat(Array.from({ length: 9 }, (_, type) => geneveOption(0x0108, type, Buffer.alloc(24))));
    await send(flow(4, "/longest").map((frame) => geneve(frame, { options: longest, vni: 42 })));
    await until("it is paired", () => harness.gateway.snapshot().compare.equal === 1);
    const [first] = flow(5, "/x");
    const beyond = geneve(first!, { vni: 42 }).subarray(0, 40);
    beyond[0] = 63;
    await send([beyond, geneve(first!, { vni: 7 })]);
    const { malformed, ignored } = harness.gateway.snapshot().intake;
    assert.deepEqual([malformed, ignored], [{ encapsulation: 1 }, 1]);
  });
});
