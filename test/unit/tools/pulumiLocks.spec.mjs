import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, it } from "mocha";

import { clearStaleLocks } from "../../../tools/lib/pulumi-locks.mjs";

describe("locks of killed engines", () => {
  let backend;
  let folder;
  beforeEach(() => {
    backend = mkdtempSync(join(tmpdir(), "shadownet-locks-"));
    folder = join(backend, ".pulumi", "locks", "organization", "project", "stack");
    mkdirSync(folder, { recursive: true });
  });
  afterEach(() => rmSync(backend, { recursive: true, force: true }));

  const lock = (name, content) => {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify({ username: "root", hostname: hostname(), ...content }));
    writeFileSync(`${file}.attrs`, "{}");
    return file;
  };
  const now = () => new Date().toISOString();
  const deadPid = 4_194_305;

  it("go when the process is gone or only its number lives on, and stay otherwise", () => {
    const dead = lock("dead", { pid: deadPid, timestamp: now() });
    const reused = lock("reused", { pid: process.pid, timestamp: "2001-01-01T00:00:00Z" });
    const living = lock("living", { pid: process.pid, timestamp: now() });
    const elsewhere = lock("elsewhere", { pid: deadPid, timestamp: now(), hostname: "another-host" });
    assert.equal(clearStaleLocks(backend), 2);
    assert.deepEqual([dead, reused, `${dead}.attrs`].map(existsSync), [false, false, false]);
    assert.deepEqual([living, elsewhere, `${living}.attrs`].map(existsSync), [true, true, true]);
  });

  it("go when they are half-written, but not while they may still be being written", () => {
    const half = join(folder, "half.json");
    writeFileSync(half, '{"pid":');
    assert.equal(clearStaleLocks(backend), 0);
    utimesSync(half, new Date(0), new Date(0));
    assert.equal(clearStaleLocks(backend), 1);
    assert.equal(existsSync(half), false);
  });

  it("are none where there is no back end yet", () => assert.equal(clearStaleLocks(join(backend, "none")), 0));
});
