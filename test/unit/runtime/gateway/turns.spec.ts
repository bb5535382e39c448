import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 7_007 };
const turn = (name: string): string => `\x01\x02 ${name.repeat(250)}`;

describe("gateway: where a turn of an unknown protocol ends", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  let script: TcpScript;

  beforeEach(async () => {
    shadow = await RecordingServer.start((socket) => socket.write("well"));
    harness = await GatewayHarness.start({ to: { "10.9.0.1:7007": `127.0.0.1:${shadow.port}` } });
    script = new TcpScript({ address: "10.8.0.1", port: 40_000 }, server, { mss: 100 }).handshake();
    script.say(true, turn("a")).acknowledge(false).say(false, "well").acknowledge(true);
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const received = (): string => Buffer.concat(shadow.received).toString("latin1");
  const pause = (milliseconds: number): Promise<unknown> => new Promise((done) => setTimeout(done, milliseconds));

  it("never sends the half whose rest was lost together with the answer to it", async () => {
    await harness.send(script.frames.splice(0));
    script.say(true, turn("b"));
    const seen = script.frames.slice(0, 2);
    script.acknowledge(false).say(false, "well").frames.length = 0;
    script.acknowledge(true).say(true, turn("c")).acknowledge(false).close();
    await harness.send([...seen, ...script.frames]);
    harness.gateway.endFlows();
    const { requests } = await harness.stop();
    assert.equal(received(), turn("a"));
    assert.deepEqual([requests.replayed, requests.lostByMirror], [1, 1]);
  });

  it("does not take a pause for the end as long as the server has not acknowledged what was said", async () => {
    await harness.send(script.frames.splice(0));
    script.say(true, turn("b"));
    await harness.send(script.frames.splice(0, 2));
    await pause(600);
    assert.equal(received(), turn("a"));
    await harness.send(script.acknowledge(false).frames.splice(0));
    await until("all of it has come", () => received() === turn("a") + turn("b"));
  });

  it("sends what the server has acknowledged and never answers", async () => {
    await harness.send(script.say(true, turn("b")).acknowledge(false).frames.splice(0));
    await until("it has come", () => received() === turn("a") + turn("b"));
    await harness.send(script.say(true, turn("c")).acknowledge(false).reset(false).frames.splice(0));
    await until("it has come although the server fell over it", () => received().endsWith(turn("c")));
  });

  it("sends nothing of a turn in the middle of which the intake is closed", async () => {
    await harness.send(script.frames.splice(0));
    script.say(true, turn("b").slice(0, 100)).acknowledge(false);
    await harness.send(script.frames.splice(0));
    harness.gateway.setOpen(false);
    const { requests } = await harness.stop();
    assert.equal(received(), turn("a"));
    assert.deepEqual(requests.unusable, { intakeClosed: 1 });
  });

  it("tells two turns apart by what the client has received when the answer between them was lost", async () => {
    await harness.send(script.frames.splice(0));
    script.say(true, turn("b")).acknowledge(false);
    await harness.send(script.frames.splice(0));
    script.say(false, "well").frames.length = 0;
    await harness.send(script.say(true, turn("c")).acknowledge(false).say(false, "well").close().frames);
    await until("both have come", () => received() === turn("a") + turn("b") + turn("c"));
    assert.equal((await harness.stop()).requests.onWire, 3);
  });

  it("marks what it lost as estimated when the answers that would tell how much are lost too", async () => {
    await harness.send(script.frames.splice(0));
    for (const name of ["b", "c"]) script.say(true, turn(name)).acknowledge(false).say(false, "well").acknowledge(true);
    script.frames.length = 0;
    script.say(true, turn("d")).acknowledge(false).say(false, "well").acknowledge(true);
    await harness.send(script.close().frames);
    const { requests } = await harness.stop();
    assert.equal(requests.replayed, 1);
    assert.ok(requests.lostEstimated > 0);
  });

  it("tells turns apart after a hole although the answers between them are lost", async () => {
    await harness.send(script.frames.splice(0));
    script.say(true, turn("b")).frames.length = 0;
    script.acknowledge(false).say(false, "well").acknowledge(true);
    for (const name of ["c", "d", "e"]) {
      await harness.send(script.say(true, turn(name)).frames.splice(0));
      script.acknowledge(false).say(false, "well").frames.length = 0;
    }
    await harness.send(script.close().frames);
    const { requests } = await harness.stop();
    assert.equal(received(), turn("a"));
    assert.deepEqual([requests.lostByMirror, requests.unusable], [1, { noBoundary: 3 }]);
  });

  it("tells turns apart where only the client is mirrored, also those that waited behind a hole", async () => {
    await harness.send(script.frames.splice(0));
    script.say(true, turn("b")).frames.length = 0;
    for (const name of ["c", "d", "e"]) {
      script.acknowledge(false).say(false, "well").frames.length = 0;
      await harness.send(script.acknowledge(true).say(true, turn(name)).frames.splice(0));
    }
    harness.gateway.endFlows();
    const { requests } = await harness.stop();
    assert.equal(received(), turn("a"));
    // Nothing tells whether the first one behind the hole is the end of what it took.
    assert.deepEqual([requests.lostByMirror, requests.unusable, requests.lostEstimated], [1, { noBoundary: 2 }, 1]);
  });

  it("waits for the shadow's answer where live's was lost, also when the connection does not stand yet", async () => {
    const slow = await RecordingServer.start((socket, _all, fresh) => {
      setTimeout(() => socket.write(`re ${fresh.toString("latin1", 3, 4)}`), 30);
    });
    const other = await GatewayHarness.start({ to: { "10.9.0.1:7007": `127.0.0.1:${slow.port}` } });
    const flow = new TcpScript({ address: "10.8.0.1", port: 40_001 }, server).handshake();
    const lost = flow.say(true, turn("a")).acknowledge(false).frames.length;
    flow.say(false, "re a").acknowledge(true);
    for (const name of ["b", "c"]) flow.say(true, turn(name)).acknowledge(false).say(false, `re ${name}`);
    await other.send(flow.close().frames.filter((_, index) => index !== lost));
    await until("all have a sample", () => other.samples().length === 3);
    assert.equal(Buffer.concat(slow.received).toString("latin1"), turn("a") + turn("b") + turn("c"));
    assert.deepEqual(
      other.samples().map(({ live, shadow: side, equal }) => [live.error, side.bytes, equal]),
      [
        ["lost", 4, undefined],
        [undefined, 4, true],
        [undefined, 4, true],
      ],
    );
    await other.stop();
    other.remove();
    await slow.stop();
  });

  it("takes no silence for a failure that live keeps as well, and stays on its connection", async () => {
    const deaf = await RecordingServer.start(() => undefined);
    const other = await GatewayHarness.start({
      to: { "10.9.0.1:7007": `127.0.0.1:${deaf.port}` },
      responseTimeoutSeconds: 0.4,
    });
    const flow = new TcpScript({ address: "10.8.0.1", port: 40_002 }, server).handshake();
    for (const name of ["a", "b"]) {
      await other.send(flow.say(true, turn(name)).acknowledge(false).frames.splice(0));
      await until("it has its sample", () => other.samples().length === (name === "a" ? 1 : 2), 3_000);
    }
    const { requests, replay } = await other.stop();
    assert.deepEqual([requests.answered, requests.failed, replay.connections], [2, {}, 1]);
    assert.deepEqual(deaf.received.map(String), [turn("a") + turn("b")]);
    other.remove();
    await deaf.stop();
  });

  it("waits for all of a greeting before the first turn, and not for more than comes", async () => {
    for (const [port, second] of [
      [40_003, "220 ready\r\n"],
      [40_004, ""],
    ] as const) {
      const polite = await RecordingServer.start((socket) => socket.write("250 ok\r\n"));
      polite.server.on("connection", (socket) => {
        socket.write("220-hello\r\n");
        setTimeout(() => socket.write(second), 20);
      });
      const other = await GatewayHarness.start({ to: { "10.9.0.1:7007": `127.0.0.1:${polite.port}` } });
      const flow = new TcpScript({ address: "10.8.0.1", port }, server).handshake();
      flow.say(false, "220-hello\r\n").say(false, "220 ready\r\n").acknowledge(true);
      flow.say(true, "EHLO x\r\n").say(false, "250 ok\r\n").acknowledge(true);
      await other.send(flow.close().frames);
      await until("it has its sample", () => other.samples().length === 1);
      assert.deepEqual([other.samples()[0]?.equal, other.samples()[0]?.shadow.bytes], [true, 8]);
      await other.stop();
      other.remove();
      await polite.stop();
    }
  });
});
