import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, it } from "mocha";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const mocha = createRequire(import.meta.url).resolve("mocha/bin/mocha.js");

describe("mocha, given a folder", () => {
  it("loads its specs, and none of the programs beside them", () => {
    const folder = mkdtempSync(join(tmpdir(), "shadownet-mocha-"));
    try {
      const unit = join(folder, "test", "unit");
      mkdirSync(unit, { recursive: true });
      symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
      writeFileSync(join(unit, "one.spec.ts"), 'it("is found", (): void => undefined);');
      for (const name of ["program.ts", "program.mjs"]) writeFileSync(join(unit, name), 'throw new Error("loaded");');
      const args = [mocha, "--exit", "--package", join(root, "package.json"), "test/unit"];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
      assert.equal(status, 0, stderr);
      assert.match(stdout, /1 passing/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
