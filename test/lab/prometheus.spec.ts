import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { type Serving, serve } from "../../components/runtime/console/serve";
import { ConsoleBench, eventually } from "../unit/runtime/console/support";

const program = "/usr/bin/prometheus";

/** What Prometheus answers to a query. */
interface QueryAnswer {
  data: { result: { metric: Record<string, string>; value: [number, string] }[] };
}

describe("a real Prometheus", function () {
  this.timeout(120_000);
  const bench = new ConsoleBench();
  let serving: Serving | undefined;
  let prometheus: ChildProcess | undefined;
  let url: string;

  before(async function () {
    if (!existsSync(program)) {
      if (process.env.CI === "true") throw new Error(`there is no ${program}; install the package prometheus`);
      this.skip();
    }
    const { backEnd, stateFolder, root, clock } = bench;
    bench.alarms.push({ name: "slow", signal: "app.latency.p50", above: 5, forSeconds: 3 });
    const tokenFile = join(stateFolder, "controller.token");
    const address = { host: "127.0.0.1", port: 0 };
    const folders = { stateFolder, runsFolder: join(root, "runs") };
    serving = await serve({ backEnd, ...folders, clock, versions: {}, version: "1.2.3", tokenFile, address });
    prometheus = await startPrometheus(serving.address, tokenFile);
  });

  after(async () => {
    if (prometheus !== undefined) {
      const ended = new Promise((resolve) => prometheus!.once("exit", resolve));
      prometheus.kill("SIGTERM");
      await ended;
    }
    await serving?.close("the test is over");
    await bench.remove();
  });

  async function startPrometheus(target: string, tokenFile: string): Promise<ChildProcess> {
    const folder = join(bench.root, "prometheus");
    mkdirSync(folder, { recursive: true });
    const configuration = {
      global: { scrape_interval: "1s", scrape_timeout: "1s" },
      scrape_configs: [
        {
          job_name: "shadownet",
          authorization: { credentials_file: tokenFile },
          static_configs: [{ targets: [target] }],
        },
      ],
    };
    writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(configuration));
    const listen = `127.0.0.1:${await freePort()}`;
    url = `http://${listen}`;
    const settings = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`];
    return spawn(program, [...settings, `--web.listen-address=${listen}`, "--log.level=error"], { stdio: "ignore" });
  }

  async function query(text: string): Promise<QueryAnswer["data"]["result"]> {
    const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(text)}`).catch(() => undefined);
    if (response?.ok !== true) return [];
    return ((await response.json()) as QueryAnswer).data.result;
  }

  it("scrapes the controller: signals of both sides, counters and alarms", async () => {
    await eventually("the watch", () => bench.drivers.length > 0);
    bench.drivers[0]!.intakeOpen = true;
    await eventually("a successful scrape", async () => (await query("up"))[0]?.value[1] === "1", 60);
    await eventually(
      "latency of both sides",
      async () => (await query('shadownet_app_latency_seconds{percentile="95"}')).length === 2,
      60,
    );
    const latency = await query('shadownet_app_latency_seconds{percentile="95"}');
    assert.deepEqual(latency.map(({ metric }) => metric["side"]).sort(), ["live", "shadow"]);
    assert.ok(latency.every(({ value }) => Number(value[1]) > 0.01 && Number(value[1]) < 1));
    await eventually(
      "the alarm",
      async () => (await query('shadownet_alarm_state{alarm="slow",state="firing"} == 1')).length === 1,
      60,
    );
    const [replayed] = await query("shadownet_requests_replayed_total");
    assert.equal(replayed?.metric["shadow"], "shop");
    assert.ok(Number(replayed.value[1]) > 0);
    const types = await fetch(`${url}/api/v1/metadata?metric=shadownet_app_latency_seconds`);
    const { data } = (await types.json()) as { data: Record<string, { type: string }[]> };
    assert.equal(data["shadownet_app_latency_seconds"]?.[0]?.type, "gauge");
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
