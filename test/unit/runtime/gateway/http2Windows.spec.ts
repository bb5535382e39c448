import assert from "node:assert/strict";
import { connect, type ServerHttp2Stream } from "node:http2";

import { GatewayHarness, until } from "../../../support/captureHarness";
import { Http2Recorder, recordHttp2 } from "../../../support/http2Sessions";
import { recordSession, sessionScript, type Spoken } from "../../../support/recordedSession";

const client = { address: "10.8.0.1", port: 40_032 };
const server = { address: "10.9.0.1", port: 8080 };
const none = Buffer.alloc(0);
const usualWindow = 65_535;

const answerWith =
  (bytes: number) =>
  (stream: ServerHttp2Stream): void => {
    stream.respond({ ":status": 200 });
    stream.end(Buffer.alloc(bytes, 97));
  };

describe("gateway: windows and streams of one HTTP/2 connection to the shadow", () => {
  let live: Http2Recorder;
  let shadow: Http2Recorder;
  let harness: GatewayHarness;

  type Answer = Parameters<typeof Http2Recorder.start>[0];
  const start = async (liveAnswers: Answer, shadowAnswers: Answer, settings = {}): Promise<void> => {
    live = await Http2Recorder.start(liveAnswers);
    shadow = await Http2Recorder.start(shadowAnswers, settings);
    harness = await GatewayHarness.start({ to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` } });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await live.stop();
    await shadow.stop();
  });

  const gets = (count: number): { method: string; path: string; body: Buffer }[] =>
    Array.from({ length: count }, (_, n) => ({ method: "GET", path: `/${n}`, body: none }));

  /** Plays packet by packet, so that the shadow hears everything about when live did. */
  const play = async (spoken: readonly Spoken[], pause: number): Promise<void> => {
    for (const frame of sessionScript(spoken, client, server).close().frames) {
      await harness.send([frame]);
      await new Promise((done) => setTimeout(done, pause));
    }
  };

  it("are hardly ever opened here as long as the shadow answers with as much as live, whose client opens them", async () => {
    await start(answerWith(150_000), answerWith(150_000));
    const spoken = await recordHttp2(live.port, gets(12), false);
    await harness.send(sessionScript(spoken, client, server).close().frames);
    await until("all are equal", () => harness.gateway.snapshot().compare.equal === 12);
    const { windowsOpened } = harness.gateway.snapshot().replay.http2;
    assert.ok(windowsOpened <= 12 + 3, `${windowsOpened} times for 12 answers`);
  });

  it("are opened no more often than the shadow's longer answers need it", async () => {
    const bytes = 1_000_000;
    await start(answerWith(10), answerWith(bytes));
    await harness.send(sessionScript(await recordHttp2(live.port, gets(3), false), client, server).close().frames);
    await until("all are answered", () => harness.samples().length === 3);
    assert.deepEqual(
      harness.samples().map(({ shadow: side }) => side.bytes),
      [bytes, bytes, bytes],
    );
    const { windowsOpened } = harness.gateway.snapshot().replay.http2;
    const needed = (3 * bytes) / usualWindow;
    assert.ok(windowsOpened >= needed && windowsOpened <= 2 * needed + 2, `${windowsOpened}, ${needed}`);
  });

  it("are free again once an upload was given up of which the shadow had a part", async () => {
    await start(answerWith(5), answerWith(5), { maxConcurrentStreams: 1 });
    const spoken = await recordSession(live.port, async (port) => {
      const session = connect(`http://127.0.0.1:${port}`);
      await new Promise<void>((done) => {
        const upload = session.request({ ":method": "POST", ":path": "/upload" }, { endStream: false });
        upload.on("error", () => undefined);
        upload.on("close", done);
        upload.write("a part");
        setTimeout(() => upload.destroy(), 20);
      });
      await new Promise((done) => setTimeout(done, 20));
      await new Promise<void>((done) => session.request({ ":path": "/after" }).on("close", done).resume());
      await new Promise<void>((done) => session.close(done));
    });
    const script = sessionScript([], client, server);
    for (const { fromClient, bytes } of spoken) {
      await harness.send(script.say(fromClient, bytes).acknowledge(!fromClient).frames.splice(0));
      if (bytes.includes("a part")) await until("the shadow has a part of it", () => shadow.begun === 1);
      // Node's server takes a stream for open until it has looked away from it.
      await new Promise((done) => setTimeout(done, 20));
    }
    await until("the next one is answered", () => harness.gateway.snapshot().requests.answered === 1);
    const { requests } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, requests.unusable, shadow.asked.length], [2, { incomplete: 1 }, 1]);
  });

  it("are those of a new connection for what comes after the shadow has said that it goes", async () => {
    let release = (): void => undefined;
    await start(answerWith(5), (stream, path) => {
      if (path !== "/0") answerWith(5)(stream);
      else {
        stream.session?.close();
        release = () => answerWith(5)(stream);
      }
    });
    await play(await recordHttp2(live.port, gets(3), false), 5);
    await until("the later ones are answered", () => harness.gateway.snapshot().requests.answered === 2);
    release();
    await until("all are answered", () => harness.gateway.snapshot().requests.answered === 3);
    assert.deepEqual([shadow.sessions.length, shadow.asked.length], [2, 3]);
    assert.deepEqual(harness.gateway.snapshot().requests.failed, {});
  });
});
