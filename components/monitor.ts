import type { SignalSide } from "./experiment";

/** The signals that every back end provides; `app.latency` has the suffixes `.p50`, `.p95` and `.p99`. */
export const Signal = {
  LatencyP50: "app.latency.p50",
  LatencyP95: "app.latency.p95",
  LatencyP99: "app.latency.p99",
  Errors: "app.errors",
  Requests: "app.requests",
  Differences: "app.differences",
  Cpu: "machine.cpu",
  Memory: "machine.memory",
  NetworkIn: "machine.network.in",
  NetworkOut: "machine.network.out",
  PacketsIn: "machine.network.packets.in",
  PacketsOut: "machine.network.packets.out",
  NetworkDrops: "machine.network.drops",
  DiskRead: "machine.disk.read",
  DiskWrite: "machine.disk.write",
  MirrorShare: "mirror.share",
  MirrorLoss: "mirror.loss",
  ReplayLag: "replay.lag",
  ReplayCoverage: "replay.coverage",
} as const;
export type Signal = (typeof Signal)[keyof typeof Signal];

/** How urgent an alarm is. */
export const Severity = { Info: "info", Warning: "warning", Critical: "critical" } as const;
export type Severity = (typeof Severity)[keyof typeof Severity];

/** A threshold on a signal. */
export interface AlarmRule {
  name: string;
  signal: string;
  /** Machine, or nothing for the service as a whole. */
  target?: string;
  /** Which side is watched. Defaults to shadow. */
  side?: SignalSide;
  above?: number;
  below?: number;
  /** How long it must hold before the alarm fires. Defaults to 10. */
  forSeconds?: number;
  /** Defaults to warning. */
  severity?: Severity;
}

/** What is watched and who is told. */
export interface MonitorSettings {
  /** Signals to record. Defaults to all. */
  signals?: string[];
  /** Thresholds. Defaults to none. */
  alarms?: AlarmRule[];
  /**
   * Who is told of alarms: web addresses, which get Alertmanager's format; where the back end has them also `mailto:`
   * addresses and ARNs of SNS topics. Defaults to none.
   */
  notify?: string[];
}
