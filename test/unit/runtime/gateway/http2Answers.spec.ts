import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ServerHttp2Stream } from "node:http2";

import type { ExchangeSide } from "../../../../components/runtime/gateway/exchange";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { Http2Recorder, recordHttp2 } from "../../../support/http2Sessions";
import { sessionScript } from "../../../support/recordedSession";

const client = { address: "10.8.0.1", port: 40_023 };
const server = { address: "10.9.0.1", port: 8080 };
const digest = (content: string): string => createHash("sha256").update(content).digest("hex").slice(0, 32);

/** What is to be told of an answer: status, bytes, digest and error. */
type Told = readonly [status?: number, bytes?: number, digest?: string, error?: string];

const told = ({ status, bytes, digest: digested, error }: ExchangeSide): Told => [status, bytes, digested, error];
const whole = (status: number, content: string): Told => [status, content.length, digest(content), undefined];

const answers: Record<string, { give: (stream: ServerHttp2Stream) => void; told: Told }> = {
  "/given up on the way": {
    give: (stream) => {
      stream.respond({ ":status": 200 });
      stream.write("half", () => setTimeout(() => stream.destroy(new Error("no more")), 20));
    },
    told: [200, 4, undefined, "reset"],
  },
  "/given up at once": {
    give: (stream) => stream.destroy(new Error("no")),
    told: [undefined, undefined, undefined, "reset"],
  },
  "/with a trailer": {
    give: (stream) => {
      stream.respond({ ":status": 201 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
      stream.end("content");
    },
    told: whole(201, "content"),
  },
  "/behind hints": {
    give: (stream) => {
      for (let hint = 0; hint < 3; hint++) stream.additionalHeaders({ ":status": 103, link: "</a>" });
      stream.respond({ ":status": 200, "x-long": "long".repeat(6_000) });
      stream.end("hinted");
    },
    told: whole(200, "hinted"),
  },
  "/without content": {
    give: (stream) => stream.respond({ ":status": 204 }, { endStream: true }),
    told: whole(204, ""),
  },
};

describe("gateway: what an answer of HTTP/2 is", () => {
  const give = (stream: ServerHttp2Stream, path: string): void => answers[decodeURI(path)]!.give(stream);
  const asked = Object.keys(answers).map((path) => ({ method: "GET", path: encodeURI(path), body: Buffer.alloc(0) }));
  let live: Http2Recorder;
  let harness: GatewayHarness;

  const start = async (port: number): Promise<void> => {
    harness = await GatewayHarness.start({ to: { "10.9.0.1:8080": `127.0.0.1:${port}` } });
  };

  beforeEach(async () => {
    live = await Http2Recorder.start(give);
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await live.stop();
  });

  for (const together of [false, true]) {
    it(`is told the same of both sides, when they are asked for ${together ? "at once" : "one by one"}`, async () => {
      const shadow = await Http2Recorder.start(give);
      try {
        await start(shadow.port);
        const spoken = await recordHttp2(live.port, asked, together);
        await harness.send(sessionScript(spoken, client, server).close().frames);
        await until("all are settled", () => harness.samples().length === asked.length);
        for (const { path, live: one, shadow: other, equal } of harness.samples()) {
          const wanted = answers[decodeURI(path!)]!.told;
          const isWhole = wanted[3] === undefined;
          assert.deepEqual([told(one), told(other), equal], [wanted, wanted, isWhole || undefined], path);
        }
      } finally {
        await shadow.stop();
      }
    });
  }

  it("is none without a status", async () => {
    // Settings, and one header field that is no status and ends the first stream.
    const nothing = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 1, 5, 0, 0, 0, 1, 0, 1, 0x78, 1, 0x79]);
    const shadow = await RecordingServer.start((socket, all, fresh) => {
      if (all.length === fresh.length) socket.write(nothing);
    });
    try {
      await start(shadow.port);
      const spoken = await recordHttp2(live.port, asked.slice(-1), true);
      const script = sessionScript(
        spoken.filter(({ fromClient }) => fromClient),
        client,
        server,
      );
      await harness.send(script.say(false, nothing).acknowledge(true).frames);
      await until("it is settled", () => harness.samples().length === 1);
      const [sample] = harness.samples();
      assert.deepEqual(
        [sample!.live.error, sample!.shadow.error, sample!.equal],
        ["malformed", "malformed", undefined],
      );
    } finally {
      await shadow.stop();
    }
  });

  it("is none for a request that a server which goes away has not looked at, at once", async () => {
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const lastIsFirst = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    const noContent = Buffer.from([0, 0, 1, 1, 5, 0, 0, 0, 1, 0x89]);
    const second = Buffer.from([0, 0, 0, 3]);
    const shadow = await RecordingServer.start((socket, all, fresh) => {
      const before = all.subarray(0, all.length - fresh.length);
      if (before.length === 0) socket.write(settings);
      if (all.includes(second) && !before.includes(second)) socket.write(Buffer.concat([lastIsFirst, noContent]));
    });
    try {
      await start(shadow.port);
      const spoken = await recordHttp2(live.port, [asked.at(-1)!, asked.at(-1)!], true);
      await harness.send(sessionScript(spoken, client, server).frames);
      await until("both are settled", () => harness.samples().length === 2, 10_000);
      assert.deepEqual(
        harness.samples().map(({ index, shadow: other, equal }) => [index, other.status, other.error, equal]),
        [
          [1, undefined, "closed", undefined],
          [0, 204, undefined, true],
        ],
      );
    } finally {
      await shadow.stop();
    }
  });
});
