import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import type { GatewayConfig } from "../../../components/runtime/gateway/config";
import { gatewayNodeOptions } from "../../../components/runtime/gateway/nodeOptions";
import type { GatewayStats } from "../../../components/runtime/gateway/stats";
import { stopChild } from "./nginxShadow";

/** Address of the live server that the packet source names. */
export const liveServer = "10.9.0.1:80";

/** The compiled gateway as a process of its own. */
export class GatewayProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly statsFile: string,
  ) {}

  /** `GATEWAY_MAIN` names another build, `GATEWAY_NODE_OPTIONS` options of Node, for example `--cpu-prof`. */
  static async start(folder: string, port: number, more: Partial<GatewayConfig>): Promise<GatewayProcess> {
    const config: GatewayConfig = {
      intake: `vxlan:127.0.0.1:${port}`,
      stats: join(folder, `stats-${port}.json`),
      samples: join(folder, `samples-${port}.ndjson`),
      ...more,
    };
    const file = join(folder, `config-${port}.json`);
    writeFileSync(file, JSON.stringify(config));
    const built = join(__dirname, "../../../dist/components/runtime/gateway/main.js");
    const main = resolve(process.env["GATEWAY_MAIN"] ?? built);
    const options = (process.env["GATEWAY_NODE_OPTIONS"] ?? "").split(" ").filter((option) => option !== "");
    const child = spawn(process.execPath, [...gatewayNodeOptions, ...options, main, file], { stdio: "inherit" });
    const gateway = new GatewayProcess(child, config.stats);
    await gateway.until(() => true);
    return gateway;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The counters, at most a second old. */
  stats(): GatewayStats {
    return JSON.parse(readFileSync(this.statsFile, "utf8")) as GatewayStats;
  }

  /** Waits until the counters say something; throws after a minute. */
  async until(condition: (stats: GatewayStats) => boolean): Promise<GatewayStats> {
    for (const deadline = Date.now() + 60_000; ;) {
      try {
        const stats = this.stats();
        if (condition(stats)) return stats;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
      if (Date.now() > deadline || this.child.exitCode !== null)
        throw new Error("the gateway does not do what it should");
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  /** Resident memory now, from the kernel; 0 when the process is gone. */
  residentBytes(): number {
    const text = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * 1024;
  }

  /** Processor time so far, from the kernel, in microseconds. */
  cpuMicroseconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "latin1").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  }

  async stop(): Promise<GatewayStats> {
    await stopChild(this.child);
    return this.stats();
  }
}
