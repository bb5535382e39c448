import { spawn } from "node:child_process";

import { ExitCode, ShadownetError } from "./problems";

/** What a command printed and how it ended. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Settings of {@link run} and {@link tryRun}. */
export interface CommandOptions {
  /** Text for standard input. Defaults to none. */
  stdin?: string;
  /** Environment variables beside the process's own. */
  env?: Record<string, string>;
  cwd?: string;
  /** Kills the command after this long. Defaults to 60,000. */
  timeoutMilliseconds?: number;
  signal?: AbortSignal;
}

/** Runs a command to its end and returns how it ended; throws only when it cannot be started. */
export function tryRun(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env === undefined ? process.env : { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: options.timeoutMilliseconds ?? 60_000,
      killSignal: "SIGKILL",
      signal: options.signal,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ENOENT" ? missingTool(program) : error);
    });
    child.on("close", (code, signal) => {
      resolve({ code: code ?? 128, stdout, stderr: signal === null ? stderr : `${stderr}ended by ${signal}` });
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.stdin ?? "");
  });
}

/** Runs a command and returns what it printed; throws with the command and its message when it fails. */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRun(argv, options);
  if (code === 0) return stdout;
  throw new ShadownetError("command-failed", `${argv.join(" ")}: ${stderr.trim() || `exit code ${code}`}`);
}

function missingTool(program: string): ShadownetError {
  const cure = "run `shadownet doctor` to see what is missing and how to install it";
  return new ShadownetError("missing-tool", `${program} is not installed; ${cure}`, ExitCode.NotPossibleHere);
}
