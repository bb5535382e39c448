import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

import { CloudWatchClient, type MetricDatum, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { GetParametersCommand, SSMClient } from "@aws-sdk/client-ssm";

import type { GatewayStats } from "../../runtime/gateway/stats";
import { metricNamespace } from "../metrics";
import { type AgentReach, GatewayAgent } from "./agent";
import { type GatewayBoot, gatewayFilesOf, type GatewayPlace } from "./boot";

const turnMilliseconds = 5_000;
const answerMilliseconds = 5_000;
const dataPerCall = 500;

/** `node agent.js BOOT.json [--prepare]`: the agent of one gateway; with `--prepare` only the configuration is written. */
async function main([path, mode]: string[]): Promise<void> {
  const boot = JSON.parse(readFileSync(path ?? "", "utf8")) as GatewayBoot;
  const place = placeOf(process.env);
  const agent = new GatewayAgent(boot, place, reachOf(boot, place));
  if (mode === "--prepare") return agent.prepare();
  const ending = new AbortController();
  process.once("SIGTERM", () => ending.abort());
  while (!ending.signal.aborted) {
    await agent.turn();
    await delay(turnMilliseconds, undefined, { signal: ending.signal }).catch(() => undefined);
  }
  await agent.close();
}

function placeOf(environment: NodeJS.ProcessEnv): GatewayPlace {
  const { PRIMARY_ADDRESS, STANDING_ADDRESS, RUN_FOLDER, DATA_FOLDER } = environment;
  if (PRIMARY_ADDRESS === undefined || RUN_FOLDER === undefined || DATA_FOLDER === undefined) {
    throw new Error("PRIMARY_ADDRESS, RUN_FOLDER and DATA_FOLDER must be set");
  }
  return {
    primaryAddress: PRIMARY_ADDRESS,
    ...(STANDING_ADDRESS === undefined || STANDING_ADDRESS === "" ? {} : { standingAddress: STANDING_ADDRESS }),
    runFolder: RUN_FOLDER,
    dataFolder: DATA_FOLDER,
  };
}

function reachOf({ region }: GatewayBoot, place: GatewayPlace): AgentReach {
  const parameters = new SSMClient({ region, maxAttempts: 3 });
  const metrics = new CloudWatchClient({ region, maxAttempts: 3 });
  const files = gatewayFilesOf(place);
  return {
    async readParameters(names) {
      const { Parameters = [] } = await parameters.send(new GetParametersCommand({ Names: [...names] }), {
        abortSignal: AbortSignal.timeout(answerMilliseconds),
      });
      return Object.fromEntries(Parameters.map(({ Name = "", Value = "" }) => [Name, Value]));
    },
    async putMetrics(data: MetricDatum[]) {
      for (let at = 0; at < data.length; at += dataPerCall) {
        const MetricData = data.slice(at, at + dataPerCall);
        await metrics.send(new PutMetricDataCommand({ Namespace: metricNamespace, MetricData }), {
          abortSignal: AbortSignal.timeout(answerMilliseconds),
        });
      }
    },
    async gatewayStats() {
      return ask(files.control, "GET", "/stats").then(
        (text) => JSON.parse(text) as GatewayStats,
        () => undefined,
      );
    },
    async setIntake(open) {
      await ask(files.control, "PUT", "/intake", JSON.stringify({ open }));
    },
    async reloadGateway() {
      const pid = Number(await readFile(files.pid, "utf8").catch(() => ""));
      if (Number.isInteger(pid) && pid > 1) process.kill(pid, "SIGHUP");
    },
    now: Date.now,
    log: (message) => void process.stderr.write(`${message}\n`),
  };
}

function ask(socketPath: string, method: string, path: string, body = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, timeout: answerMilliseconds }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`${path}: ${text}`))));
    });
    call.on("timeout", () => call.destroy(new Error(`${path}: no answer`)));
    call.on("error", reject);
    call.end(body);
  });
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
