import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Command } from "commander";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { requireLab } from "./backEnds";
import { isBusy } from "./engineOutput";
import { foreignSentence } from "./foreign";
import { packageRoot } from "./package";
import { forgetStack, projectFolder, stackDown } from "./stack";
import { type Terminal, openTerminal, step } from "./terminal";

interface DownOptions {
  stack: string;
  cwd: string;
  keepProduction?: boolean;
  json?: boolean;
}

/** `shadownet down`: removes everything that this host has of the lab. */
export function register(program: Command): void {
  program
    .command("down")
    .description("remove the stack, every lab network on this host and what earlier runs left")
    .option("--stack <name>", "Pulumi stack", "lab")
    .option("--cwd <folder>", "folder of the Pulumi project", ".")
    .option("--keep-production", "leave productions running")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  shadownet down --keep-production")
    .action(async (options: DownOptions) => {
      requireLab();
      const terminal = openTerminal(options.json === true);
      const removed = await takeDown(terminal, options);
      const { findLeftovers, foreignNetworks } = await import("../../lab/leftovers.js");
      const left = await findLeftovers({ only: removed });
      const others = await foreignNetworks();
      if (left.length > 0) process.exitCode = ExitCode.FailureFound;
      for (const other of others.filter(({ network }) => !removed.includes(network))) {
        terminal.say(`left alone: ${foreignSentence(other)}`);
      }
      terminal.result(
        { removed, left, others },
        left.length === 0 ? "nothing is left" : `still there:\n  ${left.join("\n  ")}`,
      );
    });
}

async function takeDown(terminal: Terminal, options: DownOptions): Promise<string[]> {
  const { listNetworks } = await import("../../lab/kernel/network.js");
  const { destroyNetwork } = await import("../../lab/production.js");
  const { lockNetwork } = await import("../../lab/provider/lock.js");
  const before = await listNetworks();
  const withStack = hasState(options.cwd);
  const clean = !withStack || (await destroyStack(terminal, options));
  const kept = options.keepProduction === true ? ["production"] : [];
  const shadowsFirst = [...(await listNetworks())].sort((a, b) => b.role.localeCompare(a.role));
  for (const { network, role } of shadowsFirst) {
    if (kept.includes(role)) continue;
    lockNetwork(network);
    await step(terminal, `remove ${role} "${network}"`, () => destroyNetwork(network));
  }
  if (!clean) await forgetStack(options.stack, options.cwd);
  const after = new Set((await listNetworks()).map(({ network }) => network));
  return before.map(({ network }) => network).filter((network) => !after.has(network));
}

/** Whether the stack went in good order; throws when somebody else is at work on it. */
async function destroyStack(terminal: Terminal, { stack, cwd }: DownOptions): Promise<boolean> {
  try {
    await stackDown(terminal, stack, cwd);
    return true;
  } catch (error) {
    if (isBusy(error) || (error instanceof ShadownetError && error.code === "interrupted")) throw error;
    terminal.say(`the stack did not go cleanly (${(error as Error).message}); removing its networks directly`);
    return false;
  }
}

/** Whether there can be a stack: a project, and a back end that has been used. */
function hasState(cwd: string): boolean {
  if (projectFolder(cwd) === undefined) return false;
  return process.env.PULUMI_BACKEND_URL !== undefined || existsSync(join(packageRoot, ".shadownet", "pulumi"));
}
