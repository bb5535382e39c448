import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { Signal } from "../monitor";
import type { SignalPoint } from "../runtime/runner/driver";
import type { SignalSide } from "../experiment";
import { machineFolder } from "./kernel/names";
import { machineCgroups } from "./kernel/cgroups";

/** Counters of one machine at one moment; what could not be read is left out. */
interface MachineCounters {
  time: number;
  cpuNanoseconds?: number;
  memoryBytes?: number;
  bytesIn?: number;
  bytesOut?: number;
}

/** Reads processor, memory and network of machines from their control groups and namespaces, on one clock. */
export class MachineSampler {
  private readonly previous = new Map<string, MachineCounters>();

  constructor(
    private readonly network: string,
    private readonly side: SignalSide,
    private readonly machines: readonly string[],
  ) {}

  /** Points for the step that ends now; a machine that is down yields none, so that gaps stay gaps. */
  async sample(stepStart: number): Promise<SignalPoint[]> {
    const perMachine = await Promise.all(this.machines.map((machine) => this.sampleMachine(machine, stepStart)));
    return perMachine.flat();
  }

  private async sampleMachine(machine: string, time: number): Promise<SignalPoint[]> {
    const now = await readCounters(this.network, machine);
    const before = this.previous.get(machine);
    this.previous.set(machine, now);
    const seconds = before === undefined ? 0 : (now.time - before.time) / 1000;
    const rate = (key: "cpuNanoseconds" | "bytesIn" | "bytesOut"): number | undefined => {
      const [from, to] = [before?.[key], now[key]];
      return from === undefined || to === undefined || to < from || seconds <= 0 ? undefined : (to - from) / seconds;
    };
    const cpu = rate("cpuNanoseconds");
    const values: [string, number | undefined][] = [
      [Signal.Cpu, cpu === undefined ? undefined : cpu / 1e7],
      [Signal.Memory, now.memoryBytes],
      [Signal.NetworkIn, rate("bytesIn")],
      [Signal.NetworkOut, rate("bytesOut")],
    ];
    return values.flatMap(([signal, value]) =>
      value === undefined ? [] : [{ signal, target: machine, side: this.side, time, value }],
    );
  }
}

async function readCounters(network: string, machine: string): Promise<MachineCounters> {
  const cgroups = machineCgroups(network, machine);
  const [cpuNanoseconds, memoryBytes, traffic] = await Promise.all([
    readCpu(cgroups),
    readNumber(
      cgroups.memory ?? cgroups.unified,
      cgroups.memory === undefined ? "memory.current" : "memory.usage_in_bytes",
    ),
    readTraffic(network, machine),
  ]);
  return { time: performance.now(), cpuNanoseconds, memoryBytes, ...traffic };
}

async function readCpu(cgroups: { cpuacct?: string; unified?: string }): Promise<number | undefined> {
  if (cgroups.cpuacct !== undefined) return readNumber(cgroups.cpuacct, "cpuacct.usage");
  const text = await readText(cgroups.unified, "cpu.stat");
  const microseconds = /^usage_usec (\d+)$/m.exec(text ?? "")?.[1];
  return microseconds === undefined ? undefined : Number(microseconds) * 1000;
}

async function readTraffic(network: string, machine: string): Promise<{ bytesIn?: number; bytesOut?: number }> {
  const pid = (await readText(machineFolder(network, machine), "init.pid"))?.trim().split(/\s+/)[0];
  const table = pid === undefined ? undefined : await readText("/proc", join(pid, "net/dev"));
  if (table === undefined) return {};
  let bytesIn = 0;
  let bytesOut = 0;
  for (const line of table.split("\n").slice(2)) {
    const [name, counters] = line.split(":");
    if (counters === undefined || name?.trim() === "lo") continue;
    const fields = counters.trim().split(/\s+/).map(Number);
    bytesIn += fields[0] ?? 0;
    bytesOut += fields[8] ?? 0;
  }
  return { bytesIn, bytesOut };
}

async function readNumber(folder: string | undefined, file: string): Promise<number | undefined> {
  const text = await readText(folder, file);
  return text === undefined ? undefined : Number(text.trim());
}

async function readText(folder: string | undefined, file: string): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  return readFile(join(folder, file), "utf8").catch(() => undefined);
}
