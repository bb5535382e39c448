import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";

import fc from "fast-check";

import { damaged, randomFrom, withoutClientData } from "../../../support/damage";
import { GatewayHarness, until } from "../../../support/captureHarness";
import { describeRequest, Http2Recorder, recordHttp2, type Asked } from "../../../support/http2Sessions";
import { sessionScript, type Spoken } from "../../../support/recordedSession";

const server = { address: "10.9.0.1", port: 8080 };
/** Packets in which a connection shows that it is HTTP/2; without them its turns are counted, not its requests. */
const openingFrames = 12;
const damage = fc.record({
  mss: fc.constantFrom(37, 200, 1_460, 9_000, 65_000),
  loss: fc.constantFrom(0, 0, 0.01, 0.05, 0.2),
  burst: fc.constantFrom(1, 1, 4, 12),
  duplicate: fc.constantFrom(0, 0.1),
  reorder: fc.constantFrom(0, 0.05, 0.2),
  skip: fc.constant(0),
  isn: fc.constantFrom(1, 0x7fffff00, 0xfffffe00),
  seed: fc.integer(),
});

function answer(stream: ServerHttp2Stream, path: string, body: Buffer): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": 200, "x-path": path });
  stream.end(Buffer.alloc(body.length % 977, 98));
}

/** Requests of every size, with header fields that come again and fields of every byte that may be in one. */
function requestsOf(session: number): Asked[] {
  const random = randomFrom(session);
  return Array.from({ length: 12 }, (_, index) => {
    const length = random() < 0.4 ? 0 : Math.floor(random() ** 3 * 30_000);
    const text = Array.from({ length: 40 }, () => String.fromCharCode(33 + Math.floor(random() * 94))).join("");
    const headers = { "x-agent": "the same each time", "x-text": text };
    return {
      method: length === 0 ? "GET" : "POST",
      path: `/${session}/${index}`,
      body: Buffer.alloc(length, index),
      headers,
    };
  });
}

describe("gateway: HTTP/2 through a mirror that loses, repeats and reorders", () => {
  it("gives the shadow whole true requests alone, and counts each request once", async function () {
    this.timeout(240_000);
    const live = await Http2Recorder.start(answer);
    const sessions: { spoken: Spoken[]; truth: Set<string> }[] = [];
    for (let session = 0; session < 6; session++) {
      const requests = requestsOf(session);
      const truth = new Set(requests.map(({ method, path, body }) => describeRequest(method, path, body)));
      sessions.push({ spoken: await recordHttp2(live.port, requests, session % 2 === 0), truth });
    }
    await live.stop();
    const shadow = await Http2Recorder.start(answer);
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` },
      limits: { holeTimeoutMilliseconds: 300 },
    });
    let port = 10_000;
    try {
      await fc.assert(
        fc.asyncProperty(fc.nat(5), fc.constantFrom(0, openingFrames), damage, async (which, kept, harm) => {
          const { spoken, truth } = sessions[which]!;
          const options = { mss: harm.mss, clientIsn: harm.isn };
          const script = sessionScript(spoken, { address: "10.8.0.1", port: ++port }, server, options).close();
          const before = { ...harness.gateway.snapshot().requests };
          const asked = shadow.asked.length;
          await harness.send([...script.frames.slice(0, kept), ...damaged(script.frames.slice(kept), harm)]);
          harness.gateway.endFlows();
          const settled = (): boolean => {
            const { replayed, answered, failed } = harness.gateway.snapshot().requests;
            return answered + Object.values(failed).reduce((a, b) => a + b, 0) === replayed;
          };
          await until("what was replayed is answered", settled);
          const after = harness.gateway.snapshot().requests;
          const got = shadow.asked.slice(asked);
          assert.ok(
            got.every((request) => truth.has(request)),
            "nothing but true requests",
          );
          assert.equal(new Set(got).size, got.length, "none twice");
          assert.equal(got.length, after.replayed - before.replayed, "as many as were counted");
          const counted = after.onWire - before.onWire - (after.lostEstimated - before.lostEstimated);
          if (kept > 0) assert.ok(counted <= truth.size, `${counted} counted, there were ${truth.size}`);
          if (harm.loss === 0 && harm.reorder === 0) assert.equal(got.length, truth.size, "all when nothing was lost");
        }),
        { numRuns: 80 },
      );
      await fc.assert(
        fc.asyncProperty(fc.nat(5), fc.constantFrom(0.02, 0.1, 0.4), fc.integer(), async (which, share, seed) => {
          const { spoken, truth } = sessions[which]!;
          const script = sessionScript(spoken, { address: "10.8.0.1", port: ++port }, server).close();
          const before = harness.gateway.snapshot().requests.onWire;
          await harness.send(withoutClientData(script.frames, port, share, seed));
          harness.gateway.endFlows();
          assert.equal(harness.gateway.snapshot().requests.onWire - before, truth.size, "the count is the truth");
        }),
        { numRuns: 40 },
      );
      const { halvesReset } = harness.gateway.snapshot().replay.http2;
      await until("the shadow has seen the end of every half", () => shadow.resets + shadow.halves >= halvesReset);
      assert.equal(shadow.halves, 0, "no half request without a reset");
      assert.equal(shadow.resets, halvesReset, "each reset is counted");
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });

  it("knows by the numbers of streams how many requests went by where both directions lost packets", async function () {
    this.timeout(120_000);
    const live = await Http2Recorder.start(answer);
    const requests = Array.from({ length: 80 }, (_, index) => requestsOf(100 + index)[0]!);
    const sessions = [
      await recordHttp2(live.port, requests, true),
      await recordHttp2(live.port, requests, false),
      await recordHttp2(
        live.port,
        requests.map((one) => ({ ...one, method: "GET", body: Buffer.alloc(0) })),
        true,
      ),
    ];
    await live.stop();
    const shadow = await Http2Recorder.start(answer);
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` } });
    try {
      for (const loss of [0.02, 0.1]) {
        for (let run = 0; run < 12; run++) {
          const script = sessionScript(
            sessions[run % 3]!,
            { address: "10.8.0.1", port: 20_000 + run + loss * 1_000 },
            server,
          );
          const { frames } = script.close();
          const harm = { loss, duplicate: 0, reorder: 0, skip: 0, seed: run };
          const before = harness.gateway.snapshot().requests.onWire;
          await harness.send([...frames.slice(0, openingFrames), ...damaged(frames.slice(openingFrames), harm)]);
          harness.gateway.endFlows();
          const onWire = harness.gateway.snapshot().requests.onWire - before;
          assert.ok(Math.abs(onWire - requests.length) <= 1, `${onWire} of 80 counted in run ${run} at ${loss}`);
        }
      }
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });

  it("lets the shadow see nothing of a request whose rest the mirror lost", async () => {
    const live = await Http2Recorder.start(answer);
    const shadow = await Http2Recorder.start(answer);
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` } });
    const client = { address: "10.8.0.1", port: 30_000 };
    try {
      const body = Buffer.alloc(5_000, 7);
      const spoken = await recordHttp2(
        live.port,
        [
          { method: "GET", path: "/whole", body: Buffer.alloc(0) },
          { method: "POST", path: "/half", body },
        ],
        false,
      );
      const piece = body.subarray(0, 200);
      const said = spoken.findIndex(({ bytes }) => bytes.includes(piece));
      const begins = spoken.slice(0, said).findLastIndex(({ fromClient }) => !fromClient) + 1;
      const script = sessionScript(spoken.slice(0, begins), client, server);
      await harness.send(script.frames.splice(0));
      await until("the whole one is answered", () => harness.gateway.snapshot().requests.answered === 1);
      for (const { fromClient, bytes } of spoken.slice(begins)) script.say(fromClient, bytes).acknowledge(!fromClient);
      const last = script.frames.findLastIndex((frame) => frame.includes(piece));
      // All at once: a client that pauses would let what it has said so far go.
      await harness.send(script.close().frames.toSpliced(last, 1));
      harness.gateway.endFlows();
      const { requests, replay } = harness.gateway.snapshot();
      assert.deepEqual([requests.onWire, requests.replayed, requests.lostByMirror], [2, 1, 1]);
      assert.deepEqual([shadow.begun, shadow.asked.length, replay.http2.halvesReset], [1, 1, 0]);
    } finally {
      await harness.stop();
      harness.remove();
      await live.stop();
      await shadow.stop();
    }
  });

  it("takes no answer that a server pushes for one to a request that went by", async () => {
    const live = await Http2Recorder.start(answer);
    const shadow = await Http2Recorder.start(answer);
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:8080": `127.0.0.1:${shadow.port}` } });
    try {
      const spoken = await recordHttp2(live.port, [{ method: "GET", path: "/", body: Buffer.alloc(0) }], false);
      const script = sessionScript(spoken, { address: "10.8.0.1", port: 30_001 }, server);
      const { length } = script.frames;
      script.say(true, Buffer.alloc(30));
      script.frames.length = length;
      script.acknowledge(false);
      for (const stream of [2, 4, 7]) script.say(false, Buffer.from([0, 0, 1, 1, 5, 0, 0, 0, stream, 0x88]));
      await harness.send(script.close().frames);
      harness.gateway.endFlows();
      const { requests } = harness.gateway.snapshot();
      assert.deepEqual([requests.onWire, requests.replayed, requests.lostByMirror], [2, 1, 1]);
    } finally {
      await harness.stop();
      harness.remove();
      await live.stop();
      await shadow.stop();
    }
  });
});
