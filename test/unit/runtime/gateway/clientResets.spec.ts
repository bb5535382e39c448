import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";

import { kernel } from "../../../../components/runtime/gateway/kernel";
import { KernelWires } from "../../../../components/runtime/gateway/replay/kernelWires";
import { NodeWire } from "../../../../components/runtime/gateway/replay/nodeWire";
import type { Wire, WireEvents } from "../../../../components/runtime/gateway/replay/wire";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

function flow(port: number): TcpScript {
  return new TcpScript({ address: "10.8.0.1", port }, server).handshake();
}

/** How a server's connections ended: `end` for a FIN, the error's code for a reset. */
function endings(shadow: { server: Server }): string[] {
  const list: string[] = [];
  shadow.server.on("connection", (socket) => {
    socket.on("end", () => list.push("end"));
    socket.on("error", (error: NodeJS.ErrnoException) => list.push(error.code ?? "unknown"));
  });
  return list;
}

describe("gateway: the client's reset is passed on", () => {
  let answer: (all: Buffer) => string | undefined;
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  let ended: string[];

  beforeEach(async () => {
    answer = () => ok;
    shadow = await RecordingServer.start((socket, all) => {
      const text = answer(all);
      if (text !== undefined) socket.write(text);
    });
    ended = endings(shadow);
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      responseTimeoutSeconds: 5,
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const resets = (): number => harness.gateway.snapshot().replay.clientResets;

  it("when everything was answered", async () => {
    await harness.send(flow(41_001).say(true, get("/1")).say(false, ok).reset(true).frames);
    await until("the connection has ended", () => ended.length > 0);
    assert.deepEqual(ended, ["ECONNRESET"]);
    assert.deepEqual(shadow.received.map(String), [get("/1")]);
    const { requests } = harness.gateway.snapshot();
    assert.deepEqual([requests.answered, requests.failed, resets()], [1, {}, 1]);
  });

  it("when live had not answered: the request arrives, then the reset, and both sides are told alike", async () => {
    answer = () => undefined;
    await harness.send(flow(41_002).say(true, get("/1")).acknowledge(false).reset(true).frames);
    await until("the connection has ended", () => ended.length > 0);
    assert.deepEqual(ended, ["ECONNRESET"]);
    assert.deepEqual(shadow.received.map(String), [get("/1")]);
    await until("there is a sample", () => harness.samples().length === 1);
    assert.deepEqual(
      harness.samples().map(({ live, shadow: replay }) => [live.error, replay.error]),
      [["reset", "reset"]],
    );
    assert.equal(resets(), 1);
  });

  it("not before the shadow has answered what live had answered", async () => {
    let release = (): void => undefined;
    answer = (all) => {
      if (all.includes("/2")) setTimeout(() => release(), 300);
      return undefined;
    };
    release = () => {
      for (const socket of shadow.sockets) socket.write(ok);
    };
    const script = flow(41_003).say(true, get("/1")).say(false, ok).say(true, get("/2")).reset(true);
    await harness.send(script.frames);
    await until("the connection has ended", () => ended.length > 0);
    assert.deepEqual(ended, ["ECONNRESET"]);
    await until("there are two samples", () => harness.samples().length === 2);
    assert.deepEqual(
      harness.samples().map(({ live, shadow: replay }) => [live.error, replay.error]),
      [
        [undefined, undefined],
        ["reset", "reset"],
      ],
    );
  });

  it("for protocols by turns and for HTTP/2 as well", async () => {
    answer = () => "pong";
    await harness.send(flow(41_004).say(true, "\x01\x02ping").say(false, "pong").reset(true).frames);
    await until("the connection by turns has ended", () => ended.length === 1);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    answer = (all) => (all.length === 33 ? settings.toString("latin1") : undefined);
    const http2 = flow(41_005)
      .say(true, Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings]))
      .say(false, settings);
    await harness.send(http2.frames.splice(0));
    await until("the preface is there", () => shadow.received[1]?.length === 42);
    await harness.send(http2.reset(true).frames);
    await until("the HTTP/2 connection has ended", () => ended.length === 2);
    assert.deepEqual(ended, ["ECONNRESET", "ECONNRESET"]);
    assert.equal(resets(), 2);
  });

  it("but a client that ends and a server that resets end it in the shadow by an ordinary end", async () => {
    await harness.send(flow(41_006).say(true, get("/1")).say(false, ok).close().frames);
    await until("the first connection has ended", () => ended.length === 1);
    await harness.send(flow(41_007).say(true, get("/2")).reset(false).frames);
    await until("the second connection has ended", () => ended.length === 2);
    assert.deepEqual(ended, ["end", "end"]);
    await until("there are two samples", () => harness.samples().length === 2);
    const second = harness.samples()[1]!;
    assert.deepEqual([second.live.error, second.shadow.error, second.shadow.status], ["reset", undefined, 200]);
    assert.equal(resets(), 0);
  });
});

describe("gateway: a reset on either kind of connection", () => {
  const events: WireEvents = { connected: () => undefined, data: () => undefined, closed: () => undefined };
  const kinds: [string, (port: number, connected: () => void) => Wire][] = [
    [
      "Node's",
      (port, connected) => new NodeWire({ address: "127.0.0.1", port }, undefined, undefined, { ...events, connected }),
    ],
    [
      "the kernel's",
      (port, connected) =>
        new KernelWires(kernel()!).connect({ address: "127.0.0.1", port }, undefined, undefined, {
          ...events,
          connected,
        }),
    ],
  ];
  for (const [name, open] of kinds) {
    it(`${name} is a reset for the server`, async () => {
      const listener = createServer();
      const ended = endings({ server: listener });
      let received = "";
      listener.on("connection", (socket) => socket.on("data", (bytes: Buffer) => (received += bytes.toString())));
      await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));
      const { port } = listener.address() as { port: number };
      const wire: Wire = await new Promise((done) => {
        const opened: Wire = open(port, () => done(opened));
      });
      wire.write([Buffer.from("hello")]);
      await until("the server has it", () => received === "hello");
      wire.destroy(true);
      await until("the server's connection is over", () => ended.length > 0);
      assert.deepEqual(ended, ["ECONNRESET"]);
      await new Promise((done) => listener.close(done));
    });
  }
});
