import { join, resolve } from "node:path";

import type { Command } from "commander";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { ControllerClient } from "../console/client";
import { runningController } from "../console/controllerFile";
import { systemClock } from "../runner/clock";
import type { Journal } from "../runner/journal";
import { readJournal } from "../runner/journalWriter";
import { isAlive } from "../runner/processes";
import { openTerminal } from "./terminal";

const longestUndoMilliseconds = 120_000;

/** `shadownet abort`: ends one run. */
export function register(program: Command): void {
  program
    .command("abort <run>")
    .description("end one run, wherever it goes on: its faults are undone first")
    .option("--runs <folder>", "folder of the runs, for one that the controller does not hold", "runs")
    .option("--reason <text>", "why, for the journal", "aborted by hand")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  shadownet abort 20261123-101500-ab12")
    .action(async (run: string, options: { runs: string; reason: string; json?: boolean }) => {
      const { stateFolder } = await import("../../lab/kernel/names.js");
      const folder = run.includes("/") ? resolve(run) : join(resolve(options.runs), run);
      const held = await abortAtController(stateFolder(), run, options.reason);
      const status = held ?? (await abortProcess(folder, run));
      openTerminal(options.json === true).result(
        { run, status },
        `run ${run} is over: ${status}, its faults are undone`,
      );
    });
}

/** Undefined when no controller holds the run. */
async function abortAtController(stateFolder: string, run: string, reason: string): Promise<string | undefined> {
  const controller = await runningController(stateFolder);
  if (controller === undefined || run.includes("/")) return undefined;
  const client = new ControllerClient(controller);
  const known = await client.run(run).catch((error: unknown) => {
    if (error instanceof ShadownetError && error.code === "no-such-run") return undefined;
    throw error;
  });
  return known === undefined ? undefined : (await client.abort(run, reason)).status;
}

/** A run of its own process undoes its faults when that process is asked to end. */
async function abortProcess(folder: string, run: string): Promise<string> {
  const journal = await readJournal(folder);
  const { process: owner, status } = journal;
  if (status !== "running") throw new ShadownetError("not-running", `run ${run} is over: ${status}`, ExitCode.BadInput);
  if (owner === undefined || !isAlive(owner)) throw cutOff(run);
  process.kill(owner.pid, "SIGTERM");
  const deadline = Date.now() + longestUndoMilliseconds;
  let now: Journal = journal;
  while (now.status === "running" && Date.now() < deadline) {
    await systemClock.sleep(200);
    now = await readJournal(folder);
    if (now.status === "running" && !isAlive(owner)) throw cutOff(run);
  }
  if (now.status !== "running") return now.status;
  const message = `run ${run} (process ${owner.pid}) has not ended after two minutes; \`shadownet halt\` undoes everything`;
  throw new ShadownetError("not-ended", message);
}

function cutOff(run: string): ShadownetError {
  const message = `the process of run ${run} is gone; \`shadownet halt\` undoes what it may have left`;
  return new ShadownetError("cut-off", message);
}
