import { readFile } from "node:fs/promises";
import { basename } from "node:path";

import type { Command } from "commander";

import type { Experiment, FaultTarget } from "../../experiment";
import { experimentJsonSchema } from "../../validation/experiment";
import { writeAtomically } from "../../internal/files";
import { ExitCode, type Problem, ShadownetError, refuse } from "../../internal/problems";
import { exportChaosToolkit, importChaosToolkit } from "../runner/chaosToolkit";
import { experimentsProblems } from "../runner/plans";
import { chooseShadow } from "./backEnds";
import { collect } from "./options";
import { openTerminal } from "./terminal";

interface ImportOptions {
  target: string[];
  signal: string[];
  duration: string;
  output?: string;
}

interface ExportOptions {
  network?: string;
  output?: string;
}

/** `shadownet experiment import|export|schema`. */
export function register(program: Command): void {
  const experiment = program.command("experiment").description("read and write experiment files");
  experiment
    .command("import <file>")
    .description("make an experiment of a Chaos Toolkit file (JSON)")
    .option(
      "--target <action=target>",
      "what an action hits: a machine, or a link with a slash; repeatable",
      collect,
      [],
    )
    .option("--signal <probe=signal>", "signal that a probe looks at; repeatable", collect, [])
    .option("--duration <seconds>", "how long a fault lasts that no pause follows", "60")
    .option("--output <file>", "where to write it; standard output when left out")
    .addHelpText(
      "after",
      "\nExample:\n  shadownet experiment import slow.json --target add-latency=app-1 --output slowApp.json",
    )
    .action(importFile);
  experiment
    .command("export <experiment>")
    .description("make a Chaos Toolkit file of one of the stack's experiments, or of a JSON file")
    .option("--network <name>", "name of the shadow; needed when there are several")
    .option("--output <file>", "where to write it; standard output when left out")
    .addHelpText("after", "\nExample:\n  shadownet experiment export dbLink --output dbLink.chaos.json")
    .action(exportOne);
  experiment
    .command("schema")
    .description("print the JSON Schema of an experiment")
    .action(() => put(experimentJsonSchema(), undefined));
}

async function importFile(file: string, options: ImportOptions): Promise<void> {
  const problems: Problem[] = [];
  const durationSeconds = Number(options.duration);
  if (!(durationSeconds > 0)) problems.push({ path: "--duration", reason: `"${options.duration}" is not above 0` });
  const targets = Object.fromEntries(
    pairs("--target", options.target, problems).map(([name, to]) => [name, targetOf(to)]),
  );
  const signals = Object.fromEntries(pairs("--signal", options.signal, problems));
  refuse("shadownet experiment import", problems);
  const { experiment, notes } = importChaosToolkit(await readJsonFile(file), { targets, signals, durationSeconds });
  const terminal = openTerminal(false);
  for (const note of notes) terminal.say(note);
  await put(experiment, options.output);
}

function pairs(option: string, given: string[], problems: Problem[]): [string, string][] {
  return given.flatMap((text): [string, string][] => {
    const at = text.lastIndexOf("=");
    if (at > 0 && at < text.length - 1) return [[text.slice(0, at), text.slice(at + 1)]];
    problems.push({ path: option, reason: `"${text}" is not a name, an equals sign and a value` });
    return [];
  });
}

function targetOf(text: string): FaultTarget {
  return text.includes("/") ? { link: text } : { machine: text };
}

async function exportOne(name: string, options: ExportOptions): Promise<void> {
  if (name.endsWith(".json")) {
    const own = basename(name, ".json");
    const experiment = (await readJsonFile(name)) as Experiment;
    refuse(name, experimentsProblems({ [own]: experiment }));
    await put(exportChaosToolkit(own, experiment), options.output);
    return;
  }
  const { experimentsOf } = await import("../../lab/definitions.js");
  const { notFound } = await import("../console/errors.js");
  const known = await experimentsOf(await chooseShadow(options.network));
  const experiment = known[name];
  if (experiment === undefined) throw notFound("experiment", name, Object.keys(known));
  await put(exportChaosToolkit(name, experiment), options.output);
}

async function readJsonFile(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch(() => {
    throw new ShadownetError("no-such-file", `there is no file ${file}`, ExitCode.BadInput);
  });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ShadownetError("bad-json", `${file} is not JSON: ${(error as Error).message}`, ExitCode.BadInput);
  }
}

async function put(value: unknown, output: string | undefined): Promise<void> {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (output === undefined) process.stdout.write(text);
  else await writeAtomically(output, text);
}
