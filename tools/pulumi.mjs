#!/usr/bin/env node
// `npm run pulumi -- <arguments>`: the real engine, without an account, on the project's own state.
import { join } from "node:path";

import { findEngine, readyWays } from "./lib/engine.mjs";
import { foreground } from "./lib/processes.mjs";
import { stateFolder } from "./lib/paths.mjs";
import { clearHalfAttributes } from "./lib/pulumi-attributes.mjs";
import { pulumiEnvironment } from "./lib/pulumi-environment.mjs";
import { clearStaleLocks } from "./lib/pulumi-locks.mjs";

try {
  const { folder } = await findEngine(readyWays());
  if (!process.env.PULUMI_BACKEND_URL) {
    clearStaleLocks(join(stateFolder, "pulumi"));
    clearHalfAttributes(join(stateFolder, "pulumi"));
  }
  process.exitCode = await foreground(join(folder, "pulumi"), process.argv.slice(2), {
    env: pulumiEnvironment(folder),
  });
} catch (error) {
  console.error(explain(error));
  process.exitCode = error.code === "EACCES" ? 3 : (error.exitCode ?? 1);
}

function explain(error) {
  if (error.exitCode === 3) return `no Pulumi engine is set up; run: node tools/setup.mjs\n${error.message}`;
  if (error.code !== "EACCES") return error.message;
  return `${stateFolder} belongs to another user; run this as the one who made it, for example with \`sudo\` (not possible here)`;
}
