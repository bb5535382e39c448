import type { Command } from "commander";

import { ExitCode } from "../../internal/problems";
import { openTerminal } from "./terminal";

interface Options {
  network: string;
  openIntake?: boolean;
  json?: boolean;
}

const marks = { passed: "+", failed: "!", unknown: "?" } as const;

/** `shadownet verify aws`: tries on a real account what tests without one cannot show. */
export function register(program: Command): void {
  const verify = program.command("verify").description("try on a real account what tests without one cannot show");
  verify
    .command("aws")
    .description("check a deployed shadow: closed, fed, and breakable; it breaks nothing")
    .requiredOption("--network <name>", "name of the shadow, for example shop")
    .option(
      "--open-intake",
      "let copies of production's packets in for two minutes, after the shadow is known to be closed",
    )
    .option("--json", "print the results as JSON: {results: [{check, shows, outcome, detail}]}")
    .addHelpText(
      "after",
      "\nAccount and region are those of the environment's credentials (AWS_PROFILE, AWS_REGION). Exit code 1 when a check" +
        " fails or could not be carried out.\n\nExample:\n  shadownet verify aws --network shop --open-intake",
    )
    .action(async (options: Options) => {
      const terminal = openTerminal(options.json === true);
      const { AwsDriver, clientsFor } = await import("../../aws/driver.js");
      const { readAwsRecord } = await import("../../aws/driver/record.js");
      const { verifyShadow } = await import("../../aws/driver/verify.js");
      const record = await readAwsRecord(options.network.replace(/^aws:/, ""));
      const clients = clientsFor(record);
      const driver = new AwsDriver(record, clients);
      try {
        const context = { record, clients, driver, openIntake: options.openIntake === true };
        const results = await verifyShadow(context, ({ check, shows, outcome, detail }) =>
          terminal.say(`${marks[outcome]} ${check}: ${shows}\n    ${outcome}: ${detail}`),
        );
        const counts = (["passed", "failed", "unknown"] as const).map(
          (outcome) => `${results.filter((result) => result.outcome === outcome).length} ${outcome}`,
        );
        terminal.result({ results }, counts.join(", "));
        if (results.some(({ outcome }) => outcome !== "passed")) process.exitCode = ExitCode.FailureFound;
      } finally {
        await driver.close();
      }
    });
}
