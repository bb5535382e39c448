import type { GatewayConfig } from "../config";
import type { GatewayStats } from "../stats";

/** What the main thread asks of a thread that carries flows. */
export type ToWorker =
  | { kind: "steer"; count: number }
  | { kind: "open"; open: boolean }
  | { kind: "reload"; config: GatewayConfig }
  | { kind: "endFlows" }
  | { kind: "stop" };

/** Counters of one thread. */
export interface WorkerReport {
  stats: GatewayStats;
  lag: Uint32Array;
}

/** A packet for the recording. */
export interface RecordedFrame {
  bytes: Uint8Array;
  time: number;
}

/** What such a thread tells; a problem is one that a user can act on. */
export type FromWorker =
  | { kind: "ready"; intakeAddress: string; batched: boolean }
  | { kind: "steered"; done: boolean }
  | { kind: "report"; report: WorkerReport }
  | { kind: "frames"; frames: RecordedFrame[] }
  | { kind: "stopped"; report: WorkerReport }
  | { kind: "problem"; code: string; message: string; exitCode: number };

/** What a thread is started with. */
export interface WorkerData {
  config: GatewayConfig;
  records: boolean;
  /** How many threads there are. */
  threads: number;
}
