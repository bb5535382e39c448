/** Frames that an error keeps: the place that it was made in. */
const frames = 1;

/**
 * Makes many resources without what Pulumi spends on stack traces. It writes one out for each of four promises of each
 * property of each resource, two hundred for an instance, for the case that one never resolves; their ten frames end inside
 * this library, so that they lead nobody to a line of their program. Where a resource was declared is noted in another
 * way and stays whole. `PULUMI_DEBUG_PROMISE_LEAKS`, which prints these traces, keeps them whole too.
 */
export function withShortStacks<T>(make: () => T): T {
  const before = Error.stackTraceLimit;
  if (before <= frames || process.env.PULUMI_DEBUG_PROMISE_LEAKS) return make();
  Error.stackTraceLimit = frames;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = before;
  }
}
