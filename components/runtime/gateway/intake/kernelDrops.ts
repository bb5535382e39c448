import { readFileSync } from "node:fs";

/**
 * Packets that the kernel dropped in this network namespace because some UDP socket's buffer was full; undefined when it
 * does not say. A socket's own counter also counts what its filter left out; this one does not.
 */
export function receiveBufferErrors(family: 4 | 6): number | undefined {
  try {
    return family === 4
      ? ofIpv4(readFileSync("/proc/net/snmp", "latin1"))
      : ofIpv6(readFileSync("/proc/net/snmp6", "latin1"));
  } catch {
    return undefined;
  }
}

function ofIpv4(text: string): number | undefined {
  const rows = text.split("\n").filter((line) => line.startsWith("Udp: "));
  const column = rows[0]?.split(" ").indexOf("RcvbufErrors") ?? -1;
  return column < 0 ? undefined : Number(rows[1]?.split(" ")[column]);
}

function ofIpv6(text: string): number | undefined {
  const count = /^Udp6RcvbufErrors\s+(\d+)$/m.exec(text)?.[1];
  return count === undefined ? undefined : Number(count);
}

/** Tells a filtered socket's drops apart: what there was no room for, and what the filter left out. */
export class FilteredDrops {
  private readonly before: number;

  constructor(private readonly family: 4 | 6) {
    this.before = receiveBufferErrors(family) ?? 0;
  }

  /** `drops` is the socket's own counter. What other sockets of this namespace had no room for may count as ours. */
  split(drops: number): { kernelDrops: number; prefiltered: number } {
    const noRoom = receiveBufferErrors(this.family);
    const kernelDrops = noRoom === undefined ? drops : Math.min(drops, noRoom - this.before);
    return { kernelDrops, prefiltered: drops - kernelDrops };
  }
}
