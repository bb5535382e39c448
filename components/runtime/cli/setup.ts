import { spawn } from "node:child_process";

import type { Command } from "commander";

import { toolFile } from "./package";

/** `shadownet setup`: makes this machine ready. */
export function register(program: Command): void {
  program
    .command("setup")
    .description("install what is missing: npm packages, system packages, the Pulumi engine")
    .option("--dry-run", "only print the plan")
    .addHelpText("after", "\nExample:\n  shadownet setup --dry-run")
    .action(async (options: { dryRun?: boolean }) => {
      process.exitCode = await runTool("setup.mjs", options.dryRun === true ? ["--dry-run"] : []);
    });
}

/** Runs one of the set-up tools in this terminal and gives its exit code. */
export function runTool(name: string, args: string[], env: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", "inherit", "inherit"] as const;
    const child = spawn(process.execPath, [toolFile(name), ...args], {
      stdio: [...stdio],
      env: { ...process.env, ...env },
    });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
