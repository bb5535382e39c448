import type { Command } from "commander";

import { ExitCode } from "../../internal/problems";
import { addGatewayOptions, gatewayConfig } from "../gateway/cliOptions";
import type { GatewayConfig } from "../gateway/config";
import type { RunningGateway } from "../gateway/gateway";
import { serveGateway } from "../gateway/serve";
import { figures, reasons } from "./gatewayFigures";
import { openTerminal } from "./terminal";

const statusMilliseconds = 1_000;
const examples = `
Examples:
  shadownet gateway --intake vxlan:0.0.0.0:4789 --percent 25 --stats stats.json
  shadownet gateway --from-file live.pcap --to 10.0.1.10:80=127.0.0.1:8080 --source any`;

/** `shadownet gateway`: the gateway alone, without a lab and without Pulumi. */
export function register(program: Command): void {
  const command = program.command("gateway").description("take mirrored packets in and replay them, without any lab");
  addGatewayOptions(command)
    .option("--json", "print the last counters as JSON")
    .addHelpText("after", examples)
    .action(async (options: Record<string, unknown>) => {
      const terminal = openTerminal(options["json"] === true);
      const config = gatewayConfig(options);
      let timer: NodeJS.Timeout | undefined;
      const stats = await serveGateway(config, {
        started: (gateway) => {
          terminal.say(beginning(config, gateway));
          timer = setInterval(() => terminal.status(figures(gateway.snapshot())), statusMilliseconds);
        },
        ending: () => {
          clearInterval(timer);
          terminal.say("takes no more packets; waits up to 4 s for answers");
        },
      });
      if (stats.intake.malformed["recordingCut"] !== undefined) {
        terminal.say("the recording does not end with a whole packet; what came before is replayed");
      }
      terminal.result(stats, [figures(stats), ...reasons(stats)].join("\n"));
      process.exit(ExitCode.Done);
    });
}

function beginning({ fromFile, speed = 1, stats, samples }: GatewayConfig, { intakeAddress }: RunningGateway): string {
  const pace = speed === 0 ? "as fast as possible" : speed === 1 ? "as recorded" : `${speed} times as fast`;
  const what = fromFile === undefined ? `takes packets in at ${intakeAddress}` : `replays ${fromFile} ${pace}`;
  return `${what}; counters in ${stats}, exchanges in ${samples}; Ctrl-C ends it`;
}
