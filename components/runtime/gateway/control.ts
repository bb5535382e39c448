import { lstatSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { chmod } from "node:fs/promises";
import { connect } from "node:net";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { listen } from "./listen";
import type { GatewayStats } from "./stats";

/** What the control socket can do to a gateway. */
export interface ControlledGateway {
  snapshot(): GatewayStats;
  setOpen(open: boolean): void;
}

const maximumBody = 65_536;

/**
 * Serves `GET /stats` and `PUT /intake {"open": boolean}` on a unix socket that only its owner may use. Throws a
 * `ShadownetError` when that is not possible.
 */
export async function serveControl(path: string, gateway: ControlledGateway): Promise<Server> {
  await clearWay(path);
  const server = createServer((request, response) => {
    answer(request, response, gateway).catch(() => reply(response, 500, { error: "internal error" }));
  });
  await listen(server, { path }, `the control socket cannot be opened at ${path}`);
  await chmod(path, 0o600);
  return server;
}

/** Takes away the socket of a process that is gone, and nothing else. */
async function clearWay(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  const taken = there.isSocket() ? await answers(path) : true;
  if (!taken) rmSync(path, { force: true });
  else {
    const reason = there.isSocket() ? "another process answers there" : "it is there and is no socket";
    const message = `the control socket cannot be opened at ${path}: ${reason}`;
    throw new ShadownetError("cannot-listen", message, ExitCode.NotPossibleHere);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.on("connect", () => end(true));
    socket.on("error", () => end(false));
  });
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
