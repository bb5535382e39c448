/**
 * What mirroring costs production: a real nginx under wrk, round trip and throughput, without a mirror, with the lab's
 * rule at several shares, and with nginx's own `mirror` module. `npm run bench gatewayLivePath`, as root. The variants
 * take turns, each round in another order; the last, whose copies are still under way when it ends, has its rounds after
 * all others. A connection ends after 500 requests, so that every round has chosen flows and others. wrk has one processor
 * and nginx another, because where the scheduler puts them makes more of a difference than the rules; and both are kept
 * awake by loops of the lowest priority, as they are on a busy server, because waking a virtual processor takes longer than
 * a round trip and now and then much longer: the median then lies between two heaps, and a tenth of slower requests moves
 * it by more than they are slower (`AWAKE=0` lets them sleep). Printed are the medians of all rounds, of each round's ratio to "none" of the same round, and of its difference to that, with the 95 %
 * interval that inverts the signed-rank test. "again" is "none" once more, so that its difference says how far the
 * measure itself can be believed.
 * `ROUNDS` chooses how many, `VARIANTS` which, for example `VARIANTS="again,10 %"`; `THROUGHPUT=0` measures round trips alone.
 * `BARE=1` has `load/roundTrips.c` on one processor in the place of wrk and nginx, where nothing is cold.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import { mirrorRuleset, mirrorTable } from "../../components/lab/kernel/mirrorRules";
import { median } from "../../components/runtime/analysis/descriptive";
import { walshInterval } from "../../components/runtime/analysis/signedRank";
import { compile } from "./load/compile";
import { interruption, runBench } from "./load/interruption";
import { stopChild } from "./load/nginxShadow";

const rounds = Number(process.env["ROUNDS"] ?? 10);
const [client, live, far] = ["client", "live", "far"].map((name) => `bench${process.pid}${name}`) as [
  string,
  string,
  string,
];
const bare = process.env["BARE"] === "1";
const awake = !bare && process.env["AWAKE"] !== "0";
const withThroughput = !bare && process.env["THROUGHPUT"] !== "0";
const [barePort, bareRoundTrips] = [8082, 40_000];
/** A connection ends after so many requests. */
const requestsEach = 500;
const variants = ["none", "again", "0 %", "10 %", "50 %", "100 %", "nginx mirror"] as const;
type Variant = (typeof variants)[number];
const chosen = variants.filter(
  (variant) =>
    variant === "none" ||
    ((variant !== "nginx mirror" || !bare) && (process.env["VARIANTS"]?.split(",").includes(variant) ?? true)),
);

/** A median finer than wrk's whole microseconds, from its own histogram. */
const report = `done = function(summary, latency)
  local requests, before, median = 0, 0, nil
  for bin = 1, #latency do local _, count = latency(bin); requests = requests + count end
  for bin = 1, #latency do
    local value, count = latency(bin)
    if not median and before + count >= requests / 2 then median = value + (requests / 2 - before) / count end
    before = before + count
  end
  print(string.format('{"p50":%.3f,"p99":%d,"perSecond":%.1f}', median, latency:percentile(99),
    summary.requests / summary.duration * 1e6))
end
`;

const inside = (namespace: string, ...argv: string[]): Promise<string> =>
  run(["ip", "netns", "exec", namespace, ...argv]);

async function cable(name: string, a: string, addressA: string, b: string, addressB: string): Promise<void> {
  await run(["ip", "link", "add", `${name}a`, "netns", a, "type", "veth", "peer", "name", `${name}b`, "netns", b]);
  for (const [namespace, end, address] of [[a, "a", addressA] as const, [b, "b", addressB] as const]) {
    await inside(namespace, "ip", "address", "add", address, "dev", `${name}${end}`);
    await inside(namespace, "ip", "link", "set", `${name}${end}`, "mtu", "1600", "up");
  }
}

/** Client, live server and the far end of the mirror, which throws the copies away. */
async function build(folder: string): Promise<void> {
  for (const namespace of [client, live, far]) {
    await run(["ip", "netns", "add", namespace]);
    await inside(namespace, "ip", "link", "set", "lo", "up");
  }
  await cable("front", client, "10.88.0.1/24", live, "10.88.0.2/24");
  await cable("back", live, "10.89.0.1/24", far, "10.89.0.2/24");
  const tunnel = ["type", "vxlan", "id", "1", "remote", "10.89.0.2", "dstport", "4789", "dev", "backa", "nolearning"];
  await inside(live, "ip", "link", "add", "copies", ...tunnel);
  await inside(live, "ip", "link", "set", "copies", "up");
  // At the first place where it can be, because the far end is another machine's work wherever it counts.
  const hook = 'type filter hook ingress device "backb" priority -500; policy accept;';
  writeFileSync(join(folder, "sink.nft"), `table netdev sink { chain in { ${hook} udp dport 4789 drop; }; }\n`);
  await inside(far, "nft", "-f", join(folder, "sink.nft"));
  await inside(live, "ping", "-c1", "-w20", "10.89.0.2");
  await inside(client, "ping", "-c1", "-w20", "10.88.0.2");
}

function nginxFor(folder: string, name: string, servers: string): string {
  const text = `daemon off; worker_processes 1; pid ${folder}/${name}.pid; error_log ${folder}/${name}.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests ${requestsEach}; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder}; ${servers} }`;
  writeFileSync(join(folder, `${name}.conf`), text);
  return join(folder, `${name}.conf`);
}

const liveServers = (folder: string): string => `
upstream shadow { server 10.89.0.2:8080; keepalive 64; }
server { listen 8080; root ${folder}; }
server { listen 8081; root ${folder}; location / { mirror /copy; mirror_request_body off; }
  location = /copy { internal; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://shadow$request_uri; } }`;

async function setMirror(folder: string, variant: Variant): Promise<void> {
  await tryRun(["ip", "netns", "exec", live, "nft", "delete", "table", "netdev", mirrorTable("bench")]);
  if (!variant.endsWith("%")) return;
  const rules = mirrorRuleset(
    {
      network: "bench",
      production: "live",
      vni: 1,
      percent: parseInt(variant, 10),
      seed: 7,
      sampleBy: "flow",
      include: [],
      exclude: [],
      services: [{ addresses: ["10.88.0.2"], port: bare ? barePort : 8080, protocol: "tcp" }],
    },
    { boundaries: ["frontb"], tunnel: "copies" },
  );
  writeFileSync(join(folder, "mirror.nft"), rules);
  await inside(live, "nft", "-f", join(folder, "mirror.nft"));
}

/** Every round begins with another variant and goes the other way round than the one before. */
function orderOfRounds(): Variant[] {
  const turning = chosen.filter((variant) => variant !== "nginx mirror");
  return Array.from({ length: rounds }, (_, round) => {
    const from = round % turning.length;
    const order = [...turning.slice(from), ...turning.slice(0, from)];
    return round % 2 === 0 ? order : order.toReversed();
  }).flat();
}

interface Figures {
  p50: number;
  p99: number;
  perSecond?: number;
}

/** Round trips of two bare programs on one processor. */
async function measureBare(program: string): Promise<Figures> {
  const argv = [program, "ask", "10.88.0.2", `${barePort}`, `${bareRoundTrips}`, `${requestsEach}`];
  return JSON.parse(await inside(client, "taskset", "-c", "1", ...argv)) as Figures;
}

/** One connection tells the round trip, fifty the throughput. */
async function measure(folder: string, port: number): Promise<Figures> {
  const load = async (connections: number): Promise<Figures> => {
    const argv = ["taskset", "-c", "0", "wrk", "-t1", `-c${connections}`, "-d2", "-s", join(folder, "report.lua")];
    const text = await inside(client, ...argv, `http://10.88.0.2:${port}/page`);
    return JSON.parse(text.trimEnd().split("\n").at(-1)!) as Figures;
  };
  const { p50, p99 } = await load(1);
  return withThroughput ? { p50, p99, perSecond: (await load(50)).perSecond } : { p50, p99 };
}

function printMedians(variant: Variant, own: readonly Figures[], none: readonly Figures[]): void {
  const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
  const above = walshInterval(own.map(({ p50 }, round) => p50 - none[round]!.p50));
  const line = {
    variant,
    p50: rounded(median(own.map(({ p50 }) => p50)), 1),
    p50Above: rounded(above.shift, 2),
    interval: [rounded(above.low, 2), rounded(above.high, 2)],
    p99: Math.round(median(own.map(({ p99 }) => p99))),
  };
  const perSecond = own.flatMap((figures) => figures.perSecond ?? []);
  const ratios = perSecond.map((value, round) => value / none[round]!.perSecond!);
  const throughput = { perSecond: Math.round(median(perSecond)), throughput: rounded(median(ratios), 3) };
  console.log(JSON.stringify(withThroughput ? { ...line, ...throughput } : line));
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-live-path-"));
  const children: ChildProcess[] = [];
  const start = (namespace: string, ...argv: string[]): void => {
    children.push(spawn("ip", ["netns", "exec", namespace, "taskset", "-c", "1", ...argv], { stdio: "inherit" }));
  };
  const occupy = (processor: string): void => {
    const argv = ["--pdeathsig", "KILL", "chrt", "--idle", "0", "taskset", "-c", processor];
    children.push(spawn("setpriv", [...argv, "sh", "-c", "while :; do :; done"], { stdio: "inherit" }));
  };
  const nginx = (configuration: string): string[] => ["nginx", "-c", configuration, "-e", `${configuration}.log`];
  try {
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, "page"), "r".repeat(512));
    writeFileSync(join(folder, "report.lua"), report);
    await build(folder);
    const program = bare ? compile("roundTrips", folder) : "";
    if (bare) start(live, program, "serve", "10.88.0.2", `${barePort}`);
    else {
      start(live, ...nginx(nginxFor(folder, "live", liveServers(folder))));
      start(far, ...nginx(nginxFor(folder, "far", `server { listen 8080; root ${folder}; }`)));
    }
    if (awake) ["0", "1"].forEach(occupy);
    await new Promise((done) => setTimeout(done, 1_000));
    const figures = new Map<Variant, Figures[]>(chosen.map((variant) => [variant, []]));
    const last = chosen.filter((variant) => variant === "nginx mirror");
    for (const variant of [...orderOfRounds(), ...last.flatMap((each) => Array<Variant>(rounds).fill(each))]) {
      interruption.throwIfAborted();
      await setMirror(folder, variant);
      const port = variant === "nginx mirror" ? 8081 : 8080;
      figures.get(variant)!.push(await (bare ? measureBare(program) : measure(folder, port)));
    }
    for (const variant of chosen) printMedians(variant, figures.get(variant)!, figures.get("none")!);
  } finally {
    for (const child of children) await stopChild(child);
    for (const namespace of [client, live, far]) await tryRun(["ip", "netns", "delete", namespace]);
    rmSync(folder, { recursive: true, force: true });
  }
}

void runBench(main);
