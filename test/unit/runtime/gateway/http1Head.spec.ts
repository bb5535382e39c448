import assert from "node:assert/strict";

import fc from "fast-check";

import { HeadReader } from "../../../../components/runtime/gateway/compare/http1Head";

interface Read {
  problem: string | undefined;
  method?: string;
  target?: string;
  status?: number;
  json?: boolean;
  length?: number;
  chunked?: boolean;
}

const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\u0080-\u00ff]+) HTTP\/1\.[01]$/;
const statusLine = /^HTTP\/1\.[01] ([1-9]\d\d)(?: [\t -~\u0080-\u00ff]*)?$/;
const fieldLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\u0080-\u00ff]*)$/;
const trimmed = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, "");

/** The same by regular expressions over text, after RFC 9112 alone. */
function oracle(text: string, kind: "request" | "response"): Read {
  const [first = "", ...lines] = text.split("\r\n");
  const start = (kind === "request" ? requestLine : statusLine).exec(first);
  const fields = lines.map((line) => fieldLine.exec(line));
  if (start === null || fields.includes(null)) return { problem: "malformed" };
  const values = (name: string): string[] =>
    fields.filter((field) => field![1]!.toLowerCase() === name).map((field) => trimmed(field![2]!));
  const lengths = values("content-length").map((value) => (/^\d{1,15}$/.test(value) ? Number(value) : -1));
  const encodings = values("transfer-encoding");
  const chunked = trimmed(encodings.at(-1)?.split(",").at(-1) ?? "").toLowerCase() === "chunked";
  const lengthCounts = kind === "request" || encodings.every((value) => value.toLowerCase() === "identity");
  const unclear =
    encodings.length > 0 &&
    (encodings.join().toLowerCase() !== "chunked" || lengths.length > 0 || first.endsWith("HTTP/1.0"));
  const ambiguous = lengths.includes(-1) || new Set(lengths).size > 1 || (kind === "request" && unclear);
  if (ambiguous) return { problem: "ambiguousFraming" };
  return {
    problem: undefined,
    method: kind === "request" ? start[1] : "",
    target: kind === "request" ? start[2] : "",
    status: kind === "request" ? 0 : Number(start[1]),
    json: /[/+]json\b/i.test(values("content-type").at(-1) ?? ""),
    length: lengthCounts ? (lengths.at(-1) ?? -1) : -1,
    chunked,
  };
}

const reader = new HeadReader();

function read(text: string, kind: "request" | "response"): Read {
  const noise = Buffer.from("noise");
  const bytes = Buffer.concat([noise, Buffer.from(text, "latin1"), Buffer.from("\r\n\r\nX: behind\r\n\r\n")]);
  const head = reader.read(bytes, noise.length, noise.length + text.length, kind);
  if (reader.problem !== undefined) return { problem: reader.problem };
  const { method, target, status, json } = head!;
  return { problem: undefined, method, target, status, json, length: reader.length, chunked: reader.chunked };
}

const piece = fc.constantFrom(
  ..."GET POST HEAD CONNECT get Custom-Method HTTP/1.1 HTTP/1.0 HTTP/1.2 HTTP/2 200 099 404 / /a?b=c /ü * OK".split(
    " ",
  ),
  ...["\r\n", "\n", "\r", " ", "\t", ":", ": ", "\0", "\x7f", "\xa0", "\xff", "", ";", "Ck", "-"],
  ...["Content-Length", "content-length", "Transfer-Encoding", "Content-Type", "Host", "T", "c"],
  ...["5", "0", "12", "-1", "+5", "5, 5", "0x5", "9999999999999999", "chunked", "CHUNKED", "gzip, chunked", "identity"],
  ...["application/json", "application/problem+json; charset=utf-8", "text/jsonp", "a/json_x", "a/JSON", "a/json\xe4"],
);
const field = fc
  .tuple(
    fc.constantFrom("Content-Length", "content-LENGTH", "Transfer-Encoding", "Content-Type", "Host", "Trailer"),
    fc.constantFrom(":", ": ", ":\t ", " :", ""),
    fc.oneof(
      piece,
      fc.constantFrom("5", "12", "chunked", "identity", "gzip ,\tchunked", "chunked,x", "application/json"),
    ),
  )
  .map((parts) => parts.join(""));
const start = fc.oneof(
  fc.constantFrom("GET / HTTP/1.1", "POST /a?b HTTP/1.0", "HTTP/1.1 200 OK", "HTTP/1.1 204", "HTTP/1.0 404 Not Found"),
  fc.array(piece, { maxLength: 6 }).map((parts) => parts.join("")),
);
const heads = fc.oneof(
  fc.tuple(start, fc.array(field, { maxLength: 4 })).map(([first, fields]) => [first, ...fields].join("\r\n")),
  fc.array(piece, { maxLength: 14 }).map((parts) => parts.join("")),
);

describe("gateway: heads of HTTP/1.x messages", () => {
  for (const kind of ["request", "response"] as const) {
    it(`reads a ${kind}'s head as the grammar says, and calls everything else by its name`, () => {
      const seen = new Set<string | undefined>();
      fc.assert(
        fc.property(heads, (text) => {
          fc.pre(!text.includes("\r\n\r\n") && !text.endsWith("\r\n"));
          const expected = oracle(text, kind);
          seen.add(expected.problem);
          assert.deepEqual(read(text, kind), expected);
        }),
        { numRuns: 20_000 },
      );
      assert.deepEqual([...seen].sort(), ["ambiguousFraming", "malformed", undefined]);
    });
  }
});
