import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Command, Option } from "commander";

import { ExitCode, refuse, type Problem } from "../../internal/problems";
import { analysePair, analyseRun, parseCsv, parseWindow, ruleOf, type Sample, type Window } from "../analysis";
import { significant } from "../words";
import { Verdict, type Effect } from "../runner/journal";
import { collect } from "./options";
import { openTerminal } from "./terminal";

interface Options {
  live?: string;
  shadow?: string;
  journal?: string;
  batch?: string;
  fault: string[];
  pulses?: boolean;
  signal: string;
  transform?: "log" | "identity";
  worse?: "higher" | "lower" | "either";
  margin?: string;
  settle?: string;
  step?: string;
  json?: boolean;
}

/** One fault of a CSV analysis; several windows when they are pulses of one fault. */
interface NamedFault {
  name: string;
  windows: Window[];
}

const details = `
Input: one sample per line, time,value; a header, empty lines and # comments are allowed; an empty value is a gap.
All before the first --fault is the baseline. Each --fault is one fault; with --pulses all of them are pulses of one,
and six or more are tested exactly.

--json prints {name?, verdict, effects: [...]}, with --journal also sentence, invalid and experiments; its JSON Schema is
components/runtime/report/analysis.schema.json. Each effect has fault (the window as given), signal, target, unit, shift,
shiftPercent, low, high (95 % interval), p, q (Benjamini-Hochberg over the faults), delta (Cliff), spreadP,
minimumDetectable, effectiveSamples, onset, recovered (seconds), censored, area, verdict, why.

Without --margin every proven change counts, and "no effect" means: wholly within 10 % of the baseline's level.

Exit codes: 0 nothing degraded, 1 a degradation or failure was found, 2 bad input.

Examples:
  shadownet analyse --live live.csv --shadow shadow.csv --fault 300-360
  shadownet analyse --batch folder --fault 300-360 --json      pairs NAME.live.csv and NAME.shadow.csv
  shadownet analyse --journal runs/20260101-120000`;

/** `shadownet analyse`: the method on anybody's data, or a recorded run once more. */
export function register(program: Command): void {
  program
    .command("analyse")
    .alias("analyze")
    .description("say whether shadow degraded against live during a fault: from two CSV files, or a recorded run")
    .option("--live <file>", "live series, time,value per line; leave it out to compare without control")
    .option("--shadow <file>", "shadow series, time,value per line")
    .option("--fault <start-end>", "when the fault was active; repeatable", collect, [])
    .option("--pulses", "all --fault windows are pulses of one fault")
    .option("--journal <folder>", "analyse a recorded run again, for example runs/<id>")
    .option("--batch <folder>", "analyse every pair NAME.live.csv and NAME.shadow.csv, one JSON line each")
    .option(
      "--signal <name>",
      "what the values are, for example app.latency.p95; sets unit, transform, direction",
      "value",
    )
    .addOption(
      new Option("--transform <scale>", "scale of the test; default by the signal").choices(["log", "identity"]),
    )
    .addOption(
      new Option("--worse <direction>", "what a degradation is; default by the signal").choices([
        "higher",
        "lower",
        "either",
      ]),
    )
    .option("--margin <percent>", "smallest difference of interest, percent of shadow's baseline level")
    .option("--settle <seconds>", "seconds dropped after a fault starts (default: 1)")
    .option("--step <seconds>", "seconds per sample (default: the usual distance of the samples)")
    .option("--json", "print the result as JSON")
    .addHelpText("after", details)
    .action(analyse);
}

async function analyse(options: Options): Promise<void> {
  const { faults, settings } = checked(options);
  const degraded = options.journal
    ? await analyseJournal(options.journal, options)
    : options.batch
      ? await analyseBatch(options.batch, options, faults, settings)
      : await analyseFiles(options, faults, settings);
  if (degraded) process.exitCode = ExitCode.FailureFound;
}

/** Refuses what cannot be meant, all at once; gives the faults and the settings. */
function checked(options: Options): { faults: NamedFault[]; settings: Record<string, number> } {
  const problems: Problem[] = [];
  const sources = [options.journal, options.batch, options.shadow].filter((source) => source !== undefined).length;
  if (sources === 0)
    problems.push({ path: "--shadow", reason: "is missing; give --shadow (with --live), --batch or --journal" });
  if (sources > 1)
    problems.push({ path: "--shadow", reason: "only one of --shadow, --batch and --journal can be given" });
  if (options.live !== undefined && options.shadow === undefined)
    problems.push({ path: "--live", reason: "needs --shadow" });
  if (options.journal === undefined && options.fault.length === 0) {
    problems.push({
      path: "--fault",
      reason: "is missing; give start-end on the clock of the samples, for example 300-360",
    });
  }
  if (options.journal !== undefined && options.fault.length > 0) {
    problems.push({ path: "--fault", reason: "a recorded run knows its own faults; leave it out with --journal" });
  }
  const windows = options.fault.flatMap((text, i) => {
    const window = parseWindow(text);
    if (!window)
      problems.push({
        path: `--fault[${i}]`,
        reason: `"${text}" is no start-end with start before end, for example 300-360`,
      });
    return window ? [{ name: text.trim(), window }] : [];
  });
  const settings: Record<string, number> = {};
  number(options.margin, "--margin", "marginPercent", 0, settings, problems);
  number(options.settle, "--settle", "settleSeconds", 0, settings, problems);
  number(options.step, "--step", "stepSeconds", Number.MIN_VALUE, settings, problems);
  refuse("shadownet analyse", problems);
  const sorted = [...windows].sort((a, b) => a.window.start - b.window.start);
  const faults = options.pulses
    ? [{ name: "pulses", windows: sorted.map(({ window }) => window) }]
    : windows.map(({ name, window }) => ({ name, windows: [window] }));
  return { faults, settings };
}

function number(
  text: string | undefined,
  path: string,
  field: string,
  minimum: number,
  into: Record<string, number>,
  problems: Problem[],
): void {
  if (text === undefined) return;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= minimum) into[field] = value;
  else
    problems.push({
      path,
      reason: `"${text}" is not allowed; give a ${minimum > 0 ? "positive number" : "number of at least 0"}`,
    });
}

interface Result {
  name?: string;
  verdict: Verdict;
  effects: Effect[];
}

async function analyseFiles(
  options: Options,
  faults: NamedFault[],
  settings: Record<string, number>,
): Promise<boolean> {
  const problems: Problem[] = [];
  const pair = await readPair(options.live, options.shadow!, faults, problems);
  refuse("shadownet analyse", problems);
  const result = analyseTwo(pair, options, faults, settings);
  openTerminal(options.json === true).result(result, result.effects.map(sentence).join("\n"));
  return result.verdict === Verdict.Degraded;
}

interface SeriesPair {
  live: Sample[] | undefined;
  shadow: Sample[];
}

/** Reads both sides; adds every problem of the files and of the windows on them. */
async function readPair(
  liveFile: string | undefined,
  shadowFile: string,
  faults: NamedFault[],
  problems: Problem[],
): Promise<SeriesPair> {
  const before = problems.length;
  const live = liveFile === undefined ? undefined : await readSeries(liveFile, problems);
  const shadow = await readSeries(shadowFile, problems);
  if (problems.length > before) return { live, shadow };
  const [start, end] = [shadow[0]!.time, shadow.at(-1)!.time];
  for (const { name, windows } of faults) {
    if (windows.every((window) => window.start > end || window.end <= start)) {
      const reason = `${name} is outside the samples of ${shadowFile}, which reach from ${start} to ${end}`;
      problems.push({ path: "--fault", reason });
    }
  }
  return { live, shadow };
}

function analyseTwo(
  pair: SeriesPair,
  options: Options,
  faults: NamedFault[],
  settings: Record<string, number>,
): Result {
  const rule = {
    ...(options.transform && { transform: options.transform }),
    ...(options.worse && { worse: options.worse }),
    ...(ruleOf(options.signal).kind !== "rank" && { kind: "rank" as const }),
  };
  const margins = settings["marginPercent"] === undefined ? { marginPercent: 0, equivalencePercent: 10 } : {};
  const effects = analysePair({
    ...pair,
    faults,
    signal: options.signal,
    rule,
    settings: { ...margins, ...settings },
  });
  return { verdict: worst(effects), effects };
}

async function readSeries(file: string, problems: Problem[]): Promise<Sample[]> {
  try {
    const parsed = parseCsv(await readFile(file, "utf8"), file);
    problems.push(...parsed.problems);
    return parsed.samples;
  } catch (error) {
    problems.push({ path: file, reason: `cannot be read: ${(error as Error).message}` });
    return [];
  }
}

/** The worst verdict of several effects. */
function worst(effects: readonly Effect[]): Verdict {
  const order = [Verdict.Fail, Verdict.Degraded, Verdict.Inconclusive, Verdict.NoData, Verdict.Pass];
  return order.find((verdict) => effects.some((effect) => effect.verdict === verdict)) ?? Verdict.NoData;
}

async function analyseBatch(
  folder: string,
  options: Options,
  faults: NamedFault[],
  settings: Record<string, number>,
): Promise<boolean> {
  const problems: Problem[] = [];
  const pairs: { name: string; pair: SeriesPair }[] = [];
  for (const name of await pairNames(folder)) {
    const file = (side: string): string => join(folder, `${name}.${side}.csv`);
    pairs.push({ name, pair: await readPair(file("live"), file("shadow"), faults, problems) });
  }
  refuse("shadownet analyse --batch", problems);
  let degraded = false;
  for (const { name, pair } of pairs) {
    const result = analyseTwo(pair, options, faults, settings);
    process.stdout.write(`${JSON.stringify({ name, ...result })}\n`);
    degraded ||= result.verdict === Verdict.Degraded;
  }
  return degraded;
}

/** Names of the pairs in a folder; a side without its other half is a problem. */
async function pairNames(folder: string): Promise<string[]> {
  const problems: Problem[] = [];
  let files: string[] = [];
  try {
    files = await readdir(folder);
  } catch (error) {
    problems.push({ path: "--batch", reason: `cannot read the folder "${folder}": ${(error as Error).message}` });
  }
  const sides = (side: string): Set<string> =>
    new Set(files.filter((file) => file.endsWith(`.${side}.csv`)).map((file) => basename(file, `.${side}.csv`)));
  const [live, shadow] = [sides("live"), sides("shadow")];
  for (const name of live)
    if (!shadow.has(name))
      problems.push({ path: join(folder, `${name}.live.csv`), reason: `has no ${name}.shadow.csv beside it` });
  for (const name of shadow)
    if (!live.has(name))
      problems.push({ path: join(folder, `${name}.shadow.csv`), reason: `has no ${name}.live.csv beside it` });
  if (problems.length === 0 && live.size === 0) {
    problems.push({ path: "--batch", reason: `"${folder}" holds no pair NAME.live.csv and NAME.shadow.csv` });
  }
  refuse("shadownet analyse --batch", problems);
  return [...live].sort();
}

async function analyseJournal(folder: string, options: Options): Promise<boolean> {
  const { loadRun } = await import("../runner/store.js");
  const run = await loadRun(folder);
  const analysis = analyseRun(run, options.margin === undefined ? {} : { marginPercent: Number(options.margin) });
  const text = analysis.experiments.flatMap((experiment) => [
    `${experiment.name}: ${experiment.verdict}: ${experiment.sentence}`,
    ...experiment.effects.map((effect) => `  ${sentence(effect)}`),
  ]);
  text.push(`run ${run.journal.id}: ${analysis.verdict}: ${analysis.sentence}`);
  const effects = analysis.experiments.flatMap((experiment) =>
    experiment.effects.map((effect) => ({ experiment: experiment.name, ...effect })),
  );
  openTerminal(options.json === true).result({ name: run.journal.id, effects, ...analysis }, text.join("\n"));
  return analysis.verdict === Verdict.Fail || analysis.verdict === Verdict.Degraded;
}

function sentence(effect: Effect): string {
  const what = effect.signal === "value" ? effect.fault : `${effect.fault} ${effect.signal} of ${effect.target}`;
  const onset = effect.onset === null ? "" : `; onset ${significant(effect.onset)} s after its start`;
  const back = effect.censored
    ? "; not back when the data end"
    : effect.recovered === null
      ? ""
      : `; back ${significant(effect.recovered)} s after its end`;
  return `${what}: ${effect.verdict}: ${effect.why}${onset}${back}`;
}
