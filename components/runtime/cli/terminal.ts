import pc from "picocolors";

import { ExitCode, ShadownetError } from "../../internal/problems";

/** Where a command writes: people read standard error, programs read the JSON on standard output. */
export interface Terminal {
  json: boolean;
  /** A line for people. */
  say(text: string): void;
  /** A line that the next one overwrites on a terminal; elsewhere it is shown at most every ten seconds. */
  status(text: string): void;
  /** The result: as JSON where asked, else as the given text. */
  result(value: unknown, text: string): void;
}

/** Makes the terminal for one command. */
export function openTerminal(json: boolean): Terminal {
  const live = process.stderr.isTTY && !json;
  let open = false;
  let lastStatus = 0;
  const closeStatus = (): void => {
    if (open) process.stderr.write("\r\u001b[K");
    open = false;
  };
  return {
    json,
    say(text) {
      closeStatus();
      process.stderr.write(`${text}\n`);
    },
    status(text) {
      if (live) {
        process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns || 100) - 1)}`);
        open = true;
      } else if (Date.now() - lastStatus >= 10_000) {
        lastStatus = Date.now();
        process.stderr.write(`${text}\n`);
      }
    },
    result(value, text) {
      closeStatus();
      process.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
    },
  };
}

/** Runs one step of a longer job and says how long it took. */
export async function step<T>(terminal: Terminal, title: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  const seconds = (): string => `${((Date.now() - started) / 1000).toFixed(1)} s`;
  const timer = setInterval(() => terminal.status(`${pc.cyan("…")} ${title} (${seconds()})`), 1000);
  try {
    const value = await work();
    terminal.say(`${pc.green("✓")} ${title} ${pc.dim(seconds())}`);
    return value;
  } catch (error) {
    terminal.say(`${pc.red("✗")} ${title} ${pc.dim(seconds())}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Says what went wrong in the form that was asked for, and gives the exit code. */
export function reportFailure(error: unknown, json: boolean): ExitCode {
  const known = error instanceof ShadownetError;
  const said = error instanceof Error ? error.message : String(error);
  const isFull = (error as NodeJS.ErrnoException | undefined)?.code === "ENOSPC" || said.includes("No space left");
  const message = isFull ? `a disk is full; free some space and run this again (${said})` : said;
  if (json) {
    const problems = known && "problems" in error ? error.problems : undefined;
    const code = known ? error.code : "internal-error";
    process.stdout.write(`${JSON.stringify({ error: { code, message, problems } }, null, 2)}\n`);
  } else {
    process.stderr.write(`${pc.red("shadownet:")} ${message}\n`);
    if (!known && error instanceof Error && process.env.SHADOWNET_DEBUG) process.stderr.write(`${error.stack ?? ""}\n`);
  }
  return known ? error.exitCode : ExitCode.FailureFound;
}
