import { dirname, resolve } from "node:path";

import type { Command } from "commander";

import type { Topology } from "../../topology";
import { requireLab } from "./backEnds";
import { type Terminal, openTerminal, step } from "./terminal";

interface ProductionOptions {
  name: string;
  json?: boolean;
}

/** `shadownet production`: builds or removes a lab network that plays production. */
export function register(program: Command): void {
  const production = program.command("production").description("a lab network that plays production");
  production
    .command("up <topology>")
    .description("build it from a topology file and start its workloads; it runs on until it is taken down")
    .option("--name <name>", "name of the network", "production")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  shadownet production up examples/lab/production.json")
    .action(async (file: string, options: ProductionOptions) => {
      const terminal = openTerminal(options.json === true);
      const built = await productionUp(terminal, file, options.name);
      terminal.result(built, `production "${options.name}" is running with ${built.machines} machines`);
    });
  production
    .command("down")
    .description("stop its workloads and remove it")
    .option("--name <name>", "name of the network", "production")
    .option("--json", "print the result as JSON")
    .action(async (options: ProductionOptions) => {
      requireLab();
      const terminal = openTerminal(options.json === true);
      const { destroyNetwork } = await import("../../lab/production.js");
      await step(terminal, `remove "${options.name}"`, () => destroyNetwork(options.name));
      terminal.result({ removed: options.name }, `"${options.name}" is gone`);
    });
}

/** Builds a production from a topology file, unless the same one is running already. */
export async function productionUp(
  terminal: Terminal,
  file: string,
  name: string,
): Promise<{ network: string; machines: number; reused: boolean }> {
  requireLab();
  const { readTopology } = await import("../../topologySchema.js");
  const { buildProduction, isRunningProduction } = await import("../../lab/production.js");
  const topology: Topology = readTopology(resolve(file));
  if (await isRunningProduction(topology, name)) {
    terminal.say(`production "${name}" is running already`);
    return { network: name, machines: topology.machines.length, reused: true };
  }
  const settings = {
    dataRoot: dirname(resolve(file)),
    owner: "shadownet production",
    log: (text: string) => terminal.status(text),
  };
  await step(terminal, `build production "${name}" from ${file}`, () => buildProduction(topology, name, settings));
  return { network: name, machines: topology.machines.length, reused: false };
}
