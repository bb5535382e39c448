/**
 * Options of Node that a gateway's process is started with. A young generation of 2 MiB instead of 16 and one helper thread
 * instead of four cost no speed that could be measured and more than halve the memory; a bound on the old generation makes
 * V8 collect sooner (`test/bench/README.md`).
 */
export const gatewayNodeOptions: readonly string[] = [
  "--max-semi-space-size=2",
  "--max-old-space-size=768",
  "--v8-pool-size=1",
];
