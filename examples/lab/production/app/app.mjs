import { createHash } from "node:crypto";
import { createServer } from "node:http";

import { RedisClient } from "./resp.mjs";

/**
 * The shop's service. Every answer depends on the request and on what the same connection stored before, on nothing
 * else: the same requests get the same bytes in production and in its shadow.
 */
const store = new RedisClient(process.env.STORE_ADDRESS ?? "10.20.3.11", Number(process.env.STORE_PORT ?? 6379));
const itemCount = 500;
const orderSeconds = 120;
const maximumBody = 64 * 1024;

const routes = [
  { method: "GET", pattern: /^\/$/, handle: () => page(0) },
  { method: "GET", pattern: /^\/pages\/(\d{1,4})$/, handle: ([number]) => page(Number(number)) },
  { method: "GET", pattern: /^\/items\/(\d{1,6})$/, handle: ([id]) => item(Number(id)) },
  { method: "GET", pattern: /^\/reports\/(\d{1,6})$/, handle: ([id]) => report(Number(id)) },
  { method: "GET", pattern: /^\/orders\/([0-9a-f]{16})$/, handle: ([id]) => order(id) },
  { method: "POST", pattern: /^\/orders$/, handle: (_, body) => placeOrder(body) },
  { method: "GET", pattern: /^\/healthz$/, handle: async () => json(200, { ok: true }) },
];

async function item(id) {
  await work(2 + (id % 5));
  const stored = await itemById(id % itemCount);
  return json(200, JSON.parse(stored));
}

async function page(number) {
  await work(3 + (number % 4));
  const ids = Array.from({ length: 20 }, (_, index) => (number * 20 + index) % itemCount);
  const stored = await store.command("MGET", ...ids.map((id) => `item:${id}`));
  const items = ids.map((id, index) => JSON.parse(stored[index] ?? itemText(id)));
  const rows = items.map(({ id, name, cents }) => `<tr><td>${id}</td><td>${name}</td><td>${cents}</td></tr>`);
  const head = `<head><title>Shop, page ${number}</title><link rel="stylesheet" href="/static/style.css"></head>`;
  const body = `<!doctype html><html lang="en">${head}<body><table>${rows.join("\n")}</table></body></html>\n`;
  return { status: 200, type: "text/html; charset=utf-8", body };
}

/** The slow one: 60–120 ms, by its number. */
async function report(id) {
  await work(60 + ((id * 37) % 61));
  const first = JSON.parse(await itemById(id % itemCount));
  const second = JSON.parse(await itemById((id * 7) % itemCount));
  return json(200, { report: id, cents: first.cents + second.cents });
}

async function placeOrder(body) {
  const id = createHash("sha256").update(body).digest("hex").slice(0, 16);
  await work(4);
  await store.command("SET", `order:${id}`, body.toString("utf8"), "EX", orderSeconds);
  return json(201, { order: id, bytes: body.length });
}

async function order(id) {
  await work(2);
  const stored = await store.command("GET", `order:${id}`);
  return stored === null ? json(404, { error: "no such order" }) : json(200, { order: id, bytes: stored.length });
}

/** Reads one item; the first read after an empty start writes it. */
async function itemById(id) {
  const stored = await store.command("GET", `item:${id}`);
  if (stored !== null) return stored;
  await store.command("SET", `item:${id}`, itemText(id), "NX");
  return itemText(id);
}

function itemText(id) {
  const words = ["red", "green", "blue", "small", "large", "round", "quiet", "bright"];
  const name = `${words[id % 8]} ${words[(id * 3 + 1) % 8]} thing`;
  return JSON.stringify({ id, name, cents: 199 + ((id * 7919) % 9000), text: name.repeat(1 + (id % 20)) });
}

function work(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function json(status, value) {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}

async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= maximumBody) chunks.push(chunk);
  }
  return size > maximumBody ? undefined : Buffer.concat(chunks);
}

async function answer(request) {
  const body = await readBody(request);
  if (body === undefined) return json(413, { error: "too large" });
  const path = request.url.split("?", 1)[0];
  for (const { method, pattern, handle } of routes) {
    const match = pattern.exec(path);
    if (match !== null && method === request.method) return handle(match.slice(1), body);
  }
  return json(404, { error: "no such page" });
}

async function serve(request, response) {
  let reply;
  try {
    reply = await answer(request);
  } catch (error) {
    reply = json(503, { error: error.message });
  }
  if (response.destroyed) return;
  response.writeHead(reply.status, { "content-type": reply.type, "content-length": Buffer.byteLength(reply.body) });
  response.end(reply.body);
}

const server = createServer((request, response) => void serve(request, response));
// Longer than the front's, so that the front and not the service ends idle connections.
server.keepAliveTimeout = 75_000;
server.listen(Number(process.env.PORT ?? 8080), process.env.LISTEN ?? "::");

process.on("SIGTERM", () => {
  store.close();
  server.close();
  server.closeAllConnections();
});
