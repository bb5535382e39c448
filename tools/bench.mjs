#!/usr/bin/env node
// `npm run bench`: the measurements in test/bench, one after another, because they compete for the same processors.
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { projectNode, toolFolders } from "./lib/node.mjs";
import { pathWith, root } from "./lib/paths.mjs";
import { foreground } from "./lib/processes.mjs";

const folder = join(root, "test", "bench");
const all = readdirSync(folder).filter((file) => file.endsWith(".ts"));
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !all.includes(`${name}.ts`));

async function main() {
  if (unknown.length > 0) {
    console.error(
      `no benchmark ${unknown.join(", ")}; there are: ${all.map((file) => file.replace(/\.ts$/, "")).join(", ")}`,
    );
    return 2;
  }
  let worst = 0;
  const env = { ...process.env, PATH: pathWith(toolFolders()) };
  for (const file of asked.length > 0 ? asked.map((name) => `${name}.ts`) : all) {
    console.log(`\n== ${file} ==`);
    worst = Math.max(worst, await foreground(projectNode(), ["--import=tsx", join(folder, file)], { cwd: root, env }));
  }
  return worst;
}

process.exitCode = await main();
