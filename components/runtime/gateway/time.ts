import { performance } from "node:perf_hooks";

/** Milliseconds since 1970 with the resolution of the monotonic clock; never goes back while the process lives. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
