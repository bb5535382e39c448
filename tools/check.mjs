#!/usr/bin/env node
// `npm run check`: everything that can be said about the sources without running them.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { projectNode, toolFolders } from "./lib/node.mjs";
import { pathWith, root, which } from "./lib/paths.mjs";
import { capture } from "./lib/processes.mjs";
import { summaryLine } from "./lib/summary.mjs";

const module = (path) => join(root, "node_modules", path);
const node = projectNode();

/** Every script that git knows and whose first line names a shell. */
async function shellScripts() {
  const { output } = await capture("git", ["ls-files"], { cwd: root });
  const isShell = (file) => /^#!.*\b(ba)?sh\b/.test(readFileSync(join(root, file), "utf8").slice(0, 100));
  return output.split("\n").filter((file) => file !== "" && !/\.[a-z]+$/.test(file) && isShell(file));
}

const byNode =
  (script, ...args) =>
  () =>
    capture(node, [module(script), ...args], { cwd: root, env });
const env = { ...process.env, PATH: pathWith(toolFolders()), FORCE_COLOR: "0" };

const checks = [
  ["types", byNode("typescript/bin/tsc", "--noEmit", "-p", ".")],
  ["lint", byNode("eslint/bin/eslint.js", ".", "--max-warnings", "0")],
  ["format", byNode("prettier/bin/prettier.cjs", "--check", ".", "--log-level", "warn")],
  ["dead code", byNode("knip/bin/knip.js", "--no-progress")],
  ["docs", byNode("typedoc/bin/typedoc", "--emit", "none", "--treatValidationWarningsAsErrors")],
  [
    "shell scripts",
    async () =>
      which("shellcheck") === undefined
        ? { code: 3, output: "shellcheck is not installed; type: node tools/setup.mjs --tests" }
        : capture("shellcheck", await shellScripts(), { cwd: root }),
  ],
];

async function main() {
  if (node === undefined) {
    console.error("not set up; type: node tools/setup.mjs");
    return 3;
  }
  const total = { passed: 0, failed: 0 };
  for (const [title, check] of checks) {
    const begun = Date.now();
    const { code, output } = await check();
    total[code === 0 ? "passed" : "failed"]++;
    const seconds = ((Date.now() - begun) / 1000).toFixed(1);
    console.log(
      `${code === 0 ? "passed" : "FAILED"}  ${title} (${seconds} s)${code === 0 ? "" : `\n${output.trimEnd()}`}`,
    );
  }
  console.log(summaryLine(total));
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
