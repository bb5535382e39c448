import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { Experiment } from "../../components/experiment";
import { type CommandResult, tryRun } from "../../components/internal/exec";
import { openLabDriver } from "../../components/lab/driver";
import { machineCgroups } from "../../components/lab/kernel/cgroups";
import { createGateway, deleteGateway, updateGateway } from "../../components/lab/kernel/gateway";
import { createMirror, deleteMirror } from "../../components/lab/kernel/mirror";
import { applianceNamespace, mirrorVni, networkFolder } from "../../components/lab/kernel/names";
import { killNow, listNamespaces, processesIn } from "../../components/lab/kernel/namespaces";
import type { LabGatewaySpec, LabMirrorSpec } from "../../components/lab/kernel/specs";
import { shadowRecordFile } from "../../components/lab/shadowRecord";
import { relayNamespaces } from "../../components/runtime/faults/relayPlan";
import type { Driver } from "../../components/runtime/runner/driver";
import { runningController } from "../../components/runtime/console/controllerFile";
import type { Journal } from "../../components/runtime/runner/journal";
import type { Topology } from "../../components/topology";
import { buildPair, privateState, uniqueName } from "./labPair";

const launcher = resolve(__dirname, "../../tools/bin/shadownet.mjs");
const services = ["10.90.1.11", "fd00:90:0:1::11"];

/** Two machines behind a client outside, over IPv4 and IPv6; the client asks twenty times a second. */
export function drillTopology(dataFolder: string): Topology {
  const node = (...args: string[]): string[] => ["node", "/srv/app.cjs", ...args];
  const server = { workload: { command: node("serve") }, lab: { dataFolder } };
  return {
    version: 1,
    name: "drill",
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
        size: { cpus: 0.5, memoryMegabytes: 256 },
        ...server,
        interfaces: [{ name: "eth0", subnet: "front", addresses: services }],
      },
      {
        name: "web-2",
        ...server,
        lab: { dataFolder, diskMegabytes: 32 },
        interfaces: [{ name: "eth0", subnet: "front", addresses: ["10.90.1.12", "fd00:90:0:1::12"] }],
      },
      {
        name: "client-1",
        workload: { command: node("ask", ...services) },
        lab: { dataFolder },
        interfaces: [{ name: "eth0", subnet: "outside", addresses: ["198.18.0.11", "2001:db8:90::11"] }],
      },
    ],
    services: [{ name: "web", protocol: "tcp", port: 80, machines: ["web-1"], edge: true }],
    boundaries: [{ name: "internet", kind: "internet", cidrs: ["0.0.0.0/0", "::/0"] }],
  };
}

/** A production under traffic and its shadow behind a mirror, all real, in a state folder of its own. */
export class DrillBed {
  private constructor(
    readonly production: string,
    readonly shadow: string,
    readonly folder: string,
    private readonly gateway: LabGatewaySpec,
    private readonly cleanUps: (() => Promise<unknown>)[],
  ) {}

  static async make(prefix: string): Promise<DrillBed> {
    const [production, shadow] = [uniqueName(`${prefix}p`), uniqueName(`${prefix}s`)];
    const cleanUps = [await privateState()];
    const folder = await mkdtemp(join(tmpdir(), "shadownet-drill-"));
    cleanUps.push(() => rm(folder, { recursive: true }));
    const traffic = { vni: mirrorVni(shadow), percent: 100, seed: 1, sampleBy: "flow" as const };
    const common = { network: shadow, ...traffic, include: [], exclude: [] };
    const shadowCidrs = ["10.90.1.0/24", "fd00:90:0:1::/64"];
    const bed = new DrillBed(
      production,
      shadow,
      folder,
      { ...common, shadowCidrs, responseTimeoutSeconds: 2 },
      cleanUps,
    );
    try {
      await bed.build({ ...common, production, services: [{ addresses: services, port: 80, protocol: "tcp" }] });
    } catch (error) {
      await bed.close();
      throw error;
    }
    return bed;
  }

  private async build(mirror: LabMirrorSpec): Promise<void> {
    const data = join(this.folder, "data");
    await mkdir(data);
    await copyFile(join(__dirname, "drillWorkload.cjs"), join(data, "app.cjs"));
    const topology = drillTopology(data);
    this.cleanUps.push(await buildPair(this.production, "production", topology));
    this.cleanUps.push(await buildPair(this.shadow, "shadow", topology));
    this.cleanUps.push(() => deleteGateway(this.shadow));
    await createGateway(this.gateway);
    this.cleanUps.push(() => deleteMirror(this.shadow));
    await createMirror(mirror);
    const inside = topology.machines.filter(({ name }) => name !== "client-1");
    const record = { topology: { ...topology, machines: inside }, fidelity: [], production: this.production };
    await writeFile(shadowRecordFile(this.shadow), JSON.stringify(record));
  }

  async close(): Promise<void> {
    for (const cleanUp of this.cleanUps.splice(0).reverse()) await cleanUp();
  }

  driver(): Promise<Driver> {
    return openLabDriver(this.shadow);
  }

  /** Starts the gateway again when it was killed, as `shadownet up` does. */
  reviveGateway(): Promise<void> {
    return updateGateway(this.gateway);
  }

  /** Folder of a fault that the driver has started. */
  faultFolder(id: string): string {
    return join(networkFolder(this.shadow), "faults", id);
  }

  /** Starts `shadownet run` with an experiment from a file, in a process group of its own. */
  async start(name: string, experiment: Experiment, ...options: string[]): Promise<DrillRun> {
    const runs = join(this.folder, "runs", name);
    return this.startRun(name, experiment, runs, ["--runs", runs, "--json", ...options]);
  }

  /** Starts `shadownet serve`, and `shadownet run` as its client: the controller is the runner. */
  async startAtController(name: string, experiment: Experiment, ...options: string[]): Promise<DrillRun> {
    const runs = join(this.folder, "runs", name);
    const serve = ["serve", "--address", "127.0.0.1:0", "--network", this.shadow, "--runs", runs];
    const controller = spawn(process.execPath, [launcher, ...serve], { detached: true, stdio: "ignore" });
    const state = process.env.SHADOWNET_STATE!;
    const deadline = Date.now() + 60_000;
    while ((await runningController(state)) === undefined) {
      if (controller.exitCode !== null || Date.now() > deadline) throw new Error("the controller did not start");
      await delay(50);
    }
    return this.startRun(name, experiment, runs, ["--json", ...options], controller);
  }

  private startRun(
    name: string,
    experiment: Experiment,
    runs: string,
    options: string[],
    controller?: ChildProcess,
  ): Promise<DrillRun> {
    return startRun({ network: this.shadow, name, experiment, folder: this.folder, runs, controller }, options);
  }

  /** Runs the command line tool to its end. */
  shadownet(...args: string[]): Promise<CommandResult> {
    return tryRun([process.execPath, launcher, ...args], { timeoutMilliseconds: 120_000 });
  }

  /**
   * All that the kernel has of the shadow, every process that belongs to it, and the namespaces of the relays of faults,
   * as text that can be compared. The gateway's process is left out where it was killed on purpose.
   */
  async dump(withGateway = true): Promise<string> {
    const namespaces = await listNamespaces(`${this.shadow}.`);
    const processes = await this.dumpProcesses(namespaces);
    const groups = Object.values(machineCgroups(this.shadow, ".")) as string[];
    const parts = await Promise.all([
      ...namespaces.map((namespace) => dumpNamespace(namespace)),
      ...[...new Set(groups)].map((group) => dumpGroup(group)),
    ]);
    const relays = [...(await this.relays()), ...(await claims())];
    const shown = processes.filter((line) => withGateway || !line.includes("/gateway/main.js"));
    return [...shown, ...relays, ...parts].join("\n");
  }

  private async relays(): Promise<string[]> {
    const faults = await readdir(this.faultFolder("")).catch(() => [] as string[]);
    const place = applianceNamespace(this.shadow, "switch");
    const own = new Set(faults.flatMap((id) => Object.values(relayNamespaces(place, id))));
    return (await readdir("/run/netns")).filter((name) => own.has(name));
  }

  private async dumpProcesses(namespaces: string[]): Promise<string[]> {
    const inside = new Set((await processesIn(namespaces)).map(String));
    const state = process.env.SHADOWNET_STATE!;
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(
      pids.map(async (pid) => {
        const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
        const line = text.replaceAll("\0", " ");
        return line !== "" && (inside.has(pid) || line.includes(state)) ? `process ${line}` : "";
      }),
    );
    return lines.filter((line) => line !== "" && !line.includes(this.production)).sort();
  }
}

/** Limits that faults share; nothing of this shadow's may be left of them. */
async function claims(): Promise<string[]> {
  const names = await readdir("/run/shadownet/claims").catch(() => [] as string[]);
  return names.filter((name) => name !== "lock").map((name) => `claim ${name}`);
}

/** What {@link startRun} starts. */
export interface RunStart {
  /** The shadow. */
  network: string;
  name: string;
  experiment: Experiment;
  /** Where the experiment's file is put. */
  folder: string;
  /** Where the run's journal will be. */
  runs: string;
  /** The process that carries the run out, where that is not the one that is started. */
  controller?: ChildProcess;
}

/** Starts `shadownet run` with an experiment from a file, in a process group of its own. */
export async function startRun(start: RunStart, options: string[]): Promise<DrillRun> {
  const file = join(start.folder, `${start.name}.json`);
  await writeFile(file, JSON.stringify(start.experiment));
  const args = ["run", "--network", start.network, "--file", file, ...options];
  const child = spawn(process.execPath, [launcher, ...args], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  return new DrillRun(child, start.runs, start.controller);
}

/** A run in a process of its own. */
export class DrillRun {
  readonly ended: Promise<number | undefined>;
  private output = "";
  private errors = "";

  constructor(
    readonly child: ChildProcess,
    private readonly runs: string,
    private readonly controller?: ChildProcess,
  ) {
    child.stdout!.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    this.ended = once(child, "close").then(([code]) => (code as number | null) ?? undefined);
  }

  /** What it printed as its result. */
  get printed(): string {
    return this.output;
  }

  /** What it said while it ran. */
  get said(): string {
    return (this.errors + this.output).slice(0, 4000);
  }

  /** The journal as it is on disk now; undefined before the first. */
  async journal(): Promise<Journal | undefined> {
    const [folder] = await readdir(this.runs).catch(() => [] as string[]);
    if (folder === undefined) return undefined;
    const text = await readFile(join(this.runs, folder, "journal.json"), "utf8").catch(() => "");
    return text === "" ? undefined : (JSON.parse(text) as Journal);
  }

  /** Waits until the journal tells of so many events of this kind; fails when the run ends before. */
  async event(kind: string, count = 1): Promise<Journal> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const journal = await this.journal();
      if (journal !== undefined && journal.events.filter((event) => event.kind === kind).length >= count)
        return journal;
      if (this.child.exitCode !== null || Date.now() > deadline) {
        const events = journal?.events.map((event) => `${event.kind}: ${event.message}`).join("\n") ?? "no journal";
        throw new Error(`the run never came to ${kind}: ${this.said}\n${events}`);
      }
      await delay(20);
    }
  }

  /** Ends the runner at once, and what it has started too when `whole` is true. */
  async kill(whole: boolean): Promise<void> {
    const runner = (await this.journal())?.process?.pid;
    const groups = [this.child, ...(this.controller === undefined ? [] : [this.controller])].map(({ pid }) => -pid!);
    for (const pid of whole ? groups : runner === undefined ? [] : [runner]) killNow(pid);
  }
}

/** Lines that only one of two dumps has, or has more often. */
export function difference(before: string, now: string): string[] {
  const counts = new Map<string, number>();
  for (const line of now.split("\n")) counts.set(line, (counts.get(line) ?? 0) + 1);
  for (const line of before.split("\n")) counts.set(line, (counts.get(line) ?? 0) - 1);
  return [...counts].filter(([, count]) => count !== 0).map(([line, count]) => `${count > 0 ? "+" : "-"} ${line}`);
}

const readers = [
  "ip -d -o link",
  "ip -o addr",
  "ip -4 route show table all",
  "ip -6 route show table all",
  "ip -4 rule",
  "ip -6 rule",
  "ip neigh show nud permanent",
  "bridge fdb show state permanent",
  "tc qdisc show",
  "nft list ruleset",
  "for dev in /sys/class/net/*; do echo $dev; ethtool -k ${dev##*/}; tc filter show dev ${dev##*/} ingress; done",
  "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding",
];

/** What measures must not wait for what is measured. */
const goesFirst = ["chrt", "--rr", "1"];

/** Without what changes by itself: counters, ages, and the sockets' own elements of sets. */
async function dumpNamespace(namespace: string): Promise<string> {
  const script = readers.map((reader) => `echo '# ${reader.split(";")[0]!}'; ${reader} 2>&1`).join("\n");
  const { stdout } = await tryRun([...goesFirst, "ip", "netns", "exec", namespace, "sh", "-c", script]);
  const stable = stdout
    .replaceAll(
      /\s(expires|packets|bytes|root_id|root_path_cost|hello_timer|tcn_timer|topology_change_timer|gc_timer|timer) *[\d.]+\w*/g,
      "",
    )
    .replaceAll(/ promiscuity \d+ allmulti \d+/g, "");
  return `## ${namespace}\n${stable}`;
}

const groupFiles = [
  ...["cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.limit_in_bytes", "freezer.state", "pids.max"],
  ...["blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"],
  ...["cpu.max", "memory.max", "cgroup.freeze", "io.max"],
];

async function dumpGroup(folder: string): Promise<string> {
  const names = groupFiles.map((name) => `-name ${name}`).join(" -o ");
  const script = `find ${folder} -type d | sort; find ${folder} -type f \\( ${names} \\) | sort | xargs grep -H ''`;
  return (await tryRun([...goesFirst, "sh", "-c", script])).stdout;
}
