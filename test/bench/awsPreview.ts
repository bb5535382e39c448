import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Machine, Topology } from "../../components/topology";
import { makeAwsProject } from "../support/awsEngine";
import { threeZoneAws } from "../support/awsTopologies";

/**
 * What a preview of a shadow of many machines costs beside a plain program that registers the very same resources with
 * the same inputs: time and the program's memory, taken in turns in one run, with the stand-in for the aws provider.
 */
const size = Number(process.env.BENCH_MACHINES ?? "200");
const rounds = Number(process.env.BENCH_ROUNDS ?? "3");

const memory = `
process.on("exit", () => require("node:fs").writeFileSync(__dirname + "/memory", String(process.resourceUsage().maxRSS)));`;

const own = `${memory}
const { AwsShadowEnvironment } = require("shadownet/aws");
const topology = JSON.parse(require("node:fs").readFileSync(__dirname + "/topology.json", "utf8"));
const experiments = { slow: {
  actions: { delay: { fault: "latency", target: { machine: topology.machines[0].name }, delayMilliseconds: 100, durationSeconds: 120 } },
  analysis: { stepSeconds: 10 },
} };
new AwsShadowEnvironment("bench", { topology, mirror: { percent: 10 }, experiments, monitor: {} });
`;

/** Resources one after the other by the provider's classes, each with the inputs that it has in the other preview. */
const plain = `${memory}
const resources = JSON.parse(require("node:fs").readFileSync(__dirname + "/resources.json", "utf8"));
for (const { type, name, inputs } of resources) {
  const [, service, kind] = /^aws:([^/]+)\\/[^:]+:(.+)$/.exec(type);
  new (require("@pulumi/aws/" + service)[kind])(name, inputs);
}
`;

/** A step of `pulumi preview --json`; what is not known yet stands in the inputs as a text. */
interface PlannedStep {
  newState?: { type: string; urn: string; inputs: Record<string, unknown> };
}

async function main(): Promise<void> {
  const topology = enlarged(threeZoneAws, size);
  const shadow = await makeAwsProject({ program: own, files: { "topology.json": JSON.stringify(topology) } });
  try {
    const { stdout, stderr } = await shadow.pulumi(["preview", "--json", "--stack", "dev"]);
    if (!stdout.includes('"steps"')) throw new Error(stdout + stderr);
    const { steps } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { steps: PlannedStep[] };
    const resources = steps.flatMap(({ newState }) =>
      newState?.type.startsWith("aws:") === true
        ? [{ type: newState.type, name: newState.urn.split("::").at(-1), inputs: newState.inputs }]
        : [],
    );
    const peer = await makeAwsProject({ program: plain, files: { "resources.json": JSON.stringify(resources) } });
    try {
      const times = { own: [] as number[], peer: [] as number[] };
      for (let round = 0; round < rounds; round++) {
        times.own.push(await timed(() => shadow.preview()));
        times.peer.push(await timed(() => peer.preview()));
      }
      const [a, b] = [median(times.own), median(times.peer)];
      const memories = await Promise.all([shadow, peer].map(({ folder }) => readFile(join(folder, "memory"), "utf8")));
      const [ownMemory, peerMemory] = memories.map((text) => Number(text) / 1024) as [number, number];
      console.log(
        `${topology.machines.length} machines, ${resources.length} resources, medians of ${rounds} previews in turns`,
      );
      console.log("| program | preview, s | memory of the program, MB |\n| --- | --- | --- |");
      console.log(`| AwsShadowEnvironment | ${a.toFixed(2)} | ${ownMemory.toFixed(0)} |`);
      console.log(`| the same resources, plain | ${b.toFixed(2)} | ${peerMemory.toFixed(0)} |`);
      console.log(`| ratio | ${(a / b).toFixed(2)} | ${(ownMemory / peerMemory).toFixed(2)} |`);
    } finally {
      await peer.dispose();
    }
  } finally {
    await shadow.dispose();
  }
}

async function timed(work: () => Promise<{ code: number; stdout: string; stderr: string }>): Promise<number> {
  const started = performance.now();
  const { code, stdout, stderr } = await work();
  if (code !== 0) throw new Error(`the engine failed: ${stderr || stdout}`);
  return (performance.now() - started) / 1000;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** The topology with copies of its machines at further addresses of their subnets, until there are enough. */
function enlarged(topology: Topology, machines: number): Topology {
  const copies: Machine[] = [];
  for (let copy = 1; topology.machines.length + copies.length < machines; copy++) {
    for (const machine of topology.machines) {
      if (topology.machines.length + copies.length >= machines) break;
      if (machine.interfaces.length !== 1) continue;
      copies.push(copyOf(machine, copy));
    }
  }
  return { ...topology, machines: [...topology.machines, ...copies] };
}

function copyOf(machine: Machine, copy: number): Machine {
  const [card] = machine.interfaces;
  const parts = card!.addresses[0]!.split(".");
  const last = Number(parts[3]) + 50 * copy;
  const address = [
    ...parts.slice(0, 2),
    String(Number(parts[2]) + Math.floor(last / 250)),
    String((last % 250) + 4),
  ].join(".");
  const rest = Object.fromEntries(Object.entries(card!).filter(([key]) => key !== "mac")) as typeof card & object;
  return {
    ...machine,
    name: `${machine.name}-copy-${copy}`,
    interfaces: [
      { ...rest, addresses: [address], aws: { ...card!.aws!, id: `${card!.aws!.id.slice(0, -2)}${copy}f` } },
    ],
    aws: { ...machine.aws!, id: `${machine.aws!.id.slice(0, -2)}${copy}e` },
  };
}

void main();
