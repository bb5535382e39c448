import assert from "node:assert/strict";

import type { TrafficSelector } from "../../../../components/mirror";
import { tcpFrame, TcpScript, type Peer } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const client = { address: "10.8.0.1", port: 40_000 };
const server = { address: "10.9.0.1", port: 80 };
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const pause = (milliseconds: number): Promise<unknown> => new Promise((done) => setTimeout(done, milliseconds));

describe("gateway: how a connection begins", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  let answer = ok;

  const start = async (live = "10.9.0.1:80", include: TrafficSelector[] = []): Promise<void> => {
    harness = await GatewayHarness.start({ to: { [live]: `127.0.0.1:${shadow.port}` }, include });
  };
  const received = (): string => Buffer.concat(shadow.received).toString("latin1");

  beforeEach(async () => {
    answer = ok;
    shadow = await RecordingServer.start((socket) => socket.write(answer));
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  it("pairs the answer to a request that came in the SYN", async () => {
    await start();
    const fields = { from: client, to: server, sequence: 1000, acknowledgement: 0 };
    const syn = tcpFrame({ ...fields, flags: "S", payload: Buffer.from(get("/fast")) });
    const script = new TcpScript(client, server).handshake().say(true, get("/fast"));
    script.say(false, ok, 8).acknowledge(true);
    await harness.send([syn, ...script.close().frames.slice(1)]);
    await until("it is paired", () => harness.gateway.snapshot().compare.paired === 1);
    const { requests, compare } = await harness.stop();
    assert.deepEqual([requests.onWire, requests.replayed, compare.equal], [1, 1, 1]);
    assert.equal(received(), get("/fast"));
  });

  it("waits for the end of a request line that is slow to come", async () => {
    await start();
    const script = new TcpScript(client, server).handshake();
    for (const part of ["GE", "T /slow", " HTTP/1.1\r\nHost: x\r\n\r\n"]) {
      await harness.send(script.say(true, part).acknowledge(false).frames.splice(0));
      await pause(450);
    }
    await harness.send(script.say(false, ok).acknowledge(true).close().frames);
    await until("it is paired", () => harness.gateway.snapshot().compare.paired === 1);
    assert.equal((await harness.stop()).requests.onWire, 1);
    assert.equal(received(), get("/slow"));
  });

  it("waits for what a client says to a server that speaks first, in pieces and after a while", async () => {
    answer = "welcome\r\n";
    const name = "SSH-2.0-x\r\n";
    shadow.server.on("connection", (socket) => socket.write("notice\r\n"));
    await start("10.9.0.1:80", [{ application: "ssh" }, { payloadHex: "45484c4f" }]);
    const flow = async (port: number, after: number, text: string): Promise<void> => {
      const script = new TcpScript({ ...client, port }, server).handshake().say(false, "notice\r\n");
      await harness.send(script.frames.splice(0));
      await pause(after);
      await harness.send(script.say(true, text, 3).say(false, "welcome\r\n").close().frames);
    };
    await Promise.all([flow(1, 0, name), flow(2, 700, name), flow(3, 700, "EHLO x\r\n"), flow(4, 700, "QUIT\r\n")]);
    await until("three are answered", () => harness.gateway.snapshot().requests.answered === 3);
    const { selection } = await harness.stop();
    assert.deepEqual(shadow.received.map(String).sort(), ["EHLO x\r\n", name, name]);
    assert.deepEqual([selection.flowsSelected, selection.flowsExcluded], [3, 1]);
  });

  it("does not hold much of what a server says for want of a client's word", async () => {
    await start("10.9.0.1:80", [{ payloadHex: "45484c4f" }]);
    const script = new TcpScript(client, server).handshake().say(false, Buffer.alloc(300_000));
    await harness.send(script.frames);
    await until("it is left out", () => harness.gateway.snapshot().selection.flowsExcluded === 1, 2_000);
    assert.equal(harness.gateway.snapshot().flows.heldBytes, 0);
  });

  it("knows HTTP/1 by the answer where mirroring began inside a request", async () => {
    await start("10.9.0.1:80", [{ application: "http1" }]);
    for (const [port, after] of [[1, 0] as const, [2, 700] as const]) {
      const script = new TcpScript({ ...client, port }, server).say(true, "the rest of an upload".repeat(20));
      await harness.send(script.frames.splice(0));
      await pause(after);
      await harness.send(
        script
          .say(false, ok)
          .say(true, get(`/${port}`))
          .say(false, ok)
          .close().frames,
      );
    }
    await until("both are answered", () => harness.gateway.snapshot().requests.answered === 2);
    const { requests, selection } = await harness.stop();
    assert.deepEqual(shadow.received.map(String), [get("/1"), get("/2")]);
    assert.deepEqual([requests.onWire, requests.unusable, selection.flowsSelected], [4, { startedBefore: 2 }, 2]);
  });

  it("carries commands of words by turns, although they begin as a request line does", async () => {
    answer = "END\r\n";
    await start();
    const script = new TcpScript(client, server).handshake();
    const turns = ["get one\r\n", "set one 0 0 2\r\nab\r\n", "get one\r\n"];
    for (const turn of turns) script.say(true, turn).acknowledge(false).say(false, answer).acknowledge(true);
    await harness.send(script.close().frames);
    await until("all are paired", () => harness.gateway.snapshot().compare.equal === 3);
    const { requests } = await harness.stop();
    assert.deepEqual([requests.onWire, requests.unusable], [3, {}]);
    assert.equal(received(), turns.join(""));
  });

  it("knows a live server by any text of its address", async () => {
    await start("[FD00:9:0::0001]:80");
    const [from, to]: Peer[] = [
      { address: "fd00:8::1", port: 5_000 },
      { address: "fd00:9::1", port: 80 },
    ];
    await harness.send(new TcpScript(from!, to!).handshake().say(true, get("/six")).frames);
    await until("it has come", () => received() === get("/six"));
  });

  it("takes the one byte of a keep-alive probe for no other copy of what was said", async () => {
    await start();
    const script = new TcpScript(client, server).handshake().say(true, get("/1")).acknowledge(false);
    const fields = { sequence: 1000 + get("/1").length, acknowledgement: 5001, payload: Buffer.from([0]) };
    script.frames.push(tcpFrame({ from: client, to: server, ...fields, flags: "A" }));
    await harness.send(script.say(false, ok).acknowledge(true).say(true, get("/2")).frames);
    await until("both have come", () => received() === get("/1") + get("/2"));
    assert.equal(harness.gateway.snapshot().flows.overlapConflicts, 0);
  });
});
