import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Topology } from "../../components/topology";
import { makeEngineProject, repository } from "../support/engine";

/**
 * How long `pulumi up` needs for a bare lab network of N machines, beside an empty `pulumi up` and beside Mininet with
 * Linux bridges for the same star. Everything is measured in one run; read the ratios.
 */
const sizes = (process.env.BENCH_SIZES ?? "10,24,50,100,200").split(",").map(Number);
const rounds = Number(process.env.BENCH_ROUNDS ?? "3");

async function main(): Promise<void> {
  const state = await mkdtemp(join(tmpdir(), "shadownet-bench-"));
  try {
    const empty = await median(() => timeUp("", {}, state));
    console.log("| machines | pulumi up, s | above an empty up, s | destroy, s | Mininet start, s | stop, s |");
    console.log("|---|---|---|---|---|---|");
    console.log(`| 0 (empty) | ${show(empty.up)} | 0.00 | ${show(empty.down)} | – | – |`);
    for (const size of sizes) {
      const own = await median(() => timeUp(program, { "topology.json": JSON.stringify(star(size)) }, state));
      const peer = await median(() => timeMininet(size)).catch(() => undefined);
      const peerCells = peer === undefined ? "not installed | –" : `${show(peer.up)} | ${show(peer.down)}`;
      console.log(`| ${size} | ${show(own.up)} | ${show(own.up - empty.up)} | ${show(own.down)} | ${peerCells} |`);
    }
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}

interface Times {
  up: number;
  down: number;
}

const program = `
const { LabShadowNetwork } = require("shadownet/lab");
const topology = JSON.parse(require("node:fs").readFileSync(__dirname + "/topology.json", "utf8"));
new LabShadowNetwork("bench", { topology });
`;

async function timeUp(text: string, files: Record<string, string>, state: string): Promise<Times> {
  const providers = [{ name: "shadownetlab", path: join(repository, "components", "lab", "provider", "bin") }];
  const environment = { SHADOWNET_STATE: state };
  const project = await makeEngineProject({ program: text, files, providers, environment, name: "bench" });
  try {
    const up = await timed(() => project.up("--skip-preview"));
    const down = await timed(() => project.destroy("--skip-preview"));
    return { up, down };
  } finally {
    await project.dispose();
  }
}

async function timed(work: () => Promise<{ code: number; stderr: string; stdout: string }>): Promise<number> {
  const started = performance.now();
  const { code, stdout, stderr } = await work();
  if (code !== 0) throw new Error(`the engine failed: ${stderr || stdout}`);
  return (performance.now() - started) / 1000;
}

/** Mininet puts bridges where it is started, so it gets a network namespace of its own. */
async function timeMininet(size: number): Promise<Times> {
  const script = join(repository, "test", "bench", "mininetStar.py");
  const inside = `ip link set lo up && /usr/bin/python3 ${script} ${size}`;
  const { stdout } = await promisify(execFile)("unshare", ["-n", "-m", "--propagation", "private", "sh", "-c", inside]);
  return JSON.parse(stdout) as Times;
}

async function median(measure: () => Promise<Times>): Promise<Times> {
  const all: Times[] = [];
  for (let round = 0; round < rounds; round++) all.push(await measure());
  const middle = (key: keyof Times): number => all.map((times) => times[key]).sort((a, b) => a - b)[rounds >> 1]!;
  return { up: middle("up"), down: middle("down") };
}

function star(machines: number): Topology {
  const addressOf = (index: number): string => `10.77.${index >> 8}.${index & 255}`;
  return {
    version: 1,
    name: "star",
    networks: [{ name: "star", cidrs: ["10.77.0.0/16"], subnets: [{ name: "all", cidr: "10.77.0.0/16" }] }],
    machines: Array.from({ length: machines }, (_, index) => ({
      name: `m-${index + 1}`,
      interfaces: [{ name: "eth0", subnet: "all", addresses: [addressOf(index + 10)] }],
    })),
  };
}

function show(seconds: number): string {
  return seconds.toFixed(2);
}

void main();
