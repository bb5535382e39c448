import type { GatewayStats } from "./stats";

/** Notes what this process uses; its memory stays as it was last known while no descriptor is left to read it with. */
export function noteProcess({ process: figures }: GatewayStats): void {
  const { user, system } = process.cpuUsage();
  figures.cpuMicroseconds = user + system;
  try {
    figures.residentBytes = process.memoryUsage.rss();
  } catch {
    return;
  }
}
