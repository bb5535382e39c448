/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-return --
   what is checked here is JSON that came over the wire */
import assert from "node:assert/strict";
import { type IncomingMessage, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";

import type { RunProgress } from "../../../../components/runtime/runner/progress";
import { GrafanaAnnotations } from "../../../../components/runtime/telemetry/grafana";
import { counter, gauge } from "../../../../components/runtime/telemetry/metric";
import { openMetricsText } from "../../../../components/runtime/telemetry/openMetrics";
import { OtlpExport } from "../../../../components/runtime/telemetry/otlp";
import { signalMetrics } from "../../../../components/runtime/telemetry/signals";

interface Received {
  method?: string;
  url?: string;
  authorization?: string;
  body: any; // eslint-disable-line @typescript-eslint/no-explicit-any
}

describe("telemetry", () => {
  let server: Server;
  let url: string;
  let status: number;
  let received: Received[];

  beforeEach(async () => {
    received = [];
    status = 200;
    server = createServer((request, response) => {
      void readBody(request).then((body) => {
        const { method, url: path, headers } = request;
        received.push({ method, url: path, authorization: headers.authorization, body: JSON.parse(body) });
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify({ id: 40 + received.length }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("writes signals in base units, live and shadow side by side, and escapes labels", () => {
    const point = { signal: "app.latency.p95", target: 'a"b\\c\n', time: 0, value: 250 };
    const points = [
      { ...point, side: "live" as const },
      { ...point, side: "shadow" as const, value: 1250 },
      { signal: "machine.cpu", target: "web-1", side: "live" as const, time: 0, value: 50 },
      { signal: "own.signal", target: "service", side: "live" as const, time: 0, value: 7 },
    ];
    const text = openMetricsText([
      ...signalMetrics([{ shadow: "shop", points }]),
      counter("shadownet_runs", "Runs", [{ labels: {}, value: 3 }]),
      gauge("shadownet_empty", "Nothing", []),
    ]);
    const target = 'target="a\\"b\\\\c\\n"';
    assert.deepEqual(text.split("\n"), [
      "# TYPE shadownet_app_latency_seconds gauge",
      "# HELP shadownet_app_latency_seconds Latency of requests in the last step, by percentile",
      `shadownet_app_latency_seconds{shadow="shop",${target},side="live",percentile="95"} 0.25`,
      `shadownet_app_latency_seconds{shadow="shop",${target},side="shadow",percentile="95"} 1.25`,
      "# TYPE shadownet_machine_cpu_ratio gauge",
      "# HELP shadownet_machine_cpu_ratio Processors in use; 1 is one whole",
      'shadownet_machine_cpu_ratio{shadow="shop",target="web-1",side="live"} 0.5',
      "# TYPE shadownet_signal gauge",
      "# HELP shadownet_signal Other signals, in their own unit",
      'shadownet_signal{shadow="shop",target="service",side="live",signal="own.signal"} 7',
      "# TYPE shadownet_runs counter",
      "# HELP shadownet_runs Runs",
      "shadownet_runs_total 3",
      "# EOF",
      "",
    ]);
  });

  it("sends gauges and counters by OTLP over HTTP, and tells once of a collector that refuses", async () => {
    const problems: string[] = [];
    const read = (): Promise<ReturnType<typeof gauge>[]> =>
      Promise.resolve([
        gauge("shadownet_app_error_ratio", "Errors", [{ labels: { side: "shadow" }, value: 0.25 }]),
        counter("shadownet_requests_replayed", "Replayed", [{ labels: { shadow: "shop" }, value: 17 }]),
      ]);
    const otlp = new OtlpExport({ url, version: "1.2.3", read, onProblem: (problem) => problems.push(problem) });
    otlp.start();
    await otlp.close();
    assert.equal(problems.length, 0, problems.join());
    assert.equal(received[0]!.url, "/v1/metrics");
    const [resource] = received[0]!.body.resourceMetrics;
    const attributes = resource.resource.attributes as { key: string; value: { stringValue: string } }[];
    assert.ok(attributes.some(({ key, value }) => key === "service.name" && value.stringValue === "shadownet"));
    const [errors, replayed] = resource.scopeMetrics[0].metrics;
    assert.equal(errors.name, "shadownet_app_error_ratio");
    assert.equal(errors.gauge.dataPoints[0].asDouble, 0.25);
    assert.deepEqual(errors.gauge.dataPoints[0].attributes, [{ key: "side", value: { stringValue: "shadow" } }]);
    assert.equal(replayed.sum.dataPoints[0].asDouble, 17);
    assert.equal(replayed.sum.isMonotonic, true);
    status = 400;
    const refused = new OtlpExport({ url, version: "1.2.3", read, onProblem: (problem) => problems.push(problem) });
    await refused.close();
    assert.equal(problems.length, 1);
    assert.throws(() => new OtlpExport({ url: "localhost", version: "", read, onProblem: () => undefined }), {
      code: "bad-otlp",
    });
  });

  it("marks the time of every fault in Grafana as a region", async () => {
    const problems: string[] = [];
    const grafana = new GrafanaAnnotations({
      url: `${url}/`,
      token: "secret",
      onProblem: (text) => problems.push(text),
    });
    const step = (time: number, activeFaults: string[]): void =>
      grafana.progress("shop", "run-1", { time, activeFaults, experiment: "dbLink" } as RunProgress);
    step(1000, []);
    step(2000, ["cut"]);
    step(3000, ["cut", "slow"]);
    step(4000, ["slow"]);
    step(5000, []);
    await grafana.drain();
    assert.deepEqual(
      received.map(({ method, url: path, body }) => [method, path, body.time, body.timeEnd]),
      [
        ["POST", "/api/annotations", 2000, undefined],
        ["POST", "/api/annotations", 3000, undefined],
        ["PATCH", "/api/annotations/41", 2000, 4000],
        ["PATCH", "/api/annotations/42", 3000, 5000],
      ],
    );
    assert.deepEqual(received[0]!.body.tags, ["shadownet", "fault", "shop", "dbLink", "cut"]);
    assert.equal(received[0]!.authorization, "Bearer secret");
    status = 500;
    step(6000, ["cut"]);
    step(7000, []);
    await grafana.drain();
    assert.match(problems.join(), /status 500/);
    assert.ok(!problems.join().includes("secret"));
  });
});

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk as string;
  return body;
}
