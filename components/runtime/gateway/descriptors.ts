import { readdirSync, readFileSync } from "node:fs";

/** Descriptors kept for everything that is no flow's socket: files, servers, and what Node and each thread need. */
const keptBack = 32;
const keptBackPerThread = 8;

/**
 * How many flows each of several threads may carry so that their sockets do not use up the descriptors that this process
 * may have open (`ulimit -n`); `Infinity` where that is not known.
 */
export function flowsForDescriptors(threads: number): number {
  const most = mostDescriptors();
  const room = most - descriptorsOpen() - keptBack - keptBackPerThread * threads;
  return Math.max(1, Math.floor(room / threads));
}

/** How many descriptors this process may have open. */
export function mostDescriptors(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}

function descriptorsOpen(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}
