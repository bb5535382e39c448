/**
 * Options of Node that a gateway's process is started with. A young generation of 4 MiB instead of 16 costs no speed that
 * could be measured and halves the memory; a bound on the old one makes V8 collect sooner (`test/bench/README.md`).
 */
export const gatewayNodeOptions: readonly string[] = ["--max-semi-space-size=4", "--max-old-space-size=768"];
