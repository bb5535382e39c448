import assert from "node:assert/strict";
import { connect, constants, type ClientHttp2Session, type ServerHttp2Stream } from "node:http2";

import { GatewayHarness, until } from "../../../support/captureHarness";
import { Http2Recorder, recordHttp2 } from "../../../support/http2Sessions";
import { recordSession, sessionScript } from "../../../support/recordedSession";

const client = { address: "10.8.0.1", port: 40_022 };
const server = { address: "10.9.0.1", port: 8080 };
const pause = (milliseconds: number): Promise<unknown> => new Promise((done) => setTimeout(done, milliseconds));

function answer(stream: ServerHttp2Stream, path: string): void {
  stream.respond({ ":status": 200 });
  stream.end(path);
}

describe("gateway: requests of HTTP/2 that wait, and such as nobody waits for any more", () => {
  let live: Http2Recorder;
  let shadow: Http2Recorder;
  let harness: GatewayHarness;

  const start = async (reply: (stream: ServerHttp2Stream, path: string) => void, settings = {}): Promise<void> => {
    live = await Http2Recorder.start((stream, path) => {
      if (path !== "/hangs") answer(stream, path);
    });
    shadow = await Http2Recorder.start(reply, settings);
    harness = await GatewayHarness.start({ to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` } });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await live.stop();
    await shadow.stop();
  });

  const ask = (session: ClientHttp2Session, path: string, cancelAfter?: number): Promise<void> =>
    new Promise((done) => {
      const stream = session.request({ ":path": path });
      stream.on("error", () => undefined);
      stream.on("close", done);
      stream.resume();
      if (cancelAfter !== undefined) setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), cancelAfter);
    });

  it("are given up in the shadow too when the client gives a whole request up, and the next one is answered", async () => {
    const codes: (number | undefined)[] = [];
    await start((stream, path) => {
      if (path !== "/hangs") answer(stream, path);
      else stream.on("close", () => codes.push(stream.rstCode));
    });
    const spoken = await recordSession(live.port, async (port) => {
      const session = connect(`http://127.0.0.1:${port}`);
      await ask(session, "/before");
      await ask(session, "/hangs", 30);
      await ask(session, "/after");
      await new Promise<void>((done) => session.close(done));
    });
    for (const frame of sessionScript(spoken, client, server).close().frames) {
      await harness.send([frame]);
      await pause(3);
    }
    await until("all are settled", () => harness.samples().length === 3);
    assert.deepEqual(codes, [constants.NGHTTP2_CANCEL]);
    assert.deepEqual(
      harness.samples().map(({ path, live: one, shadow: other }) => [path, one.error, other.error]),
      [
        ["/before", undefined, undefined],
        ["/hangs", "reset", "reset"],
        ["/after", undefined, undefined],
      ],
    );
    const { requests, replay } = harness.gateway.snapshot();
    assert.deepEqual([requests.onWire, requests.replayed, requests.answered], [3, 3, 2]);
    assert.deepEqual([requests.failed, requests.unusable, replay.connections], [{ reset: 1 }, {}, 1]);
  });

  it("are as late as the shadow makes them that takes one at a time, and the samples say so", async () => {
    await start((stream, path) => setTimeout(() => answer(stream, path), 100), { maxConcurrentStreams: 1 });
    const asked = ["/1", "/2", "/3"].map((path) => ({ method: "GET", path, body: Buffer.alloc(0) }));
    const spoken = await recordHttp2(live.port, asked, true);
    await harness.send(sessionScript(spoken, client, server).close().frames);
    await until("all are answered", () => harness.samples().length === 3);
    const late = harness.samples().map(({ lagMilliseconds }) => lagMilliseconds);
    const least = [0, 95, 190];
    assert.ok(
      late.every((lag, index) => lag >= least[index]! && lag < 10_000),
      late.join(" "),
    );
  });

  const goesOn = [0, 0, 1, 9, 4, 0, 0, 0, 3, 0x82];
  const loose: Record<string, number[]> = {
    "without having begun": goesOn,
    "on another stream": [0, 0, 1, 1, 1, 0, 0, 0, 5, 0x84, ...goesOn],
  };
  for (const [how, bytes] of Object.entries(loose)) {
    it(`are not guessed at behind a header block that goes on ${how}`, async () => {
      await start(answer);
      const spoken = await recordHttp2(live.port, [{ method: "GET", path: "/1", body: Buffer.alloc(0) }], true);
      const script = sessionScript(spoken, client, server);
      script.say(true, Buffer.from(bytes)).acknowledge(false);
      await harness.send(script.close().frames);
      await until("the first is answered", () => harness.samples().length === 1);
      const { requests } = harness.gateway.snapshot();
      assert.deepEqual([requests.onWire, requests.replayed, requests.unusable], [2, 1, { malformed: 1 }]);
      assert.deepEqual(shadow.asked.length, 1);
    });
  }
});
