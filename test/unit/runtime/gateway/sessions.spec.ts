import assert from "node:assert/strict";
import type { Socket } from "node:net";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import {
  conversations,
  mongoMessage,
  postgresMessage,
  redisCommand,
  type Conversation,
} from "../../../support/protocols";

const server = { address: "10.9.0.1", port: 5_555 };
const values = [1, 2, 3, 4].map((n) => Buffer.alloc(20 * n, `${n}`));

type Turn = Conversation["turns"][number];

function redisTurn(...words: string[]): Turn {
  return { asks: redisCommand(...words), answers: Buffer.from("+OK\r\n") };
}

/** A document that begins with one field of text. */
function mongoTurn(id: number, name: string): Turn {
  const document = Buffer.concat([Buffer.from([30, 0, 0, 0, 2]), Buffer.from(`${name}\0`), Buffer.alloc(16)]);
  return { asks: mongoMessage(id, document), answers: mongoMessage(id, Buffer.from("ok")) };
}

describe("gateway: requests that need what was said before them on their connection", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  /** What the shadow does with its how-manieth message. */
  let behaviour: (socket: Socket, message: number) => void;
  let messages: number;

  beforeEach(async () => {
    messages = 0;
    behaviour = (socket) => socket.write("+OK\r\n");
    shadow = await RecordingServer.start((socket) => behaviour(socket, messages++));
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:5555": `127.0.0.1:${shadow.port}` },
      responseTimeoutSeconds: 2,
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const script = (): TcpScript => new TcpScript({ address: "10.8.0.1", port: 4_000 }, server).handshake();

  const settled = (): boolean => {
    const { replayed, answered, failed } = harness.gateway.snapshot().requests;
    return answered + Object.values(failed).reduce((a, b) => a + b, 0) === replayed;
  };

  /** Says turns one by one, each when the one before is settled in the shadow. */
  const talk = async (live: TcpScript, turns: readonly Turn[]): Promise<void> => {
    for (const { asks, answers } of turns) {
      live.say(true, asks).acknowledge(false).say(false, answers).acknowledge(true);
      await harness.send(live.frames.splice(0));
      await until("the turn is settled", settled);
      await new Promise((done) => setTimeout(done, 20));
    }
  };

  /** What the shadow heard on connections on which anything was said. */
  const heard = (): Buffer[] => shadow.received.filter((bytes) => bytes.length > 0);

  const counted = async (live: TcpScript): Promise<GatewayStats> => {
    await harness.send(live.close().frames.splice(0));
    const stats = await harness.stop();
    const { onWire, replayed, lostByMirror, unusable, shed } = stats.requests;
    const sum = (counters: Record<string, number>): number => Object.values(counters).reduce((a, b) => a + b, 0);
    assert.equal(onWire, replayed + lostByMirror + sum(unusable) + sum(shed));
    assert.equal(harness.samples().length, replayed, "what was not carried has no sample");
    return stats;
  };

  for (const name of ["postgres", "mysql", "amqp"]) {
    it(`${name}: nothing follows the login's connection on another one`, async () => {
      const { greeting, turns } = conversations[name]!(values);
      if (greeting !== undefined) shadow.server.on("connection", (socket) => socket.write(greeting));
      const login = turns.length - values.length;
      behaviour = (socket, message) =>
        message === login + 1 ? socket.resetAndDestroy() : socket.write(turns.at(-1)!.answers);
      const live = script();
      if (greeting !== undefined) live.say(false, greeting).acknowledge(true);
      await talk(live, turns);
      const { requests, flows, replay } = await counted(live);
      assert.equal(requests.onWire, turns.length);
      assert.deepEqual([requests.failed, requests.unusable], [{ reset: 1 }, { sessionLost: 2 }]);
      assert.deepEqual([flows.uncovered, replay.connections, replay.reconnections], [1, 2, 1]);
      assert.equal(heard().length, 1);
    });

    it(`${name}: what follows fails as long as the shadow cannot be reached`, async () => {
      const { greeting, turns } = conversations[name]!(values);
      if (greeting !== undefined) shadow.server.on("connection", (socket) => socket.write(greeting));
      const login = turns.length - values.length;
      behaviour = (socket, message) => {
        if (message !== login) return void socket.write(turns.at(-1)!.answers);
        shadow.server.close();
        socket.resetAndDestroy();
      };
      const live = script();
      if (greeting !== undefined) live.say(false, greeting).acknowledge(true);
      await talk(live, turns.slice(0, -1));
      await new Promise<void>((listening) => shadow.server.listen(shadow.port, "127.0.0.1", listening));
      await talk(live, turns.slice(-1));
      const { requests } = await counted(live);
      assert.deepEqual([requests.failed, requests.unusable], [{ reset: 1, refused: 2 }, { sessionLost: 1 }]);
      assert.equal(heard().length, 1);
    });

    it(`${name}: nothing is sent when the mirror lost a part of the login`, async () => {
      const { greeting, turns } = conversations[name]!(values);
      const live = script();
      if (greeting !== undefined) live.say(false, greeting).acknowledge(true);
      await harness.send(live.frames.splice(0));
      live.say(true, turns[0]!.asks).frames.splice(0);
      live.acknowledge(false).say(false, turns[0]!.answers).acknowledge(true);
      await harness.send(live.frames.splice(0));
      await talk(live, turns.slice(1));
      const { requests } = await counted(live);
      assert.deepEqual([requests.onWire, requests.replayed], [turns.length, 0]);
      assert.equal(Buffer.concat(shadow.received).length, 0);
    });
  }

  it("redis: goes on afresh where nobody logged in", async () => {
    behaviour = (socket, message) => (message === 1 ? socket.resetAndDestroy() : socket.write("+OK\r\n"));
    const live = script();
    await talk(
      live,
      ["a", "b", "c"].map((key) => redisTurn("GET", key)),
    );
    const { requests, replay } = await counted(live);
    assert.deepEqual([requests.answered, requests.failed, requests.unusable], [2, { reset: 1 }, {}]);
    assert.equal(replay.reconnections, 1);
  });

  for (const login of [
    ["AUTH", "secret"],
    ["hello", "3"],
    ["SELECT", "7"],
  ]) {
    it(`redis: waits after ${login[0]} until the client says so again`, async () => {
      behaviour = (socket, message) => (message === 1 ? socket.resetAndDestroy() : socket.write("+OK\r\n"));
      const live = script();
      const turns = [login, ["GET", "a"], ["GET", "b"], login, ["GET", "c"]].map((words) => redisTurn(...words));
      await talk(live, turns);
      const { requests } = await counted(live);
      assert.deepEqual([requests.answered, requests.failed], [3, { reset: 1 }]);
      assert.deepEqual(requests.unusable, { sessionLost: 1 });
      const again = [turns[3]!.asks, turns[4]!.asks];
      assert.deepEqual(heard()[1], Buffer.concat(again));
    });
  }

  it("mongodb: carries nothing more after a login whose connection is gone", async () => {
    behaviour = (socket, message) => (message === 1 ? socket.resetAndDestroy() : socket.write(turns[0]!.answers));
    const live = script();
    const turns = ["saslStart", "find", "find", "find"].map((name, id) => mongoTurn(id, name));
    await talk(live, turns);
    const { requests } = await counted(live);
    assert.deepEqual([requests.failed, requests.unusable], [{ reset: 1 }, { sessionLost: 2 }]);
  });

  for (const takesEverybody of [false, true]) {
    it(`mongodb: what follows an answer to live's challenge is ${takesEverybody ? "compared where the shadow takes everybody" : "not carried"}`, async () => {
      const names = ["saslStart", "saslContinue", "find", "find", "find", "saslStart", "saslContinue", "find"];
      const turns = names.map((name, id) => mongoTurn(id, name));
      const denied = mongoMessage(9, Buffer.from("..\x02codeName\0\x0d\0\0\0Unauthorized\0\0", "latin1"));
      const failed = mongoMessage(9, Buffer.from("..\x02codeName\0\x15\0\0\0AuthenticationFailed\0\0", "latin1"));
      behaviour = (socket, message) => {
        if ((takesEverybody ? [1, 6] : [1, 4]).includes(message)) socket.write(failed);
        else socket.write(takesEverybody || [0, 3].includes(message) ? turns[0]!.answers : denied);
      };
      const live = script();
      await talk(live, turns);
      const { requests, compare } = await counted(live);
      assert.deepEqual(requests.unusable, takesEverybody ? {} : { sessionLost: 4 });
      assert.deepEqual([compare.equal, compare.different], takesEverybody ? [6, 2] : [2, 2]);
    });
  }

  for (const liveToo of [false, true]) {
    it(`mongodb: takes back what asks for a cursor of live's ${liveToo ? "unless live has it no more" : "and nothing else"}`, async () => {
      const unknown = mongoMessage(9, Buffer.from("..\x02codeName\0\x0f\0\0\0CursorNotFound\0\0", "latin1"));
      const turns = ["find", "getMore", "find", "getMore", "find"].map((name, id) => mongoTurn(id, name));
      behaviour = (socket, message) => socket.write(message % 2 === 0 ? turns[0]!.answers : unknown);
      const live = script();
      await talk(live, liveToo ? turns.map((turn, n) => (n % 2 === 0 ? turn : { ...turn, answers: unknown })) : turns);
      const { requests, compare } = await counted(live);
      assert.deepEqual(requests.unusable, liveToo ? {} : { sessionLost: 2 });
      assert.deepEqual([compare.equal, compare.different], [liveToo ? 5 : 3, 0]);
      assert.equal(heard().length, 1);
    });
  }

  const denials: Record<string, { turn: (n: number) => Turn; denial: Buffer }> = {
    redis: { turn: (n) => redisTurn("GET", `${n}`), denial: Buffer.from("-NOAUTH Authentication required.\r\n") },
    mongodb: {
      turn: (n) => mongoTurn(n, "find"),
      denial: mongoMessage(9, Buffer.from("..\x02codeName\0\x0d\0\0\0Unauthorized\0\0", "latin1")),
    },
  };
  for (const [name, { turn, denial }] of Object.entries(denials)) {
    for (const liveToo of [false, true]) {
      it(`${name}: a picked-up flow that the shadow wants a login of ${liveToo ? "is compared where live does too" : "is not carried on"}`, async () => {
        behaviour = (socket) => socket.write(denial);
        const live = script();
        live.frames.splice(0);
        const turns = [1, 2, 3].map((n) => (liveToo ? { ...turn(n), answers: denial } : turn(n)));
        await talk(live, turns);
        const { requests, compare, flows } = await counted(live);
        assert.equal(requests.onWire, 3);
        assert.deepEqual([requests.replayed, compare.equal], liveToo ? [3, 3] : [0, 0]);
        assert.deepEqual(requests.unusable, liveToo ? {} : { sessionLost: 3 });
        assert.equal(flows.uncovered, liveToo ? 0 : 1);
        assert.equal(messages, liveToo ? 3 : 1);
      });
    }
  }

  for (const liveToo of [false, true]) {
    it(`postgres: takes back what needs a statement whose preparation was lost ${liveToo ? "unless live misses it too" : "and nothing else"}`, async () => {
      const { turns } = conversations["postgres"]!(values);
      const [last] = turns.slice(-1) as [Turn];
      const failure = postgresMessage("E", Buffer.from("SERROR\0VERROR\0C26000\0Mthere is no such statement\0\0"));
      const ready = postgresMessage("Z", Buffer.from("I"));
      const missing = { ...last, answers: liveToo ? Buffer.concat([failure, ready]) : last.answers };
      const denied = turns.length;
      behaviour = (socket, message) => {
        if (message !== denied) return void socket.write(turns[Math.min(message, turns.length - 1)]!.answers);
        socket.write(failure);
        setTimeout(() => socket.write(ready), 2);
      };
      const live = script();
      await talk(live, turns);
      live.say(true, last.asks).acknowledge(false);
      live.frames.splice(-2, 1);
      live.say(false, last.answers).acknowledge(true);
      await talk(live, [missing, last]);
      const { requests, compare } = await counted(live);
      assert.equal(requests.lostByMirror, 1);
      assert.deepEqual(requests.unusable, liveToo ? {} : { sessionLost: 1 });
      assert.deepEqual([compare.equal, compare.different], [turns.length + (liveToo ? 2 : 1), 0]);
      assert.equal(heard().length, 1);
    });
  }

  it("goes on afresh with an unknown protocol only where the server does not speak first", async () => {
    behaviour = (socket, message) => (message === 1 ? socket.resetAndDestroy() : socket.write("ok"));
    shadow.server.on("connection", (socket) => socket.write("220 at your service\r\n"));
    const live = script().say(false, "220 at your service\r\n").acknowledge(true);
    const turns = ["EHLO a", "MAIL", "RCPT", "DATA"].map((text) => ({
      asks: Buffer.from(`${text}\r\n`),
      answers: Buffer.from("ok"),
    }));
    await talk(live, turns);
    const { requests } = await counted(live);
    assert.deepEqual([requests.failed, requests.unusable], [{ reset: 1 }, { sessionLost: 2 }]);
  });

  it("carries nothing on after an upgrade whose connection is gone", async () => {
    const upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    behaviour = (socket, message) => {
      if (message === 1) socket.resetAndDestroy();
      else socket.write(message === 0 ? upgraded : "ok");
    };
    const live = script();
    const ask = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    const said = ["\x01one", "\x01two", "\x01three"].map((text) => ({
      asks: Buffer.from(text),
      answers: Buffer.from("ok"),
    }));
    await talk(live, [{ asks: Buffer.from(ask), answers: Buffer.from(upgraded) }, ...said]);
    const { requests, flows } = await counted(live);
    assert.deepEqual([requests.failed, requests.unusable, requests.shed], [{ reset: 1 }, { sessionLost: 2 }, {}]);
    assert.equal(flows.uncovered, 1);
  });
});
