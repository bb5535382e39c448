import assert from "node:assert/strict";

import fc from "fast-check";

import { differences, equal, isIgnored, plain, topLevel, unknown } from "../../../../components/lab/provider/values";

const signature = "4dabf18193072939515e22adb298388d";
const secret = (value: unknown): object => ({ [signature]: "1b47061264138c4ac30d75fd1eb44270", value });
const output = (value?: unknown): object => ({ [signature]: "d0e6a833031e9bbcd3f4e8bde6ca49a4", value });

describe("values of the plugin's protocol", () => {
  it("lose their secret and output wrappers, however deep", () => {
    const wrapped = { a: secret("x"), b: [output(secret({ c: 1 }))], d: output() };
    assert.deepEqual(plain(wrapped), { a: "x", b: [{ c: 1 }], d: unknown });
  });

  it("differ by path and kind", () => {
    const old = { workload: { command: ["sleep", "1"] }, size: { cpus: 1 }, gone: true };
    const now = { workload: { command: ["sleep", "2", "3"] }, size: { cpus: 1 }, fresh: 1 };
    assert.deepEqual(differences(old, now), [
      { path: "workload.command[1]", kind: "update" },
      { path: "workload.command[2]", kind: "add" },
      { path: "gone", kind: "delete" },
      { path: "fresh", kind: "add" },
    ]);
  });

  it("have no differences exactly when they are equal", () => {
    const object = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.jsonValue({ maxDepth: 2 }));
    fc.assert(fc.property(object, object, (a, b) => (differences(a, b).length === 0) === equal(a, b)));
    fc.assert(fc.property(object, (a) => differences(a, structuredClone(a)).length === 0));
  });

  it("know the top of a path and what lies within an ignored one", () => {
    assert.equal(topLevel("workload.command[1]"), "workload");
    assert.ok(isIgnored("workload.command[1]", ["workload"]));
    assert.ok(!isIgnored("workloads", ["workload"]));
  });
});
