import { fstatSync } from "node:fs";
import { resolve } from "node:path";

import type { Command } from "commander";

import { writeAtomically } from "../../internal/files";
import { ExitCode, refuse } from "../../internal/problems";
import type { Topology } from "../../topology";
import { type Terminal, openTerminal, step } from "./terminal";

interface AwsOptions {
  vpc?: string;
  region?: string;
  profile?: string;
  endpointUrl?: string;
  includeTags?: boolean;
  dryRun?: boolean;
  printPolicy?: boolean;
  output?: string;
  json?: boolean;
}

const examples = `
Example:
  shadownet capture aws --vpc vpc-0a1b2c3d4e5f67890 --region eu-central-1 --output topology.json

The least that it needs: shadownet capture aws --print-policy --region eu-central-1
What it may do here:     shadownet capture aws --vpc vpc-0a1b2c3d4e5f67890 --dry-run`;

/** `shadownet capture aws`: reads a VPC into a topology. */
export function registerAws(capture: Command): void {
  capture
    .command("aws")
    .description("read an AWS VPC with its machines; nothing in AWS is changed")
    .option("--vpc <id>", "id of the VPC")
    .option("--region <name>", "region; the environment's or the profile's when left out")
    .option("--profile <name>", "profile of the shared AWS configuration files")
    .option("--include-tags", "put the instances' tags into the topology")
    .option("--dry-run", "say which calls would be made and which are permitted, and write nothing")
    .option("--print-policy", "print the smallest IAM policy that is enough, and call nothing")
    .option("--endpoint-url <address>", "address to call instead of AWS's, for local stand-ins")
    .option(
      "-o, --output <file>",
      "topology file to write, - for standard output; topology.json when left out, or where standard output was sent to a file",
    )
    .option("--json", "print what was captured as JSON")
    .addHelpText("after", examples)
    .action(async (options: AwsOptions) => {
      refuse("capture aws", problemsOf(options));
      const terminal = openTerminal(options.json === true);
      const { signal, release } = stopOnSignals();
      try {
        if (options.printPolicy === true) await printPolicy(options);
        else if (options.dryRun === true) await tryCalls(options, terminal, signal);
        else await captureVpc(options, terminal, signal);
      } finally {
        release();
      }
    });
}

function problemsOf({ vpc, printPolicy, dryRun }: AwsOptions) {
  if (printPolicy === true && dryRun === true) {
    return [{ path: "--print-policy", reason: "--print-policy and --dry-run are two things; give one of them" }];
  }
  if (vpc !== undefined || printPolicy === true) return [];
  return [{ path: "--vpc", reason: "missing; give the VPC's id, for example --vpc vpc-0a1b2c3d4e5f67890" }];
}

/** A signal that aborts calls when the user stops the command, so that the command ends by itself and cleans up. */
function stopOnSignals(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, abort);
  return { signal: controller.signal, release: () => names.forEach((name) => process.off(name, abort)) };
}

async function printPolicy({ region }: AwsOptions): Promise<void> {
  const { awsCapturePolicy } = await import("../../aws/capture.js");
  process.stdout.write(`${JSON.stringify(awsCapturePolicy(region), null, 2)}\n`);
}

const accessOf = ({ region, profile, endpointUrl }: AwsOptions) => ({ region, profile, endpointUrl });

async function tryCalls(options: AwsOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const { checkAwsPermissions } = await import("../../aws/capture.js");
  const permissions = await step(terminal, `try the calls that reading ${options.vpc!} makes`, () =>
    checkAwsPermissions(options.vpc!, { ...accessOf(options), signal }),
  );
  const refused = permissions.filter(({ outcome }) => outcome === "refused");
  const lines = permissions.map(({ action, outcome, detail }) => `${outcome.padEnd(9)}  ${action}: ${detail}`);
  const cure = refused.length === 0 ? "" : "; --print-policy prints a policy that is enough";
  const summary = `${permissions.length} calls would be made, ${refused.length} of them are refused${cure}; nothing was written`;
  terminal.result({ permissions, refused: refused.length }, [...lines, summary].join("\n"));
  if (refused.length > 0) process.exitCode = ExitCode.FailureFound;
}

async function captureVpc(options: AwsOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const { captureAws } = await import("../../aws/capture.js");
  const { mirrorObstacle } = await import("../../aws/mirrorSupport.js");
  const calls = new Map<string, number>();
  const topology = await step(terminal, `read ${options.vpc!} from AWS`, () =>
    captureAws(options.vpc!, {
      ...accessOf(options),
      includeTags: options.includeTags === true,
      onProgress: (text) => terminal.status(text),
      onCall: (action) => calls.set(action, (calls.get(action) ?? 0) + 1),
      signal,
    }),
  );
  const output = outputOf(options, fstatSync(1).isFile());
  const file = output === "-" ? output : resolve(output);
  const text = `${JSON.stringify(topology, null, 2)}\n`;
  if (output === "-") process.stdout.write(text);
  else await writeAtomically(file, text);
  const types = [...new Set(topology.machines.flatMap(({ size }) => size?.type ?? []))];
  const notMirrorable = types.flatMap((type) => mirrorObstacle(type) ?? []);
  report(terminal, topology, { file, output, calls: Object.fromEntries(calls), notMirrorable });
}

/** Where the topology goes: `capture aws … > file` means the topology, not the line about it. */
export function outputOf({ output, json }: Pick<AwsOptions, "output" | "json">, intoFile: boolean): string {
  return output ?? (intoFile && json !== true ? "-" : "topology.json");
}

interface Outcome {
  file: string;
  output: string;
  calls: Record<string, number>;
  notMirrorable: string[];
}

function report(terminal: Terminal, topology: Topology, { file, output, calls, notMirrorable }: Outcome): void {
  const { machines, services = [], boundaries = [], unreadable = [] } = topology;
  const subnets = topology.networks.reduce((sum, network) => sum + network.subnets.length, 0);
  for (const sentence of unreadable) terminal.say(`! ${sentence}`);
  for (const sentence of notMirrorable) terminal.say(`! not mirrorable: ${sentence}`);
  const made = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const counts = `${machines.length} machines, ${subnets} subnets, ${services.length} services`;
  const summary = {
    file,
    machines: machines.length,
    subnets,
    services: services.length,
    boundaries,
    unreadable,
    notMirrorable,
    calls,
  };
  const sentence = `${counts} written to ${output === "-" ? "standard output" : output} after ${made} calls`;
  if (output === "-") terminal.say(sentence);
  else terminal.result(summary, sentence);
}
