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
  packetsIn?: number;
  packetsOut?: number;
  drops?: number;
  diskRead?: number;
  diskWritten?: number;
}

/** Counters that only grow, whose rate is what counts. */
type Rate = Exclude<keyof MachineCounters, "time" | "memoryBytes">;

/** Reads processor, memory, disk and network of machines from their control groups and namespaces, on one clock. */
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
    const rate = (key: Rate): number | undefined => {
      const [from, to] = [before?.[key], now[key]];
      return from === undefined || to === undefined || to < from || seconds <= 0 ? undefined : (to - from) / seconds;
    };
    const cpu = rate("cpuNanoseconds");
    const values: [string, number | undefined][] = [
      [Signal.Cpu, cpu === undefined ? undefined : cpu / 1e7],
      [Signal.Memory, now.memoryBytes],
      [Signal.NetworkIn, rate("bytesIn")],
      [Signal.NetworkOut, rate("bytesOut")],
      [Signal.PacketsIn, rate("packetsIn")],
      [Signal.PacketsOut, rate("packetsOut")],
      [Signal.NetworkDrops, rate("drops")],
      [Signal.DiskRead, rate("diskRead")],
      [Signal.DiskWrite, rate("diskWritten")],
    ];
    return values.flatMap(([signal, value]) =>
      value === undefined ? [] : [{ signal, target: machine, side: this.side, time, value }],
    );
  }
}

async function readCounters(network: string, machine: string): Promise<MachineCounters> {
  const cgroups = machineCgroups(network, machine);
  const [cpuNanoseconds, memoryBytes, traffic, disk] = await Promise.all([
    readCpu(cgroups),
    readNumber(
      cgroups.memory ?? cgroups.unified,
      cgroups.memory === undefined ? "memory.current" : "memory.usage_in_bytes",
    ),
    readTraffic(network, machine),
    readDisk(cgroups),
  ]);
  return { time: performance.now(), cpuNanoseconds, memoryBytes, ...traffic, ...disk };
}

async function readCpu(cgroups: { cpuacct?: string; unified?: string }): Promise<number | undefined> {
  if (cgroups.cpuacct !== undefined) return readNumber(cgroups.cpuacct, "cpuacct.usage");
  const text = await readText(cgroups.unified, "cpu.stat");
  const microseconds = /^usage_usec (\d+)$/m.exec(text ?? "")?.[1];
  return microseconds === undefined ? undefined : Number(microseconds) * 1000;
}

/**
 * Bytes that the machine's processes read from and wrote to disks, all disks together. Control groups of version 1 count
 * what is written at once (direct, synced); what the kernel writes back later is nobody's there, and the machine's with version 2.
 */
async function readDisk(cgroups: { blkio?: string; unified?: string }): Promise<Partial<MachineCounters>> {
  const files = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"];
  if (cgroups.blkio === undefined) return diskCounters(await readText(cgroups.unified, "io.stat"));
  const [all, own] = await Promise.all(files.map((file) => readText(cgroups.blkio, file)));
  return diskCounters(all ?? own);
}

/** Sums `254:0 Read 4096` of version 1, and `254:0 rbytes=4096 wbytes=0` of version 2; an empty file means nothing yet. */
export function diskCounters(text: string | undefined): Partial<MachineCounters> {
  if (text === undefined) return {};
  const sum = (pattern: RegExp): number =>
    [...text.matchAll(pattern)].reduce((total, [, bytes]) => total + Number(bytes), 0);
  return {
    diskRead: sum(/^\d+:\d+ Read (\d+)$/gm) + sum(/\brbytes=(\d+)/g),
    diskWritten: sum(/^\d+:\d+ Write (\d+)$/gm) + sum(/\bwbytes=(\d+)/g),
  };
}

async function readTraffic(network: string, machine: string): Promise<Partial<MachineCounters>> {
  const pid = (await readText(machineFolder(network, machine), "init.pid"))?.trim().split(/\s+/)[0];
  const table = pid === undefined ? undefined : await readText("/proc", join(pid, "net/dev"));
  return table === undefined ? {} : trafficCounters(table);
}

/** Sums the lines of /proc/net/dev over all devices but the loopback. */
export function trafficCounters(table: string): Partial<MachineCounters> {
  const sums = { bytesIn: 0, packetsIn: 0, bytesOut: 0, packetsOut: 0, drops: 0 };
  for (const line of table.split("\n").slice(2)) {
    const [name, counters] = line.split(":");
    if (counters === undefined || name?.trim() === "lo") continue;
    const fields = counters.trim().split(/\s+/).map(Number);
    sums.bytesIn += fields[0] ?? 0;
    sums.packetsIn += fields[1] ?? 0;
    sums.bytesOut += fields[8] ?? 0;
    sums.packetsOut += fields[9] ?? 0;
    sums.drops += (fields[3] ?? 0) + (fields[11] ?? 0);
  }
  return sums;
}

async function readNumber(folder: string | undefined, file: string): Promise<number | undefined> {
  const text = await readText(folder, file);
  return text === undefined ? undefined : Number(text.trim());
}

async function readText(folder: string | undefined, file: string): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  return readFile(join(folder, file), "utf8").catch(() => undefined);
}
