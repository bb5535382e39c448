import { Command, CommanderError } from "commander";

import { ExitCode } from "../../internal/problems";
import { packageVersion } from "./package";
import { reportFailure } from "./terminal";

/** Files of the commands, in the order of the help. Only the asked one is loaded, because some bring much with them. */
const commands: Record<string, () => Promise<{ register: (program: Command) => void }>> = {
  setup: () => import("./setup.js"),
  doctor: () => import("./doctor.js"),
  production: () => import("./production.js"),
  capture: () => import("./capture.js"),
  share: () => import("./share.js"),
  stack: () => import("./stack.js"),
  run: () => import("./run.js"),
  abort: () => import("./abort.js"),
  halt: () => import("./halt.js"),
  serve: () => import("./serve.js"),
  experiment: () => import("./experiment.js"),
  report: () => import("./report.js"),
  analyse: () => import("./analyse.js"),
  calibrate: () => import("./calibrate.js"),
  gateway: () => import("./gateway.js"),
  verify: () => import("./verify.js"),
  demo: () => import("./demo.js"),
  down: () => import("./down.js"),
};

/** So long a command that is over waits for somebody to read the rest of its words. */
const unreadMilliseconds = 5_000;

async function main(argv: string[]): Promise<number> {
  const program = new Command("shadownet")
    .description("Clone a network, mirror live traffic into the clone, break the clone, and say what broke.")
    .version(packageVersion())
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText("after", "\nExit codes: 0 done, 1 the run found a failure, 2 bad input, 3 not possible here.");
  const [, , asked = ""] = argv;
  const loads = Object.hasOwn(commands, asked) ? [commands[asked]!] : Object.values(commands);
  for (const load of loads) (await load()).register(program);
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync(argv);
    return Number(process.exitCode ?? ExitCode.Done);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Done : ExitCode.BadInput;
    return reportFailure(error, argv.includes("--json"));
  }
}

/**
 * Ends the command as SIGTERM does, with its faults undone and its port free, when nobody is there any more who waits for it:
 * its launcher was killed and could not hand that on, or its terminal is gone, or what reads its words has ended.
 */
function endWhenAbandoned(): void {
  const end = (): boolean => process.kill(process.pid, "SIGTERM");
  process.on("disconnect", end);
  process.channel?.unref();
  // A log on a full disk has lost a line and nobody; every line may fail, and must not end the command by itself.
  process.stderr.on("error", (error: Error) => {
    if (isReaderGone(error)) end();
  });
}

/** Whether a stream cannot be written because the other end of the pipe, or the terminal, is there no more. */
function isReaderGone({ code }: NodeJS.ErrnoException): boolean {
  return code === "EPIPE" || code === "EIO";
}

/** A result that a full disk has not taken is none, however well the command went; who stops reading it wants no more. */
function failWithoutResult(): void {
  let failure: Error | undefined;
  process.stdout.on("error", (error: Error) => (failure = error));
  process.on("exit", (code) => {
    // What fails just before the end is told to nobody.
    const lost = failure ?? process.stdout.errored;
    if (lost === null || isReaderGone(lost)) return;
    process.stderr.write(`shadownet: the result cannot be written: ${lost.message}\n`);
    if (code === 0) process.exitCode = ExitCode.NotPossibleHere;
  });
}

/** A full pipe on standard error would keep the command for as long as somebody holds its end unread; a result is waited for. */
function endUnread(): void {
  if (process.stderr.writableLength === 0) return;
  setTimeout(() => process.stdout.write("", () => process.exit()), unreadMilliseconds).unref();
}

endWhenAbandoned();
failWithoutResult();
void main(process.argv).then((code) => {
  process.exitCode = code;
  endUnread();
});
