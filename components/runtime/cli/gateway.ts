import type { Command } from "commander";

import { addGatewayOptions, gatewayConfig } from "../gateway/cliOptions";
import { serveGateway } from "../gateway/serve";

/** `shadownet gateway`: the gateway alone, without a lab and without Pulumi. */
export function register(program: Command): void {
  const command = program.command("gateway").description("take mirrored packets in and replay them, without any lab");
  addGatewayOptions(command).action(async (options: Record<string, unknown>) => {
    await serveGateway(gatewayConfig(options));
  });
}
