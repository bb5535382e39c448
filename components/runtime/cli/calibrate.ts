import { resolve } from "node:path";
import type { Command } from "commander";

import type { Experiment } from "../../experiment";
import { refuse, type Problem } from "../../internal/problems";
import { analysePlacebo, falseAlarmRate, rateOf, type FalseAlarmRate } from "../analysis";
import { RunStatus, Verdict, type Effect } from "../runner/journal";
import { loadRun } from "../runner/store";
import { chooseShadow } from "./backEnds";
import { runOnShadow } from "./run";
import { collect } from "./options";
import { openTerminal, type Terminal } from "./terminal";

interface Options {
  network?: string;
  runs: string;
  baseline: string;
  fault: string;
  recovery: string;
  seed: string;
  folder: string;
  journal: string[];
  json?: boolean;
}

const details = `
Every run is the whole experiment with nothing broken: baseline, a wait as long as a fault, recovery, the same analysis.
What it finds is a false alarm. Ctrl-C ends it after undoing, and the rates are over the runs completed until then.
--journal reads earlier runs without faults instead of making new ones.

--json prints {runs: [{id, tests, alarms: [{signal, target, p, q, why}]}], tests, verdicts, runsWithAlarm}; the last three
are {judged, alarms, rate, low, high} with Wilson's 95 % interval: single tests with p < 0.05, effects judged degraded,
and runs with at least one such effect.

Examples:
  shadownet calibrate
  shadownet calibrate --runs 5 --baseline 30 --fault 15
  shadownet calibrate --journal runs/aa-1 --journal runs/aa-2`;

/** `shadownet calibrate`: how often the analysis cries wolf on this system. */
export function register(program: Command): void {
  program
    .command("calibrate")
    .description("run the whole experiment with no fault and say how often the analysis finds one")
    .option("--network <name>", "name of the shadow; needed when there are several")
    .option("--runs <count>", "how many runs", "20")
    .option("--baseline <seconds>", "length of the baseline", "40")
    .option("--fault <seconds>", "length of the wait in the place of a fault", "20")
    .option("--recovery <seconds>", "time watched afterwards", "1")
    .option("--seed <number>", "seed of the first run; the next ones count on", "1")
    .option("--folder <path>", "folder that gets a folder per run", "runs")
    .option("--journal <folder>", "analyse this recorded run without faults; repeatable", collect, [])
    .option("--json", "print the result as JSON")
    .addHelpText("after", details)
    .action(async (options: Options) => {
      const terminal = openTerminal(options.json === true);
      const folders = options.journal.length > 0 ? options.journal : await makeRuns(terminal, options);
      const result = await summarise(folders);
      terminal.result(result, describe(result));
    });
}

/** Makes the runs; gives their folders. */
async function makeRuns(terminal: Terminal, options: Options): Promise<string[]> {
  const problems: Problem[] = [];
  const positive = (text: string, path: string, whole: boolean): number => {
    const value = Number(text);
    if (text.trim() !== "" && value > 0 && (whole ? Number.isSafeInteger(value) : Number.isFinite(value))) return value;
    problems.push({ path, reason: `"${text}" is not allowed; give a ${whole ? "whole " : ""}number above 0` });
    return 1;
  };
  const count = positive(options.runs, "--runs", true);
  const seed = positive(options.seed, "--seed", true);
  const experiment: Experiment = {
    title: "Nothing is broken",
    actions: { nothing: { waitSeconds: positive(options.fault, "--fault", false) } },
    analysis: {
      baselineSeconds: positive(options.baseline, "--baseline", false),
      recoverySeconds: positive(options.recovery, "--recovery", false),
    },
  };
  refuse("shadownet calibrate", problems);
  const network = await chooseShadow(options.network);
  const folders: string[] = [];
  for (let run = 0; run < count; run++) {
    terminal.say(`run ${run + 1} of ${count}`);
    const request = {
      network,
      experiments: { calibration: experiment },
      options: { seed: String(seed + run), runs: options.folder },
    };
    // The result of a single run is no result of the calibration.
    const journal = await runOnShadow({ ...terminal, result: () => undefined }, request);
    if (journal.status !== RunStatus.Completed) {
      terminal.say(`run ${journal.id} is left out: ${journal.statusReason ?? journal.status}`);
      if (journal.status !== RunStatus.Interrupted && journal.status !== RunStatus.Aborted) continue;
      terminal.say(`the rates are over the ${folders.length} of ${count} runs that were completed`);
      break;
    }
    folders.push(resolve(options.folder, journal.id));
  }
  return folders;
}

interface CalibratedRun {
  id: string;
  tests: number;
  alarms: Pick<Effect, "signal" | "target" | "p" | "q" | "why">[];
}

interface Calibration {
  runs: CalibratedRun[];
  tests: FalseAlarmRate;
  verdicts: FalseAlarmRate;
  runsWithAlarm: FalseAlarmRate;
}

async function summarise(folders: readonly string[]): Promise<Calibration> {
  const problems: Problem[] = [];
  const runs: CalibratedRun[] = [];
  const all: Effect[] = [];
  for (const folder of folders) {
    const run = await loadRun(folder);
    const faults = run.journal.experiments.flatMap((experiment) => experiment.faults);
    if (faults.length > 0) {
      problems.push({
        path: folder,
        reason: `something was broken in it (${faults[0]!.action}); give runs without faults`,
      });
      continue;
    }
    const effects = analysePlacebo(run);
    all.push(...effects);
    const alarms = effects.filter(({ verdict }) => verdict === Verdict.Degraded);
    runs.push({
      id: run.journal.id,
      tests: effects.filter(({ p }) => p !== null).length,
      alarms: alarms.map(({ signal, target, p, q, why }) => ({ signal, target, p, q, why })),
    });
  }
  if (folders.length === 0) problems.push({ path: "--runs", reason: "no run was completed, so nothing can be said" });
  refuse("shadownet calibrate", problems);
  return {
    runs,
    tests: falseAlarmRate(all, "p"),
    verdicts: falseAlarmRate(all, "verdict"),
    runsWithAlarm: rateOf(
      runs.filter(({ alarms }) => alarms.length > 0).length,
      runs.filter(({ tests }) => tests > 0).length,
    ),
  };
}

function describe({ runs, tests, verdicts, runsWithAlarm }: Calibration): string {
  const line = (what: string, { alarms, judged, rate, low, high }: FalseAlarmRate): string =>
    judged === 0
      ? `${what}: nothing could be judged`
      : `${what}: ${alarms} of ${judged}, ${percent(rate)} (95 % interval ${percent(low)} to ${percent(high)})`;
  const alarms = runs.flatMap((run) =>
    run.alarms.map(({ signal, target, why }) => `  ${run.id}: ${signal} of ${target}: ${why}`),
  );
  return [
    line("single tests with p < 0.05, nominally 5 %", tests),
    line("effects judged degraded", verdicts),
    line("runs with at least one of them", runsWithAlarm),
    ...alarms,
  ].join("\n");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
