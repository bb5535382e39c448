import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { gatewayFiles } from "../../components/lab/kernel/gatewayProcess";
import { createMachine } from "../../components/lab/kernel/machine";
import { machineNamespace } from "../../components/lab/kernel/names";
import { namespacePath } from "../../components/lab/kernel/namespaces";
import { createNetwork, deleteNetwork } from "../../components/lab/kernel/network";
import { createSubnet } from "../../components/lab/kernel/subnet";
import { planNetwork } from "../../components/lab/plan";
import type { Topology } from "../../components/topology";

/** A client outside, a router, and a web machine inside, over IPv4 and IPv6. */
export const pairTopology: Topology = {
  version: 1,
  name: "pair",
  networks: [
    {
      name: "net",
      cidrs: ["10.90.0.0/16", "fd00:90::/48", "198.18.0.0/24", "2001:db8:90::/64"],
      subnets: [
        { name: "front", cidr: "10.90.1.0/24", ipv6Cidr: "fd00:90:0:1::/64" },
        { name: "outside", cidr: "198.18.0.0/24", ipv6Cidr: "2001:db8:90::/64", boundary: "internet" },
      ],
    },
  ],
  machines: [
    {
      name: "web-1",
      interfaces: [{ name: "eth0", subnet: "front", addresses: ["10.90.1.11", "fd00:90:0:1::11"] }],
    },
    {
      name: "client-1",
      interfaces: [{ name: "eth0", subnet: "outside", addresses: ["198.18.0.11", "2001:db8:90::11"] }],
    },
  ],
  services: [{ name: "web", protocol: "tcp", port: 80, machines: ["web-1"], edge: true }],
  boundaries: [{ name: "internet", kind: "internet", cidrs: ["0.0.0.0/0", "::/0"] }],
};

/** Test runs in process namespaces of their own have equal process ids and share the control groups. */
const mark = randomBytes(1).toString("hex");

/** A network name that no other test uses. */
export function uniqueName(prefix: string): string {
  return `t${process.pid}${mark}-${prefix}`;
}

/** Gives this process a state folder of its own; call the returned function at the end. */
export async function privateState(): Promise<() => Promise<void>> {
  const before = process.env.SHADOWNET_STATE;
  const folder = await mkdtemp(join(tmpdir(), "shadownet-lab-"));
  process.env.SHADOWNET_STATE = folder;
  return async () => {
    if (before === undefined) delete process.env.SHADOWNET_STATE;
    else process.env.SHADOWNET_STATE = before;
    await rm(folder, { recursive: true, force: true });
  };
}

/** Builds the pair as production or as its shadow; the returned function removes it. */
export async function buildPair(
  network: string,
  role: "production" | "shadow",
  topology: Topology = pairTopology,
): Promise<() => Promise<void>> {
  const plan = planNetwork(topology, network, role);
  await createNetwork(plan.network);
  for (const subnet of plan.subnets) await createSubnet(subnet);
  for (const machine of plan.machines) await createMachine(machine);
  return () => deleteNetwork(network);
}

/** Starts a Node program in a namespace; it prints a line when it is ready. End it by {@link ChildProcess.kill}. */
export async function startIn(namespace: string, program: string): Promise<ChildProcess> {
  const argv = [`--net=${namespacePath(namespace)}`, process.execPath, "-e", program];
  const child = spawn("nsenter", argv, { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the program in ${namespace} ended with code ${code ?? "none"}`)));
  });
  return child;
}

/** Namespace of a machine of the pair. */
export function inside(network: string, machine: "web-1" | "client-1"): string {
  return machineNamespace(network, machine);
}

/** Lets a shadow's gateway take traffic in. */
export function openIntake(network: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: gatewayFiles(network).control, path: "/intake", method: "PUT" }, (response) => {
      response.resume().on("end", () => resolve());
    });
    call.on("error", reject).end('{"open":true}');
  });
}
