import { Agent, request } from "node:http";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

/**
 * Open-loop load: requests leave at a fixed rate whether or not the earlier ones were answered, so that a slow shop
 * does not get less to do. What is asked for, and in which order, depends on the seed alone.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    rate: { type: "string", default: "40" },
    target: { type: "string", multiple: true },
  },
});
const defaults = ["http://10.20.1.11", "http://10.20.1.12", "http://[fd00:20:0:1::11]", "http://[fd00:20:0:1::12]"];
const targets = (values.target ?? defaults).map((target) => new URL(target));
const rate = Number(values.rate);
const random = seededRandom(Number(values.seed));

const timeoutMilliseconds = 5_000;
/** Bounds what piles up while the shop does not answer: rate × timeout fits. */
const maximumSessions = 512;
const wantedSessions = 16;

const sessions = new Set();
const stats = { sent: 0, answered: 0, refused: 0, failed: 0, skipped: 0, connections: 0 };

/** mulberry32: small, seeded, good enough to vary a load. */
function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function below(limit) {
  return Math.floor(random() * limit);
}

/**
 * The next request, drawn from the seed whatever becomes of the ones before. One in six is slow, far from one in twenty:
 * the 95th percentile then lies among the slow ones in every second instead of jumping between slow and fast.
 */
function nextRequest(number) {
  const draw = random();
  if (draw < 0.36) return { method: "GET", path: `/items/${below(2_000)}` };
  if (draw < 0.56) return { method: "GET", path: `/pages/${below(50)}` };
  if (draw < 0.64) return { method: "GET", path: "/static/style.css" };
  if (draw < 0.8) return { method: "GET", path: `/reports/${below(2_000)}` };
  return { method: "POST", path: "/orders", body: orderBody(number, 1_000 + below(19_000)) };
}

function orderBody(number, size) {
  const head = `{"client":${values.seed},"number":${number},"note":"`;
  const word = `item ${below(500)} x ${1 + below(9)}; `;
  return `${head}${word.repeat(Math.ceil(size / word.length)).slice(0, size - head.length - 2)}"}`;
}

/** One connection with the number of requests that it will carry. */
function openSession() {
  stats.connections++;
  const requests = random() < 0.4 ? 1 : 2 + below(9);
  const target = targets[below(targets.length)];
  const agent = new Agent({ keepAlive: true, maxSockets: 1, keepAliveMsecs: 60_000 });
  const session = { target, agent, left: requests, busy: false, follow: undefined };
  sessions.add(session);
  return session;
}

function closeSession(session) {
  sessions.delete(session);
  session.agent.destroy();
}

/** The longest-open idle connection, or a new one: always enough new ones that there are many flows to choose from. */
function chooseSession(wantNew) {
  const idle = [...sessions].find(({ busy }) => !busy);
  if (idle !== undefined && !(wantNew && sessions.size < wantedSessions)) return idle;
  return sessions.size < maximumSessions ? openSession() : undefined;
}

function send(number) {
  const drawn = nextRequest(number);
  const session = chooseSession(random() < 0.3);
  if (session === undefined) return void stats.skipped++;
  const { method, path, body } = session.follow ?? drawn;
  session.follow = undefined;
  session.busy = true;
  session.left--;
  stats.sent++;
  const { agent, target } = session;
  const headers = { host: "shop.example", "user-agent": "shop-load/1", accept: "*/*" };
  if (body !== undefined) Object.assign(headers, { "content-type": "application/json", "content-length": body.length });
  if (session.left === 0) headers.connection = "close";
  const call = request({ host: bareHost(target), port: target.port || 80, agent, method, path, headers });
  const timer = setTimeout(() => call.destroy(new Error("no answer in time")), timeoutMilliseconds);
  call.on("response", (response) => receive(response, session, path));
  call.on("error", () => {
    stats.failed++;
    closeSession(session);
  });
  call.on("close", () => clearTimeout(timer));
  call.end(body);
}

function receive(response, session, path) {
  const chunks = [];
  response.on("data", (chunk) => chunks.push(chunk));
  response.on("error", () => undefined);
  response.on("end", () => {
    if (response.statusCode < 500) stats.answered++;
    else stats.refused++;
    if (path === "/orders" && response.statusCode === 201) session.follow = followUp(Buffer.concat(chunks));
    session.busy = false;
    if (session.left === 0 || response.headers.connection === "close") closeSession(session);
  });
}

/** An order is read back on the connection that placed it. */
function followUp(body) {
  return { method: "GET", path: `/orders/${JSON.parse(body.toString("utf8")).order}` };
}

function bareHost({ hostname }) {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

const startedAt = performance.now();
let number = 0;

/** Sends what is due; a late timer sends several at once, so that the rate holds. */
function tick() {
  const due = Math.floor(((performance.now() - startedAt) / 1_000) * rate);
  // After a long stop (a paused machine) the backlog is forgotten instead of let loose.
  if (due - number > rate) number = due - rate;
  while (number < due) send(number++);
  setTimeout(tick, Math.max(1, startedAt + ((number + 1) / rate) * 1_000 - performance.now()));
}

setInterval(() => {
  console.log(JSON.stringify({ ...stats, open: sessions.size }));
}, 5_000);
tick();
