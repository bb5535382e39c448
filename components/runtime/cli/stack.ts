import { spawn } from "node:child_process";

import type { Command } from "commander";

import { ShadownetError } from "../../internal/problems";
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
    const args = [
      "preview",
      "--stack",
      options.stack,
      "--non-interactive",
      ...(options.json === true ? ["--json"] : ["--diff"]),
    ];
    await pulumi(args, options.cwd, { show: true, toStdout: true });
  });
}

/** Brings the stack up through the real engine, with configuration beside what it has, and reads its outputs. */
export async function stackUp(
  terminal: Terminal,
  stack: string,
  cwd = ".",
  config: Record<string, string> = {},
): Promise<StackResult> {
  const started = Date.now();
  await selectStack(stack, cwd);
  const settings = Object.entries(config).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
  const args = [
    "up",
    "--stack",
    stack,
    "--yes",
    "--skip-preview",
    "--non-interactive",
    "--suppress-outputs",
    ...settings,
  ];
  await step(terminal, `pulumi up of stack "${stack}"`, () => pulumi(args, cwd, { show: !terminal.json }));
  const outputs = await pulumi(["stack", "output", "--stack", stack, "--json"], cwd);
  const seconds = (Date.now() - started) / 1000;
  return { stack, outputs: JSON.parse(outputs) as Record<string, unknown>, seconds };
}

/** Destroys the stack's resources and removes the stack; does nothing when there is none. */
export async function stackDown(terminal: Terminal, stack: string, cwd = "."): Promise<void> {
  const stacks = JSON.parse(await pulumi(["stack", "ls", "--json"], cwd)) as { name: string }[];
  if (!stacks.some(({ name }) => name === stack)) return;
  await pulumi(["cancel", "--stack", stack, "--yes"], cwd).catch(() => undefined);
  const args = ["destroy", "--stack", stack, "--yes", "--skip-preview", "--non-interactive"];
  await step(terminal, `pulumi destroy of stack "${stack}"`, () => pulumi(args, cwd, { show: !terminal.json }));
  await pulumi(["stack", "rm", stack, "--yes"], cwd);
}

function selectStack(stack: string, cwd: string): Promise<string> {
  return pulumi(["stack", "select", "--create", stack], cwd);
}

interface PulumiOptions {
  /** Show the engine's output to people as it comes. Defaults to false. */
  show?: boolean;
  /** Show it on standard output, because it is the result. Defaults to false. */
  toStdout?: boolean;
}

function pulumi(args: string[], cwd: string, options: PulumiOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [toolFile("pulumi.mjs"), ...args], {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const target = options.toStdout === true ? process.stdout : process.stderr;
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (options.show === true) target.write(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      if (options.show === true) process.stderr.write(text);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(stdout);
      else
        reject(
          new ShadownetError(
            "pulumi-failed",
            pulumiMessage(args[0]!, code, options.show === true ? "" : stderr + stdout),
          ),
        );
    });
  });
}

function pulumiMessage(command: string, code: number | null, output: string): string {
  const detail = output.trim() === "" ? "see its message above" : output.trim();
  return `pulumi ${command} ended with exit code ${code ?? "none"}: ${detail}`;
}
