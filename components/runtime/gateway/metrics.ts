import { createServer, type Server } from "node:http";

import { listen } from "./listen";
import type { GatewayStats } from "./stats";

/** What may fall, so that it is no counter for Prometheus: what was handed to the replay is taken back where it is shed. */
const gauges =
  /^(?:time|startedAt|requests\.(?:replayed|coverage\w*)|intake\.(?:open|receiver|receiveBufferBytes\..*)|flows\.(?:open|heldBytes)|replay\.(?:openConnections|lagMilliseconds\..*)|process\.residentBytes)$/;
const byCause = /\.(?:malformed|shed|unusable|failed|errors|fieldPaths)$/;

/** The counters in Prometheus' text format: `shadownet_gateway_requests_replayed 12`; causes become a label. */
export function metricsText(stats: GatewayStats): string {
  return `${familiesOf(stats, "").flat().join("\n")}\n`;
}

/** The lines of each metric below a part of the counters. */
function familiesOf(values: Record<string, unknown>, prefix: string): string[][] {
  return Object.entries(values).flatMap(([name, value]) => {
    const path = prefix + name;
    if (value === null || value === undefined) return [];
    if (typeof value === "string") return [family(path, [`{name=${labelText(value)}} 1`])];
    if (typeof value !== "object") return [family(path, [` ${Number(value)}`])];
    if (!byCause.test(path)) return familiesOf(value as Record<string, unknown>, `${path}.`);
    const samples = Object.entries(value).map(([cause, count]) => `{cause=${labelText(cause)}} ${Number(count)}`);
    return samples.length === 0 ? [] : [family(path, samples)];
  });
}

function family(path: string, samples: string[]): string[] {
  const name = snake(`shadownet_gateway_${path.replaceAll(".", "_")}`);
  const type = gauges.test(path) ? "gauge" : "counter";
  return [
    `# HELP ${name} ${path} of stats.json`,
    `# TYPE ${name} ${type}`,
    ...samples.map((sample) => `${name}${sample}`),
  ];
}

/** A label's value; the format knows three escapes, and one it does not know spoils the whole answer. */
function labelText(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')}"`;
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function answer(url: string, stats: GatewayStats): [number, string] {
  const [path] = url.split("?");
  if (path === "/metrics") return [200, metricsText(stats)];
  if (path === "/health") return stats.intake.open ? [200, "open\n"] : [503, "closed\n"];
  return [404, "there is /metrics and /health\n"];
}

/** Serves `/metrics`, and `/health` for load balancers: 200 while the intake is open, else 503. Throws a `ShadownetError` when it cannot listen there. */
export async function serveMetrics(address: string, port: number, read: () => GatewayStats): Promise<Server> {
  const server = createServer((request, response) => {
    const [status, text] = answer(request.url ?? "", read());
    response.writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    response.end(text);
  });
  await listen(server, { host: address, port }, `the metrics cannot be served at ${address}:${port}`);
  return server;
}
