import assert from "node:assert/strict";
import type { Socket } from "node:net";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const client = { address: "10.8.0.1", port: 45_000 };
const server = { address: "10.9.0.1", port: 6_379 };
const set = (value: string): string => `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\n`;

/** Answers every command, a while after it came. */
function answer(socket: Socket, _all: Buffer, fresh: Buffer): void {
  const commands = fresh.toString("latin1").split("SET").length - 1;
  setTimeout(() => socket.write("+OK\r\n".repeat(commands)), 20);
}

describe("gateway: clients that do not wait for answers", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    shadow = await RecordingServer.start(answer);
    harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` } });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const outcome = async (script: TcpScript, turns: number): Promise<unknown[]> => {
    await harness.send(script.close().frames);
    await until("all have a sample", () => harness.samples().length === turns);
    return harness.samples().map(({ overlapping, equal }) => overlapping ?? equal);
  };

  it("sends a pipeline of Redis without waits, and compares what comes before and after it alone", async () => {
    const script = new TcpScript(client, server).handshake();
    script.say(true, set("first")).say(false, "+OK\r\n").acknowledge(true);
    const said = [set("first")];
    for (let part = 0; part < 40; part++) {
      // The server is one answer behind whenever it speaks.
      const commands = set(`a${part}`) + set(`b${part}`);
      script.say(true, commands).say(false, part === 0 ? "+OK\r\n" : "+OK\r\n+OK\r\n");
      said.push(commands);
    }
    script.say(false, "+OK\r\n").acknowledge(true);
    script.say(true, set("last")).say(false, "+OK\r\n").acknowledge(true);
    const told = await outcome(script, 42);
    assert.deepEqual([told[0], told[41]], [true, true]);
    assert.deepEqual(new Set(told.slice(1, 41)), new Set([true]));
    const { compare, replay } = await harness.stop();
    assert.deepEqual([compare.equal, compare.overlapping, compare.different], [2, 40, 0]);
    assert.equal(Buffer.concat(shadow.received).toString("latin1"), [...said, set("last")].join(""));
    assert.ok(replay.lagMilliseconds.p99! < 500, `lag ${replay.lagMilliseconds.p99}`);
  });

  it("does not compare what crossed on the way, whatever the protocol", async () => {
    const other = new TcpScript(client, server).handshake();
    other.say(true, "\x01one SET").say(false, "+OK\r\n+OK\r\n");
    // The client had seen nothing of that when it went on.
    const clientIsn = 1_001 + "\x01one SET".length;
    const crossing = new TcpScript(client, server, { clientIsn, serverIsn: 5_001 }).say(true, "\x01two SET").frames;
    const after = other.frames.length;
    other.say(true, "\x01two SET").say(false, "+OK\r\n").acknowledge(true);
    other.say(true, "\x01three SET").say(false, "+OK\r\n").acknowledge(true);
    other.frames.splice(after, 1, ...crossing);
    const told = await outcome(other, 3);
    assert.deepEqual(told, [true, true, true]);
    assert.deepEqual(
      harness.samples().map(({ overlapping }) => overlapping),
      [true, true, undefined],
    );
  });
});
