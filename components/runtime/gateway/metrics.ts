import { createServer, type Server } from "node:http";

import type { GatewayStats } from "./stats";

/** The counters in Prometheus' text format: `shadownet_gateway_requests_replayed 12`; causes become a label. */
export function metricsText(stats: GatewayStats): string {
  const lines: string[] = [];
  walk("shadownet_gateway", stats, lines);
  return `${lines.join("\n")}\n`;
}

function walk(prefix: string, values: Record<string, unknown>, lines: string[]): void {
  const causes = /_(?:malformed|shed|unusable|failed|errors|fieldPaths)$/.test(prefix);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue;
    if (typeof value === "object") walk(`${prefix}_${name}`, value as Record<string, unknown>, lines);
    else if (causes) lines.push(`${snake(prefix)}{cause=${JSON.stringify(name)}} ${Number(value)}`);
    else lines.push(`${snake(`${prefix}_${name}`)} ${Number(value)}`);
  }
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function answer(path: string, stats: GatewayStats): [number, string] {
  if (path === "/metrics") return [200, metricsText(stats)];
  if (path === "/health") return stats.intake.open ? [200, "open\n"] : [503, "closed\n"];
  return [404, "there is /metrics and /health\n"];
}

/** Serves `/metrics`, and `/health` for load balancers: 200 while the intake is open, else 503. Throws when the address cannot be listened on. */
export async function serveMetrics(address: string, port: number, read: () => GatewayStats): Promise<Server> {
  const server = createServer((request, response) => {
    const [status, text] = answer(request.url ?? "", read());
    response.writeHead(status, { "content-type": "text/plain; version=0.0.4" });
    response.end(text);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  return server;
}
