import { constants } from "node:os";
import { setTimeout } from "node:timers/promises";

const controller = new AbortController();

/** Aborted by Ctrl-C, SIGTERM or SIGHUP: what waits then throws, and what was begun is undone on the way out. */
export const interruption: AbortSignal = controller.signal;

/** Runs a bench to its end, or until a signal comes and everything that it had begun is undone. */
export async function runBench(main: () => Promise<void>): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      controller.abort();
    });
  }
  try {
    await main();
  } catch (error) {
    if (!interruption.aborted) throw error;
  }
}

/** Waits; throws when the bench is interrupted. */
export async function pause(milliseconds: number): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal: interruption });
}
