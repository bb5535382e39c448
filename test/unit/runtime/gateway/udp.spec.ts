import assert from "node:assert/strict";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";

import type { GatewayConfig } from "../../../../components/runtime/gateway/config";
import { udpFrame, type Peer } from "../../../support/capture";
import { freeDatagramPort, GatewayHarness, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 5_300 };

describe("gateway: datagrams", () => {
  let shadow: Socket;
  let harness: GatewayHarness;
  let answers: boolean;
  let got: { text: string; from: RemoteInfo }[];

  const start = async (config: Partial<GatewayConfig> = {}): Promise<void> => {
    got = [];
    answers = true;
    shadow = createSocket("udp4");
    shadow.on("message", (bytes, from) => {
      got.push({ text: bytes.toString("latin1"), from });
      if (answers) shadow.send(`re ${bytes.toString("latin1")}`, from.port, from.address);
    });
    await new Promise<void>((done) => shadow.bind(0, "127.0.0.1", done));
    harness = await GatewayHarness.start({ to: { "10.9.0.1:5300": `127.0.0.1:${shadow.address().port}` }, ...config });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    shadow.close();
  });

  const ask = (client: Peer, text: string): Buffer => udpFrame(client, server, Buffer.from(text));
  const answer = (client: Peer, text: string): Buffer => udpFrame(server, client, Buffer.from(text));

  it("come from the client's own address and port, or from another port where that is taken", async () => {
    await start({ source: "original" });
    const own = { address: "127.0.0.9", port: await freeDatagramPort() };
    const holder = createSocket("udp4");
    await new Promise<void>((done) => holder.bind(0, "127.0.0.8", done));
    const taken = { address: "127.0.0.8", port: holder.address().port };
    try {
      for (const client of [own, taken])
        await harness.send([ask(client, "a"), answer(client, "re a"), ask(client, "b")]);
      await until("all have come", () => got.length === 4);
      const ports = (address: string): number[] =>
        got.filter(({ from }) => from.address === address).map(({ from }) => from.port);
      assert.deepEqual(ports("127.0.0.9"), [own.port, own.port]);
      const [first, second] = ports("127.0.0.8");
      assert.ok(first === second && first !== taken.port, `${first} ${second}`);
      await until("all are answered", () => harness.gateway.snapshot().requests.answered === 4);
      const { replay, requests } = harness.gateway.snapshot();
      assert.deepEqual([replay.sourcePortTaken, replay.errors, requests.replayed], [1, {}, 4]);
    } finally {
      holder.close();
    }
  });

  it("fail as often as they are sent where their client's address is not this machine's", async () => {
    await start({ source: "original" });
    const client = { address: "192.0.2.7", port: 4_000 };
    await harness.send([ask(client, "a"), answer(client, "re a")]);
    await until("the first has failed", () => harness.gateway.snapshot().requests.failed["sourceAddress"] === 1);
    await harness.send([ask(client, "b"), answer(client, "re b")]);
    await until("the second has failed", () => harness.gateway.snapshot().requests.failed["sourceAddress"] === 2);
    await until("there are samples", () => harness.samples().length === 2);
    const { requests, replay } = harness.gateway.snapshot();
    assert.deepEqual([requests.replayed, requests.answered, replay.sourcePortTaken, got.length], [2, 0, 0, 0]);
  });

  it("are paired with live's answers in order, and lost where the mirror cut them", async () => {
    await start();
    const client = { address: "10.8.0.1", port: 4_002 };
    const cut = (frame: Buffer): Buffer => frame.subarray(0, -1);
    // An answer that nobody waits for, whole or cut, is nothing.
    await harness.send([cut(answer(client, "stray")), answer(client, "stray")]);
    await harness.send([ask(client, "a"), ask(client, "b"), ask(client, "c")]);
    await harness.send([answer(client, "re a"), cut(answer(client, "re b")), answer(client, "other")]);
    await harness.send([cut(ask(client, "d"))]);
    await until("all are settled", () => harness.samples().length === 3);
    const told = harness.samples().sort((one, two) => one.index - two.index);
    assert.deepEqual(
      told.map(({ live, shadow: side, equal }) => [live.bytes, live.error, side.bytes, equal]),
      [
        [4, undefined, 4, true],
        [undefined, "lost", 4, undefined],
        [5, undefined, 4, false],
      ],
    );
    const { requests, compare, intake } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, requests.replayed, requests.lostByMirror], [4, 3, 1]);
    assert.deepEqual([compare.equal, compare.different, compare.liveIncomplete, intake.truncated], [1, 1, 1, 3]);
  });

  it("are shed one by one while too many of one flow wait for answers, and go on when those have come", async () => {
    await start({ responseTimeoutSeconds: 600 });
    answers = false;
    const client = { address: "10.8.0.1", port: 4_001 };
    await harness.send([ask(client, "first")]);
    await until("the first has come", () => got.length === 1);
    for (let sent = 0; sent < 1_100; sent += 100) {
      await harness.send(Array.from({ length: 100 }, (_, n) => ask(client, `more ${sent + n}`)));
      await until("they have come", () => got.length >= Math.min(sent + 101, 1_024));
    }
    const counts = harness.gateway.snapshot().requests;
    assert.deepEqual([counts.onWire, counts.replayed, counts.shed], [1_101, 1_024, { datagramsWaiting: 77 }]);
    for (const { text, from } of got.slice(0, 10)) shadow.send(`re ${text}`, from.port, from.address);
    await harness.send(got.slice(0, 10).map(({ text }) => answer(client, `re ${text}`)));
    await until("ten are answered", () => harness.gateway.snapshot().requests.answered === 10);
    const again = (): boolean => got.some(({ text }) => text.startsWith("again"));
    for (let tries = 0; tries < 30 && !again(); tries++) {
      await harness.send([ask(client, `again ${tries}`)]);
      await new Promise((done) => setTimeout(done, 100));
    }
    assert.ok(again());
  });
});
