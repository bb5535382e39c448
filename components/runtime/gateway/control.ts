import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { chmod } from "node:fs/promises";

import type { GatewayStats } from "./stats";

/** What the control socket can do to a gateway. */
export interface ControlledGateway {
  snapshot(): GatewayStats;
  setOpen(open: boolean): void;
}

const maximumBody = 65_536;

/** Serves `GET /stats` and `PUT /intake {"open": boolean}` on a unix socket that only its owner may use. */
export async function serveControl(path: string, gateway: ControlledGateway): Promise<Server> {
  rmSync(path, { force: true });
  const server = createServer((request, response) => {
    answer(request, response, gateway).catch(() => reply(response, 500, { error: "internal error" }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, gateway: ControlledGateway): Promise<void> {
  if (request.url === "/stats" && request.method === "GET") {
    reply(response, 200, gateway.snapshot());
    return;
  }
  if (request.url === "/intake" && request.method === "PUT") {
    const open = openOf(await readBody(request));
    if (open === undefined) {
      reply(response, 400, { error: 'the body must be {"open": true} or {"open": false}' });
      return;
    }
    gateway.setOpen(open);
    reply(response, 200, { open });
    return;
  }
  reply(response, 404, { error: "there is GET /stats and PUT /intake" });
}

function openOf(text: string): boolean | undefined {
  try {
    const value = JSON.parse(text) as { open?: unknown } | null;
    return typeof value?.open === "boolean" ? value.open : undefined;
  } catch {
    return undefined;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maximumBody) return "";
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}
