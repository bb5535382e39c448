import { strict as assert } from "node:assert";

import fc from "fast-check";

import { matchesPattern } from "../../../components/internal/patterns";

describe("matchesPattern", () => {
  const cases: [string, string, boolean][] = [
    ["app-1", "app-*", true],
    ["app-1", "app-?", true],
    ["app-12", "app-?", false],
    ["web-1/eth0", "*/eth0", true],
    ["a.b", "a?b", true],
    ["axb", "a.b", false],
    ["app-1", "", false],
  ];
  for (const [name, pattern, expected] of cases) {
    it(`${expected ? "matches" : "does not match"} ${name} with ${pattern || "nothing"}`, () => {
      assert.equal(matchesPattern(name, pattern), expected);
    });
  }

  it("matches every name with itself, whatever characters it has", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom("a", "[", "]", "(", ")", "{", "}", ".", "+", "^", "$", "|", "\\", "-", "1", "/"),
        }),
        (name) => matchesPattern(name, name),
      ),
    );
  });
});
