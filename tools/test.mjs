#!/usr/bin/env node
// `npm test`: the suites one after another, each by mocha in a process of its own, and one summary.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { projectNode, toolFolders } from "./lib/node.mjs";
import { pathWith, root } from "./lib/paths.mjs";
import { foreground } from "./lib/processes.mjs";
import { addCounts, suiteOutcome, summaryLine } from "./lib/summary.mjs";

/** From what breaks first and fastest to the whole; a suite is a folder of test/. */
const suites = ["unit", "contract", "policies", "engine", "lab", "browser", "e2e"];

const hasSpecs = (suite) =>
  existsSync(join(root, "test", suite)) &&
  readdirSync(join(root, "test", suite), { recursive: true }).some((file) => /\.spec\.(ts|mjs)$/.test(file));

async function runSuite(suite, folder) {
  const file = join(folder, `${suite}.json`);
  const mocha = join(root, "node_modules", "mocha", "bin", "mocha.js");
  const reporter = join(root, "tools", "lib", "mocha-reporter.cjs");
  const strict = process.env.CI ? ["--forbid-pending"] : [];
  // A failed test may leave a server behind; it must not keep the other suites from running.
  const args = [mocha, "--exit", "--reporter", reporter, ...strict, `test/${suite}/**/*.spec.{ts,mjs}`];
  const begun = Date.now();
  console.log(`\n== ${suite} ==`);
  const env = { ...process.env, PATH: pathWith(toolFolders()), SHADOWNET_TEST_COUNTS: file };
  const code = await foreground(projectNode(), args, { cwd: root, env });
  const counts = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  return { suite, seconds: Math.round((Date.now() - begun) / 1000), ...suiteOutcome(code, counts) };
}

async function main(asked) {
  const unknown = asked.filter((name) => !suites.includes(name));
  if (unknown.length > 0) {
    console.error(`no suite ${unknown.join(", ")}; there are: ${suites.join(", ")}`);
    return 2;
  }
  if (projectNode() === undefined) {
    console.error("not set up; type: node tools/setup.mjs --tests");
    return 3;
  }
  const folder = mkdtempSync(join(tmpdir(), "shadownet-tests-"));
  try {
    const outcomes = [];
    for (const suite of asked.length > 0 ? asked : suites.filter(hasSpecs))
      outcomes.push(await runSuite(suite, folder));
    console.log("");
    for (const { suite, passed, failed, skipped, seconds } of outcomes) {
      console.log(`${suite.padEnd(10)} ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`);
    }
    const total = addCounts(outcomes);
    console.log(summaryLine(total));
    return total.failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
