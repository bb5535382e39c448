import type { Command } from "commander";

import { halt, release } from "../runner/halt";
import { backEndOf, openDriver } from "./backEnds";
import { collect } from "./options";
import { openTerminal } from "./terminal";

/** `shadownet halt` and `shadownet release`. */
export function register(program: Command): void {
  program
    .command("halt")
    .description("undo every fault of every shadow on this host, or of those named, and refuse new runs until released")
    .option(
      "--network <name>",
      "this shadow, aws:NAME for one on AWS; repeatable, all of this host when left out",
      collect,
      [],
    )
    .option("--reason <text>", "why, for whoever is refused", "halted by hand")
    .option("--json", "print the result as JSON")
    .addHelpText("after", '\nExample:\n  shadownet halt --reason "incident 4711"')
    .action(async (options: { network: string[]; reason: string; json?: boolean }) => {
      const terminal = openTerminal(options.json === true);
      const { network: named } = options;
      const backEnds = await Promise.all((named.length > 0 ? named : [undefined]).map(backEndOf));
      for (const folder of new Set(backEnds.map(({ stateFolder }) => stateFolder))) await halt(folder, options.reason);
      const shadows = named.length > 0 ? named : await backEnds[0]!.shadows();
      const failures: string[] = [];
      for (const network of shadows) {
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
      const result = { halted: true, shadows, failures };
      terminal.result(result, failures.length === 0 ? sentence : `halted, but:\n  ${failures.join("\n  ")}`);
    });
  program
    .command("release")
    .description("allow runs again after a halt")
    .option("--network <name>", "a shadow that was halted by name; the lab's when left out")
    .option("--json", "print the result as JSON")
    .action(async (options: { network?: string; json?: boolean }) => {
      await release((await backEndOf(options.network)).stateFolder);
      openTerminal(options.json === true).result({ halted: false }, "released: runs are allowed again");
    });
}
