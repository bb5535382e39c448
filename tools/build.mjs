#!/usr/bin/env node
// `npm run build`: compiles when a source has changed.
import { compileStep } from "./lib/compile.mjs";
import { runSteps } from "./lib/steps.mjs";

process.exitCode = await runSteps([compileStep]);
