import { resolve } from "node:path";

import type { Command } from "commander";

import { type Problem, didYouMean, refuse } from "../../internal/problems";
import type { Topology } from "../../topology";
import { collect } from "./options";
import { openTerminal } from "./terminal";

interface ShareOptions {
  topology: string;
  with: string;
  restore: string[];
  undo?: boolean;
  json?: boolean;
}

const details = `
Production's account runs what is printed; this command calls nothing. A key that AWS manages (alias/aws/ebs, alias/aws/rds)
takes no grant for another account: copy what it encrypts under a key of your own, and capture again.

Example:
  shadownet share aws --topology topology.json --with 444455556666 > share.sh`;

/** `shadownet share aws`: what production has to share with a shadow's account. */
export function register(program: Command): void {
  program
    .command("share")
    .description("print what production has to share with a shadow in another account")
    .command("aws")
    .description("print the commands that share images, snapshots and keys of a captured VPC; nothing is called")
    .requiredOption("--topology <file>", "topology that was captured from production")
    .requiredOption("--with <account>", "account of the shadow, 12 digits")
    .option("--restore <name>", "a database that the shadow restores; can be given several times", collect, [])
    .option("--undo", "print the commands that take it back")
    .option("--json", "print it as JSON: {imageIds, snapshotIds, databaseSnapshots, keyArns, notes, commands}")
    .addHelpText("after", details)
    .action(async (options: ShareOptions) => {
      const { readTopology } = await import("../../topologySchema.js");
      const { partitionOf } = await import("../../aws/iam/document.js");
      const { sharingCommands, sharingOf } = await import("../../aws/network/sharing.js");
      const topology = readTopology(resolve(options.topology));
      refuse("share aws", problemsOf(options, topology));
      const sharing = sharingOf(topology, options.restore);
      const region = topology.source!.region!;
      const target = { account: options.with, region, partition: partitionOf(region), undo: options.undo === true };
      const commands = sharingCommands(sharing, target);
      const terminal = openTerminal(options.json === true);
      for (const note of sharing.notes) terminal.say(`! ${note}`);
      const nothing = "# production has nothing to share: machines start from images of others";
      terminal.result({ ...sharing, commands }, commands.length === 0 ? nothing : commands.join("\n"));
    });
}

function problemsOf(options: ShareOptions, { source, boundaries = [] }: Topology): Problem[] {
  const cure = "capture the network by `shadownet capture aws --vpc …`";
  const databases = boundaries.flatMap(({ name, aws }) => (/^rds/.test(aws?.kind ?? "") ? [name] : []));
  return [
    ...(source?.backEnd === "aws" && source.region !== undefined
      ? []
      : [{ path: "--topology", reason: `it was not captured from AWS; ${cure}` }]),
    ...(/^\d{12}$/.test(options.with)
      ? []
      : [{ path: "--with", reason: `"${options.with}" is not an account id of 12 digits` }]),
    ...(options.with === source?.account
      ? [{ path: "--with", reason: `${options.with} is production's own account, which needs no sharing` }]
      : []),
    ...options.restore
      .filter((name) => !databases.includes(name))
      .map((name) => ({ path: "--restore", reason: `no database "${name}"${didYouMean(name, databases)}` })),
  ];
}
