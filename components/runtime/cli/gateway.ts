import type { Command } from "commander";

import { addGatewayOptions, gatewayConfig } from "../gateway/cliOptions";
import { serveGateway } from "../gateway/serve";

const examples = `
Examples:
  shadownet gateway --intake vxlan:0.0.0.0:4789 --percent 25 --stats stats.json
  shadownet gateway --from-file live.pcap --to 10.0.1.10:80=127.0.0.1:8080 --source any`;

/** `shadownet gateway`: the gateway alone, without a lab and without Pulumi. */
export function register(program: Command): void {
  const command = program.command("gateway").description("take mirrored packets in and replay them, without any lab");
  addGatewayOptions(command)
    .addHelpText("after", examples)
    .action(async (options: Record<string, unknown>) => {
      await serveGateway(gatewayConfig(options));
    });
}
