import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";

import { GatewayHarness, until } from "../../../support/captureHarness";
import { Http2Recorder, recordHttp2, type Asked } from "../../../support/http2Sessions";
import { sessionScript } from "../../../support/recordedSession";

const client = { address: "10.8.0.1", port: 40_012 };
const server = { address: "10.9.0.1", port: 8080 };
const none = Buffer.alloc(0);
/** Type of a frame that begins a request. */
const headersFrame = 1;

/** Says in the head alone which request it answers, in a field that no table keeps for long. */
function answer(stream: ServerHttp2Stream, path: string): void {
  const status = path.includes("missing") ? 404 : 200;
  stream.respond({ ":status": status, "content-type": "text/plain", "x-answer-to": `${path} ${"r".repeat(150)}` });
  stream.end(path);
}

/** Far more fields than a table holds: some come again at once, some when the table has long forgotten them. */
const requests: Asked[] = Array.from({ length: 90 }, (_, n) => ({
  method: n % 3 === 0 ? "DELETE" : "GET",
  path: `/${n % 7 === 0 ? "missing" : "there"}/${n % 40}`,
  body: none,
  headers: { "x-trace": `${n % 45}-${"t".repeat(100 + (n % 60))}`, "x-same": "always the same" },
}));

describe("gateway: header tables and pings of HTTP/2", () => {
  let live: Http2Recorder;
  let shadow: Http2Recorder;
  let harness: GatewayHarness;

  const start = async (settings: object, shadowSettings: object, reply = answer): Promise<void> => {
    live = await Http2Recorder.start(answer, settings);
    shadow = await Http2Recorder.start(reply, shadowSettings);
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` },
      responseTimeoutSeconds: 1,
    });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await live.stop();
    await shadow.stop();
  });

  const replay = async (list: readonly Asked[], together = false): Promise<void> => {
    const spoken = await recordHttp2(live.port, list, together);
    await harness.send(sessionScript(spoken, client, server).close().frames);
    await until("all are answered", () => harness.samples().length === list.length);
  };

  const fieldsOf = (side: Http2Recorder): unknown[] =>
    side.headers.map((headers) => [headers[":method"], headers[":path"], headers["x-trace"], headers["x-same"]]);

  for (const [table, settings, verbatim] of [
    ["of the usual size", {}, true],
    ["that both servers make small", { headerTableSize: 300 }, false],
    ["that both servers forgo", { headerTableSize: 0 }, false],
    ["that both servers make large", { headerTableSize: 16_384 }, true],
  ] as const) {
    for (const together of [false, true]) {
      const asked = together ? "asked all at once" : "on a long connection";
      it(`knows each request ${asked}, and its answer, with a table ${table}`, async () => {
        await start(settings, settings);
        await replay(requests, together);
        const known = harness.samples().sort((a, b) => a.index - b.index);
        assert.deepEqual(
          known.map((sample) => [sample.method, sample.path, sample.live.status, sample.equal]),
          requests.map(({ method, path }) => [method, path, path.includes("missing") ? 404 : 200, true]),
        );
        assert.deepEqual(fieldsOf(shadow), fieldsOf(live));
        assert.equal(harness.gateway.snapshot().replay.http2.headersRewritten === 0, verbatim);
      });
    }
  }

  it("writes fields of every length out for a shadow that keeps no table where live does", async () => {
    await start({}, { headerTableSize: 0 });
    const lengths = [0, 1, 126, 127, 128, 254, 255, 256, 1_000, 17_000];
    await replay(
      lengths.map((length, n) => ({
        method: "GET",
        path: `/there/${n}`,
        body: none,
        headers: { "x-trace": "z".repeat(length), "x-same": "always the same" },
      })),
    );
    assert.deepEqual(fieldsOf(shadow), fieldsOf(live));
    assert.equal(harness.gateway.snapshot().replay.http2.headersRewritten, lengths.length - 1);
  });

  it("takes no hint before an answer for the answer, on either side", async () => {
    const hinting = (stream: ServerHttp2Stream, path: string): void => {
      stream.additionalHeaders({ ":status": 103, link: "</style.css>; rel=preload" });
      setTimeout(() => answer(stream, path), 20);
    };
    await start({}, {}, hinting);
    live.server.removeAllListeners("stream");
    live.server.on("stream", (stream, headers) => hinting(stream, String(headers[":path"])));
    await replay(requests.slice(0, 3));
    const told = harness.samples().map(({ live: one, shadow: other, equal }) => [one.status, other.status, equal]);
    assert.deepEqual(told, [
      [404, 404, true],
      [200, 200, true],
      [200, 200, true],
    ]);
    for (const { shadow: side } of harness.samples()) assert.ok((side.firstByte ?? 0) - side.start > 15);
  });

  it("answers the shadow's pings, and goes on", async () => {
    const payload = Buffer.from("are you?");
    const echoes: Buffer[] = [];
    await start({}, {}, (stream, path) => {
      stream.session?.ping(payload, (error, _duration, echo) => {
        if (error === null) echoes.push(echo);
        answer(stream, path);
      });
    });
    await replay(requests.slice(0, 2));
    assert.deepEqual(echoes, [payload, payload]);
    assert.equal(harness.gateway.snapshot().requests.answered, 2);
  });

  it("asks on a new connection once the shadow has said nothing at all for as long as an answer may take", async () => {
    await start({}, {}, (stream, path) => {
      if (path !== "/silent") answer(stream, path);
    });
    const paths = ["/there/1", "/silent", "/there/2"];
    const spoken = await recordHttp2(
      live.port,
      paths.map((path) => ({ method: "GET", path, body: none })),
      false,
    );
    const at = spoken.findLastIndex(({ fromClient, bytes }) => fromClient && bytes[3] === headersFrame);
    const script = sessionScript(spoken.slice(0, at), client, server);
    for (const frame of script.frames.splice(0)) {
      await harness.send([frame]);
      await new Promise((done) => setTimeout(done, 5));
    }
    await until("the answer is given up", () => harness.gateway.snapshot().requests.failed["timeout"] === 1);
    for (const { fromClient, bytes } of spoken.slice(at)) script.say(fromClient, bytes).acknowledge(!fromClient);
    await harness.send(script.close().frames);
    await until("the last is answered", () => harness.samples().length === 3);
    const { requests: counted, replay: how } = harness.gateway.snapshot();
    assert.deepEqual([counted.replayed, counted.answered, counted.failed], [3, 2, { timeout: 1 }]);
    assert.deepEqual(
      shadow.asked.map((line) => line.split(" ")[1]),
      paths,
    );
    assert.deepEqual([shadow.sessions.length, how.reconnections], [2, 1]);
  });
});
