import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ask =
  "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
const switched =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";
const tunnel = "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n";
const connected = "HTTP/1.1 200 Connection established\r\n\r\n";

/** A WebSocket frame as a client sends it; its content may look like HTTP. */
function masked(text: string): Buffer {
  const mask = Buffer.from([0, 0, 0, 0]);
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, Buffer.from(text)]);
}

function unmasked(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
}

describe("gateway: an HTTP/1.1 connection that becomes something else", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  /** What the shadow says with its 101, and to each frame. */
  let greeting: Buffer;
  let reply: (frame: Buffer) => Buffer;

  beforeEach(async () => {
    greeting = Buffer.alloc(0);
    reply = (frame) => unmasked(`re ${frame.toString("latin1", 6)}`);
    shadow = await RecordingServer.start((socket, all, fresh) => {
      if (all.length > fresh.length) socket.write(reply(fresh));
      else if (all.includes("CONNECT")) socket.write(connected);
      else socket.write(Buffer.concat([Buffer.from(switched), greeting]));
    });
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const received = (): Buffer => Buffer.concat(shadow.received);
  const flow = (): TcpScript => new TcpScript({ address: "10.8.0.1", port: 43_000 }, server, { mss: 60 }).handshake();
  const paired = async (frames: Buffer[], count: number): Promise<ReturnType<GatewayHarness["samples"]>> => {
    await harness.send(frames);
    await until(`${count} are paired`, () => harness.gateway.snapshot().compare.paired === count);
    await until("they are written", () => harness.samples().length === count);
    return harness.samples();
  };

  it("goes raw in both directions after 101, and both sides' frames are paired by turns", async () => {
    const script = flow().say(true, ask).say(false, switched).acknowledge(true);
    const said = ["GET / HTTP/1.1\r\n\r\n", "two", "three"];
    for (const text of said)
      script
        .say(true, masked(text))
        .say(false, unmasked(`re ${text}`))
        .acknowledge(true);
    const samples = await paired(script.close().frames, 4);
    assert.deepEqual(received(), Buffer.concat([Buffer.from(ask), ...said.map(masked)]));
    assert.deepEqual(
      samples.map(({ protocol, live, shadow: other, equal }) => [protocol, live.status, other.status, equal]),
      [["http1", 101, 101, true], ...said.map(() => ["raw", undefined, undefined, true])],
    );
    assert.deepEqual(
      samples.slice(1).map(({ live }) => live.bytes),
      said.map((text) => unmasked(`re ${text}`).length),
    );
    const { requests, replay } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, requests.coverage, replay.connections], [4, 1, 1]);
  });

  it("finds where 101 ends when the server's first frame is in the same segment, and says where answers differ", async () => {
    greeting = unmasked("hello");
    reply = () => unmasked("otherwise");
    const first = new TcpScript({ address: "10.8.0.1", port: 43_001 }, server).handshake();
    first
      .say(true, ask)
      .say(false, Buffer.concat([Buffer.from(switched), unmasked("hello")]))
      .acknowledge(true);
    first.say(true, masked("one")).say(false, unmasked("re one")).acknowledge(true);
    const samples = await paired(first.close().frames, 2);
    assert.deepEqual(
      samples.map(({ equal }) => equal),
      [true, false],
    );
    assert.deepEqual(received(), Buffer.concat([Buffer.from(ask), masked("one")]));
  });

  it("keeps what the client says at once after its upgrade back until the shadow has switched", async () => {
    const script = flow().say(true, ask).say(false, switched).acknowledge(true).say(true, masked("early"));
    await harness.send(script.acknowledge(false).frames.splice(0));
    await until("both have come", () => received().length === ask.length + masked("early").length);
    await paired(script.say(false, unmasked("re early")).close().frames, 2);
    assert.deepEqual(received(), Buffer.concat([Buffer.from(ask), masked("early")]));
  });

  it("goes raw after a CONNECT that was granted", async () => {
    const script = flow().say(true, tunnel).say(false, connected).acknowledge(true);
    const query = Buffer.from("\x00\x01\x02 not HTTP at all");
    script
      .say(true, query)
      .say(false, unmasked(`re ${query.toString("latin1", 6)}`))
      .acknowledge(true);
    const samples = await paired(script.close().frames, 2);
    assert.deepEqual(received(), Buffer.concat([Buffer.from(tunnel), query]));
    assert.deepEqual(
      samples.map(({ equal }) => equal),
      [true, true],
    );
  });

  it("sends nothing behind a CONNECT before the shadow has answered it, as its client did", async () => {
    const refused = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    const again = tunnel.replace("Host", "Proxy-Authorization: Basic eDp5\r\nHost");
    const heard: string[] = [];
    const slow = await RecordingServer.start((socket, _all, fresh) => {
      heard.push(fresh.toString());
      setTimeout(() => {
        heard.push("answered");
        socket.write(fresh.includes("Authorization") ? connected : refused);
      }, 60);
    });
    const other = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${slow.port}` } });
    try {
      const script = flow().say(true, tunnel).say(false, refused).acknowledge(true);
      script.say(true, again).say(false, connected).acknowledge(true);
      await other.send(script.frames);
      await until("both are paired", () => other.gateway.snapshot().compare.equal === 2);
      assert.deepEqual(heard, [tunnel, "answered", again, "answered"]);
    } finally {
      await other.stop();
      other.remove();
      await slow.stop();
    }
  });

  it("carries it no further after a hole, because nothing tells where a message begins", async () => {
    const script = flow().say(true, ask).say(false, switched).acknowledge(true);
    script.say(true, masked("one")).say(false, unmasked("re one")).acknowledge(true);
    const lost = script.frames.length;
    for (const text of ["two", "three"]) script.say(true, masked(text)).say(false, unmasked("x")).acknowledge(true);
    await harness.send(script.close().frames.filter((_, index) => index !== lost));
    await until("what went before is answered", () => harness.gateway.snapshot().requests.answered === 2);
    const { requests } = await harness.stop();
    assert.deepEqual([requests.onWire, requests.lostByMirror, requests.unusable], [4, 1, { noBoundary: 1 }]);
    assert.deepEqual(received(), Buffer.concat([Buffer.from(ask), masked("one")]));
  });

  it("counts what comes after an upgrade that the shadow refuses as what it has no session for, at once", async () => {
    const refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    const refusing = await RecordingServer.start((socket) => socket.write(refusal));
    const other = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${refusing.port}` } });
    const script = flow().say(true, ask).say(false, switched).acknowledge(true);
    for (const text of ["one", "two"]) script.say(true, masked(text)).say(false, unmasked("re")).acknowledge(true);
    await other.send(script.close().frames);
    const { requests } = other.gateway.snapshot();
    await until("both are counted", () => requests.unusable["sessionLost"] === 2, 2_000);
    const { compare, flows } = await other.stop();
    assert.deepEqual([compare.different, flows.uncovered, refusing.received], [1, 1, [Buffer.from(ask)]]);
    other.remove();
    await refusing.stop();
  });

  it("goes on with a fresh connection when the shadow switches and live does not", async () => {
    const refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    const next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
    const script = flow().say(true, ask).say(false, refusal).acknowledge(true);
    await harness.send(script.frames.splice(0));
    await until("the shadow has switched", () => harness.gateway.snapshot().compare.different === 1);
    await harness.send(script.say(true, next).frames);
    await until("the next request has come", () => shadow.received[1]?.length === next.length);
    assert.deepEqual(shadow.received.map(String), [ask, next]);
  });

  it("sends nothing of it when something that the client said before is missing", async () => {
    const script = flow().say(true, Buffer.concat([Buffer.from(ask), masked("too early")]), 1_000);
    script.say(false, switched).acknowledge(true).say(true, masked("one")).say(false, unmasked("re one"));
    await harness.send(script.close().frames);
    await until("the answer is there", () => harness.gateway.snapshot().compare.paired === 1);
    const { requests } = await harness.stop();
    assert.deepEqual([requests.replayed, requests.unusable], [1, { malformed: 1, noBoundary: 1 }]);
    assert.deepEqual(received(), Buffer.from(ask));
  });
});
