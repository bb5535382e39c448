import assert from "node:assert/strict";

import fc from "fast-check";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { damaged, isOrderedSubset, withoutClientData } from "../../../support/damage";
import { conversations, redisCommand, type Conversation } from "../../../support/protocols";

const server = { address: "10.9.0.1", port: 5_555 };
const values = fc.array(fc.uint8Array({ minLength: 1, maxLength: 900 }), { minLength: 2, maxLength: 10 });
const damage = fc.record({
  mss: fc.constantFrom(53, 200, 1_460),
  loss: fc.constantFrom(0, 0, 0.05, 0.2),
  burst: fc.constantFrom(1, 1, 4, 12),
  duplicate: fc.constantFrom(0, 0.1),
  reorder: fc.constantFrom(0, 0.1),
  skip: fc.constant(0),
  seed: fc.integer(),
});

/** Bytes that begin no message of any protocol and are no HTTP. */
function plain(bytes: readonly Uint8Array[]): Buffer[] {
  return bytes.map((value) => Buffer.from(Buffer.from(value).toString("hex"), "latin1"));
}

function scriptOf({ greeting, turns }: Conversation, port: number, mss = 1_460, first = mss): TcpScript {
  const script = new TcpScript({ address: "10.8.0.1", port }, server, { mss }).handshake();
  if (greeting !== undefined) script.say(false, greeting).acknowledge(true);
  turns.forEach(({ asks, answers }, index) => {
    script
      .say(true, asks, index === 0 ? first : mss)
      .acknowledge(false)
      .say(false, answers)
      .acknowledge(true);
  });
  return script;
}

/** A shadow that greets where the protocol wants it, and answers whatever it is told. */
async function shadowFor({ greeting, turns }: Conversation): Promise<RecordingServer> {
  const shadow = await RecordingServer.start((socket) => socket.write(turns.at(-1)!.answers));
  if (greeting !== undefined) shadow.server.on("connection", (socket) => socket.write(greeting));
  return shadow;
}

describe("gateway: protocols whose messages have a known end", function () {
  this.timeout(240_000);
  for (const [name, conversationOf] of Object.entries(conversations)) {
    it(`${name}: whatever the mirror does, the shadow gets whole turns alone, in order, and goes on after a hole`, async () => {
      const shadow = await shadowFor(conversationOf([Buffer.alloc(1)]));
      const to = { "10.9.0.1:5555": `127.0.0.1:${shadow.port}` };
      const harness = await GatewayHarness.start({
        to,
        responseTimeoutSeconds: 1.5,
        limits: { holeTimeoutMilliseconds: 300 },
      });
      let port = 10_000;
      let resumed = 0;
      const run = async (frames: Buffer[]): Promise<{ got: Buffer; counted: GatewayStats["requests"][] }> => {
        const before = structuredClone(harness.gateway.snapshot().requests);
        const connections = shadow.received.length;
        await harness.send(frames);
        harness.gateway.endFlows();
        const settled = (): boolean => {
          const { replayed, answered, failed } = harness.gateway.snapshot().requests;
          return answered + Object.values(failed).reduce((a, b) => a + b, 0) === replayed;
        };
        await until("all is answered", settled);
        const after = structuredClone(harness.gateway.snapshot().requests);
        resumed = harness.gateway.snapshot().flows.resumedAfterLoss;
        return { got: Buffer.concat(shadow.received.slice(connections)), counted: [before, after] };
      };
      /** The turns that make up the bytes; fails when they are anything else. */
      const turnsIn = (bytes: Buffer, { turns }: Conversation): string[] => {
        const found: string[] = [];
        let at = 0;
        while (at < bytes.length) {
          const next = turns.find(({ asks }) => bytes.subarray(at, at + asks.length).equals(asks));
          assert.ok(next !== undefined, `bytes at ${at} are no whole turn`);
          found.push(next.asks.toString("latin1"));
          at += next.asks.length;
        }
        return found;
      };
      try {
        await fc.assert(
          fc.asyncProperty(values, damage, async (asked, harm) => {
            const conversation = conversationOf(plain(asked));
            const truth = conversation.turns.map(({ asks }) => asks.toString("latin1"));
            const script = scriptOf(conversation, ++port, harm.mss).close();
            const { got, counted } = await run(damaged(script.frames, harm));
            const [before, after] = counted as [GatewayStats["requests"], GatewayStats["requests"]];
            assert.ok(isOrderedSubset(turnsIn(got, conversation), truth));
            const estimated = after.lostEstimated - before.lostEstimated;
            assert.ok(after.onWire - before.onWire - estimated <= truth.length, JSON.stringify(counted));
            if (harm.loss === 0 && harm.reorder === 0) assert.equal(after.replayed - before.replayed, truth.length);
          }),
          { numRuns: 15 },
        );
        await fc.assert(
          fc.asyncProperty(values, fc.constantFrom(0.1, 0.4), fc.integer(), async (asked, share, seed) => {
            const conversation = conversationOf(plain(asked));
            const script = scriptOf(conversation, ++port).close();
            const { got, counted } = await run(withoutClientData(script.frames, port, share, seed));
            turnsIn(got, conversation);
            assert.equal(counted[1]!.onWire - counted[0]!.onWire, conversation.turns.length, "the count is the truth");
          }),
          { numRuns: 15 },
        );
        const before = resumed;
        const conversation = conversationOf([1, 2, 3, 4].map((n) => Buffer.alloc(50, `${n}`)));
        const upTo = { ...conversation, turns: conversation.turns.slice(0, -2) };
        const { frames } = scriptOf(conversation, ++port).close();
        const missing = scriptOf(upTo, port).frames.length;
        const { got } = await run(frames.toSpliced(missing, 1));
        assert.equal(resumed - before, 1, "a lost request is followed by others");
        const kept = conversation.turns.toSpliced(-2, 1).map(({ asks }) => asks);
        assert.deepEqual(got, Buffer.concat(kept));
      } finally {
        await harness.stop();
        harness.remove();
        await shadow.stop();
      }
    });
  }

  for (const name of ["redis", "mongodb", "dns"]) {
    for (const inside of [true, false]) {
      it(`${name}: takes up a connection at its next message when mirroring began ${inside ? "inside" : "after"} one`, async () => {
        const conversation = conversations[name]!([1, 2, 3, 4].map((n) => Buffer.alloc(50 * n, `${n}`)));
        const shadow = await shadowFor(conversation);
        const harness = await GatewayHarness.start({ to: { "10.9.0.1:5555": `127.0.0.1:${shadow.port}` } });
        const script = scriptOf(conversation, 7_000, 1_460, inside ? 40 : 1_460).close();
        await harness.send(script.frames.slice(script.frames.findIndex((frame) => frame.length > 60) + 1));
        await until("the rest is answered", () => harness.gateway.snapshot().requests.answered === 3);
        const { requests, flows } = await harness.stop();
        assert.equal(flows.pickedUpMidStream, 1);
        assert.deepEqual(requests.unusable, inside ? { startedBefore: 1 } : {});
        const rest = conversation.turns.slice(1).map(({ asks }) => asks);
        assert.deepEqual(Buffer.concat(shadow.received), Buffer.concat(rest));
        harness.remove();
        await shadow.stop();
      });
    }
  }

  for (const name of ["postgres", "mysql", "amqp"]) {
    it(`${name}: counts every turn of a connection whose login went by before mirroring began`, async () => {
      const conversation = conversations[name]!([1, 2, 3].map((n) => Buffer.alloc(20, `${n}`)));
      const shadow = await shadowFor(conversation);
      const harness = await GatewayHarness.start({ to: { "10.9.0.1:5555": `127.0.0.1:${shadow.port}` } });
      const login = scriptOf({ ...conversation, turns: conversation.turns.slice(0, -3) }, 7_001).frames.length;
      await harness.send(scriptOf(conversation, 7_001).close().frames.slice(login));
      harness.gateway.endFlows();
      const { requests, flows } = await harness.stop();
      assert.deepEqual([requests.onWire, requests.unusable, flows.uncovered], [3, { startedBefore: 3 }, 1]);
      assert.equal(shadow.received.length, 0);
      harness.remove();
      await shadow.stop();
    });
  }

  it("sends pipelined commands whole although the server answers in the middle of one", async () => {
    const shadow = await RecordingServer.start((socket) => socket.write("+OK\r\n"));
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:5555": `127.0.0.1:${shadow.port}` } });
    const [first, second] = [redisCommand("SET", "a", "1"), redisCommand("SET", "b", "2")];
    const script = new TcpScript({ address: "10.8.0.1", port: 7_002 }, server).handshake();
    script.say(true, Buffer.concat([first, second.subarray(0, 9)])).say(false, "+OK\r\n");
    script.say(true, second.subarray(9)).say(false, "+OK\r\n").close();
    await harness.send(script.frames);
    await until("both are answered", () => harness.gateway.snapshot().requests.answered === 2);
    assert.equal((await harness.stop()).requests.onWire, 2);
    assert.deepEqual(Buffer.concat(shadow.received), Buffer.concat([first, second]));
    harness.remove();
    await shadow.stop();
  });
});
