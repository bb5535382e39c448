import assert from "node:assert/strict";

import fc from "fast-check";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { mongoMessage } from "../../../support/protocols";

const client = { address: "10.8.0.1", port: 40_000 };
const server = { address: "10.9.0.1", port: 27_017 };
const told = 2;

const message = (id: number, flags = 0): Buffer => mongoMessage(id, Buffer.from(`message ${id}`), flags);
const answer = (id: number): Buffer => mongoMessage(id, Buffer.from("fine"));

describe("gateway: MongoDB", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  /** The number that the shadow gives its next answer. */
  let number: number;

  beforeEach(async () => {
    number = 500;
    shadow = await RecordingServer.start((socket, _all, bytes) => {
      for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at))
        if ((bytes[at + 16]! & told) === 0) socket.write(answer(number++));
    });
    harness = await GatewayHarness.start({ to: { "10.9.0.1:27017": `127.0.0.1:${shadow.port}` } });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const answered = (turns: number): Promise<void> =>
    until("all are answered", () => harness.gateway.snapshot().requests.answered === turns);

  it("finds answers equal whose servers count them differently", async () => {
    const live = new TcpScript(client, server).handshake();
    for (let id = 0; id < 5; id++) live.say(true, message(id)).say(false, answer(id)).acknowledge(true);
    await harness.send(live.close().frames);
    await answered(5);
    const { compare } = await harness.stop();
    assert.deepEqual([compare.equal, compare.different], [5, 0]);
    assert.equal(harness.samples()[0]!.live.bytes, answer(0).length - 16);
  });

  it("makes each message that is not answered a turn of its own, whatever comes together", async () => {
    let port = 41_000;
    let before = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
        fc.constantFrom(7, 40, 1_460),
        async (kinds, mss) => {
          const live = new TcpScript({ address: "10.8.0.1", port: ++port }, server, { mss }).handshake();
          const messages = kinds.map((isTold, id) => message(id, isTold ? told : 0));
          let waiting: Buffer[] = [];
          messages.forEach((bytes, id) => {
            waiting.push(bytes);
            if (kinds[id] === true && id < kinds.length - 1) return;
            live.say(true, Buffer.concat(waiting)).acknowledge(false);
            if (kinds[id] !== true) live.say(false, answer(id)).acknowledge(true);
            waiting = [];
          });
          const connections = shadow.received.length;
          await harness.send(live.close().frames);
          await answered(before + kinds.length);
          before += kinds.length;
          assert.deepEqual(Buffer.concat(shadow.received.slice(connections)), Buffer.concat(messages));
        },
      ),
      { numRuns: 25 },
    );
    const { requests, compare } = await harness.stop();
    assert.deepEqual([requests.onWire, requests.replayed, compare.equal], [before, before, before]);
  });

  it("keeps one turn of what is answered and what is not, when they come together in this order", async () => {
    const live = new TcpScript(client, server).handshake();
    const both = Buffer.concat([message(1), message(2, told)]);
    live.say(true, both).acknowledge(false).say(false, answer(1)).acknowledge(true);
    live.say(true, message(3)).acknowledge(false);
    live.say(true, message(4, told)).say(false, answer(3)).acknowledge(true);
    await harness.send(live.close().frames);
    await answered(2);
    const { requests, compare } = await harness.stop();
    assert.deepEqual([requests.onWire, compare.equal], [2, 2]);
    assert.deepEqual(Buffer.concat(shadow.received), Buffer.concat([both, message(3), message(4, told)]));
  });
});
