import { strict as assert } from "node:assert";

import { ExitCode, ProblemsError, didYouMean, refuse } from "../../../components/internal/problems";

describe("problems", () => {
  it("refuses with every problem at once and the exit code of bad input", () => {
    const problems = [
      { path: "percent", reason: "101 is above 100" },
      { path: "seed", reason: "-1 is below 0" },
    ];
    assert.throws(
      () => refuse("mirror", problems),
      (error: unknown) => {
        assert.ok(error instanceof ProblemsError);
        assert.equal(error.exitCode, ExitCode.BadInput);
        assert.equal(error.message, "mirror: 2 problems\n  percent: 101 is above 100\n  seed: -1 is below 0");
        return true;
      },
    );
  });

  it("accepts an empty list", () => {
    refuse("mirror", []);
  });

  it("suggests the nearest name and none that is far", () => {
    assert.equal(didYouMean("fron", ["front", "app", "data"]), '; did you mean "front"?');
    assert.equal(didYouMean("Web-1", ["web-1", "web-2"]), '; did you mean "web-1"?');
    assert.equal(didYouMean("zzzzzz", ["front", "app"]), "");
  });
});
