import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";

import { BodyDigest, BodyMemory } from "../../../../components/runtime/gateway/compare/body";
import { Exchange, ExchangeLog } from "../../../../components/runtime/gateway/compare/exchangeLog";
import { differingPaths } from "../../../../components/runtime/gateway/compare/jsonPaths";
import { newStats, type GatewayStats } from "../../../../components/runtime/gateway/stats";

const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
const deep = (leaf: string, depth: number): string => "[".repeat(depth) + leaf + "]".repeat(depth);

const cases: [name: string, live: Buffer | string, shadow: Buffer | string, paths: string[] | undefined][] = [
  ["nested arrays", `{"a":[[1,{"b":2}],[3]]}`, `{"a":[[1,{"b":3}],[4]]}`, ["a[][].b", "a[][]"]],
  ["a key with a dot beside a nested field", `{"a.b":1,"a":{"b":1}}`, `{"a.b":2,"a":{"b":2}}`, [`["a.b"]`, "a.b"]],
  ["an empty key beside its child's name", `{"":{"x":1},"x":1}`, `{"":{"x":2},"x":1}`, [`[""].x`]],
  [
    "keys with quotes, brackets, spaces and letters of all kinds",
    `{"q\\"x":1,"a[]":1,"b c":1,"é漢":1,"$":1,"t\\tb":1,"\\ud800":1}`,
    "{}",
    [`["q\\"x"]`, `["a[]"]`, `["b c"]`, "é漢", `["$"]`, `["t\\tb"]`, `["\\ud800"]`],
  ],
  [
    "the length of an array beside a field called length",
    `[{"length":1}]`,
    `[{"length":2},3]`,
    ["[].length", `[]["length"]`],
  ],
  [
    "names that every object inherits",
    `{"constructor":{},"toString":1,"__proto__":{}}`,
    "{}",
    ["constructor", "toString", "__proto__"],
  ],
  ["identifiers longer than a double", `{"id":9007199254740993,"n":1}`, `{"id":9007199254740992,"n":1}`, ["id"]],
  [
    "digits inside texts and fractions",
    `{"a":"\\"9007199254740993","b":0.12345678901234567890}`,
    `{"a":"\\"9007199254740992","b":0.12345678901234567890}`,
    ["a"],
  ],
  ["another way to write the same", `{"a":1,"b":9007199254740993}`, `{ "b":9007199254740993, "a":1.0 }`, []],
  ["the last of two fields of one name", `{"a":1,"a":2}`, `{"a":2}`, []],
  ["values without fields", "1", `"1"`, ["$"]],
  ["a missing field and one that is null", `{"a":null}`, "{}", ["a"]],
  ["a byte order mark", Buffer.from(`\ufeff{"a":1}`), `{"a":2}`, ["a"]],
  ["bytes that are no UTF-8", Buffer.from(`{"a":"\xe9"}`, "latin1"), Buffer.from(`{"a":"\xe8"}`, "latin1"), ["a"]],
  ["compressed content", gzipSync(`{"a":1,"b":2}`), gzipSync(`{"a":1,"b":3}`), ["b"]],
  ["content compressed on one side", gzipSync(`{"a":1}`), `{"a":1}`, []],
  ["content that inflates beyond all measure", gzipSync(deep("1", 900_000)), "[]", undefined],
  ["text that is no JSON", `{"a":1`, `{"a":2}`, undefined],
  ["nothing", "", `{"a":2}`, undefined],
  ["great depth", deep("1", 10_000), deep("2", 10_000), ["[]".repeat(65)]],
];

/** Counts the fields in which pairs of answers differ. */
function counted(pairs: [live: string, shadow: string][]): GatewayStats {
  const stats = newStats(0);
  const room = new BodyMemory(1_000_000);
  const log = new ExchangeLog(
    stats,
    () => 1_000,
    () => undefined,
    () => undefined,
    room,
  );
  for (const [live, shadow] of pairs) {
    const exchange = new Exchange("tcp a>b", 0, "http1", 0);
    log.replaying(exchange);
    for (const [side, text] of [
      [exchange.live, live],
      [exchange.shadow, shadow],
    ] as const) {
      side.body = new BodyDigest(room, true);
      side.body.add(bytes(text), 0, bytes(text).length);
      log.settle(exchange, side);
    }
  }
  return stats;
}

describe("gateway: the fields in which JSON differs", () => {
  for (const [name, live, shadow, paths] of cases) {
    it(`names them: ${name}`, () => {
      assert.deepEqual(differingPaths(Buffer.from(live), Buffer.from(shadow)), paths);
    });
  }

  it("names 200 and says that there are others", () => {
    const of = (value: number): string =>
      JSON.stringify(Object.fromEntries([...Array(300).keys()].map((key) => [`k${key}`, value])));
    const paths = differingPaths(bytes(of(1)), bytes(of(2))) ?? [];
    assert.deepEqual([paths.length, paths[199], paths[200]], [201, "k199", "(other)"]);
  });

  it("looks no deeper than 64 levels, and says which field differs there", () => {
    const deep = (levels: number, open: string, close: string, value: number): Buffer =>
      bytes(`${open.repeat(levels)}${value}${close.repeat(levels)}`);
    for (const [open, close, name] of [
      ["[", "]", "[]"],
      ['{"a":', "}", ".a"],
    ] as const) {
      const path = (levels: number): string => name.repeat(levels).replace(/^\./, "");
      const of = (levels: number): string[] | undefined =>
        differingPaths(deep(levels, open, close, 1), deep(levels, open, close, 2));
      assert.deepEqual(of(64), [path(64)]);
      assert.deepEqual(of(3_000), [path(65)]);
    }
  });

  it("counts each by its name, whatever that is, and no more names than it may keep", () => {
    const inherited = `{"constructor":1,"__proto__":1}`;
    const many = (from: number): string =>
      JSON.stringify(Object.fromEntries([...Array(150).keys()].map((key) => [`k${from + key}`, 1])));
    const rounds = [...Array(100).keys()].map((round): [string, string] => [many(150 * round), "{}"]);
    const stats = counted([[inherited, "{}"], [inherited, "{}"], ...rounds]);
    const { fieldPaths } = stats.compare;
    assert.equal(fieldPaths["constructor"], 2);
    assert.equal(Object.entries(fieldPaths).find(([name]) => name === "__proto__")?.[1], 2);
    assert.equal(Object.keys(fieldPaths).length, 10_001);
    assert.equal(fieldPaths["(other)"], 15_000 + 2 - 10_000);
  });
});
