import type { Command } from "commander";

import { halt, release } from "../runner/halt";
import { openDriver, requireLab } from "./backEnds";
import { openTerminal } from "./terminal";

/** `shadownet halt` and `shadownet release`. */
export function register(program: Command): void {
  program
    .command("halt")
    .description("undo every fault on this host at once and refuse new runs until released")
    .option("--reason <text>", "why, for whoever is refused", "halted by hand")
    .option("--json", "print the result as JSON")
    .addHelpText("after", '\nExample:\n  shadownet halt --reason "incident 4711"')
    .action(async (options: { reason: string; json?: boolean }) => {
      requireLab();
      const terminal = openTerminal(options.json === true);
      const { listNetworks } = await import("../../lab/kernel/network.js");
      const { stateFolder } = await import("../../lab/kernel/names.js");
      await halt(stateFolder(), options.reason);
      const shadows = (await listNetworks()).filter(({ role }) => role === "shadow");
      const failures: string[] = [];
      for (const { network } of shadows) {
        try {
          const driver = await openDriver(network);
          await driver.halt();
          await driver.close();
        } catch (error) {
          failures.push(`${network}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      if (failures.length > 0) process.exitCode = 1;
      const sentence = `halted: no fault is active in ${shadows.length} shadows, and no run starts before \`shadownet release\``;
      const result = { halted: true, shadows: shadows.map(({ network }) => network), failures };
      terminal.result(result, failures.length === 0 ? sentence : `halted, but:\n  ${failures.join("\n  ")}`);
    });
  program
    .command("release")
    .description("allow runs again after a halt")
    .option("--json", "print the result as JSON")
    .action(async (options: { json?: boolean }) => {
      requireLab();
      const { stateFolder } = await import("../../lab/kernel/names.js");
      await release(stateFolder());
      openTerminal(options.json === true).result({ halted: false }, "released: runs are allowed again");
    });
}
