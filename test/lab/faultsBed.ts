import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { run, tryRun } from "../../components/internal/exec";
import { probeCapabilities } from "../../components/runtime/faults/capabilities";
import { compile } from "../../components/runtime/faults/compile";
import { interpretEffect } from "../../components/runtime/faults/effect";
import type {
  Capabilities,
  Fault,
  FaultEffect,
  FaultPlan,
  ResolvedLink,
  ResolvedTarget,
} from "../../components/runtime/faults/plan";
import { renderScript } from "../../components/runtime/faults/script";

export type Family = 4 | 6;

/** Test runs in process namespaces of their own have equal process ids and share the control groups. */
const mark = randomBytes(1).toString("hex");
let beds = 0;
const traffic = join(__dirname, "faultsTraffic.cjs");

/** Two machines on a switch, in namespaces of this test alone. */
export class FaultBed {
  private readonly children = new Set<ChildProcess>();
  readonly faults: RunningFault[] = [];
  readonly addresses = { a: { 4: "10.9.0.1", 6: "fd09::1" }, b: { 4: "10.9.0.2", 6: "fd09::2" } } as const;

  private constructor(
    readonly name: string,
    readonly folder: string,
    readonly capabilities: Capabilities,
    /** What goes before the programs that send and count. */
    private readonly priority: string[],
  ) {}

  /** With `goesFirst` the programs that send and count go before ordinary ones, so that the host's load is not measured. */
  static async make({ goesFirst = false } = {}): Promise<FaultBed> {
    const name = `t${process.pid}${mark}${(beds++).toString(36)}`;
    const folder = await mkdtemp(join(tmpdir(), "shadownet-faults-"));
    const program = join(__dirname, "../../components/runtime/faults/relay/main.ts");
    const relay = [process.execPath, "--import", require.resolve("tsx"), program];
    const bed = new FaultBed(
      name,
      folder,
      { ...(await probeCapabilities()), relay },
      goesFirst ? ["chrt", "--rr", "1"] : [],
    );
    await bed.build();
    return bed;
  }

  namespace(of: "a" | "b" | "s"): string {
    return `${this.name}${of}`;
  }

  private async build(): Promise<void> {
    const lines: string[] = [];
    for (const of of ["a", "b", "s"] as const) lines.push(`ip netns add ${this.namespace(of)}`);
    const bridge = this.namespace("s");
    lines.push(
      `ip -n ${bridge} link add br0 type bridge mcast_snooping 0`,
      `ip -n ${bridge} link set br0 addrgenmode none up`,
    );
    for (const of of ["a", "b"] as const) {
      const own = this.namespace(of);
      lines.push(
        `ip -n ${own} link set lo up`,
        `ip -n ${own} link add eth0 type veth peer name p${of} netns ${bridge}`,
        `ip -n ${bridge} link set p${of} addrgenmode none master br0 up`,
        `ip -n ${own} link set eth0 addrgenmode none up`,
        `ip -n ${own} addr add ${this.addresses[of][4]}/24 dev eth0`,
        `ip -n ${own} addr add ${this.addresses[of][6]}/64 dev eth0 nodad`,
      );
    }
    await run(["sh", "-ec", lines.join("\n")]);
    for (const family of [4, 6] as const)
      await run(["ip", "netns", "exec", this.namespace("a"), "ping", "-c", "1", "-W", "5", this.addresses.b[family]]);
  }

  /** Machine b's link, seen from its port on the switch. */
  link(side: ResolvedLink["side"] = "network"): ResolvedLink {
    const outside = { device: "pb", namespace: this.namespace("s") };
    const inside = { device: "eth0", namespace: this.namespace("b") };
    const addresses = Object.values(this.addresses.b);
    return side === "network"
      ? { name: "b/eth0", side, ...outside, addresses, peer: inside }
      : { name: "b/eth0", side, ...inside, addresses };
  }

  target(part: Partial<ResolvedTarget> = {}): ResolvedTarget {
    const kind = part.flow === undefined ? "link" : "flow";
    return { kind, name: "b/eth0", machines: [], links: [this.link()], exempt: [], ...part };
  }

  /** Writes the script of a fault and starts it; without heartbeats its time alone ends it. */
  async start(
    fault: Omit<Fault, "id" | "durationSeconds"> & Partial<Fault>,
    target = this.target(),
    { heartbeats = true } = {},
  ): Promise<RunningFault> {
    const id = fault.id ?? `${this.name}${fault.kind}${(beds++).toString(36)}`;
    const plan = compile({ durationSeconds: 60, ...fault, id }, target, this.capabilities);
    return startPlan(this, plan, heartbeats);
  }

  private spawn(of: "a" | "b", ...args: (string | number)[]): ChildProcess {
    const [program, ...argv] = this.programIn(of, args) as [string, ...string[]];
    const child = spawn(program, argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.children.add(child);
    child.once("exit", () => this.children.delete(child));
    return child;
  }

  private programIn(of: "a" | "b", args: (string | number)[]): string[] {
    const inside = ["ip", "netns", "exec", this.namespace(of)];
    return [...this.priority, ...inside, process.execPath, traffic, ...args.map(String)];
  }

  /** Starts a program that says when it is ready; the result asks it for its counts and ends it. */
  private async listen(of: "a" | "b", ...args: (string | number)[]): Promise<() => Promise<Record<string, number>>> {
    const child = this.spawn(of, ...args);
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    await lines.next();
    return async () => {
      child.stdin!.write("\n");
      const { value } = (await lines.next()) as { value: string };
      return JSON.parse(value) as Record<string, number>;
    };
  }

  private async speak<T>(of: "a" | "b", ...args: (string | number)[]): Promise<T> {
    const text = await run(this.programIn(of, args));
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** Datagrams from one machine to the other, and what arrived. */
  async datagrams(from: "a" | "b", family: Family, port: number, count: number, rate = 8000) {
    const to = from === "a" ? "b" : "a";
    const address = this.addresses[to][family];
    const counts = await this.listen(to, "receive", family, address, port);
    await this.speak(from, "send", family, address, port, count, rate);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return (await counts()) as Record<"received" | "wrong" | "duplicates" | "overtaken", number>;
  }

  /** Bytes over one connection from a to b; the limit is for the connection being silent. */
  async bytes(family: Family, port: number, count: number, silence = 10_000) {
    const address = this.addresses.b[family];
    const counts = await this.listen("b", "serve", family, address, port);
    const sent = await this.speak<{ ended: string; milliseconds: number }>(
      "a",
      "load",
      family,
      address,
      port,
      count,
      silence,
    );
    return { ...sent, server: await counts() };
  }

  /** Round-trip times in milliseconds of datagrams from a to b; `there` is the way to b and `back` the one from it. */
  async roundTrips(family: Family, port: number, count: number, rate: number) {
    const address = this.addresses.b[family];
    const server = this.spawn("b", "echo", family, address, port);
    await once(server.stdout!, "data");
    const times = await this.speak<Record<"received" | "p01" | "p50" | "p95" | "p99" | "there01" | "back01", number>>(
      "a",
      "roundTrips",
      family,
      address,
      port,
      count,
      rate,
    );
    server.kill("SIGKILL");
    return times;
  }

  /** Share of pings that are answered, 0–1. */
  async pings(family: Family, count = 5): Promise<number> {
    const argv = [
      "ip",
      "netns",
      "exec",
      this.namespace("a"),
      "ping",
      "-q",
      "-c",
      `${count}`,
      "-i",
      "0.02",
      "-W",
      "1",
      this.addresses.b[family],
    ];
    const { stdout } = await tryRun(argv);
    return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0) / count;
  }

  /** A counter of the kernel in one namespace, such as TcpRetransSegs. */
  async counter(of: "a" | "b", name: string): Promise<number> {
    const text = await run(["ip", "netns", "exec", this.namespace(of), "nstat", "-asz", name]);
    return Number(new RegExp(`${name}\\s+(\\d+)`).exec(text)?.[1]);
  }

  /** Everything that a fault may change: rules, queues, links, addresses, routes, offloads, namespaces, processes. */
  async dump(): Promise<string> {
    const parts: string[] = [];
    for (const of of ["a", "b", "s"] as const) {
      const own = this.namespace(of);
      const inside = ["ip", "netns", "exec", own];
      const commands = [
        [...inside, "nft", "list", "ruleset"],
        ["tc", "-n", own, "qdisc"],
        ["ip", "-n", own, "-o", "link"],
        ["ip", "-n", own, "-o", "addr"],
        ["ip", "-n", own, "-4", "route"],
        ["ip", "-n", own, "-6", "route"],
        [...inside, "ethtool", "-k", of === "s" ? "pb" : "eth0"],
      ];
      for (const command of commands) parts.push(`# ${command.join(" ")}`, await run(command));
    }
    parts.push(
      await run(["sh", "-c", `ps -eo args | grep -F '${this.folder}' | grep -v grep | grep -v "sh -c"; true`]),
    );
    return parts.join("\n").replaceAll(/ tentative|\bstate \w+|valid_lft.*/g, "");
  }

  async close(): Promise<void> {
    for (const { script } of this.faults) await tryRun(["sh", script, "stop"]);
    for (const child of this.children) child.kill("SIGKILL");
    for (const of of ["a", "b", "s"] as const) await tryRun(["ip", "netns", "delete", this.namespace(of)]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A fault that was started by its script. */
export class RunningFault {
  constructor(
    readonly plan: FaultPlan,
    readonly script: string,
    readonly state: string,
  ) {}

  async call(command: string): Promise<Record<string, string>> {
    const { code, stdout, stderr } = await tryRun(["sh", this.script, command]);
    const last = stdout.trim().split("\n").at(-1) ?? "";
    if (code !== 0) throw new Error(`${command}: ${stdout}${stderr}`);
    return JSON.parse(last) as Record<string, string>;
  }

  async effect(): Promise<FaultEffect> {
    const { counters } = (await this.call("effect")) as unknown as { counters: Record<string, number> };
    return interpretEffect(this.plan, counters);
  }

  stop(): Promise<Record<string, string>> {
    return this.call("stop");
  }
}

/** Writes the script of a plan into the bed's folder and starts it. */
export async function startPlan(bed: FaultBed, plan: FaultPlan, heartbeats = true): Promise<RunningFault> {
  const state = join(bed.folder, "state", plan.id);
  const script = join(bed.folder, `${plan.id}.sh`);
  await mkdir(join(bed.folder, "state"), { recursive: true });
  await writeFile(script, renderScript(plan, { stateFolder: state, heartbeats }));
  const fault = new RunningFault(plan, script, state);
  bed.faults.push(fault);
  await fault.call("start");
  return fault;
}

/** Waits until a condition holds. */
export async function eventually(condition: () => Promise<boolean>, what: string, seconds = 30): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Gives every test a bed of its own; a test that passes must leave its kernel as it was. */
export function useFaultBed(take: (bed: FaultBed) => void): void {
  let bed: FaultBed;
  let before: string;

  beforeEach(async () => {
    bed = await FaultBed.make();
    take(bed);
    before = await bed.dump();
  });

  afterEach(async function () {
    const after = this.currentTest?.isPassed() === true ? await bed.dump() : before;
    await bed.close();
    assert.equal(after, before);
  });
}

/**
 * Asserts that a count lies within five standard deviations of a share of all: chance alone exceeds that once in two
 * million times, and one run of the tests asks often.
 */
export function assertShare(count: number, all: number, percent: number, what = "seen"): void {
  const expected = (all * percent) / 100;
  const tolerance = 5 * Math.sqrt(expected * (1 - percent / 100)) + 2;
  const within = Math.abs(count - expected) <= tolerance;
  assert.ok(within, `${what}: ${count} of ${all}, expected ${expected} ± ${tolerance}`);
}
