import type { ChildProcess } from "node:child_process";

import { tryRun } from "../../components/internal/exec";
import { writeAtomically } from "../../components/internal/files";
import { createGateway, deleteGateway } from "../../components/lab/kernel/gateway";
import { gatewayPid } from "../../components/lab/kernel/gatewayProcess";
import { createMirror, deleteMirror } from "../../components/lab/kernel/mirror";
import { mirrorVni } from "../../components/lab/kernel/names";
import { shadowRecordFile } from "../../components/lab/shadowRecord";
import type { Topology } from "../../components/topology";
import { buildPair, inside, pairTopology, privateState, startIn, uniqueName } from "./labPair";

/** A production under traffic and its shadow behind mirror and gateway, made by the kernel library alone. */
export interface LiveLab {
  production: string;
  shadow: string;
  /** The shadow's own service. */
  shadowService: ChildProcess;
  clients: ChildProcess;
  /** Removes all of it. */
  close: () => Promise<void>;
}

/** A service that takes about 15 ms, with a slow swell that live and shadow share, and one answer in twenty slower. */
const server = `
require("node:http").createServer((request, response) => {
  const swell = 2 * Math.sin(Date.now() / 1000 / 60 * 2 * Math.PI);
  const slow = Math.random() < 0.05 ? 15 : 0;
  setTimeout(() => response.end("hello " + request.url), 12 + swell + 4 * Math.random() + slow);
}).listen({ port: 80, host: "::", ipv6Only: false }, () => console.log("ready"));`;

/** Clients that come at random, `rate` a second, each with a connection of its own; what fails is not repeated. */
function clientsAt(rate: number): string {
  return `
const http = require("node:http");
const ask = () => {
  http.get({ host: "10.90.1.11", path: "/item", agent: false, timeout: 5000 }, (answer) => answer.resume()).on("error", () => {});
  setTimeout(ask, -Math.log(1 - Math.random()) * 1000 / ${rate});
};
ask();
console.log("ready");`;
}

/**
 * Real-time priority for all threads of a process, where it can be had: what is measured is the fault, not what else runs on
 * the test's host. All of them only ever wait for packets and timers, so they take nobody's processor.
 */
async function inTime(pid: number): Promise<void> {
  await tryRun(["chrt", "--all-tasks", "--rr", "--pid", "1", String(pid)]);
}

const topology: Topology = {
  ...pairTopology,
  machines: pairTopology.machines.map((machine) => (machine.name === "web-1" ? { ...machine, role: "web" } : machine)),
};

/** Builds the pair, starts service and clients, and lets the mirror copy everything. */
export async function openLiveLab(prefix: string, rate = 30): Promise<LiveLab> {
  const [production, shadow] = [uniqueName(`${prefix}p`), uniqueName(`${prefix}s`)];
  const undo: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  const traffic = {
    network: shadow,
    vni: mirrorVni(shadow),
    percent: 100,
    seed: 1,
    sampleBy: "flow" as const,
    include: [],
    exclude: [],
  };
  const program = async (network: string, machine: "web-1" | "client-1", text: string): Promise<ChildProcess> => {
    const child = await startIn(inside(network, machine), text);
    undo.push(() => Promise.resolve(child.kill("SIGKILL")));
    await inTime(child.pid!);
    return child;
  };
  try {
    undo.push(await privateState());
    undo.push(await buildPair(production, "production", topology));
    undo.push(await buildPair(shadow, "shadow", topology));
    undo.push(() => deleteGateway(shadow));
    await createGateway({ ...traffic, shadowCidrs: ["10.90.1.0/24", "fd00:90:0:1::/64"], responseTimeoutSeconds: 5 });
    await inTime((await gatewayPid(shadow))!);
    undo.push(() => deleteMirror(shadow));
    const addresses = ["10.90.1.11", "fd00:90:0:1::11"];
    await createMirror({ ...traffic, production, services: [{ addresses, port: 80, protocol: "tcp" }] });
    const machines = topology.machines.filter(({ name }) => name === "web-1");
    const record = { topology: { ...topology, machines }, fidelity: [], production };
    await writeAtomically(shadowRecordFile(shadow), JSON.stringify(record));
    await program(production, "web-1", server);
    const shadowService = await program(shadow, "web-1", server);
    const crowd = await program(production, "client-1", clientsAt(rate));
    return { production, shadow, shadowService, clients: crowd, close };
  } catch (error) {
    await close();
    throw error;
  }
}
