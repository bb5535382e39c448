import { Command, CommanderError } from "commander";

import { ExitCode } from "../../internal/problems";
import * as abort from "./abort";
import * as analyse from "./analyse";
import * as calibrate from "./calibrate";
import * as capture from "./capture";
import * as demo from "./demo";
import * as doctor from "./doctor";
import * as down from "./down";
import * as experiment from "./experiment";
import * as gateway from "./gateway";
import * as halt from "./halt";
import { packageVersion } from "./package";
import * as production from "./production";
import * as report from "./report";
import * as runCommand from "./run";
import * as serve from "./serve";
import * as setup from "./setup";
import * as stack from "./stack";
import { reportFailure } from "./terminal";
import * as verify from "./verify";

const commands = [
  setup,
  doctor,
  production,
  capture,
  stack,
  runCommand,
  abort,
  halt,
  serve,
  experiment,
  report,
  analyse,
  calibrate,
  gateway,
  verify,
  demo,
  down,
];

async function main(argv: string[]): Promise<number> {
  const program = new Command("shadownet")
    .description("Clone a network, mirror live traffic into the clone, break the clone, and say what broke.")
    .version(packageVersion())
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText("after", "\nExit codes: 0 done, 1 the run found a failure, 2 bad input, 3 not possible here.");
  for (const command of commands) command.register(program);
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync(argv);
    return Number(process.exitCode ?? ExitCode.Done);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Done : ExitCode.BadInput;
    return reportFailure(error, argv.includes("--json"));
  }
}

void main(process.argv).then((code) => {
  process.exitCode = code;
});
