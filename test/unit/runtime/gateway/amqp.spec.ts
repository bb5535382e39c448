import assert from "node:assert/strict";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { amqpFrame, amqpLogin, amqpMethod, amqpPublish } from "../../../support/protocols";

const client = { address: "10.8.0.1", port: 7_100 };
const server = { address: "10.9.0.1", port: 5_672 };
const confirmed = amqpMethod(1, 60, 80, Buffer.alloc(9));
const login = amqpLogin.map(({ asks }) => asks);

function loggedIn(): TcpScript {
  const script = new TcpScript(client, server).handshake();
  for (const { asks, answers } of amqpLogin) script.say(true, asks).say(false, answers).acknowledge(true);
  return script;
}

describe("gateway: AMQP", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    shadow = await RecordingServer.start((socket) => socket.write(confirmed));
    harness = await GatewayHarness.start({ to: { "10.9.0.1:5672": `127.0.0.1:${shadow.port}` } });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const received = (): Buffer => Buffer.concat(shadow.received);
  const replay = async (frames: Buffer[], replayed: number): Promise<GatewayStats> => {
    await harness.send(frames);
    await until(`${replayed} are answered`, () => harness.gateway.snapshot().requests.answered === replayed);
    return harness.gateway.snapshot();
  };

  it("sends no half content when the server speaks inside one, contents of two channels alternate and a heartbeat comes", async () => {
    const [method1, header1, a1, b1] = amqpPublish(1, [Buffer.alloc(40, "a"), Buffer.alloc(50, "b")]) as Parts;
    const [method2, header2, a2, b2] = amqpPublish(2, [Buffer.alloc(60, "c"), Buffer.alloc(70, "d")]) as Parts;
    const beat = amqpFrame(8, 0, Buffer.alloc(0));
    const script = loggedIn()
      .say(true, Buffer.concat([method1, header1, a1, method2]))
      .say(false, beat);
    script.say(true, Buffer.concat([header2, a2, beat, b1])).say(false, beat);
    await replay(script.frames.splice(0), login.length);
    assert.deepEqual(received(), Buffer.concat(login));
    const { requests } = await replay(script.say(true, b2).say(false, confirmed).close().frames, login.length + 1);
    const both = [method1, header1, a1, method2, header2, a2, beat, b1, b2];
    assert.deepEqual(received(), Buffer.concat([...login, ...both]));
    assert.equal(requests.onWire, login.length + 1);
  });

  it("is taken up at a method alone, never at the rest of a content whose beginning was lost", async () => {
    const parts = amqpPublish(1, [Buffer.alloc(1_000, "a"), Buffer.alloc(1_000, "b")]);
    const script = loggedIn();
    const lost = script.frames.length;
    script.say(true, Buffer.concat(parts.slice(0, 3))).say(false, amqpFrame(8, 0, Buffer.alloc(0)));
    script.acknowledge(true).say(true, parts[3]!).say(false, confirmed).acknowledge(true);
    const next = Buffer.concat(amqpPublish(1, [Buffer.from("whole")]));
    script.say(true, next).say(false, confirmed).close();
    const { flows, requests } = await replay(
      script.frames.filter((_, index) => index !== lost),
      login.length + 1,
    );
    assert.deepEqual(received(), Buffer.concat([...login, next]));
    assert.equal(flows.resumedAfterLoss, 1);
    assert.deepEqual([requests.lostByMirror, requests.unusable], [1, { noBoundary: 1 }]);
  });

  it("leaves a flow again that was taken up on one channel while a content on another was under way", async () => {
    const [method, header, a, b] = amqpPublish(1, [Buffer.alloc(100, "a"), Buffer.alloc(100, "b")]) as Parts;
    const beat = amqpFrame(8, 0, Buffer.alloc(0));
    const script = loggedIn();
    const lost = script.frames.length;
    script
      .say(true, Buffer.concat([method, header, a]))
      .say(false, beat)
      .acknowledge(true);
    script.say(true, beat).say(true, b).say(false, confirmed).acknowledge(true);
    const next = Buffer.concat(amqpPublish(2, [Buffer.from("whole")]));
    script.say(true, next).say(false, confirmed).close();
    const frames = script.frames.filter((_, index) => index !== lost);
    await replay(frames, login.length + 1);
    assert.deepEqual(received(), Buffer.concat([...login, next]));
  });

  it("carries what is published without a break and without answers while it goes on", async () => {
    const script = loggedIn();
    await harness.send(script.frames.splice(0));
    const published: Buffer[] = [];
    const deadline = Date.now() + 20_000;
    while (received().length <= Buffer.concat(login).length + 50) {
      assert.ok(Date.now() < deadline, "nothing came while the client went on");
      const message = Buffer.concat(amqpPublish(1, [Buffer.from(`message ${published.length}`)]));
      published.push(message);
      await harness.send(script.say(true, message).frames.splice(0));
      await new Promise((done) => setTimeout(done, 10));
    }
    await harness.send(script.close().frames);
    const all = Buffer.concat([...login, ...published]);
    await until("all has come", () => received().length === all.length);
    assert.deepEqual(received(), all);
  });

  it("goes by turns alone where the version is another one", async () => {
    const turns = ["AMQP\0\x01\0\0", "\0\0\0\x0c\x02\0\0\0open", "\0\0\0\x0b\x02\0\0\0bye"];
    const script = new TcpScript(client, server).handshake();
    for (const turn of turns) script.say(true, turn).say(false, confirmed).acknowledge(true);
    const { requests } = await replay(script.close().frames, 3);
    assert.deepEqual(received().toString("latin1"), turns.join(""));
    assert.equal(requests.coverage, 1);
  });
});

type Parts = [Buffer, Buffer, Buffer, Buffer];
