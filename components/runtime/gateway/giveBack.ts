import { readFileSync, realpathSync } from "node:fs";

import { kernel, type Kernel } from "./kernel";

const giveBackMilliseconds = 10_000;
/** `MADV_DONTNEED`. */
const notNeeded = 4;

/** A piece of the process's address space. */
export interface AddressRange {
  start: number;
  bytes: number;
}

/**
 * Those mappings of a program's file in `/proc/PID/smaps` whose pages can be read from it again at any time: private, not
 * writable, and without a page of the process's own, which a linker's corrections make. Only the program's own stay where
 * they are for as long as the process lives: the place of another file may hold something else by the time it is given back.
 */
export function unchangedPagesOf(program: string, smaps: string): AddressRange[] {
  const found: AddressRange[] = [];
  let candidate: AddressRange | undefined;
  for (const line of smaps.split("\n")) {
    const [, from, to, rest] = /^([0-9a-f]+)-([0-9a-f]+) (.*)$/.exec(line) ?? [];
    if (from !== undefined && to !== undefined && rest !== undefined) {
      const start = parseInt(from, 16);
      const file = /^r-[x-]p \S+ \S+ \d+ +(\/.*)$/.exec(rest)?.[1];
      candidate = file === program ? { start, bytes: parseInt(to, 16) - start } : undefined;
    } else if (candidate !== undefined && /^Anonymous: +0 kB$/.test(line)) found.push(candidate);
  }
  return found;
}

/** Gives memory back that a process has but does not use. */
export class MemoryReturn {
  private readonly ranges: readonly AddressRange[];

  private constructor(private readonly calls: Kernel) {
    this.ranges = unchangedPagesOf(realpathSync("/proc/self/exe"), readFileSync("/proc/self/smaps", "utf8"));
  }

  /** Undefined where the system cannot do it. */
  static open(): MemoryReturn | undefined {
    const calls = kernel();
    try {
      return calls === null ? undefined : new MemoryReturn(calls);
    } catch {
      return undefined;
    }
  }

  /**
   * Lets go of the program's pages, half of which only the start needed; those in use are found again in the page cache, at
   * about a millisecond in all. Then of what the C library has free.
   */
  run(): void {
    for (const { start, bytes } of this.ranges) this.calls.advise(start, bytes, notNeeded);
    this.calls.trim(0);
  }
}

/** Gives memory back now and every ten seconds, without keeping the process alive. */
export function keepGivingBack(): void {
  const memory = MemoryReturn.open();
  if (memory === undefined) return;
  memory.run();
  setInterval(() => memory.run(), giveBackMilliseconds).unref();
}
