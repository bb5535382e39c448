import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

import { run } from "../../components/internal/exec";
import { createGateway, deleteGateway } from "../../components/lab/kernel/gateway";
import { askGateway } from "../../components/lab/kernel/gatewayProcess";
import { createMirror, deleteMirror } from "../../components/lab/kernel/mirror";
import { mirrorVni } from "../../components/lab/kernel/names";
import { namespacePath } from "../../components/lab/kernel/namespaces";
import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { buildPair, inside, openIntake, privateState, startIn, uniqueName } from "../support/labPair";

const production = uniqueName("rp");
const shadow = uniqueName("rs");
const traffic = {
  network: shadow,
  vni: mirrorVni(shadow),
  percent: 100,
  seed: 1,
  sampleBy: "flow" as const,
  include: [],
  exclude: [],
};

/** Answers every request with the address and port that it came from, and remembers them. */
const server = `
const seen = [];
require("node:http").createServer((q, s) => {
  if (q.url === "/seen") return s.end(JSON.stringify(seen));
  seen.push(q.socket.remoteAddress.replace("::ffff:", "") + " " + q.socket.remotePort + " " + q.url);
  s.end("hello");
}).listen({ port: 80, host: "::", ipv6Only: false }, () => console.log("ready"));`;

describe("a shadow behind its mirror", function () {
  this.timeout(120_000);
  const cleanUps: (() => Promise<unknown>)[] = [];
  const servers: ChildProcess[] = [];

  before(async () => {
    cleanUps.push(await privateState(), await buildPair(production, "production"), await buildPair(shadow, "shadow"));
    await createGateway({ ...traffic, shadowCidrs: ["10.90.1.0/24", "fd00:90:0:1::/64"], responseTimeoutSeconds: 5 });
    const addresses = ["10.90.1.11", "fd00:90:0:1::11"];
    await createMirror({ ...traffic, production, services: [{ addresses, port: 80, protocol: "tcp" }] });
    for (const network of [production, shadow]) servers.push(await startIn(inside(network, "web-1"), server));
  });

  after(async () => {
    for (const child of servers) child.kill("SIGKILL");
    await deleteMirror(shadow);
    await deleteGateway(shadow);
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  const seenBy = async (network: string): Promise<string[]> => {
    const program = `require("node:http").get("http://10.90.1.11/seen", (r) => r.pipe(process.stdout))`;
    const path = namespacePath(inside(network, "web-1"));
    return JSON.parse(await run(["nsenter", `--net=${path}`, process.execPath, "-e", program])) as string[];
  };

  async function load(count: number, path: string): Promise<void> {
    const program = `
      const http = require("node:http");
      const get = (host, i) => new Promise((done, no) => http.get({ host, path: "${path}" + i, agent: false }, (r) => { r.resume(); r.on("end", done); }).on("error", no));
      (async () => { for (let i = 0; i < ${count}; i++) await get(i % 2 ? "10.90.1.11" : "fd00:90:0:1::11", i); })();`;
    const namespace = namespacePath(inside(production, "client-1"));
    await run(["nsenter", `--net=${namespace}`, process.execPath, "-e", program]);
  }

  async function stats(): Promise<GatewayStats> {
    return (await askGateway(shadow, "/stats")) as GatewayStats;
  }

  it("hears nothing while the gateway's intake is closed", async () => {
    await load(10, "/closed-");
    assert.equal((await seenBy(production)).length, 10);
    assert.deepEqual(await seenBy(shadow), []);
  });

  it("gets every live request from the client's own address and port", async () => {
    await openIntake(shadow);
    await load(40, "/open-");
    const wanted = (await seenBy(production)).filter((line) => line.includes("/open-")).sort();
    assert.equal(wanted.length, 40);
    const deadline = Date.now() + 20_000;
    let replayed: string[] = [];
    while (replayed.length < 40 && Date.now() < deadline) {
      await delay(200);
      replayed = await seenBy(shadow);
    }
    assert.deepEqual(replayed.sort(), wanted);
    const { requests } = await stats();
    assert.equal(requests.onWire, 40);
    assert.equal(requests.replayed, 40);
  });
});
