import assert from "node:assert/strict";

import fc from "fast-check";

import { Http1Framer } from "../../../../components/runtime/gateway/compare/http1";

interface Message {
  text: string;
  content: string;
  /** Method of the request that a response belongs to. */
  method: string;
}

const content = fc.string({ unit: "binary-ascii", maxLength: 60 });

function chunksOf(parts: readonly string[], extension: string, trailers: string): string {
  const pieces = parts
    .filter((part) => part !== "")
    .map((part) => `${part.length.toString(16)}${extension}\r\n${part}\r\n`);
  return `${pieces.join("")}0\r\n${trailers}\r\n`;
}

const chunked = fc
  .record({
    parts: fc.array(content, { maxLength: 4 }),
    extension: fc.constantFrom("", ";a=1", ' ; b="c"', "\t", ";"),
    trailers: fc.constantFrom("", "X-Sum: 1\r\n", "A:\r\nB: c d\r\n"),
  })
  .map(({ parts, extension, trailers }) => ({ text: chunksOf(parts, extension, trailers), content: parts.join("") }));

const requests: fc.Arbitrary<Message> = fc.oneof(
  fc.constant({ text: "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", content: "", method: "GET" }),
  content.map((body) => {
    const text = `PUT /b HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    return { text, content: body, method: "PUT" };
  }),
  chunked.map((body) => {
    const text = `POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${body.text}`;
    return { text, content: body.content, method: "POST" };
  }),
);

const responses: fc.Arbitrary<Message> = fc.oneof(
  fc.constantFrom(100, 103, 199, 204, 304).map((status) => {
    return { text: `HTTP/1.1 ${status} X\r\nContent-Length: 5\r\n\r\n`, content: "", method: "GET" };
  }),
  fc.constant({ text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", content: "", method: "HEAD" }),
  fc.constant({ text: "HTTP/1.1 200 OK\r\n\r\n", content: "", method: "CONNECT" }),
  fc.tuple(content, fc.constantFrom("GET", "CONNECT")).map(([body, method]) => {
    return { text: `HTTP/1.1 404 Not\r\nContent-Length: ${body.length}\r\n\r\n${body}`, content: body, method };
  }),
  chunked.map((body) => {
    const text = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.text}`;
    return { text, content: body.content, method: "GET" };
  }),
);

/** Reads one message from bytes that come in pieces; says where it ended, what it carried, and why it could not be read. */
function read(kind: "request" | "response", bytes: Buffer, cuts: readonly number[], method = "GET") {
  let carried = "";
  const framer = new Http1Framer(kind, {
    takeBody: (buffer, from, to) => (carried += buffer.toString("latin1", from, to)),
  });
  let at = 0;
  for (const cut of [...cuts.filter((place) => place < bytes.length).sort((a, b) => a - b), bytes.length]) {
    if (cut <= at) continue;
    const around = Buffer.concat([Buffer.from("\r\n"), bytes.subarray(at, cut), Buffer.from("\r\n\r\n")]);
    const read = framer.push(around, 2, 2 + cut - at, method) - 2;
    at += read;
    if (framer.state === "done" || framer.problem !== undefined) break;
    assert.equal(at, cut, "all that comes is read until the message ends");
  }
  return { at, carried, framer };
}

describe("gateway: where a message of HTTP/1.x ends", () => {
  const cuts = fc.array(fc.nat(400), { maxLength: 8 });
  for (const [kind, messages] of [
    ["request", requests],
    ["response", responses],
  ] as const) {
    it(`is told by the head of a ${kind}, however it comes, and nothing behind it is read`, () => {
      fc.assert(
        fc.property(
          messages,
          cuts,
          fc.constantFrom("", "\r\n", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 2"),
          (message, places, next) => {
            const bytes = Buffer.from(message.text + next, "latin1");
            const { at, carried, framer } = read(kind, bytes, places, message.method);
            assert.deepEqual([framer.state, framer.problem], ["done", undefined]);
            assert.deepEqual([at, carried], [message.text.length, message.content]);
            framer.reset();
            assert.deepEqual([framer.begun, framer.head, framer.bodyLeft], [false, undefined, 0]);
          },
        ),
        { numRuns: 400 },
      );
    });
  }

  it("is the connection's end for a response without a length, and for no request", () => {
    const { framer, carried } = read("response", Buffer.from("HTTP/1.0 200 OK\r\n\r\nuntil the end"), [20, 25]);
    assert.deepEqual([framer.state, carried], ["untilClose", "until the end"]);
    assert.equal(read("request", Buffer.from("POST / HTTP/1.0\r\n\r\nnext"), []).at, 19);
  });

  it("is not known of a chunked body that is written wrongly", () => {
    const head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const wrong = [
      ...[
        "5\r\nhelloX\r\n",
        "5\r\nhello\n",
        "5\nhello\r\n",
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "0x5\r\n",
        " 5\r\n",
        "5 5\r\n",
        "5;\u0001\r\n",
      ],
      ...[
        "0\r\nno field\r\n",
        "0\r\n: empty\r\n",
        "0\r\nA : b\r\n",
        "0\r\n folded\r\n",
        "0\r\nA: b\n",
        "0\r\nA: \u0000\r\n",
      ],
      ...["1234567890123\r\n", `5;${"x".repeat(5_000)}`, `0\r\nA: ${"x".repeat(5_000)}`],
    ];
    for (const body of wrong) {
      for (const places of [[], [head.length + 1], Array.from({ length: 20 }, (_, n) => head.length + n)]) {
        const { framer } = read("request", Buffer.from(head + body, "latin1"), places);
        assert.equal(framer.problem, "malformed", JSON.stringify(body.slice(0, 30)));
        framer.reset();
        assert.equal(framer.problem, undefined);
      }
    }
    const unended = [`5;${"x".repeat(4_000)}`, "123456789012\r\nabc", "5\r\nhello\r", "0\r\nA: b\r\n"];
    for (const body of unended) {
      const { framer } = read("request", Buffer.from(head + body, "latin1"), []);
      assert.equal(framer.problem, undefined, body.slice(0, 30));
      assert.notEqual(framer.state, "done");
    }
  });

  it("may lie in bytes that are missing, as long as they are all of one body", () => {
    const bytes = Buffer.from("PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\n123");
    const framer = new Http1Framer("request", undefined);
    framer.push(bytes, 0, bytes.length, "");
    assert.deepEqual([framer.bodyLeft, framer.passOver(8), framer.bodyLeft], [7, false, 7]);
    assert.deepEqual([framer.passOver(3), framer.bodyLeft, framer.begun], [true, 4, true]);
    assert.deepEqual([framer.passOver(4), framer.bodyLeft, framer.begun], [true, 0, false]);
    assert.equal(framer.passOver(1), false);
  });

  it("is never found behind what cannot begin one, or goes on for too long", () => {
    const heads = [
      "G\u0001T / HTTP/1.1",
      "\u0016\u0003\u0001",
      "GET /\nHost: x",
      ` / HTTP/1.1`,
      "GET  / HTTP/1.1",
      "M".repeat(40),
    ];
    for (const head of heads) {
      assert.equal(read("request", Buffer.from(head), [1, 2, 3]).framer.problem, "malformed", JSON.stringify(head));
    }
    for (const head of ["HTTP/2 200", "XTTP/1.1", "HTTP/1.1 200 OK\nA: b"]) {
      assert.equal(read("response", Buffer.from(head), [1]).framer.problem, "malformed", head);
    }
    const long = (bytes: number): string | undefined =>
      read("request", Buffer.from(`GET / HTTP/1.1\r\nA: ${"x".repeat(bytes)}`), [40_000]).framer.problem;
    assert.deepEqual([long(65_000), long(66_000)], [undefined, "malformed"]);
  });
});
