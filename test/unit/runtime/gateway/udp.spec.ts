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

  it("are refused where nobody listens, also those that meet the refusal of an earlier one", async () => {
    await start();
    const client = { address: "10.8.0.1", port: 4_005 };
    shadow.close();
    for (let sent = 1; sent <= 30; sent++) await harness.send([ask(client, `${sent}`), ask(client, `${sent} again`)]);
    await until("all have failed", () => harness.gateway.snapshot().requests.failed["refused"] === 60);
    shadow = createSocket("udp4");
  });

  it("are paired with live's answers in order, and lost where the mirror cut them", async () => {
    await start();
    const client = { address: "10.8.0.1", port: 4_002 };
    const cut = (frame: Buffer): Buffer => frame.subarray(0, -1);
    // An answer that nobody waits for, whole or cut, is nothing.
    await harness.send([cut(answer(client, "stray")), answer(client, "stray")]);
    for (const [said, reply] of [
      ["a", answer(client, "re a")],
      ["b", cut(answer(client, "re b"))],
      ["c", answer(client, "other")],
    ] as const) {
      await harness.send([ask(client, said), reply]);
      await until("the shadow has answered too", () => harness.gateway.snapshot().requests.answered === got.length);
    }
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

  it("go to the shadow all of them, however many of a flow nobody answers", async () => {
    await start({ responseTimeoutSeconds: 600 });
    answers = false;
    const client = { address: "10.8.0.1", port: 4_001 };
    for (let sent = 0; sent < 1_500; sent += 100) {
      await harness.send(Array.from({ length: 100 }, (_, n) => ask(client, `${sent + n}`)));
      await until("they have come", () => got.length >= sent + 100);
    }
    assert.deepEqual(
      got.map(({ text }) => Number(text)),
      Array.from({ length: 1_500 }, (_, n) => n),
    );
    const { onWire, replayed, shed, answered, failed } = harness.gateway.snapshot().requests;
    // Of 1,024 the answers are still waited for; that live and the shadow both gave none to the others is no failure.
    assert.deepEqual([onWire, replayed, shed, answered, failed], [1_500, 1_500, {}, 476, {}]);
  });

  it("are no failures where neither live nor the shadow answers", async () => {
    await start({ responseTimeoutSeconds: 1 });
    answers = false;
    const client = { address: "10.8.0.1", port: 4_006 };
    await harness.send(Array.from({ length: 100 }, (_, n) => ask(client, `<14>${n}`)));
    await until("all have waited", () => harness.gateway.snapshot().requests.answered === 100);
    await harness.send([ask(client, "one more"), ask(client, "answered by live"), answer(client, "x")]);
    await until("they have come", () => got.length === 102);
    const { requests, compare } = await harness.stop();
    // Live's answer is taken for that to the first of the two.
    assert.deepEqual([requests.answered, requests.failed, compare.paired], [101, { timeout: 1 }, 0]);
  });

  it("of DNS that the mirror lost are known from live's answers, each once", async () => {
    await start();
    const client = { address: "10.8.0.1", port: 4_007 };
    const query = (id: number): Buffer => Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
    const said = (id: number): Buffer => {
      const bytes = query(id);
      bytes[2]! |= 0x80;
      return udpFrame(server, client, bytes);
    };
    const asked = (id: number): Buffer => udpFrame(client, server, query(id));
    const cut = (frame: Buffer): Buffer => frame.subarray(0, -1);
    const frames: Buffer[] = [asked(0), said(0)];
    let unseen = 0;
    for (let id = 1; id <= 3_000; id++) {
      const lost = id % 7 === 0;
      if (lost) unseen++;
      else frames.push(asked(id));
      if (id % 5 === 0) frames.push(cut(said(id)));
      frames.push(said(id));
      if (id % 3 === 0) frames.push(said(id));
    }
    // What was cut, is counted as it comes.
    frames.push(cut(asked(4_000)), said(4_000));
    for (let at = 0; at < frames.length; at += 200) await harness.send(frames.slice(at, at + 200));
    const { onWire, replayed, lostByMirror } = harness.gateway.snapshot().requests;
    assert.deepEqual([onWire, replayed, lostByMirror], [3_002, 3_001 - unseen, unseen + 1]);
  });

  it("are no fewer where many come before the socket stands, or are answered faster than anybody looks", async () => {
    await start();
    const client = { address: "10.8.0.1", port: 4_003 };
    const asked = Array.from({ length: 100 }, (_, n) => ask(client, `${n}`));
    for (let sent = 0; sent < 3_000; sent += 100) {
      await harness.send(asked);
      await until("they have come", () => got.length === sent + 100);
      await harness.send(asked.map((_, n) => answer(client, `re ${n}`)));
    }
    await until("all are answered", () => harness.gateway.snapshot().requests.answered === 3_000);
    assert.deepEqual(harness.gateway.snapshot().requests.shed, {});
  });

  it("may be answered after the gateway's last packet", async () => {
    await start();
    answers = false;
    const client = { address: "10.8.0.1", port: 4_004 };
    await harness.send([ask(client, "a"), answer(client, "re a")]);
    const stopped = harness.stop();
    await until("it has come", () => got.length === 1);
    await new Promise((done) => setTimeout(done, 200));
    shadow.send("re a", got[0]!.from.port, got[0]!.from.address);
    const { requests, compare } = await stopped;
    assert.deepEqual([requests.answered, requests.failed, compare.equal], [1, {}, 1]);
  });
});
