import { ExitCode, ShadownetError, markedExitCode } from "../../internal/problems";

/** Lines of the engine that tell nobody anything: its heartbeat, and steps that a later line says have ended. */
const noise = [
  /^@ (updating|previewing update|destroying|refreshing)\.*$/,
  /^\s*$/,
  /\b(creating|updating|deleting|replacing|refreshing|running) \(0s\)/,
  /\brefresh \([\d.]+s\)\s*$/,
  // `down` removes the stack itself too.
  /^The resources in the stack have been deleted, but/,
  /^If you want to remove the stack completely/,
  // A resource that stays as it is, and the program that is running.
  /^ {4}[\w-]+:[\w/-]+:[\w-]+ \S+( running)?\s*$/,
];

/** A line of the engine's output as people see it; undefined for one that is left out. */
export function shownLine(line: string): string | undefined {
  return noise.some((pattern) => pattern.test(line)) ? undefined : line.trimEnd();
}

/** Cuts a stream of text into whole lines; call `end` for what is left. */
export function lineReader(take: (line: string) => void): { add: (text: string) => void; end: () => void } {
  let rest = "";
  return {
    add(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(take);
    },
    end() {
      if (rest !== "") take(rest);
      rest = "";
    },
  };
}

/** Whether an error says that somebody else is at work on the same stack or network. */
export function isBusy(error: unknown): boolean {
  return error instanceof ShadownetError && ["stack-busy", "network-busy"].includes(error.code);
}

/**
 * The error of an engine that ended badly: bad input and what is not possible here have their own exit codes, and a lock
 * its own message. `shown` says that people have seen the output already.
 */
export function engineError(command: string, code: number | null, output: string, shown: boolean): ShadownetError {
  const busy = /the stack is currently locked[^]*?\(pid (\d+)\)/.exec(output);
  if (busy !== null) {
    const cure = "wait until it has ended, then run this again";
    const message = `another operation (process ${busy[1]!}) is changing this stack; ${cure}`;
    return new ShadownetError("stack-busy", message, ExitCode.NotPossibleHere);
  }
  const network = /another operation \(process \d+\) is changing "[^"]*"[^\n]*/.exec(output);
  if (network !== null) {
    return new ShadownetError("network-busy", withoutMark(network[0]), ExitCode.NotPossibleHere);
  }
  const detail = shown ? "its message is above" : diagnosticsOf(output);
  return new ShadownetError(
    "pulumi-failed",
    `pulumi ${command} ended with exit code ${code ?? "none"}: ${detail}`,
    kindOf(output),
  );
}

function withoutMark(line: string): string {
  return line.replace(/ \((bad input|not possible here)\)$/, "");
}

/** Refusals of the engine itself that are the user's input. */
const badInput = [
  /error: .*resource '[^']*' has a problem:/,
  /Configuration '[^']*' value '[^']*' is not a valid/,
  /Missing required configuration variable/,
  /stack names? .*(may only|can only|must)/i,
];

function kindOf(output: string): ExitCode {
  if (output.includes("no Pulumi engine is set up")) return ExitCode.NotPossibleHere;
  const marked = markedExitCode(output);
  if (marked !== ExitCode.FailureFound) return marked;
  return badInput.some((pattern) => pattern.test(output)) ? ExitCode.BadInput : ExitCode.FailureFound;
}

/** What went wrong, without the steps that went well. */
function diagnosticsOf(output: string): string {
  const diagnostics = /^Diagnostics:\n([^]*?)(?=^Resources:|(?![^]))/m.exec(output)?.[1] ?? output;
  return diagnostics
    .split("\n")
    .flatMap((line) => shownLine(line) ?? [])
    .join("\n")
    .trim();
}
