import { resolve } from "node:path";

import type { Command } from "commander";

import { writeAtomically } from "../../internal/files";
import { requireLab } from "./backEnds";
import { registerAws } from "./captureAws";
import { openTerminal, step } from "./terminal";

interface CaptureOptions {
  network: string;
  output: string;
  json?: boolean;
}

/** `shadownet capture`: reads a production into a topology. */
export function register(program: Command): void {
  const capture = program.command("capture").description("read a production network into a topology");
  registerAws(capture);
  capture
    .command("lab")
    .description("read a lab network from the kernel and its running machines")
    .option("--network <name>", "name of the lab network", "production")
    .option("-o, --output <file>", "topology file to write", "topology.json")
    .option("--json", "print what was captured as JSON")
    .addHelpText("after", "\nExample:\n  shadownet capture lab --network production --output topology.json")
    .action(async (options: CaptureOptions) => {
      requireLab();
      const terminal = openTerminal(options.json === true);
      const { captureLab } = await import("../../lab/capture.js");
      const topology = await step(terminal, `read "${options.network}" from the kernel and its machines`, () =>
        captureLab(options.network, { onProgress: (text) => terminal.status(text) }),
      );
      const file = resolve(options.output);
      await writeAtomically(file, `${JSON.stringify(topology, null, 2)}\n`);
      const { machines, services = [], boundaries = [], unreadable = [] } = topology;
      const subnets = topology.networks.reduce((sum, network) => sum + network.subnets.length, 0);
      const summary = { file, machines: machines.length, subnets, services: services.length, boundaries, unreadable };
      for (const sentence of unreadable) terminal.say(`! ${sentence}`);
      const counts = `${machines.length} machines, ${subnets} subnets, ${services.length} services`;
      terminal.result(summary, `${counts} written to ${options.output}`);
    });
}
