#!/usr/bin/env node
// The `shadownet` command on any Node from 20 on: runs the compiled command line with the project's own Node.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";

import { isCompiled } from "../lib/compile.mjs";
import { engineCache } from "../lib/engine.mjs";
import { projectNode, toolFolders } from "../lib/node.mjs";
import { pathWith, root, which, withSystemFolders } from "../lib/paths.mjs";
import { foreground } from "../lib/processes.mjs";

const notPossibleHere = 3;
const program = join(root, "dist", "components", "runtime", "cli", "main.js");
const setup = join(root, "tools", "setup.mjs");

function environment() {
  const path = pathWith(toolFolders());
  const engine = which("pulumi") === undefined && existsSync(engineCache()) ? delimiter + engineCache() : "";
  return { ...process.env, PATH: withSystemFolders(path) + engine, SHADOWNET_ROOT: root };
}

function gatewayOptions() {
  const compiled = join(dirname(program), "..", "gateway", "nodeOptions.js");
  return existsSync(compiled) ? createRequire(import.meta.url)(compiled).gatewayNodeOptions : [];
}

/**
 * Reading a large network makes much garbage, five times what is kept of it: it is collected before the heap grows instead
 * of after. That takes a capture of 1,000 instances a few seconds longer, and a third off its memory.
 */
function memoryOptions(command) {
  return command === "capture" ? ["--max-semi-space-size=2", "--optimize-for-size"] : [];
}

async function main([command, ...rest]) {
  if (command === "setup") return foreground(process.execPath, [setup, ...rest]);
  const node = projectNode();
  if (node === undefined || !existsSync(program)) {
    console.error(`shadownet is not set up here; type: node ${setup}`);
    return notPossibleHere;
  }
  if (existsSync(join(root, "tsconfig.build.json")) && !isCompiled()) {
    console.error("note: the sources have changed since they were compiled; `npm run build` compiles them");
  }
  const options = [
    "--disable-warning=ExperimentalWarning",
    ...(command === "gateway" ? gatewayOptions() : []),
    ...memoryOptions(command),
  ];
  const args = [...options, program, ...process.argv.slice(2)];
  // The channel closes also when this process is killed, and so tells the command that nobody waits for it any more.
  return foreground(node, args, { env: environment(), stdio: ["inherit", "inherit", "inherit", "ipc"] });
}

process.exitCode = await main(process.argv.slice(2));
