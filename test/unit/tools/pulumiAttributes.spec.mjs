import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, it } from "mocha";

import { clearHalfAttributes } from "../../../tools/lib/pulumi-attributes.mjs";

describe("attributes that a killed engine has half written", () => {
  let backend;
  beforeEach(() => (backend = mkdtempSync(join(tmpdir(), "shadownet-attributes-"))));
  afterEach(() => rmSync(backend, { recursive: true, force: true }));

  it("go, wherever they are, and nothing else does", () => {
    const stacks = join(backend, ".pulumi", "stacks", "project");
    mkdirSync(stacks, { recursive: true });
    const files = {
      "empty.json.attrs": "",
      "half.json.attrs": '{"user.cache_control":"","us',
      "whole.json.attrs": '{"user.content_type":"application/json"}',
      "empty.json": "",
      "whole.json": "{}",
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(stacks, name), text);
    assert.equal(clearHalfAttributes(backend), 2);
    const left = Object.keys(files).filter((name) => existsSync(join(stacks, name)));
    assert.deepEqual(left, ["whole.json.attrs", "empty.json", "whole.json"]);
    assert.equal(clearHalfAttributes(backend), 0);
  });

  it("are none where there is no back end yet", () => assert.equal(clearHalfAttributes(join(backend, "none")), 0));
});
