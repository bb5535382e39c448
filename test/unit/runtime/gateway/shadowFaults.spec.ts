import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";

import { connectWire } from "../../../../components/runtime/gateway/replay/wire";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

function flow(port: number): TcpScript {
  return new TcpScript({ address: "10.8.0.1", port }, server).handshake();
}

/** The frames that a script has gained since the last time. */
function fresh(script: TcpScript): Buffer[] {
  return script.frames.splice(0);
}

function request(script: TcpScript, path: string): Buffer[] {
  script.say(true, get(path)).say(false, ok).acknowledge(true);
  return fresh(script);
}

describe("gateway: a shadow that refuses, hangs, resets or answers nonsense", () => {
  let behaviour: (socket: Socket) => void;
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    behaviour = (socket) => socket.write(ok);
    shadow = await RecordingServer.start((socket) => behaviour(socket));
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      responseTimeoutSeconds: 0.5,
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const samples = async (count: number): Promise<(string | undefined)[]> => {
    await until(`there are ${count} samples`, () => harness.samples().length >= count);
    return harness.samples().map((sample) => sample.shadow.error);
  };

  it("gives every request a sample while nobody listens, and connects afresh when somebody does", async () => {
    const { port } = shadow;
    await shadow.stop();
    const script = flow(41_001);
    await harness.send([...request(script, "/1")]);
    assert.deepEqual(await samples(1), ["refused"]);
    await harness.send(request(script, "/2"));
    assert.deepEqual(await samples(2), ["refused", "refused"]);
    const again = await RecordingServer.start((socket) => socket.write(ok), port);
    await harness.send(request(script, "/3"));
    assert.deepEqual(await samples(3), ["refused", "refused", undefined]);
    assert.deepEqual(again.received.map(String), [get("/3")]);
    const stats = harness.gateway.snapshot();
    assert.equal(stats.requests.replayed, 3);
    assert.equal(stats.requests.answered, 1);
    assert.deepEqual(stats.requests.failed, { refused: 2 });
    assert.equal(stats.replay.reconnections, 2);
    await again.stop();
  });

  it("times out a hanging server, and the flow recovers on a new connection", async () => {
    behaviour = () => undefined;
    const script = flow(41_002);
    await harness.send(request(script, "/1"));
    assert.deepEqual(await samples(1), ["timeout"]);
    behaviour = (socket) => socket.write(ok);
    await harness.send(request(script, "/2"));
    assert.deepEqual(await samples(2), ["timeout", undefined]);
    assert.deepEqual(shadow.received.map(String), [get("/1"), get("/2")]);
  });

  it("leaves no connection behind when messages that waited for a hanging server time out together", async () => {
    behaviour = () => undefined;
    const script = flow(41_008);
    for (let turn = 0; turn < 4; turn++) {
      script.say(true, `\x01\x02 turn ${turn}`).acknowledge(false).say(false, "well").acknowledge(true);
    }
    await harness.send(script.close().frames);
    assert.deepEqual(await samples(4), ["timeout", "timeout", "timeout", "timeout"]);
    await until("every connection is closed", () => harness.gateway.snapshot().replay.openConnections === 0, 3_000);
    await until("the flow is forgotten", () => harness.gateway.snapshot().flows.open === 0, 3_000);
  });

  it("notices a reset and an early end", async () => {
    behaviour = (socket) => socket.resetAndDestroy();
    const script = flow(41_003);
    await harness.send(request(script, "/1"));
    assert.deepEqual(await samples(1), ["reset"]);
    behaviour = (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly a part");
    await harness.send(request(script, "/2"));
    assert.deepEqual(await samples(2), ["reset", "closed"]);
  });

  it("reads what a shadow said before its reset made a write to it fail", async () => {
    const program = `require("node:net").createServer((socket) => {
      socket.pause();
      setTimeout(() => socket.write("413", () => socket.resetAndDestroy()), 50);
    }).listen(0, "127.0.0.1", function () { console.log(this.address().port); })`;
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [port] = (await once(child.stdout, "data")) as [Buffer];
      const told: string[] = [];
      const wire = connectWire({ address: "127.0.0.1", port: Number(port) }, undefined, undefined, {
        connected: () => {
          wire.write([Buffer.alloc(1_000)]);
          // Nothing else happens here before the other process has answered and is gone.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
          wire.write([Buffer.alloc(1_000)]);
        },
        data: (buffer, length) => told.push(buffer.toString("latin1", 0, length)),
        closed: (error) => {
          told.push(String(error));
          wire.destroy(false);
        },
      });
      await until("it is over", () => told.length > 1);
      assert.deepEqual(told, ["413", "ECONNRESET"]);
    } finally {
      child.kill();
    }
  });

  it("leaves time for everything else while a shadow never stops talking", async function () {
    this.timeout(30_000);
    const program = `require("node:net").createServer((socket) => {
      socket.on("error", () => undefined);
      const piece = Buffer.alloc(1 << 20);
      const say = () => { while (socket.write(piece)); };
      socket.on("drain", say);
      say();
    }).listen(0, "127.0.0.1", function () { console.log(this.address().port); })`;
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [port] = (await once(child.stdout, "data")) as [Buffer];
      let heard = 0;
      const wire = connectWire({ address: "127.0.0.1", port: Number(port) }, undefined, undefined, {
        connected: () => undefined,
        data: (_, length) => {
          heard += length;
          // What a reader does with an answer takes longer than the other process needs to say as much again.
          for (const until = performance.now() + 0.2; performance.now() < until;);
        },
        closed: () => wire.destroy(false),
      });
      await until("it talks", () => heard > 0);
      let turns = 0;
      const timer = setInterval(() => turns++, 10);
      await new Promise((done) => setTimeout(done, 1_000));
      clearInterval(timer);
      wire.destroy(false);
      assert.ok(heard > 50e6 && turns > 25, `${turns} turns of a timer within a second`);
    } finally {
      child.kill();
    }
  });

  it("does not take nonsense for an answer", async () => {
    behaviour = (socket) => socket.write("what do you want?\r\n\r\n");
    await harness.send(request(flow(41_004), "/1"));
    assert.deepEqual(await samples(1), ["malformed"]);
  });

  it("a hanging flow holds up no other", async () => {
    behaviour = (socket) => {
      if (shadow.received[0]?.includes("/hang") === true && shadow.received.length === 1) return;
      socket.write(ok);
    };
    await harness.send(request(flow(41_005), "/hang"));
    await until("the first request is there", () => shadow.received[0]?.includes("/hang") === true);
    await harness.send(request(flow(41_006), "/other"));
    await until("the other is answered", () => harness.gateway.snapshot().requests.answered === 1);
    assert.deepEqual(
      harness.gateway.snapshot().requests.failed,
      {},
      "the other flow was answered before the first one timed out",
    );
    assert.equal((await samples(2)).filter((error) => error === "timeout").length, 1);
  });

  it("keeps its intake closed until told, and forgets flows when it closes", async () => {
    harness.gateway.setOpen(false);
    const script = flow(41_007);
    const opening = fresh(script);
    await harness.send([...opening, ...request(script, "/1")]);
    assert.equal(harness.gateway.snapshot().intake.packets, 0);
    harness.gateway.setOpen(true);
    await harness.send(request(script, "/2"));
    assert.deepEqual(await samples(1), [undefined]);
    assert.deepEqual(shadow.received.map(String), [get("/2")]);
  });
});
