import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const flowsEach = 8;
const requestsEach = 12;
const responseTimeoutSeconds = 30;
const good = ["10.9.0.1:80", "10.9.0.2:7"];

/** A server that treats its clients badly. */
async function bad(treat: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    treat(socket);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}

/** The frames of one step of a flow: a request of 20 kB or a turn, and its answer. */
function step(script: TcpScript, http: boolean, name: string): Buffer[] {
  const body = name.padEnd(20_000, ".");
  const asks = http ? `POST /${name} HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}` : `\x01\x02 ${name}`;
  script
    .say(true, asks)
    .acknowledge(false)
    .say(false, http ? ok : "well")
    .acknowledge(true);
  return script.frames.splice(0);
}

describe("gateway: shadow servers that are slow, hang, never read, refuse or reset", () => {
  it("slow nothing else: the good ones have every exchange long before the bad ones time out", async function () {
    this.timeout(90_000);
    const http = await RecordingServer.start((socket, _all, fresh) => {
      for (let left = fresh.toString("latin1").split(" HTTP/1.1\r\n").length; left > 1; left--) socket.write(ok);
    });
    const raw = await RecordingServer.start((socket) => socket.write("well"));
    const closed = await bad(() => undefined);
    const refused = portOf(closed);
    await new Promise((done) => closed.close(done));
    const servers = {
      slow: await bad((socket) => socket.on("data", () => setTimeout(() => socket.write(ok), 1_500))),
      hanging: await bad((socket) => socket.resume()),
      deaf: await bad((socket) => socket.pause()),
      resetting: await bad((socket) => socket.on("data", () => socket.resetAndDestroy())),
      endless: await bad((socket) => socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nX: "))),
    };
    const ports = [http.port, raw.port, refused, ...Object.values(servers).map(portOf)];
    const targets = ports.map((port, index) => [`10.9.0.${index + 1}:${index === 1 ? 7 : 80}`, `127.0.0.1:${port}`]);
    const harness = await GatewayHarness.start({
      to: Object.fromEntries(targets) as Record<string, string>,
      responseTimeoutSeconds,
      limits: { maximumLagMilliseconds: 60_000 },
    });
    const began = performance.now();
    const scripts = Array.from({ length: flowsEach }, (_, flow) =>
      ports.map((_port, index) => {
        const server = { address: `10.9.0.${index + 1}`, port: index === 1 ? 7 : 80 };
        return new TcpScript({ address: "10.8.0.1", port: 45_000 + flow }, server).handshake();
      }),
    ).flat();
    for (let request = 0; request < requestsEach; request++) {
      const frames = scripts.map((script, index) => step(script, script.server.port === 80, `${index}-${request}`));
      await harness.send(frames.flat());
    }
    const answersOf = (server: string): number =>
      harness.samples().filter(({ flow, equal }) => flow.endsWith(`>${server}`) && equal === true).length;
    await until("the good ones have answered all", () =>
      good.every((server) => answersOf(server) === flowsEach * requestsEach),
    );
    const took = performance.now() - began;
    assert.ok(took < responseTimeoutSeconds * 500, `took ${took} ms`);
    const lags = harness.samples().filter(({ flow }) => good.some((server) => flow.endsWith(`>${server}`)));
    const worst = Math.max(...lags.map(({ lagMilliseconds }) => lagMilliseconds));
    assert.ok(worst < 2_000, `sent up to ${worst} ms late`);
    const { requests, replay } = harness.gateway.snapshot();
    assert.equal(requests.onWire, ports.length * flowsEach * requestsEach);
    assert.ok(requests.failed["refused"]! > 0 && requests.failed["reset"]! > 0, JSON.stringify(requests.failed));
    assert.ok(replay.openConnections > 0, "the hanging ones still wait");
    await harness.stop();
    harness.remove();
    await http.stop();
    await raw.stop();
    for (const server of Object.values(servers)) server.close();
  });
});
