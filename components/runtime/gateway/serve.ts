import { readFileSync } from "node:fs";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { checkConfig, type GatewayConfig } from "./config";
import { runGateway, type RunningGateway } from "./gateway";
import { keepGivingBack } from "./giveBack";
import type { GatewayStats } from "./stats";

/** What whoever serves a gateway may want to do meanwhile. */
export interface ServeOptions {
  /** Gives the configuration anew on SIGHUP; a bad one is reported and the old one stays. */
  reread?: () => GatewayConfig;
  /** It takes packets from now on. */
  started?: (gateway: RunningGateway) => void;
  /** It takes no more packets and waits for answers. */
  ending?: () => void;
}

/**
 * Runs one gateway until SIGTERM or SIGINT, which drain it for a few seconds, or until its recording has been replayed.
 * Returns its last counters; throws when the recording cannot be read, after they are written.
 */
export async function serveGateway(
  config: GatewayConfig,
  { reread, started, ending }: ServeOptions = {},
): Promise<GatewayStats> {
  const starting = Promise.resolve().then(() => runGateway(config));
  // Before it says anything: whoever sees that may send a signal, which would end it otherwise.
  const signal = signalled();
  process.on("SIGHUP", () => {
    if (reread !== undefined) void starting.then((running) => reload(running, reread));
  });
  const gateway = await starting;
  keepGivingBack();
  started?.(gateway);
  const [end] = await Promise.allSettled([Promise.race([signal, gateway.finished])]);
  ending?.();
  const stats = await gateway.stop();
  if (end.status === "rejected") throw end.reason;
  return stats;
}

/** A signal that comes a second time changes nothing: a process group gets it together with whoever hands it on. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    process.on("SIGTERM", () => resolve());
    process.on("SIGINT", () => resolve());
  });
}

function reload(gateway: RunningGateway, reread: () => GatewayConfig): void {
  try {
    gateway.reload(reread());
  } catch (error) {
    process.stderr.write(`not reloaded: ${messageOf(error)}\n`);
  }
}

/** Reads and checks a configuration file; throws a `ShadownetError` that names every problem. */
export function readConfig(path: string): GatewayConfig {
  try {
    return checkConfig(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    if (error instanceof ShadownetError) throw error;
    throw new ShadownetError("bad-input", `${path}: ${messageOf(error)}`, ExitCode.BadInput);
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
