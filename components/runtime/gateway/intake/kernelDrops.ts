import { readFileSync } from "node:fs";

/** No room in the socket's buffer, none for UDP in the whole machine, a wrong checksum. */
const causes = ["RcvbufErrors", "MemErrors", "InCsumErrors"];

/**
 * Packets that the kernel did not give to some UDP socket of this network namespace; undefined when it does not say. A
 * socket's own counter also counts what its filter left out; this one does not. Through a socket of IPv6 come packets of
 * both families, each in the counters of its own.
 */
export function undelivered(family: 4 | 6): number | undefined {
  try {
    const ipv4 = lossesIn(ofIpv4(readFileSync("/proc/net/snmp", "latin1")));
    const ipv6 = family === 4 ? 0 : lossesIn(ofIpv6(readFileSync("/proc/net/snmp6", "latin1")));
    return ipv4 === undefined || ipv6 === undefined ? undefined : ipv4 + ipv6;
  } catch {
    return undefined;
  }
}

/** The counters of UDP in `/proc/net/snmp`: a row of names and one of numbers. */
export function ofIpv4(text: string): Map<string, number> {
  const [names = [], numbers = []] = text
    .split("\n")
    .filter((line) => line.startsWith("Udp: "))
    .map((line) => line.split(" ").slice(1));
  return new Map(names.map((name, index) => [name, Number(numbers[index])]));
}

/** The counters of UDP in `/proc/net/snmp6`: a row for each. */
export function ofIpv6(text: string): Map<string, number> {
  return new Map([...text.matchAll(/^Udp6(\w+)\s+(\d+)$/gm)].map(([, name, number]) => [name!, Number(number)]));
}

/** Their sum over {@link causes}, of which old kernels do not have all. */
export function lossesIn(counters: ReadonlyMap<string, number>): number | undefined {
  if (!counters.has("RcvbufErrors")) return undefined;
  return causes.reduce((sum, cause) => sum + (counters.get(cause) ?? 0), 0);
}

/** Tells a filtered socket's drops apart: what was lost, and what the filter left out. */
export class FilteredDrops {
  private readonly before: number;

  constructor(private readonly family: 4 | 6) {
    this.before = undelivered(family) ?? 0;
  }

  /** `drops` is the socket's own counter. What other sockets of this namespace lost may count as ours. */
  split(drops: number): { kernelDrops: number; prefiltered: number } {
    const lost = undelivered(this.family);
    const kernelDrops = lost === undefined ? drops : Math.min(drops, lost - this.before);
    return { kernelDrops, prefiltered: drops - kernelDrops };
  }
}
