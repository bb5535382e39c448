import { readFileSync } from "node:fs";

/** Processor time of a process and all its threads, in microseconds. */
export interface ProcessorTime {
  total: number;
  /** The part inside the kernel, as its clock ticks sample it. */
  kernel: number;
}

/** Processor time so far, from the kernel, which counts in steps of 10 ms. */
export function processorTime(pid: number): ProcessorTime {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
  const [user, kernel] = [Number(fields[11]) * 10_000, Number(fields[12]) * 10_000];
  return { total: user + kernel, kernel };
}

/** Resident memory now, from the kernel. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** Resident memory that is this process's alone: not the pages of programs and libraries, which the page cache has too. */
export function ownBytes(pid: number): number {
  return statusBytes(pid, "RssAnon");
}

function statusBytes(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
}
