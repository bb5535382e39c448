import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { join } from "node:path";

import type { RelayConfig } from "./model";
import { Relay } from "./relay";

const checkMilliseconds = 200;

/** Hundredths of a second since the machine started: a clock that nobody sets. */
function uptime(): number {
  return Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 100);
}

function numberIn(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Why the relay has to end now; undefined while it may go on. */
function reasonToEnd(state: string): string | undefined {
  if (existsSync(join(state, "ended"))) return "the fault has ended";
  const deadline = numberIn(join(state, "deadline"));
  if (deadline === undefined) return "the fault's state is gone";
  const now = uptime();
  if (now >= deadline) return "its time is up";
  const window = numberIn(join(state, "window")) ?? 0;
  const heartbeat = numberIn(join(state, "heartbeat")) ?? 0;
  return window > 0 && now - heartbeat > window ? "heartbeats stopped" : undefined;
}

function writeReport(config: RelayConfig, relay: Relay): void {
  const path = join(config.state, "relay.json");
  try {
    writeFileSync(`${path}.new`, JSON.stringify(relay.report));
    renameSync(`${path}.new`, path);
  } catch {
    // The folder is gone; the next check ends the relay.
  }
}

/**
 * A busy host must not add to the delay; without the right to it the counter of late packets tells. Where the kernel
 * groups processes by session, the priority of the group counts as well.
 */
function goFirst(): void {
  for (const raise of [
    () => setPriority(constants.priority.PRIORITY_HIGHEST),
    () => writeFileSync("/proc/self/autogroup", `${constants.priority.PRIORITY_HIGHEST}`),
  ]) {
    try {
      raise();
    } catch {
      continue;
    }
  }
}

async function main(configPath: string): Promise<void> {
  goFirst();
  const config = JSON.parse(readFileSync(configPath, "utf8")) as RelayConfig;
  const relay = new Relay(config);
  await relay.listen();
  const end = async (): Promise<void> => {
    clearInterval(timer);
    await relay.drain();
    process.exit(0);
  };
  const timer = setInterval(() => {
    writeReport(config, relay);
    if (reasonToEnd(config.state) !== undefined) void end();
  }, checkMilliseconds);
  process.once("SIGTERM", () => void end());
  // Whoever sees the report may end it at once.
  writeReport(config, relay);
}

void main(process.argv[2] ?? "");
