import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";

import type { Command } from "commander";
import pc from "picocolors";

import type { Experiment } from "../../experiment";
import { writeAtomically } from "../../internal/files";
import { ExitCode } from "../../internal/problems";
import type { Journal } from "../runner/journal";
import { packageRoot } from "./package";
import { productionUp } from "./production";
import { runOnShadow } from "./run";
import { stackUp } from "./stack";
import { type Terminal, openTerminal, step } from "./terminal";

interface DemoOptions {
  short?: boolean;
  stack: string;
  production: string;
  seed: string;
  json?: boolean;
}

/** File that the capture of a production goes to; the lab stack reads `topology.json` unless configured otherwise. */
function topologyFile(production: string): string {
  return join(packageRoot, production === "production" ? "topology.json" : `topology-${production}.json`);
}

/** `shadownet demo`: the main job from beginning to end on the embedded lab; `npm start` runs it. */
export function register(program: Command): void {
  program
    .command("demo")
    .description("the main job on the embedded lab: production, capture, shadow, mirror, three experiments, verdicts")
    .option("--short", "shorter phases: shows that everything works, finds only large effects")
    .option("--stack <name>", "Pulumi stack", "lab")
    .option("--production <name>", "name of the production to build and copy", "production")
    .option("--seed <number>", "seed of everything random", "1")
    .option("--json", "print the journal as JSON")
    .addHelpText("after", "\nExample:\n  shadownet demo\n\nEverything stays up afterwards; `npm run clean` removes it.")
    .action(async (options: DemoOptions) => {
      const terminal = openTerminal(options.json === true);
      const journal = await demo(terminal, options);
      const honest = journal.status === "completed" && journal.invalid !== true && everyFaultProven(journal);
      if (honest) return;
      process.exitCode = ExitCode.FailureFound;
      terminal.say(`not everything truly happened: ${shortfall(journal)}`);
    });
}

async function demo(terminal: Terminal, options: DemoOptions): Promise<Journal> {
  const started = Date.now();
  terminal.say(pc.bold("1 A production to copy"));
  await productionUp(terminal, join(packageRoot, "examples", "lab", "production.json"), options.production);
  terminal.say(pc.bold("2 Capture"));
  const topology = await capture(terminal, options.production);
  terminal.say(pc.bold("3 Shadow, mirror and gateway, by pulumi up"));
  const { outputs } = await stackUp(terminal, options.stack, packageRoot, { topology });
  terminal.say(pc.bold("4 Experiments: preflight, baseline, fault, recovery"));
  const network = String(outputs.networkId);
  const experiments = await stackExperiments(network, options.short === true);
  const runs = join(packageRoot, "runs");
  const journal = await runOnShadow(terminal, { network, experiments, options: { seed: options.seed, runs } });
  const minutes = ((Date.now() - started) / 60_000).toFixed(1);
  terminal.say(`\nThe whole job took ${minutes} minutes. Production and shadow run on; next:`);
  terminal.say("  npx shadownet run dbLink        run one experiment again");
  terminal.say("  npx shadownet doctor            what is there, what is missing");
  terminal.say("  npm run clean                   remove everything");
  return journal;
}

async function capture(terminal: Terminal, production: string): Promise<string> {
  const { captureLab } = await import("../../lab/capture.js");
  const file = topologyFile(production);
  const title = `read "${production}" from the kernel into ${relative(process.cwd(), file) || file}`;
  await step(terminal, title, async () => {
    const topology = await captureLab(production, { onProgress: (text) => terminal.status(text) });
    const text = `${JSON.stringify(topology, null, 2)}\n`;
    const before = await readFile(file, "utf8").catch(() => "");
    if (withoutTime(before) !== withoutTime(text)) await writeAtomically(file, text);
  });
  return file;
}

/** A capture that found nothing new keeps the file as it is, so that `pulumi up` has nothing to do. */
function withoutTime(text: string): string {
  return text.replace(/^\s*"capturedAt".*$/m, "");
}

async function stackExperiments(network: string, short: boolean): Promise<Record<string, Experiment>> {
  const { experimentsOf } = await import("../../lab/definitions.js");
  const experiments = await experimentsOf(network);
  if (!short) return experiments;
  return Object.fromEntries(Object.entries(experiments).map(([name, experiment]) => [name, shortened(experiment)]));
}

function shortened(experiment: Experiment): Experiment {
  const actions = Object.entries(experiment.actions).map(([name, action]) => {
    const durationSeconds = action.durationSeconds === undefined ? undefined : Math.min(action.durationSeconds, 8);
    const pulse = action.pulse === undefined ? undefined : { ...action.pulse, repeat: 3 };
    return [name, { ...action, durationSeconds, pulse }];
  });
  const analysis = { ...experiment.analysis, baselineSeconds: 10, recoverySeconds: 6 };
  return { ...experiment, actions: Object.fromEntries(actions) as Experiment["actions"], analysis };
}

function everyFaultProven(journal: Journal): boolean {
  return journal.experiments.every(
    ({ faults }) => faults.length > 0 && faults.every(({ effect }) => effect?.proven === true),
  );
}

function shortfall(journal: Journal): string {
  if (journal.status !== "completed") return `the run ended as ${journal.status}; ${journal.statusReason ?? ""}`;
  const unproven = journal.experiments.flatMap(({ name, faults }) =>
    faults
      .filter(({ effect }) => effect?.proven !== true)
      .map(({ action, effect }) => `fault ${name}/${action} is not proven: ${effect?.why ?? "it was not carried out"}`),
  );
  return unproven.length > 0 ? unproven.join("; ") : (journal.sentence ?? "the run is invalid");
}
