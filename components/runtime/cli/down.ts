import { access } from "node:fs/promises";
import { join, resolve } from "node:path";

import type { Command } from "commander";

import { requireLab } from "./backEnds";
import { stackDown } from "./stack";
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
      const left = await leftOver(options.keepProduction === true);
      if (left.length > 0) process.exitCode = 1;
      terminal.result(
        { removed, left },
        left.length === 0 ? "nothing is left" : `still there:\n  ${left.join("\n  ")}`,
      );
    });
}

async function takeDown(terminal: Terminal, options: DownOptions): Promise<string[]> {
  const { listNetworks } = await import("../../lab/kernel/network.js");
  const { destroyNetwork } = await import("../../lab/production.js");
  const before = await listNetworks();
  if (await hasProject(options.cwd)) {
    await stackDown(terminal, options.stack, options.cwd).catch((error: unknown) => {
      terminal.say(`the stack did not go cleanly (${(error as Error).message}); removing its networks directly`);
    });
  }
  const kept = options.keepProduction === true ? ["production"] : [];
  const shadowsFirst = [...(await listNetworks())].sort((a, b) => b.role.localeCompare(a.role));
  for (const { network, role } of shadowsFirst) {
    if (!kept.includes(role)) await step(terminal, `remove ${role} "${network}"`, () => destroyNetwork(network));
  }
  const after = new Set((await listNetworks()).map(({ network }) => network));
  return before.map(({ network }) => network).filter((network) => !after.has(network));
}

async function leftOver(keepProduction: boolean): Promise<string[]> {
  const { findLeftovers } = await import("../../lab/leftovers.js");
  return findLeftovers({ ignoreKnownNetworks: keepProduction });
}

async function hasProject(cwd: string): Promise<boolean> {
  const state = join(resolve(cwd), ".shadownet", "pulumi");
  return access(state).then(
    () => true,
    () => false,
  );
}
