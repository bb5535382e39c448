import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, it } from "mocha";

import { isCompiled, sourcesOf } from "../../../tools/lib/compile.mjs";
import { packagesAreReady } from "../../../tools/lib/packages.mjs";
import { ensurePassphrase, pulumiEnvironment } from "../../../tools/lib/pulumi-environment.mjs";
import { runSteps } from "../../../tools/lib/steps.mjs";
import { suiteOutcome } from "../../../tools/lib/summary.mjs";
import { installCommand, installHindrance, missingPackages, runPrograms } from "../../../tools/lib/system.mjs";
import { isAtLeast, parseVersion } from "../../../tools/lib/versions.mjs";

let folder;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "shadownet-tools-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("versions", () => {
  const cases = [
    ["v3.259.0", "3.230.0", true],
    ["3.230.0", "3.230.0", true],
    ["3.229.9", "3.230.0", false],
    ["3.230.0-beta.1", "3.230.0", true],
    ["go version go1.26.8 linux/amd64", "1.25", true],
    ["go version go1.9 linux/amd64", "1.25", false],
    ["4.0.0", "3.230.0", true],
    ["no version", "0.0.1", false],
  ];
  for (const [given, minimum, expected] of cases) {
    it(`${given} is ${expected ? "" : "not "}at least ${minimum}`, () =>
      assert.equal(isAtLeast(given, minimum), expected));
  }

  it("reads numbers, not text, so that 10 is more than 9", () => {
    assert.deepEqual(parseVersion("1.10.0"), [1, 10, 0]);
    assert.ok(isAtLeast("1.10.0", "1.9.0"));
  });
});

describe("the plan of set-up", () => {
  const step = (title, work, log, outcome) => ({
    title,
    plan: () => work,
    run: () => {
      log.push(title);
      if (outcome !== undefined) throw outcome;
    },
  });
  const collect = async (steps, options) => {
    const lines = [];
    const code = await runSteps(steps, { ...options, print: (line) => lines.push(line) });
    return { code, text: lines.join("\n") };
  };

  it("does what is to be done and leaves alone what is ready", async () => {
    const log = [];
    const { code, text } = await collect([step("one", undefined, log), step("two", "work", log)]);
    assert.deepEqual(log, ["two"]);
    assert.equal(code, 0);
    assert.match(text, /ready {2}one[\s\S]*doing {2}two: work[\s\S]*done {3}two \(\d+\.\d s\)/);
  });

  it("does nothing in a dry run and says what it would do", async () => {
    const log = [];
    const { code, text } = await collect([step("two", "work", log)], { dryRun: true });
    assert.deepEqual(log, []);
    assert.equal(code, 0);
    assert.match(text, /to do {2}two: work/);
  });

  it("goes on after a failure, ends with its exit code, and shows its message", async () => {
    const log = [];
    const failure = Object.assign(new Error("no root"), { exitCode: 3 });
    const { code, text } = await collect([step("one", "work", log, failure), step("two", "work", log)]);
    assert.deepEqual(log, ["one", "two"]);
    assert.equal(code, 3);
    assert.match(text, /FAILED one[\s\S]*no root[\s\S]*is not complete/);
  });

  it("stops after a step without which nothing works, and ends well without a step that is not required", async () => {
    const log = [];
    const broken = step("one", "work", log, new Error("broken"));
    assert.equal((await collect([{ ...broken, blocks: true }, step("two", "work", log)])).code, 1);
    assert.deepEqual(log, ["one"]);
    assert.equal((await collect([{ ...broken, required: false }])).code, 0);
  });
});

describe("programs of the system", () => {
  it("asks for the packages whose program is not there", () => {
    const present = new Set(["ip", "ps", "ping"]);
    const missing = missingPackages(runPrograms, (program) => (present.has(program) ? program : undefined));
    assert.deepEqual(missing, ["nftables", "ethtool", "nginx-light", "redis-server", "e2fsprogs"]);
  });

  it("prints the command to type where it cannot install by itself", () => {
    assert.equal(
      installCommand(["nftables", "ethtool"]),
      "sudo apt-get update && sudo apt-get install -y --no-install-recommends nftables ethtool",
    );
    assert.match(installHindrance({ platform: "darwin", user: 0, apt: "apt-get" }), /Linux only/);
    assert.match(installHindrance({ platform: "linux", user: 0, apt: "" }), /no apt-get/);
    assert.match(installHindrance({ platform: "linux", user: 1000, apt: "apt-get" }), /root is needed/);
    assert.equal(installHindrance({ platform: "linux", user: 0, apt: "apt-get" }), undefined);
  });
});

describe("npm packages", () => {
  it("are ready when npm finished after the lock file was written, and not when the lock file is newer", () => {
    mkdirSync(join(folder, "node_modules", `node-${process.platform}-${process.arch}`, "bin"), { recursive: true });
    const node = join(folder, "node_modules", `node-${process.platform}-${process.arch}`);
    writeFileSync(join(node, "package.json"), "{}");
    writeFileSync(join(node, "bin", "node"), "");
    writeFileSync(join(folder, "package-lock.json"), "{}");
    assert.equal(packagesAreReady(folder), false);
    writeFileSync(join(folder, "node_modules", ".package-lock.json"), "{}");
    assert.equal(packagesAreReady(folder), true);
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(folder, "package-lock.json"), later, later);
    assert.equal(packagesAreReady(folder), false);
  });
});

describe("the compiled code", () => {
  it("is stale when a source is changed, added or removed", () => {
    mkdirSync(join(folder, "components"));
    mkdirSync(join(folder, "dist"));
    const source = join(folder, "components", "a.ts");
    writeFileSync(source, "1");
    const stamp = () => writeFileSync(join(folder, "dist", ".sources.json"), JSON.stringify(sourcesOf(folder)));
    assert.equal(isCompiled(folder), false);
    stamp();
    assert.equal(isCompiled(folder), true);
    writeFileSync(source, "12");
    assert.equal(isCompiled(folder), false);
    stamp();
    writeFileSync(join(folder, "components", "b.ts"), "1");
    assert.equal(isCompiled(folder), false);
    rmSync(join(folder, "components", "b.ts"));
    assert.equal(isCompiled(folder), true);
    rmSync(source);
    assert.equal(isCompiled(folder), false);
  });
});

describe("the environment without an account", () => {
  it("keeps state, home and a passphrase of its own in the project's folder", () => {
    const environment = pulumiEnvironment("engine-folder", { environment: { PATH: "a:b" }, folder });
    assert.equal(environment.PULUMI_BACKEND_URL, `file://${join(folder, "pulumi")}`);
    assert.equal(environment.PULUMI_HOME, join(folder, "pulumi-home"));
    assert.equal(environment.PULUMI_CONFIG_PASSPHRASE_FILE, join(folder, "passphrase"));
    assert.equal(statSync(environment.PULUMI_CONFIG_PASSPHRASE_FILE).mode & 0o777, 0o600);
    assert.ok(environment.PATH.startsWith("engine-folder:"));
    assert.ok(environment.PATH.includes(":a:b:"));
    assert.ok(environment.PATH.endsWith("/usr/sbin:/sbin"), "system programs are found without a login shell");
  });

  it("lets the user's own back end and passphrase win", () => {
    const own = { PATH: "", PULUMI_BACKEND_URL: "https://example.com", PULUMI_CONFIG_PASSPHRASE: "" };
    const environment = pulumiEnvironment("engine-folder", { environment: own, folder });
    assert.equal(environment.PULUMI_BACKEND_URL, own.PULUMI_BACKEND_URL);
    assert.equal(environment.PULUMI_HOME, undefined);
    assert.equal(environment.PULUMI_CONFIG_PASSPHRASE_FILE, undefined);
  });

  it("makes the passphrase once, at random", () => {
    const file = ensurePassphrase(folder);
    const before = statSync(file).mtimeMs;
    assert.equal(ensurePassphrase(folder), file);
    assert.equal(statSync(file).mtimeMs, before);
    assert.ok(statSync(file).size >= 40);
  });
});

describe("the counts of a suite", () => {
  it("are a failure when the process crashed, counted nothing, or never counted", () => {
    assert.deepEqual(suiteOutcome(0, { passed: 3, failed: 0, skipped: 0 }), { passed: 3, failed: 0, skipped: 0 });
    assert.equal(suiteOutcome(139, { passed: 3, failed: 0, skipped: 0 }).failed, 1);
    assert.equal(suiteOutcome(2, { passed: 3, failed: 2, skipped: 0 }).failed, 2);
    assert.equal(suiteOutcome(0, { passed: 0, failed: 0, skipped: 0 }).failed, 1);
    assert.equal(suiteOutcome(1, undefined).failed, 1);
  });
});
