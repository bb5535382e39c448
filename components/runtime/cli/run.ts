import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

import type { Command } from "commander";

import type { Experiment } from "../../experiment";
import { ExitCode, ShadownetError, didYouMean, refuse } from "../../internal/problems";

import { renderTable } from "../report/table";
import { ControllerClient } from "../console/client";
import { runningController } from "../console/controllerFile";
import type { SkippedChecks } from "../runner/context";
import type { Journal } from "../runner/journal";
import { runExperiments } from "../runner/run";
import { newRunId } from "../runner/runId";
import { loadRun } from "../runner/store";
import { backEndOf, chooseShadow } from "./backEnds";
import { writeReports } from "../report/write";
import { packageVersion } from "./package";
import { runProgress } from "./progress";
import { collect } from "./options";
import { type Terminal, openTerminal } from "./terminal";

/** So long a command that is about to end waits for an answer of the controller. */
const lastAnswerMilliseconds = 5_000;

interface RunOptions {
  network?: string;
  file: string[];
  seed: string;
  runs?: string;
  dryRun?: string | true;
  skipLeftovers?: boolean;
  skipMirrorHealth?: boolean;
  skipFidelityGate?: boolean;
  json?: boolean;
}

type SkipOption = "skipLeftovers" | "skipMirrorHealth" | "skipFidelityGate";

/** `shadownet run`: one run of one or more experiments. */
export function register(program: Command): void {
  program
    .command("run [experiment...]")
    .description("run experiments on the shadow: baseline, fault, recovery, verdict")
    .option("--network <name>", "name of the shadow, aws:NAME for one on AWS; needed when there are several")
    .option("--file <file>", "run an experiment from a JSON file instead of one of the stack's", collect, [])
    .option("--seed <number>", "seed of everything random", "1")
    .option("--runs <folder>", "folder that gets a folder per run, without asking the controller; runs when left out")
    .option("--dry-run [level]", "nothing, reads (resolve and probe) or plan (print the commands); plan when left out")
    .option("--skip-leftovers", "go on although an earlier run left a fault behind, and leave it as it is")
    .option("--skip-mirror-health", "go on although mirror or gateway report problems")
    .option("--skip-fidelity-gate", "go on although live and shadow differ before anything is broken")
    .option("--json", "print the journal as JSON")
    .addHelpText(
      "after",
      "\nWhat is skipped is in the journal; the containment probe, the halt switch and the blast radius cannot be skipped." +
        "\n\nExamples:\n  shadownet run dbLink\n  shadownet run dbLink slowFlow --seed 7\n  shadownet run dbLink --dry-run plan",
    )
    .action(async (names: string[], options: RunOptions) => {
      const terminal = openTerminal(options.json === true);
      const network = await chooseShadow(options.network);
      await (await backEndOf(network)).topology(network);
      const experiments = await chooseExperiments(network, names, options.file);
      const request = { network, experiments, options };
      const alone = options.runs !== undefined || options.dryRun !== undefined;
      const atController = alone ? undefined : await runAtController(terminal, request, names);
      const journal =
        atController ?? (await runOnShadow(terminal, { ...request, options: { runs: "runs", ...options } }));
      const failed = journal.status !== "completed" || journal.verdict === "fail" || journal.verdict === "degraded";
      if (failed || journal.invalid === true) process.exitCode = ExitCode.FailureFound;
    });
}

/** What {@link runOnShadow} needs. */
export interface RunRequest {
  network: string;
  experiments: Record<string, Experiment>;
  options: Pick<RunOptions, "seed" | "dryRun" | SkipOption> & { runs: string };
}

/** Lets the controller carry the run out; undefined when none runs for this state folder. */
async function runAtController(
  terminal: Terminal,
  { network, experiments, options }: Omit<RunRequest, "options"> & { options: RunOptions },
  names: string[],
): Promise<Journal | undefined> {
  const controller = await runningController((await backEndOf(network)).stateFolder);
  if (controller === undefined) return undefined;
  const client = new ControllerClient(controller);
  const definitions = Object.fromEntries(Object.entries(experiments).filter(([name]) => !names.includes(name)));
  const seed = parseSeed(options.seed);
  // Before the controller begins: a run that nobody waits for would go on there.
  const stop = abortOnSignals(terminal);
  const over = new AbortController();
  try {
    const request = { experiments: names, definitions, seed, skip: skippedChecks(options) };
    const run = await client.startRun(network, request, soonAfter(stop.signal));
    const { id } = run;
    terminal.say(`run ${id} at the controller on http://${controller.address}`);
    const abort = (): void =>
      void client.abort(id, (stop.signal.reason as Error).message, soonAfter(over.signal)).catch(() => undefined);
    if (stop.signal.aborted) abort();
    else stop.signal.addEventListener("abort", abort, { once: true });
    const { folder } = await client.follow(run, runProgress(terminal));
    const recorded = await loadRun(folder);
    await showResult(terminal, folder, recorded.journal);
    return recorded.journal;
  } finally {
    over.abort();
    stop.release();
  }
}

/** Aborted a while after another signal: an answer that is on its way says which run is to be aborted. */
function soonAfter(signal: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => void setTimeout(() => controller.abort(), lastAnswerMilliseconds).unref();
  signal.addEventListener("abort", abort, { once: true });
  return controller.signal;
}

function skippedChecks(options: Pick<RunOptions, SkipOption>): SkippedChecks {
  const { skipLeftovers: leftovers, skipMirrorHealth: mirrorHealth, skipFidelityGate: fidelityGate } = options;
  return { leftovers, mirrorHealth, fidelityGate };
}

/** Runs the experiments, shows progress, writes journal and reports, prints the table. */
export async function runOnShadow(terminal: Terminal, request: RunRequest): Promise<Journal> {
  const { network, experiments, options } = request;
  const seed = parseSeed(options.seed);
  const dryRun = parseDryRun(options.dryRun);
  const backEnd = await backEndOf(network);
  const { alarms, notify } = await backEnd.monitor(network);
  const driver = await backEnd.open(network);
  const folder = resolve(options.runs, newRunId());
  const stop = abortOnSignals(terminal);
  try {
    const journal = await runExperiments({
      driver,
      experiments,
      folder,
      stateFolder: backEnd.stateFolder,
      seed,
      command: ["shadownet", ...process.argv.slice(2)],
      versions: { shadownet: packageVersion(), node: process.version },
      dryRun,
      skip: skippedChecks(options),
      alarms,
      notify: { urls: notify },
      signal: stop.signal,
      onProgress: runProgress(terminal),
    });
    if (dryRun === undefined) await showResult(terminal, folder, journal);
    else terminal.result(journal, describeDryRun(journal));
    return journal;
  } finally {
    stop.release();
    await driver.close();
  }
}

async function showResult(terminal: Terminal, folder: string, journal: Journal): Promise<void> {
  const recorded = await loadRun(folder);
  const files = await writeReports(folder, recorded);
  terminal.result(journal, `\n${renderTable(recorded)}\n\n${journal.sentence ?? journal.statusReason ?? ""}`);
  terminal.say(`report: ${files.html}\njournal: ${join(folder, "journal.json")}`);
}

/** What a run would do, with every command where the plan was asked for. */
function describeDryRun({ events, experiments }: Journal): string {
  const faults = experiments.flatMap(({ name, faults }) =>
    faults.flatMap(({ action, kind, target, mechanism, commands }) => [
      `${name}.${action}: ${kind} on ${target} by ${mechanism}`,
      ...commands.map((line) => `  ${line}`),
    ]),
  );
  return [...events.map(({ message }) => message), ...faults].join("\n");
}

async function chooseExperiments(
  network: string,
  names: string[],
  files: string[],
): Promise<Record<string, Experiment>> {
  const backEnd = await backEndOf(network);
  const known = await backEnd.experiments(network);
  const elsewhere = (await backEnd.notRunHere?.(network)) ?? {};
  const chosen: Record<string, Experiment> = {};
  const unknown = names.filter((name) => known[name] === undefined);
  const reason = names.map((name) => elsewhere[name]).find((found) => found !== undefined);
  if (reason !== undefined) throw new ShadownetError("which-experiment", reason, ExitCode.BadInput);
  if (unknown.length > 0 || (names.length === 0 && files.length === 0)) {
    const all = Object.keys(known);
    const listed = all.length === 0 ? "the stack defines none" : `there are ${all.join(", ")}`;
    const what = unknown.length > 0 ? `no experiment "${unknown.join('", "')}"` : "say which experiment to run";
    throw new ShadownetError(
      "which-experiment",
      `${what}; ${listed}${didYouMean(unknown[0] ?? "", all)}`,
      ExitCode.BadInput,
    );
  }
  for (const name of names) chosen[name] = known[name]!;
  for (const file of files) chosen[experimentName(file)] = await readExperiment(file, network);
  return chosen;
}

async function readExperiment(file: string, network: string): Promise<Experiment> {
  const text = await readFile(file, "utf8").catch(() => {
    throw new ShadownetError("no-such-file", `there is no file ${file}`, ExitCode.BadInput);
  });
  const experiment = parseJson(text, file);
  refuse(file, await (await backEndOf(network)).problems(network, experimentName(file), experiment));
  return experiment as Experiment;
}

function experimentName(file: string): string {
  return basename(file, ".json");
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ShadownetError("bad-json", `${file} is not JSON: ${(error as Error).message}`, ExitCode.BadInput);
  }
}

/** Reads a seed; throws when it is none. */
export function parseSeed(text: string): number {
  const seed = Number(text);
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new ShadownetError("bad-seed", `--seed ${text} is not a whole number from 0 up`, ExitCode.BadInput);
}

function parseDryRun(level: string | true | undefined): "nothing" | "reads" | "plan" | undefined {
  if (level === undefined) return undefined;
  if (level === true) return "plan";
  if (level === "nothing" || level === "reads" || level === "plan") return level;
  throw new ShadownetError("bad-dry-run", `--dry-run ${level}: allowed are nothing, reads and plan`, ExitCode.BadInput);
}

function abortOnSignals(terminal: Terminal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abort = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) return;
    terminal.say(`${name}: undoing every fault before stopping …`);
    controller.abort(new ShadownetError("interrupted", `interrupted by ${name}`));
  };
  const names: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const name of names) process.on(name, abort);
  return { signal: controller.signal, release: () => names.forEach((name) => process.off(name, abort)) };
}
