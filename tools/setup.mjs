#!/usr/bin/env node
// Sets a fresh machine up; plain Node 20 without any package. Idempotent: what is ready is left alone.
import { compileStep } from "./lib/compile.mjs";
import { engineStep } from "./lib/engine.mjs";
import { guestStep } from "./lib/guest.mjs";
import { motoStep } from "./lib/moto.mjs";
import { packagesStep } from "./lib/packages.mjs";
import { planSteps, runSteps } from "./lib/steps.mjs";
import { benchPrograms, runPrograms, systemStep, testPrograms } from "./lib/system.mjs";
import { isAtLeast } from "./lib/versions.mjs";

const usage = `usage: node tools/setup.mjs [--tests] [--bench] [--quiet] [--dry-run [--json]]

  --tests    also what only the tests need
  --bench    also what only the benchmarks need
  --quiet    no lines for what is ready
  --dry-run  say what would be done and do nothing
  --json     with --dry-run: the plan as JSON, {steps: [{name, needed, detail}]}

Example:
  node tools/setup.mjs --dry-run

Exit codes: 0 ready, 1 a step failed, 2 bad usage, 3 not possible on this machine.`;

const known = ["--tests", "--bench", "--quiet", "--dry-run", "--json", "--help"];
const given = process.argv.slice(2);
const unknown = given.filter((argument) => !known.includes(argument));

async function main() {
  if (given.includes("--help")) return void console.log(usage);
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(" ")}\n${usage}`);
    process.exitCode = 2;
    return;
  }
  if (given.includes("--json") && !given.includes("--dry-run")) {
    console.error(`--json prints a plan: it goes with --dry-run\n${usage}`);
    process.exitCode = 2;
    return;
  }
  if (!isAtLeast(process.versions.node, "20.0.0")) {
    console.error(`Node ${process.versions.node} is too old; install Node 20 or newer`);
    process.exitCode = 3;
    return;
  }
  const steps = [
    packagesStep,
    systemStep("programs of the lab", runPrograms, true),
    ...(given.includes("--tests")
      ? [systemStep("programs of the tests", testPrograms, false), motoStep, guestStep]
      : []),
    ...(given.includes("--bench") ? [systemStep("programs of the benchmarks", benchPrograms, false)] : []),
    compileStep,
    engineStep,
  ];
  if (given.includes("--json")) return void console.log(JSON.stringify({ steps: await planSteps(steps) }, null, 2));
  const options = { dryRun: given.includes("--dry-run"), quiet: given.includes("--quiet") };
  process.exitCode = await runSteps(steps, options);
}

await main();
