import assert from "node:assert/strict";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { postgresMessage } from "../../../support/protocols";

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
}

const sslRequest = words(8, 80_877_103);
const gssRequest = words(8, 80_877_104);
const cancelRequest = words(16, 80_877_102, 4_711, 12_345_678);
const parameters = Buffer.from("user\0app\0database\0shop\0\0", "latin1");
const startup = Buffer.concat([words(8 + parameters.length, 196_608), parameters]);
const ready = postgresMessage("Z", Buffer.from("I"));
const asksPassword = postgresMessage("R", words(3));
const loggedIn = Buffer.concat([postgresMessage("R", words(0)), postgresMessage("K", words(1, 2)), ready]);
const row = Buffer.concat([postgresMessage("T", Buffer.alloc(40)), postgresMessage("D", Buffer.alloc(300, "x"))]);
const done = Buffer.concat([postgresMessage("C", Buffer.from("SELECT 1\0")), ready]);
const query = (text: string): Buffer => postgresMessage("Q", Buffer.from(`${text}\0`));

const farewell = postgresMessage("X", Buffer.alloc(0));

/** What is asked in a session whose server has no encryption to offer, and what it answers. */
const session: [asked: Buffer, answered: Buffer][] = [
  [gssRequest, Buffer.from("N")],
  [sslRequest, Buffer.from("N")],
  [startup, asksPassword],
  [postgresMessage("p", Buffer.from("secret\0")), loggedIn],
  [query("select 1"), Buffer.concat([row, done])],
  [query("select 2"), Buffer.concat([row, done])],
];

describe("gateway: how a PostgreSQL session begins", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  const start = async (answer: Parameters<typeof RecordingServer.start>[0]): Promise<void> => {
    shadow = await RecordingServer.start(answer);
    harness = await GatewayHarness.start({ to: { "10.9.0.1:5432": `127.0.0.1:${shadow.port}` } });
  };

  const script = (): TcpScript =>
    new TcpScript({ address: "10.8.0.1", port: 40_000 }, { address: "10.9.0.1", port: 5_432 }).handshake();

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  it("carries the questions for encryption, and after them each turn when the shadow has answered the last", async () => {
    let turn = 0;
    const early: number[] = [];
    let answering = false;
    await start((socket, all) => {
      if (answering) early.push(turn);
      const asked = Buffer.concat(session.slice(0, turn + 1).map(([bytes]) => bytes));
      if (turn === session.length || all.length < asked.length) return;
      const answer = session[turn++]![1];
      answering = true;
      const half = answer.subarray(-ready.length).equals(ready) ? answer.length >> 1 : 0;
      socket.write(answer.subarray(0, half));
      setTimeout(() => {
        answering = false;
        socket.write(answer.subarray(half));
      }, 120);
    });
    const flow = script();
    for (const [asked, answered] of session) flow.say(true, asked).say(false, answered).acknowledge(true);
    await harness.send(flow.say(true, farewell).close().frames);
    const turns = session.length + 1;
    await until("all are answered, and the farewell is there", () => harness.samples().length === turns);
    assert.deepEqual(early, []);
    assert.deepEqual(shadow.received, [Buffer.concat([...session.map(([asked]) => asked), farewell])]);
    assert.deepEqual(
      harness.samples().map(({ equal, shadow: side }) => [equal, side.bytes]),
      [...session.map(([, answered]) => [true, answered.length]), [true, undefined]],
    );
    const { requests } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, requests.answered, requests.unusable], [turns, turns, {}]);
  });

  it("carries a request to cancel, which nobody answers", async () => {
    await start(() => undefined);
    await harness.send(script().say(true, cancelRequest).acknowledge(false).end(false).end(true).frames);
    await until("it is there", () => shadow.received[0]?.equals(cancelRequest) === true);
  });
});
