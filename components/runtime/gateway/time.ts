import { performance } from "node:perf_hooks";

const { timeOrigin } = performance;

/** Milliseconds since 1970 with the resolution of the monotonic clock; never goes back while the process lives. */
export function now(): number {
  return timeOrigin + performance.now();
}
