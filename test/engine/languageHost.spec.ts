import assert from "node:assert/strict";
import { rm } from "node:fs/promises";

import { makeEngineProject, type EngineProject } from "../support/engine";

const program = `
  const pulumi = require("@pulumi/pulumi");
  class Box extends pulumi.ComponentResource {
    constructor(name, args, opts) {
      super("test:index:Box", name, args, opts);
      this.registerOutputs({});
    }
  }
  const config = new pulumi.Config();
  const count = config.getNumber("count") ?? 1;
  for (let index = 1; index <= count; index++) new Box("box-" + index, {});
  if (config.getBoolean("broken")) throw new Error("the program says no");
  console.log("a line from the program on Node " + process.versions.node);
  exports.node = process.versions.node;
  exports.token = config.requireSecret("token").apply((token) => token.toUpperCase());
`;

describe("the small language host under the real engine", function () {
  this.timeout(600_000);
  let project: EngineProject;

  before(async () => {
    project = await makeEngineProject({ program });
    await project.setConfig("token", "quiet", { secret: true });
  });
  after(() => project.dispose());

  it("creates, then finds nothing to do, then removes what the program no longer has", async () => {
    await project.setConfig("count", "2");
    const first = await project.up();
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.equal(first.counts.create, 2);
    const second = await project.up();
    assert.equal(second.code, 0, second.stdout);
    assert.deepEqual(second.counts, { create: 0, update: 0, replace: 0, delete: 0, same: 2, read: 0, refresh: 0 });
    await project.setConfig("count", "1");
    const third = await project.up();
    assert.equal(third.counts.delete, 1);
    assert.deepEqual(
      third.steps.filter((step) => step.operation === "delete").map((step) => step.name),
      ["box-2"],
    );
  });

  it("runs the program with the project's own Node and shows its lines", async () => {
    const { stdout } = await project.up();
    assert.match(stdout, new RegExp(`a line from the program on Node ${process.versions.node}`));
    assert.equal((await project.outputs()).node, process.versions.node);
  });

  it("hands config on and keeps secrets secret", async () => {
    const result = await project.up();
    assert.equal((await project.outputs()).token, "QUIET");
    const state = JSON.stringify(await project.exportState());
    assert.ok(!/quiet/i.test(state), "the state holds the secret in clear");
    assert.ok(!/quiet/i.test(result.stdout + result.stderr), "the output shows the secret");
  });

  it("previews without changing the state", async () => {
    const before = await project.exportState();
    await project.setConfig("count", "3");
    const preview = await project.preview();
    assert.equal(preview.counts.create, 2);
    assert.equal((await project.exportState()).deployment.resources?.length, before.deployment.resources?.length);
  });

  it("passes a failing program's error on, once, and keeps the state", async () => {
    await project.setConfig("broken", "true");
    const failed = await project.up();
    await project.setConfig("broken", "false");
    assert.notEqual(failed.code, 0);
    const errors = failed.diagnostics.filter((entry) => entry.severity === "error");
    assert.equal(errors.filter((entry) => entry.message.includes("the program says no")).length, 1);
    assert.equal((await project.up()).code, 0);
  });

  it("says what is wrong with a program that has no entry point", async () => {
    const empty = await makeEngineProject({ program: "" });
    try {
      await rm(`${empty.folder}/index.js`);
      const { code, stdout } = await empty.up();
      assert.notEqual(code, 0);
      assert.match(stdout, /failed to locate the entry point.*\/program/);
    } finally {
      await empty.dispose();
    }
  });

  it("tells `pulumi about` which Node it runs and what the program depends on", async () => {
    const { stdout, code } = await project.pulumi(["about", "--json", "--stack", "dev"]);
    assert.equal(code, 0);
    const about = JSON.parse(stdout) as { runtime: { language: string; version: string } };
    assert.equal(about.runtime.language, "nodejs");
    assert.ok(about.runtime.version.includes(process.versions.node));
  });

  it("keeps a second stack of the same program apart from the first", async () => {
    assert.equal((await project.up()).code, 0);
    const before = await project.exportState();
    const other = await project.withStack("second");
    await other.setConfig("token", "other", { secret: true });
    const result = await other.up();
    assert.equal(result.code, 0, result.stdout);
    assert.equal(result.counts.create, 1);
    const destroyed = await other.destroy();
    assert.equal(destroyed.counts.delete, 1);
    assert.deepEqual((await project.exportState()).deployment.resources, before.deployment.resources);
  });
});
