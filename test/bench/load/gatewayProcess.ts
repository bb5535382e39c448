import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import type { GatewayConfig } from "../../../components/runtime/gateway/config";
import { gatewayNodeOptions } from "../../../components/runtime/gateway/nodeOptions";
import type { GatewayStats } from "../../../components/runtime/gateway/stats";
import type { Candidate, Place } from "./delivery";
import { pause } from "./interruption";
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
    try {
      await gateway.until(() => true);
    } catch (error) {
      await stopChild(child);
      throw error;
    }
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
      await pause(100);
    }
  }

  async stop(): Promise<GatewayStats> {
    await stopChild(this.child);
    return this.stats();
  }
}

/** The gateway before a shadow at `place`, as something to measure. */
export async function startGateway(place: Place, more: Partial<GatewayConfig>): Promise<Candidate> {
  const to = { [liveServer]: `127.0.0.1:${place.shadowPort}` };
  const gateway = await GatewayProcess.start(place.folder, place.port, { to, ...more });
  const { percent = 100, workers = 1 } = more;
  return {
    pid: gateway.pid,
    settle: async (exchanges) => {
      if (percent === 100) await gateway.until((stats) => stats.requests.answered >= exchanges);
    },
    stop: async () => {
      const { requests, compare, intake, replay } = await gateway.stop();
      return {
        workers,
        percent,
        replayed: requests.replayed,
        answered: requests.answered,
        equal: compare.equal,
        shed: requests.shed,
        coverage: Number(requests.coverage.toFixed(5)),
        kernelDrops: intake.kernelDrops,
        prefiltered: intake.prefiltered,
        packets: intake.packets,
        receiver: intake.receiver,
        lagMilliseconds: replay.lagMilliseconds,
      };
    },
  };
}
