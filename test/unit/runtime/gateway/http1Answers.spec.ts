import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import type { ExchangeSample, ExchangeSide } from "../../../../components/runtime/gateway/exchange";
import { now } from "../../../../components/runtime/gateway/time";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

/** A request, the pieces in which a server answers it, and what the answer is. */
interface Case {
  name: string;
  method?: string;
  pieces: readonly string[];
  status: number;
  content: string;
  /** The server ends the connection behind it. */
  ends?: boolean;
}

const next: Case = {
  name: "the one behind",
  pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"],
  status: 200,
  content: "next",
};

const chunks = [
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;name="a;b";more\r\nche',
  "ck\r\n00a \r\n0123456789\r",
  "\n0;last\r\nX-Sum: 15\r\nX-Time: 1\r\n\r",
  "\n",
];

const cases: readonly Case[] = [
  { name: "no content", pieces: ["HTTP/1.1 204 No Content\r\n\r\n"], status: 204, content: "" },
  {
    name: "no content in spite of a length",
    pieces: ["HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"],
    status: 204,
    content: "",
  },
  {
    name: "nothing new",
    pieces: ["HTTP/1.1 304 Not Modified\r\nContent-Length: 123\r\n\r\n"],
    status: 304,
    content: "",
  },
  {
    name: "the head alone",
    method: "HEAD",
    pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n"],
    status: 200,
    content: "",
  },
  {
    name: "the head of chunks",
    method: "HEAD",
    pieces: ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    status: 200,
    content: "",
  },
  { name: "chunks with extensions and trailers", pieces: chunks, status: 200, content: "check0123456789" },
  {
    name: "early hints",
    pieces: [
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early",
      " Hints\r\n\r\n",
      "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
    ],
    status: 201,
    content: "ok",
  },
  {
    name: "a tunnel that is refused",
    method: "CONNECT",
    pieces: ["HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"],
    status: 403,
    content: "no",
  },
  {
    name: "a status without a reason",
    pieces: ["HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno"],
    status: 404,
    content: "no",
  },
  {
    name: "all until the end",
    pieces: ["HTTP/1.0 200 OK\r\n\r\nas long ", "as it lasts"],
    status: 200,
    content: "as long as it lasts",
    ends: true,
  },
  { name: "nothing until the end", pieces: ["HTTP/1.1 200 OK\r\n\r\n"], status: 200, content: "", ends: true },
];

const server = { address: "10.9.0.1", port: 80 };
const ask = ({ method = "GET" }: Case, path: string): string => `${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const digest = (content: string): string => createHash("sha256").update(content).digest("hex").slice(0, 32);
const told = ({ status, bytes, digest: digested }: ExchangeSide): unknown => [status, bytes, digested];
const truth = ({ status, content }: Case): unknown => [status, content.length, digest(content)];

describe("gateway: what an answer of HTTP/1.x is", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  let answers: Record<string, Case>;

  beforeEach(async () => {
    answers = {};
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      for (const [, path] of fresh.toString("latin1").matchAll(/ (\S+) HTTP/g)) {
        const { pieces, ends } = answers[path!]!;
        for (const piece of pieces) socket.write(piece);
        if (ends) socket.end();
      }
    });
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const flowAt = (port: number): TcpScript => new TcpScript({ address: "10.8.0.1", port }, server).handshake();

  const exchange = (flow: TcpScript, path: string, live: Case, other = live): void => {
    answers[path] = other;
    flow.say(true, ask(live, path));
    for (const piece of live.pieces) flow.say(false, piece).acknowledge(true);
  };

  const compared = async (count: number): Promise<Map<string, ExchangeSample>> => {
    await until("all are compared", () => harness.gateway.snapshot().compare.paired === count);
    await until("all are written", () => harness.samples().length === count);
    return new Map(harness.samples().map((sample) => [sample.path!, sample]));
  };

  it("is told the same of both sides, and of the one behind it", async () => {
    for (const [index, live] of cases.entries()) {
      const flow = flowAt(41_000 + index);
      exchange(flow, `/${index}`, live);
      if (live.ends) flow.end(false).end(true);
      else exchange(flow, `/${index}/next`, next);
      await harness.send(live.ends ? flow.frames : flow.close().frames);
    }
    const samples = await compared(Object.keys(answers).length);
    for (const [path, answer] of Object.entries(answers)) {
      const { live, shadow: other, equal } = samples.get(path)!;
      assert.deepEqual(
        [told(live), told(other), equal],
        [truth(answer), truth(answer), true],
        `${path}: ${answer.name}`,
      );
    }
  });

  it("is equal only where status and content are", async () => {
    const others: readonly Case[] = [
      { ...next, pieces: ["HTTP/1.1 201 OK\r\nContent-Length: 4\r\n\r\nnext"] },
      { ...next, pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnexT"] },
      { ...next, pieces: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnext "] },
      { ...next, pieces: ["HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nn\r\n3\r\next\r\n0\r\n\r\n"] },
    ];
    const flow = flowAt(42_000);
    for (const [index, other] of others.entries()) exchange(flow, `/${index}`, next, other);
    await harness.send(flow.close().frames);
    const samples = await compared(others.length);
    assert.deepEqual(
      others.map((_, index) => samples.get(`/${index}`)?.equal),
      [false, false, false, true],
    );
    const { equal, different } = harness.gateway.snapshot().compare;
    assert.deepEqual([equal, different], [1, 3]);
  });

  it("is held no longer than it may still be one", async () => {
    const unreadable = {
      ...next,
      pieces: ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnext\r\nno length\r\n"],
    };
    const flow = flowAt(42_100);
    exchange(flow, "/", next, unreadable);
    await harness.send(flow.frames);
    await until("it is given up", () => harness.samples().length === 1);
    const { requests, flows } = harness.gateway.snapshot();
    assert.deepEqual([requests.failed, flows.heldBytes], [{ malformed: 1 }, 0]);
  });

  it("begins with the first byte of the final one and ends with the last", async () => {
    const live: Case = {
      ...next,
      pieces: ["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200", " OK\r\nContent-Length: 4\r\n\r\nne", "xt"],
    };
    const flow = flowAt(43_000);
    const spans: [number, number][] = [];
    const pass = async (): Promise<void> => {
      const before = now();
      await harness.send(flow.frames.splice(0));
      spans.push([before, now()]);
    };
    answers["/"] = live;
    flow.say(true, ask(live, "/"));
    await pass();
    for (const piece of live.pieces) {
      flow.say(false, piece).acknowledge(true);
      await pass();
    }
    const [sample] = (await compared(1)).values();
    const { start, firstByte, end } = sample!.live;
    for (const [time, span] of [
      [start, 0],
      [firstByte, 2],
      [end, 4],
    ] as const) {
      const [from, to] = spans[span]!;
      assert.ok(time! >= from - 0.001 && time! <= to + 0.001, `${time} is not between ${from} and ${to}`);
    }
  });
});
