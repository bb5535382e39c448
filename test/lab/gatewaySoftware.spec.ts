import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import type { GatewayStats } from "../../components/runtime/gateway/stats";

const clientSide = `ts${process.pid}c`;
const liveSide = `ts${process.pid}l`;
const shadowSide = `ts${process.pid}s`;
const front = `f${process.pid}`;
const mirror = `m${process.pid}`;
const main = resolve(__dirname, "../../components/runtime/gateway/main.ts");

async function inside(namespace: string, ...argv: string[]): Promise<string> {
  return run(["ip", "netns", "exec", namespace, ...argv]);
}

async function cable(name: string, a: string, addressA: string, b: string, addressB: string): Promise<void> {
  await run(["ip", "link", "add", `${name}a`, "netns", a, "type", "veth", "peer", "name", `${name}b`, "netns", b]);
  for (const [namespace, end, address] of [
    [a, "a", addressA],
    [b, "b", addressB],
  ] as const) {
    await inside(namespace, "ip", "address", "add", address, "dev", `${name}${end}`);
    await inside(namespace, "ip", "link", "set", `${name}${end}`, "up");
  }
}

/** Client and live server on one cable; the live server's kernel copies both directions to the gateway by VXLAN. */
async function build(folder: string): Promise<void> {
  for (const namespace of [clientSide, liveSide, shadowSide]) {
    await run(["ip", "netns", "add", namespace]);
    await inside(namespace, "ip", "link", "set", "lo", "up");
  }
  await cable(front, clientSide, "10.88.0.1/24", liveSide, "10.88.0.2/24");
  await cable(mirror, liveSide, "10.89.0.1/24", shadowSide, "10.89.0.2/24");
  await inside(liveSide, "ip", "link", "set", `${mirror}a`, "mtu", "1600");
  await inside(shadowSide, "ip", "link", "set", `${mirror}b`, "mtu", "1600");
  const tunnel = ["type", "vxlan", "id", "1", "remote", "10.89.0.2", "dstport", "4789", "dev", `${mirror}a`];
  await inside(liveSide, "ip", "link", "add", "vxm", ...tunnel);
  await inside(liveSide, "ip", "link", "set", "vxm", "up");
  const chain = (hook: string): string => `chain ${hook} {
    type filter hook ${hook} device "${front}b" priority -150; policy accept;
    meta l4proto tcp dup to "vxm"
  }`;
  writeFileSync(join(folder, "mirror.nft"), `table netdev mir {\n${chain("ingress")}\n${chain("egress")}\n}\n`);
  await inside(liveSide, "nft", "-f", join(folder, "mirror.nft"));
  await inside(liveSide, "ping", "-c1", "-w20", "10.89.0.2");
  await inside(liveSide, "ping", "-c1", "-w20", "10.88.0.1");
}

describe("gateway between real servers, mirrored by the kernel", function () {
  this.timeout(180_000);
  let folder: string;
  const children: ChildProcess[] = [];

  const start = (namespace: string, ...argv: string[]): ChildProcess => {
    const child = spawn("ip", ["netns", "exec", namespace, ...argv], { stdio: ["ignore", "ignore", "inherit"] });
    children.push(child);
    return child;
  };

  const waitFor = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + 30_000;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  };

  const stats = (): GatewayStats => JSON.parse(readFileSync(join(folder, "stats.json"), "utf8")) as GatewayStats;

  const startGateway = async (port: number): Promise<() => Promise<GatewayStats>> => {
    const config = {
      intake: "vxlan:10.89.0.2:4789",
      to: { [`10.88.0.2:${port}`]: `127.0.0.1:${port}` },
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const child = start(shadowSide, process.execPath, "--import=tsx", main, join(folder, "config.json"));
    await waitFor("the gateway runs", () => Promise.resolve(existsSync(config.stats)));
    return async () => {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await ended;
      return stats();
    };
  };

  /** Starts nginx and returns the path of its log, which has one line for each request. */
  const nginx = async (namespace: string, name: string, listen: string, pace: string): Promise<string> => {
    const home = join(folder, name);
    mkdirSync(home);
    writeFileSync(join(home, "page.json"), JSON.stringify({ name: "same", items: [1, 2, 3] }));
    const text = `daemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
      events { worker_connections 512; }
      http { limit_req_zone $server_port zone=pace:1m rate=1500r/s; access_log ${home}/access.log; client_body_temp_path ${home}; proxy_temp_path ${home};
        fastcgi_temp_path ${home}; uwsgi_temp_path ${home}; scgi_temp_path ${home};
        server { listen ${listen}; root ${home}; keepalive_requests 100000; ${pace} } }`;
    writeFileSync(join(home, "nginx.conf"), text);
    start(namespace, "nginx", "-p", home, "-c", join(home, "nginx.conf"), "-e", join(home, "error.log"));
    await waitFor("nginx listens", async () => (await inside(namespace, "ss", "-ltn")).includes(":8080"));
    return join(home, "access.log");
  };

  const lines = (file: string): number => readFileSync(file, "utf8").split("\n").length - 1;

  /** The gateway has seen everything and has had its answers. */
  const settled = async (atLeast: number): Promise<void> => {
    await waitFor("every request is answered", () => {
      const { requests } = stats();
      return Promise.resolve(requests.onWire >= atLeast && requests.answered === requests.replayed);
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(stats())}`);
    });
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-software-"));
    await build(folder);
  });

  afterEach(async () => {
    const ended = children.map(
      (child) => new Promise((done) => (child.exitCode === null ? child.once("exit", done) : done(0))),
    );
    for (const child of children.splice(0)) child.kill("SIGTERM");
    await Promise.all(ended);
    for (const namespace of [clientSide, liveSide, shadowSide]) await tryRun(["ip", "netns", "delete", namespace]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("nginx under wrk: coverage is what the two servers' own logs say", async () => {
    const liveLog = await nginx(liveSide, "live", "8080", "limit_req zone=pace burst=1000;");
    const shadowLog = await nginx(shadowSide, "shadow", "8080", "");
    const stop = await startGateway(8080);
    // Live is paced, because generator, both servers and the gateway share this machine.
    for (let round = 0; round < 3; round++) {
      await inside(clientSide, "wrk", "-t1", "-c4", "-d1", "http://10.88.0.2:8080/page.json");
      await new Promise((done) => setTimeout(done, 200));
    }
    await settled(1);
    const last = await stop();
    const { requests } = last;
    assert.equal(last.intake.kernelDrops, 0, "the machine was too busy to take every packet");
    assert.ok(
      Math.abs(requests.onWire - lines(liveLog)) <= 12,
      `${requests.onWire} on the wire, live ${lines(liveLog)}`,
    );
    assert.ok(
      Math.abs(requests.replayed - lines(shadowLog)) <= 12,
      `${requests.replayed} replayed, ${lines(shadowLog)}`,
    );
    assert.equal(
      requests.onWire,
      requests.replayed + requests.lostByMirror + sum(requests.unusable) + sum(requests.shed),
    );
    assert.ok(last.compare.paired > 100);
  });

  it("nginx under h2load: each request of HTTP/2 is in both servers' logs and in the count", async () => {
    const liveLog = await nginx(liveSide, "live", "8080 http2", "");
    const shadowLog = await nginx(shadowSide, "shadow", "8080 http2", "");
    const stop = await startGateway(8080);
    const [clients, requests, perSecond] = [4, 2_000, 150];
    const load = ["-c", `${clients}`, "-m", "10", "-n", `${requests}`, `--rps=${perSecond}`];
    const report = await inside(clientSide, "h2load", ...load, "http://10.88.0.2:8080/page.json");
    assert.match(report, new RegExp(`${requests} succeeded`));
    await settled(requests);
    const last = await stop();
    assert.equal(last.intake.kernelDrops, 0, "the machine was too busy to take every packet");
    assert.deepEqual([lines(liveLog), lines(shadowLog)], [requests, requests]);
    assert.deepEqual([last.requests.onWire, last.requests.replayed, last.requests.coverage], [requests, requests, 1]);
    assert.equal(last.compare.equal, requests);
    assert.equal(last.replay.connections, clients);
  });

  it("redis under real clients: the shadow runs exactly the commands that live ran", async () => {
    const redis = async (namespace: string, bind: string): Promise<void> => {
      start(
        namespace,
        "redis-server",
        "--port",
        "6379",
        "--bind",
        bind,
        "--save",
        "",
        "--protected-mode",
        "no",
        "--dir",
        folder,
      );
      await waitFor("redis listens", async () => (await inside(namespace, "ss", "-ltn")).includes(":6379"));
    };
    await redis(liveSide, "10.88.0.2");
    await redis(shadowSide, "127.0.0.1");
    const stop = await startGateway(6379);
    const client = ["redis-cli", "-h", "10.88.0.2", "-r", "500", "-i", "0.002"];
    const commands = [
      ["set", "a", "1"],
      ["incr", "b"],
      ["lpush", "c", "x"],
    ];
    await Promise.all(commands.map((command) => inside(clientSide, ...client, ...command)));
    await settled(1500);
    const calls = async (namespace: string, host: string): Promise<string> => {
      const text = await inside(namespace, "redis-cli", "-h", host, "info", "commandstats");
      return [...text.matchAll(/cmdstat_(set|incr|lpush):calls=(\d+)/g)]
        .map((match) => match.slice(1).join("="))
        .sort()
        .join(" ");
    };
    const live = await calls(clientSide, "10.88.0.2");
    const shadow = await calls(shadowSide, "127.0.0.1");
    const last = await stop();
    assert.equal(last.intake.kernelDrops, 0, "the machine was too busy to take every packet");
    assert.equal(live, "incr=500 lpush=500 set=500");
    assert.equal(shadow, live);
    assert.equal(last.requests.coverage, 1);
  });

  it("redis under redis-benchmark: coverage is what the servers' own counters say", async () => {
    for (const [namespace, bind] of [
      [liveSide, "10.88.0.2"],
      [shadowSide, "127.0.0.1"],
    ] as const) {
      const options = ["--port", "6379", "--bind", bind, "--save", "", "--protected-mode", "no", "--dir", folder];
      start(namespace, "redis-server", ...options);
      await waitFor("redis listens", async () => (await inside(namespace, "ss", "-ltn")).includes(":6379"));
    }
    const stop = await startGateway(6379);
    const bench = ["redis-benchmark", "-h", "10.88.0.2", "-t", "set,incr,lpush", "-n", "1000", "-c", "4", "-q"];
    await inside(clientSide, ...bench);
    await settled(3000);
    const calls = async (namespace: string, host: string): Promise<string[]> => {
      const text = await inside(namespace, "redis-cli", "-h", host, "info", "commandstats");
      const counted = text.matchAll(/cmdstat_(set|incr|lpush):calls=(\d+)/g);
      return [...counted].map(([, name, count]) => `${name} ${count}`).sort();
    };
    const live = await calls(clientSide, "10.88.0.2");
    const shadow = await calls(shadowSide, "127.0.0.1");
    const { requests, intake } = await stop();
    assert.equal(intake.kernelDrops, 0, "the machine was too busy to take every packet");
    assert.deepEqual(live, ["incr 1000", "lpush 1000", "set 1000"]);
    assert.deepEqual(shadow, live);
    assert.equal(requests.coverage, 1);
  });

  it("PostgreSQL under pgbench: the shadow commits exactly the transactions that live committed", async () => {
    const programs = join("/usr/lib/postgresql", readdirSync("/usr/lib/postgresql").sort().at(-1)!, "bin");
    const asUser = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"];
    const ask = (namespace: string, host: string, question: string): Promise<string> =>
      inside(namespace, "psql", "-h", host, "-U", "postgres", "-Atc", question);
    chmodSync(folder, 0o755);
    for (const [namespace, host] of [
      [liveSide, "10.88.0.2"],
      [shadowSide, "127.0.0.1"],
    ] as const) {
      const home = join(folder, namespace);
      await run(["install", "-d", "-o", "postgres", home]);
      await run([...asUser, join(programs, "initdb"), "-D", home, "-A", "trust", "-U", "postgres", "-N"]);
      appendFileSync(join(home, "pg_hba.conf"), "host all all 10.88.0.0/24 trust\n");
      const hosts = [...new Set(["127.0.0.1", host])].join(",");
      const options = ["-D", home, "-k", home, "-h", hosts, "-F", "-c", "log_min_messages=fatal"];
      start(namespace, ...asUser, join(programs, "postgres"), ...options);
      await waitFor("postgres answers", () =>
        ask(namespace, "127.0.0.1", "select 1").then(
          () => true,
          () => false,
        ),
      );
      await inside(namespace, "pgbench", "-h", "127.0.0.1", "-U", "postgres", "-i", "-q", "postgres");
    }
    const stop = await startGateway(5432);
    const [clients, transactions, statements] = [4, 50, 7];
    const load = ["-c", `${clients}`, "-t", `${transactions}`, "-n", "-h", "10.88.0.2", "-U", "postgres", "postgres"];
    await inside(clientSide, "pgbench", ...load);
    await settled(clients * transactions * statements);
    const question = "select count(*), sum(delta), (select sum(abalance) from pgbench_accounts) from pgbench_history";
    const live = await ask(liveSide, "127.0.0.1", question);
    const shadow = await ask(shadowSide, "127.0.0.1", question);
    const { requests, intake } = await stop();
    assert.equal(intake.kernelDrops, 0, "the machine was too busy to take every packet");
    assert.ok(live.startsWith(`${clients * transactions}|`), live);
    assert.equal(shadow, live);
    assert.equal(requests.coverage, 1);
  });
});

function sum(counters: Record<string, number>): number {
  return Object.values(counters).reduce((a, b) => a + b, 0);
}
