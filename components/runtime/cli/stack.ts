import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import type { Command } from "commander";

import { type Problem, ShadownetError, refuse } from "../../internal/problems";
import { engineError, lineReader, shownLine } from "./engineOutput";
import { toolFile } from "./package";
import { type Terminal, openTerminal, step } from "./terminal";

interface StackOptions {
  stack: string;
  cwd: string;
  json?: boolean;
}

/** What `up` made, from the stack's outputs. */
export interface StackResult {
  stack: string;
  outputs: Record<string, unknown>;
  seconds: number;
}

/** `shadownet up` and `shadownet preview`: the Pulumi stack of the project in the current folder. */
export function register(program: Command): void {
  const define = (name: string, description: string, action: (options: StackOptions) => Promise<void>): void => {
    program
      .command(name)
      .description(description)
      .option("--stack <name>", "Pulumi stack", "lab")
      .option("--cwd <folder>", "folder of the Pulumi project", ".")
      .option("--json", "print the result as JSON")
      .addHelpText("after", `\nExample:\n  shadownet ${name} --stack lab`)
      .action(action);
  };
  define("up", "make or change the shadow of this project's stack", async (options) => {
    const result = await stackUp(openTerminal(options.json === true), options.stack, options.cwd);
    openTerminal(options.json === true).result(
      result,
      `stack "${options.stack}" is up (${result.seconds.toFixed(1)} s)`,
    );
  });
  define("preview", "show what `up` would change", async (options) => {
    await selectStack(options.stack, options.cwd);
    const args = ["preview", "--stack", options.stack, "--refresh", options.json === true ? "--json" : "--diff"];
    await pulumi(args, options.cwd, { terminal: openTerminal(options.json === true), toStdout: true });
  });
}

/**
 * Brings the stack up through the real engine, with configuration beside what it has, and reads its outputs. It looks at
 * the kernel first, so that what has died or was deleted by hand is made again.
 */
export async function stackUp(
  terminal: Terminal,
  stack: string,
  cwd = ".",
  config: Record<string, string> = {},
): Promise<StackResult> {
  const started = Date.now();
  await selectStack(stack, cwd);
  const settings = Object.entries(config).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
  const args = ["up", "--stack", stack, "--yes", "--refresh", "--skip-preview", "--suppress-outputs", ...settings];
  await step(terminal, `pulumi up of stack "${stack}"`, () => pulumi(args, cwd, { terminal }));
  const outputs = await pulumi(["stack", "output", "--stack", stack, "--json"], cwd);
  const seconds = (Date.now() - started) / 1000;
  return { stack, outputs: JSON.parse(outputs) as Record<string, unknown>, seconds };
}

/** Destroys the stack's resources and removes the stack; does nothing when there is none. */
export async function stackDown(terminal: Terminal, stack: string, cwd = "."): Promise<void> {
  if (!(await hasStack(stack, cwd))) return;
  const args = ["destroy", "--stack", stack, "--yes", "--skip-preview"];
  await step(terminal, `pulumi destroy of stack "${stack}"`, () => pulumi(args, cwd, { terminal }));
  await pulumi(["stack", "rm", stack, "--yes"], cwd);
}

/** Removes a stack together with what it still knows, for when that was removed without it. */
export async function forgetStack(stack: string, cwd = "."): Promise<void> {
  if (await hasStack(stack, cwd)) await pulumi(["stack", "rm", stack, "--yes", "--force"], cwd);
}

async function hasStack(stack: string, cwd: string): Promise<boolean> {
  const stacks = JSON.parse(await pulumi(["stack", "ls", "--json"], cwd)) as { name: string }[];
  return stacks.some(({ name }) => name === stack);
}

/** Folder of the Pulumi project that a folder belongs to; undefined when there is none. */
export function projectFolder(cwd: string): string | undefined {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (["Pulumi.yaml", "Pulumi.yml", "Pulumi.json"].some((file) => existsSync(join(folder, file)))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function selectStack(stack: string, cwd: string): Promise<string> {
  const problems: Problem[] = [];
  if (projectFolder(cwd) === undefined) {
    const cure = "go to the project's folder, or name it";
    problems.push({ path: "--cwd", reason: `there is no Pulumi.yaml in ${resolve(cwd)} or above it; ${cure}` });
  }
  if (!/^([A-Za-z0-9_.-]+\/){0,2}[A-Za-z0-9_.-]{1,100}$/.test(stack)) {
    const allowed = "letters, digits, hyphens, underscores and dots, at most 100";
    problems.push({ path: "--stack", reason: `"${stack}" is not the name of a stack: ${allowed}` });
  }
  refuse("the stack", problems);
  return pulumi(["stack", "select", "--create", stack], cwd);
}

interface PulumiOptions {
  /** Where people see the engine's output as it comes. Defaults to nowhere. */
  terminal?: Terminal;
  /** Show it unchanged on standard output, because it is the result. Defaults to false. */
  toStdout?: boolean;
}

/** Runs the engine to its end, also when this process is told to stop: the engine is told once, and ends in good order. */
function pulumi(args: string[], cwd: string, { terminal, toStdout = false }: PulumiOptions = {}): Promise<string> {
  return new Promise((resolved, reject) => {
    const child = spawn(process.execPath, [toolFile("pulumi.mjs"), ...args, "--non-interactive"], {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      // In a group of its own, or Ctrl-C would reach it twice, which ends it at once.
      detached: true,
    });
    const stop = forwardSignals(child, terminal);
    const shows = terminal?.json === false;
    const reader = lineReader((line) => {
      const shown = shows ? shownLine(line) : undefined;
      if (shown !== undefined) terminal!.say(shown);
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (toStdout) process.stdout.write(text);
      else reader.add(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      reader.add(text);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      stop.release();
      reader.end();
      if (stop.signal !== undefined) reject(new ShadownetError("interrupted", `interrupted by ${stop.signal}`));
      else if (code === 0) resolved(stdout);
      else reject(engineError(args[0]!, code, stderr + stdout, shows || toStdout));
    });
  });
}

interface Forwarding {
  /** What this process was told meanwhile. */
  signal?: NodeJS.Signals;
  release: () => void;
}

function forwardSignals(child: ChildProcess, terminal: Terminal | undefined): Forwarding {
  const names: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  const forward = (name: NodeJS.Signals): void => {
    if (forwarding.signal !== undefined) return;
    forwarding.signal = name;
    terminal?.say(`${name}: the engine ends what it has begun and stops …`);
    child.kill("SIGINT");
  };
  const forwarding: Forwarding = { release: () => names.forEach((name) => process.off(name, forward)) };
  for (const name of names) process.on(name, forward);
  return forwarding;
}
