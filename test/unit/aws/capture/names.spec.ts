import assert from "node:assert/strict";

import fc from "fast-check";

import { plainName, uniqueNames } from "../../../../components/aws/capture/names";

const names = (...things: [string, string?][]): string[] => {
  const found = uniqueNames(things.map(([id, wanted]) => ({ id, ...(wanted === undefined ? {} : { wanted }) })));
  return things.map(([id]) => found.get(id)!);
};

describe("names of captured things", () => {
  it("are Name tags in the topology's form", () => {
    assert.deepEqual(names(["i-1", "Web Server_01 (blue)"], ["i-2", "  "], ["i-3"]), [
      "web-server-01-blue",
      "i-2",
      "i-3",
    ]);
  });

  it("get the end of the id wherever several want the same, in any order", () => {
    const both: [string, string][] = [
      ["i-0aaaaaaaaaaa11111", "Web"],
      ["i-0aaaaaaaaaaa22222", "web"],
    ];
    assert.deepEqual(names(...both), ["web-11111", "web-22222"]);
    assert.deepEqual(names(...[...both].reverse()), ["web-22222", "web-11111"]);
    assert.deepEqual(names(["i-0aaaaaaaaaaa11111", "web"]), ["web"]);
  });

  it("stay apart when shortening or the ends of ids make them the same", () => {
    const long = "x".repeat(70);
    const found = names(["i-1-00001", `${long}1`], ["i-2-00001", `${long}2`], ["i-3", `${"x".repeat(57)}-00001`]);
    assert.equal(new Set(found).size, 3);
    assert.ok(found.every((name) => name.length <= 63));
  });

  it("are unique, of the topology's form and independent of the order, whatever is wanted", () => {
    const thing = fc.record({
      id: fc.oneof(
        fc.string({ minLength: 1 }),
        fc.nat(99).map((number) => `i-000${number}`),
      ),
      wanted: fc.option(fc.oneof(fc.constantFrom("web", "Web", "web-1", "ö", ""), fc.string({ maxLength: 80 })), {
        nil: undefined,
      }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(thing, { selector: ({ id }) => id, maxLength: 30 }), (things) => {
        const found = uniqueNames(things);
        assert.equal(new Set(found.values()).size, things.length);
        for (const name of found.values()) assert.match(name, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
        assert.deepEqual(uniqueNames([...things].reverse()), found);
      }),
    );
    assert.equal(plainName("--A--b--"), "a-b");
  });
});
