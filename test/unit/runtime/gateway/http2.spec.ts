import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { GatewayHarness, until } from "../../../support/captureHarness";
import { describeRequest, Http2Recorder, recordHttp2, type Asked } from "../../../support/http2Sessions";
import { sessionScript, type Spoken } from "../../../support/recordedSession";

const client = { address: "10.8.0.1", port: 40_002 };
const server = { address: "10.9.0.1", port: 8080 };

function answer(stream: ServerHttp2Stream, path: string, body: Buffer): void {
  if (stream.destroyed) return;
  const [, kind, size] = path.split("/");
  const status = kind === "missing" ? 404 : 200;
  const json = kind === "json";
  stream.respond({ ":status": status, "content-type": json ? "application/json" : "text/plain", "x-path": path });
  if (json) stream.end(JSON.stringify({ path, bytes: body.length, list: [{ same: 1 }] }));
  else stream.end(Buffer.alloc(Number(size ?? 10), 97));
}

/** Answers after a while, the later requests first. */
function answerLate(stream: ServerHttp2Stream, path: string, body: Buffer): void {
  setTimeout(() => answer(stream, path, body), path.includes("slow") ? 60 : 5);
}

const requests: Asked[] = [
  { method: "GET", path: "/slow/30000", body: Buffer.alloc(0) },
  { method: "GET", path: "/quick/5", body: Buffer.alloc(0), headers: { "x-long": "y".repeat(20_000) } },
  { method: "POST", path: "/json/1", body: Buffer.alloc(150_000, "ab") },
  { method: "HEAD", path: "/quick/0", body: Buffer.alloc(0) },
  { method: "GET", path: "/missing/3", body: Buffer.alloc(0), headers: { cookie: "a=1; b=2" } },
  { method: "PUT", path: "/quick/200000", body: Buffer.from("x") },
];
const truth = requests.map(({ method, path, body }) => describeRequest(method, path, body)).sort();

describe("gateway: HTTP/2 with prior knowledge", () => {
  let live: Http2Recorder;
  let shadow: Http2Recorder;
  let harness: GatewayHarness | undefined;

  beforeEach(async () => {
    live = await Http2Recorder.start(answerLate);
  });

  afterEach(async () => {
    await harness?.stop();
    harness?.remove();
    harness = undefined;
    await live.stop();
    await shadow.stop();
  });

  const replay = async (
    spoken: readonly Spoken[],
    frames = (all: Buffer[]): Buffer[] => all,
  ): Promise<GatewayStats> => {
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` },
      responseTimeoutSeconds: 4,
      limits: { holeTimeoutMilliseconds: 300 },
    });
    const { gateway } = harness;
    await harness.send(frames(sessionScript(spoken, client, server).close().frames));
    await until("everything replayed is settled", () => {
      const { replayed, answered, failed } = gateway.snapshot().requests;
      return answered + sum(failed) === replayed && gateway.snapshot().flows.open === 0;
    });
    return harness.stop();
  };

  it("pairs requests by stream, however they are interleaved, and the shadow gets each of them whole", async () => {
    shadow = await Http2Recorder.start(answerLate);
    const { requests: counted, compare, replay: how } = await replay(await recordHttp2(live.port, requests, true));
    assert.deepEqual([...shadow.asked].sort(), truth);
    assert.equal(counted.onWire, requests.length);
    assert.equal(counted.answered, requests.length);
    assert.equal(compare.equal, requests.length);
    assert.equal(how.connections, 1);
    assert.equal(how.http2.headersRewritten, 0);
    const samples = harness!.samples();
    const big = samples.find(({ path }) => path === "/quick/200000");
    assert.deepEqual(
      [big?.protocol, big?.method, big?.shadow.status, big?.shadow.bytes],
      ["http2", "PUT", 200, 200_000],
    );
    assert.equal(samples.find(({ path }) => path === "/missing/3")?.live.status, 404);
    const long = shadow.headers.find((headers) => headers[":path"] === "/quick/5");
    assert.equal(long?.["x-long"], "y".repeat(20_000));
  });

  it("has no more requests open at once than the shadow allows, and those that it has get their bodies", async () => {
    shadow = await Http2Recorder.start(answerLate, { maxConcurrentStreams: 2 });
    const { requests: counted, compare, replay: how } = await replay(await recordHttp2(live.port, requests, true));
    assert.deepEqual([...shadow.asked].sort(), truth);
    assert.equal(counted.answered, requests.length);
    assert.equal(compare.equal, requests.length);
    assert.equal(how.connections, 1);
    assert.ok(how.http2.stalls > 0);
  });

  it("tells answers of gRPC apart by the status behind their content, and by one without content", async () => {
    const answering = (statuses: readonly string[]) => (stream: ServerHttp2Stream, path: string) => {
      const status = { "grpc-status": statuses[Number(path.slice(1))] };
      const head = { ":status": 200, "content-type": "application/grpc" };
      const alone = path === "/2";
      stream.on("wantTrailers", () => stream.sendTrailers(status));
      stream.respond(alone ? { ...head, ...status } : head, { endStream: alone, waitForTrailers: !alone });
      if (!alone) stream.end("\0\0\0\0\u0002ok");
    };
    await live.stop();
    live = await Http2Recorder.start(answering(["0", "0", "5"]));
    shadow = await Http2Recorder.start(answering(["0", "13", "7"]));
    const asked = ["/0", "/1", "/2"].map((path) => ({ method: "POST", path, body: Buffer.from("\0\0\0\0\0") }));
    await replay(await recordHttp2(live.port, asked, false));
    const samples = harness!.samples().sort((a, b) => a.index - b.index);
    assert.deepEqual(
      samples.map(({ live: side, shadow: other, equal }) => [side.grpcStatus, other.grpcStatus, equal]),
      [
        [0, 0, true],
        [0, 13, false],
        [5, 7, false],
      ],
    );
  });

  it("says in which fields of JSON the two differ", async () => {
    shadow = await Http2Recorder.start((stream, path) => {
      stream.respond({ ":status": 200, "content-type": "application/json" });
      stream.end(JSON.stringify({ path, bytes: 0, list: [{ same: 2 }] }));
    });
    const { compare } = await replay(await recordHttp2(live.port, requests.slice(2, 3), false));
    assert.deepEqual({ ...compare.fieldPaths }, { bytes: 1, "list[].same": 1 });
  });

  it("keeps to the shadow's windows when they are smaller than live's", async () => {
    shadow = await Http2Recorder.start(answerLate, { initialWindowSize: 1_000 });
    const { replay: how, compare } = await replay(await recordHttp2(live.port, requests, true));
    assert.deepEqual([...shadow.asked].sort(), truth);
    assert.equal(compare.equal, requests.length);
    assert.equal(how.http2.settingsDiffer, 1);
    assert.ok(how.http2.framesSplit > 10 && how.http2.stalls > 0, JSON.stringify(how.http2));
  });

  it("opens windows for answers that are longer than live's", async () => {
    shadow = await Http2Recorder.start((stream) => {
      stream.respond({ ":status": 200 });
      stream.end(Buffer.alloc(1_000_000));
    });
    const {
      replay: how,
      requests: counted,
      compare,
    } = await replay(await recordHttp2(live.port, requests.slice(0, 2), true));
    assert.equal(counted.answered, 2);
    assert.equal(compare.different, 2);
    assert.ok(how.http2.windowsOpened > 20, JSON.stringify(how.http2));
  });

  it("goes on with a new connection when the shadow gives one up, with headers that need no table", async () => {
    shadow = await Http2Recorder.start((stream, path, body) => {
      answer(stream, path, body);
      if (shadow.asked.length === 2) stream.session?.destroy();
    });
    const list = [0, 1, 2, 3, 4].map((n) => ({
      method: "GET",
      path: `/quick/${n}`,
      body: Buffer.alloc(0),
      headers: { "x-same": "value" },
    }));
    const spoken = await recordHttp2(live.port, list, false);
    harness = await GatewayHarness.start({ to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` } });
    const script = sessionScript(spoken, client, server).close();
    for (const frame of script.frames) {
      await harness.send([frame]);
      await new Promise((done) => setTimeout(done, 5));
    }
    await until("all are settled", () => harness!.samples().length === 5);
    const { requests: counted, replay: how } = harness.gateway.snapshot();
    assert.equal(counted.replayed, 5);
    assert.equal(how.reconnections, 1);
    assert.equal(how.http2.headersRewritten, 3);
    assert.equal(shadow.asked.length, 5);
    assert.ok(shadow.headers.every((headers) => headers["x-same"] === "value"));
  });

  it("gives every request of a shadow that refuses its sample", async () => {
    shadow = await Http2Recorder.start(answer);
    await shadow.stop();
    const { requests: counted } = await replay(await recordHttp2(live.port, requests, true));
    assert.equal(counted.replayed, requests.length);
    assert.equal(sum(counted.failed), requests.length);
    assert.ok((counted.failed["refused"] ?? 0) > 0, JSON.stringify(counted.failed));
  });

  it("leaves out a request that its client gives up, and carries the others", async () => {
    shadow = await Http2Recorder.start(answerLate);
    const given: Asked = {
      method: "POST",
      path: "/quick/1",
      body: Buffer.alloc(9),
      cancel: true,
      headers: { "x-new": "entry" },
    };
    const spoken = await recordHttp2(live.port, [given, { ...requests[4]!, headers: { "x-new": "entry" } }], true);
    const { requests: counted } = await replay(spoken);
    assert.deepEqual(counted.unusable, { incomplete: 1 });
    assert.equal(counted.answered, 1);
    assert.equal(shadow.headers[0]?.["x-new"], "entry");
    assert.equal(shadow.halves, 0);
  });

  it("resets a request in the shadow that went in parts and whose rest the mirror lost", async () => {
    shadow = await Http2Recorder.start(answer);
    const list = [{ method: "POST", path: "/quick/1", body: Buffer.alloc(100, 7) }, requests[4]!];
    const spoken = await recordHttp2(live.port, list, false);
    const at = spoken.findIndex(({ fromClient, bytes }) => fromClient && bytes.includes(Buffer.alloc(100, 7)));
    const body = spoken[at]!.bytes.indexOf(Buffer.alloc(100, 7)) - 9;
    const script = sessionScript(spoken.slice(0, at), client, server);
    script.say(true, spoken[at]!.bytes.subarray(0, body));
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` },
      limits: { holeTimeoutMilliseconds: 300 },
    });
    await harness.send(script.frames.splice(0));
    await until("the pause has let the head go", () => shadow.begun === 1);
    script.say(true, spoken[at]!.bytes.subarray(body));
    script.frames.length = 0;
    script.acknowledge(false);
    await harness.send(script.close().frames);
    await until("the shadow sees the reset", () => shadow.resets + shadow.halves === 1);
    const { requests: counted, replay: how } = await harness.stop();
    assert.deepEqual([shadow.resets, shadow.asked.length, how.http2.halvesReset], [1, 0, 1]);
    assert.deepEqual([counted.onWire, counted.lostByMirror, counted.replayed], [1, 1, 0]);
  });

  it("counts a request whose head cannot be decoded", async () => {
    shadow = await Http2Recorder.start(answerLate);
    const spoken = await recordHttp2(live.port, requests.slice(4, 5), false);
    const undecodable = Buffer.from([0, 0, 3, 1, 5, 0, 0, 0, 99, 0xff, 0xff, 0xff]);
    const { requests: counted } = await replay([...spoken, { fromClient: true, bytes: undecodable }]);
    assert.deepEqual([counted.onWire, counted.answered, counted.unusable], [2, 1, { malformed: 1 }]);
  });

  it("drops what a hole touched, counts what came after it, and sends nothing of either", async () => {
    shadow = await Http2Recorder.start(answerLate);
    const list = Array.from({ length: 8 }, (_, n) => ({
      method: "POST",
      path: `/quick/${n}`,
      body: Buffer.alloc(100, n),
    }));
    const spoken = await recordHttp2(live.port, list, false);
    const at = spoken.findIndex(({ fromClient, bytes }) => fromClient && bytes.includes(Buffer.alloc(100, 3)));
    const lossy = spoken.map((said, index) => ({ ...said, at: index }));
    const { requests: counted, flows } = await replay(spoken, () => {
      const script = sessionScript([], client, server);
      for (const { fromClient, bytes, at: index } of lossy) {
        const before = script.frames.length;
        script.say(fromClient, bytes);
        if (index === at) script.frames.length = before;
        script.acknowledge(!fromClient);
      }
      return script.close().frames;
    });
    assert.equal(counted.onWire, 8);
    assert.equal(counted.replayed, 3);
    assert.equal(counted.lostByMirror, 1);
    assert.deepEqual(counted.unusable, { noBoundary: 4 });
    assert.equal(flows.uncovered, 1);
    assert.equal(shadow.asked.length, 3);
    assert.equal(shadow.halves, 0);
  });

  describe("where neither direction could be read", () => {
    /** Plays twelve requests with bodies of these sizes, of which the fourth and its answer are missing. */
    const countedOf = async (sizes: readonly number[]): Promise<GatewayStats["requests"]> => {
      shadow = await Http2Recorder.start(answerLate);
      const list = sizes.map((size, n) => ({ method: "POST", path: `/quick/${n}`, body: Buffer.alloc(size, n) }));
      const spoken = await recordHttp2(live.port, list, false);
      const at = spoken.findIndex(({ fromClient, bytes }) => fromClient && bytes.includes(Buffer.alloc(sizes[3]!, 3)));
      const { requests } = await replay(spoken, () => {
        const script = sessionScript([], client, server);
        for (const [index, { fromClient, bytes }] of spoken.entries()) {
          const before = script.frames.length;
          script.say(fromClient, bytes);
          if (index === at || index === at + 1) script.frames.length = before;
          script.acknowledge(!fromClient);
        }
        return script.close().frames;
      });
      assert.equal(requests.replayed, 3);
      return requests;
    };

    it("estimates what went by from its bytes", async () => {
      const { onWire, lostEstimated } = await countedOf(Array<number>(12).fill(400));
      assert.ok(onWire > 10 && onWire < 14, `${onWire} instead of 12`);
      assert.ok(lostEstimated >= 7);
    });

    it("takes no upload for hundreds of requests, since they would have been answered", async () => {
      const { onWire } = await countedOf(Array.from({ length: 12 }, (_, n) => (n === 6 ? 60_000 : 400)));
      assert.ok(onWire > 6 && onWire < 20, `${onWire} instead of 12`);
    });
  });
});

function sum(counters: Record<string, number>): number {
  return Object.values(counters).reduce((a, b) => a + b, 0);
}
