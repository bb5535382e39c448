import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { type CommandResult, tryRun } from "../../components/internal/exec";
import { machineCgroups } from "../../components/lab/kernel/cgroups";
import { deleteNetwork, listNetworks } from "../../components/lab/kernel/network";
import { applianceNamespace, machineNamespace } from "../../components/lab/kernel/names";
import { listNamespaces, namespacePath } from "../../components/lab/kernel/namespaces";
import type { Topology } from "../../components/topology";

/** Gives a suite a state folder of its own, and removes every network made in it; without root it fails in CI. */
export function useOwnState(): void {
  let folder = "";
  const before = process.env.SHADOWNET_STATE;
  beforeEach(async function () {
    if (process.getuid?.() !== 0) {
      if (process.env.CI === "true") throw new Error("the lab's tests need root");
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), "shadownet-lab-"));
    process.env.SHADOWNET_STATE = folder;
  });
  afterEach(async () => {
    if (folder === "") return;
    for (const { network } of await listNetworks()) await deleteNetwork(network);
    await rm(folder, { recursive: true });
    if (before === undefined) delete process.env.SHADOWNET_STATE;
    else process.env.SHADOWNET_STATE = before;
  });
}

let made = 0;

/** A network name that no other test has. */
export function networkName(): string {
  return `t${process.pid}-${++made}`;
}

/** Runs a command in a machine's network. */
export function inMachine(network: string, machine: string, argv: string[]): Promise<CommandResult> {
  return tryRun(["nsenter", `--net=${namespacePath(machineNamespace(network, machine))}`, ...argv]);
}

/** Runs a command in the router's network. */
export function inRouter(network: string, argv: string[]): Promise<CommandResult> {
  return tryRun(["nsenter", `--net=${namespacePath(applianceNamespace(network, "router"))}`, ...argv]);
}

/** Whether a machine gets an answer to ICMP echo. */
export async function pings(network: string, machine: string, address: string): Promise<boolean> {
  return (await inMachine(network, machine, ["ping", "-c", "3", "-i", "0.3", "-W", "1", address])).code === 0;
}

/** What becomes of a TCP connection: it is answered, it is refused, or nothing comes back. */
export async function connects(
  network: string,
  machine: string,
  address: string,
  port: number,
): Promise<"answered" | "refused" | "silence"> {
  const script = `exec 3<>/dev/tcp/${address}/${port} && read -t 2 -r line <&3 && [ "$line" = hello ]`;
  const { code } = await inMachine(network, machine, ["timeout", "1.5", "bash", "-c", script]);
  return code === 0 ? "answered" : code === 124 ? "silence" : "refused";
}

/** A workload that says hello on a TCP port, IPv4 and IPv6. */
export function greeter(...ports: number[]): string[] {
  const script = `for (const port of ${JSON.stringify(ports)})
    require("node:net").createServer((s) => s.on("error", () => {}).end("hello\\n")).listen(port, "::")`;
  return ["node", "-e", script];
}

/** Waits for a condition; fails after 20 s. */
export async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await delay(50);
  }
}

/** What is left of a network on this host: namespaces, control groups, files. */
export async function leftovers(network: string): Promise<string[]> {
  const groups = Object.values(machineCgroups(network, ".")) as string[];
  const found = await Promise.all(
    [...groups, join(process.env.SHADOWNET_STATE!, "lab", network)].map(async (folder) =>
      (await readdir(folder).catch(() => undefined)) === undefined ? [] : [folder],
    ),
  );
  return [...(await listNamespaces(`${network}.`)), ...found.flat()];
}

/** A small production: clients outside, two tiers inside, IPv4 and IPv6, filtered. */
export function shop(): Topology {
  return {
    version: 1,
    name: "shop",
    networks: [
      {
        name: "shop",
        cidrs: ["10.41.0.0/16", "fd41::/48"],
        subnets: [
          { name: "front", cidr: "10.41.1.0/24", ipv6Cidr: "fd41:0:0:1::/64" },
          { name: "data", cidr: "10.41.2.0/24", ipv6Cidr: "fd41:0:0:2::/64", routeTable: "private", acl: "data" },
          { name: "outside", cidr: "198.51.100.0/24", ipv6Cidr: "2001:db8:41::/64", boundary: "internet" },
        ],
      },
    ],
    boundaries: [{ name: "internet", kind: "internet", cidrs: ["0.0.0.0/0", "::/0"] }],
    routeTables: [
      {
        name: "private",
        routes: [
          { destination: "192.0.2.0/24", via: "10.41.1.20" },
          { destination: "2001:db8:77::/64", via: "fd41:0:0:1::20" },
          { destination: "10.41.1.30/32", blackhole: true },
        ],
      },
    ],
    acls: [
      {
        name: "data",
        rules: [
          { number: 90, direction: "ingress", action: "deny", protocol: "tcp", ports: "7001" },
          { number: 100, direction: "ingress", action: "allow", protocol: "any", cidr: "10.41.0.0/16" },
          { number: 101, direction: "ingress", action: "allow", protocol: "any", cidr: "fd41::/48" },
          { number: 102, direction: "ingress", action: "allow", protocol: "icmp", cidr: "192.0.2.0/24" },
          { number: 103, direction: "ingress", action: "allow", protocol: "icmp", cidr: "2001:db8:77::/64" },
          { number: 100, direction: "egress", action: "allow", protocol: "any" },
        ],
      },
    ],
    securityGroups: [
      {
        name: "web",
        rules: [
          { direction: "ingress", protocol: "tcp", ports: "8000-8001" },
          { direction: "ingress", protocol: "icmp", cidrs: ["10.41.0.0/16", "fd41::/48"] },
          { direction: "egress", protocol: "any" },
        ],
      },
      {
        name: "data",
        rules: [
          { direction: "ingress", protocol: "tcp", ports: "7000-7001", securityGroups: ["web"] },
          { direction: "egress", protocol: "icmp" },
        ],
      },
    ],
    dnsZones: [{ name: "shop", records: [{ name: "db.shop", type: "A", values: ["10.41.2.10"] }] }],
    machines: [
      {
        name: "web-1",
        role: "web",
        size: { cpus: 0.5, memoryMegabytes: 256 },
        workload: { command: greeter(8000, 9000), environment: { GREETING: "it's a b=c" } },
        interfaces: [
          { name: "eth0", subnet: "front", addresses: ["10.41.1.10", "fd41:0:0:1::10"], securityGroups: ["web"] },
        ],
      },
      {
        name: "data-1",
        workload: { command: greeter(7000, 7001, 7002), workingDirectory: "/tmp" },
        interfaces: [
          { name: "eth0", subnet: "data", addresses: ["10.41.2.10", "fd41:0:0:2::10"], securityGroups: ["data"] },
        ],
      },
      {
        name: "bare-1",
        forwarding: true,
        interfaces: [{ name: "eth0", subnet: "front", addresses: ["10.41.1.20", "10.41.1.30", "fd41:0:0:1::20"] }],
      },
      {
        name: "client-1",
        workload: { command: ["sleep", "3600"] },
        interfaces: [{ name: "eth0", subnet: "outside", addresses: ["198.51.100.7", "2001:db8:41::7"] }],
      },
    ],
  };
}
