import type { Experiment } from "../../experiment";
import type { FaultEffect } from "../faults/plan";
import type { SignalPoint } from "./driver";

/** How a run ended, apart from its verdict. */
export const RunStatus = {
  Running: "running",
  Completed: "completed",
  Failed: "failed",
  Aborted: "aborted",
  Interrupted: "interrupted",
} as const;
export type RunStatus = (typeof RunStatus)[keyof typeof RunStatus];

/** What the statistics say. */
export const Verdict = {
  Pass: "pass",
  Degraded: "degraded",
  Fail: "fail",
  Inconclusive: "inconclusive",
  NoData: "noData",
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** The machine-readable record of one run: the one source that the report, JUnit and a later analysis read. */
export interface Journal {
  version: 1;
  id: string;
  network: string;
  backEnd: string;
  status: RunStatus;
  /** The process that writes it; a `running` journal whose process is gone was cut off. */
  process?: { pid: number; host: string; startTime?: string };
  /** Why it ended as it did, where that needs saying. */
  statusReason?: string;
  /** ISO 8601. */
  startedAt: string;
  endedAt?: string;
  seed: number;
  /** Command that started it. */
  command: string[];
  versions: Record<string, string>;
  /** Kernel and tools: which mechanisms exist here. */
  capabilities?: Record<string, unknown>;
  shadow?: {
    /** `subnets` in the order of the interfaces. */
    machines: { name: string; role?: string; subnets?: string[] }[];
    links: string[];
    services: { name: string; port: number; machines: string[]; edge: boolean }[];
    fidelity: { subject: string; outcome: string; reason: string }[];
  };
  phases: JournalPhase[];
  /** What happened, in order. */
  events: JournalEvent[];
  experiments: JournalExperiment[];
  coverage?: JournalCoverage;
  alarms: JournalAlarm[];
  verdict?: Verdict;
  sentence?: string;
  /** True when the shadow was not under the claimed load or a fault did nothing: no verdict may be drawn. */
  invalid?: boolean;
}

/** One stretch of a run. */
export interface JournalPhase {
  name: "preflight" | "baseline" | "fault" | "recovery" | "analysis";
  experiment?: string;
  /** Milliseconds since 1970. */
  startedAt: number;
  endedAt?: number;
}

/** Something that happened. */
export interface JournalEvent {
  time: number;
  kind: string;
  message: string;
  data?: Record<string, unknown>;
}

/** One experiment of the run. */
export interface JournalExperiment {
  name: string;
  definition: Experiment;
  faults: JournalFault[];
  probes: { name: string; when: "before" | "during" | "after"; value?: number; ok: boolean; why: string }[];
  commands: { action: string; machine: string; exitCode: number; seconds: number; withinObjective: boolean }[];
  effects: Effect[];
  verdict?: Verdict;
  sentence?: string;
  deviated: boolean;
  /** True when no verdict may be drawn from this experiment: see {@link Journal.invalid}. */
  invalid?: boolean;
  /** How effects grow with the strength of the fault, where one was carried out at three or more strengths. */
  doses?: DoseResponseEffect[];
  /** Response times of all requests per phase and side. */
  latencies?: PhaseLatency[];
}

/** Response times of all requests that live got in a phase, milliseconds; null where none was answered. */
export interface PhaseLatency {
  /** `fault` is the time in which a fault was active. */
  phase: "baseline" | "fault" | "recovery";
  side: "live" | "shadow";
  requests: number;
  failed: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
}

/** How one signal of one target answers to the strength of a fault. */
export interface DoseResponseEffect {
  /** Kind of the fault and what it hit. */
  fault: string;
  target: string;
  /** Which setting of the fault varied, for example `delayMilliseconds`. */
  parameter: string;
  signal: string;
  /** Machine, or `service` for the whole. */
  of: string;
  unit: string;
  strengths: number[];
  shifts: number[];
  /** Shift per unit of strength (Theil-Sen) with its 95 % interval; null where so few strengths give none. */
  slope: number;
  low: number | null;
  high: number | null;
  /** Kendall's tau between strength and shift, and its exact p. */
  tau: number;
  p: number;
}

/** One fault as it was carried out. */
export interface JournalFault {
  /** Name of the action. */
  action: string;
  kind: string;
  target: string;
  mechanism: string;
  touches: { machines: string[]; links: string[] };
  /** Windows in which it was active, milliseconds since 1970. */
  windows: { start: number; end: number }[];
  effect?: FaultEffect;
  notes: string[];
  /** The exact commands, one line each. */
  commands: string[];
}

/** What a fault did to one signal of one target; made by the analysis. */
export interface Effect {
  /** Name of the action. */
  fault: string;
  signal: string;
  target: string;
  unit: string;
  /** Hodges-Lehmann shift of the gap, fault against baseline, in the signal's unit. */
  shift: number | null;
  /** Shift in percent of what live predicts for the time of the fault; without that, of the baseline's level. */
  shiftPercent: number | null;
  /** 95 % interval of the shift. */
  low: number | null;
  high: number | null;
  p: number | null;
  /** p after Benjamini-Hochberg over signal × fault. */
  q: number | null;
  /** Cliff's delta. */
  delta: number | null;
  spreadP: number | null;
  /** spreadP after Benjamini-Hochberg over signal × fault. */
  spreadQ?: number | null;
  minimumDetectable: number | null;
  effectiveSamples: number | null;
  /** Seconds from the fault's start to its first visible effect. */
  onset: number | null;
  /** Seconds from the fault's start until the gap had left its usual band for three samples; null for pulses, or when it did not. */
  timeToDetect?: number | null;
  /** Seconds from the fault's start until the gap stayed at the level that the fault led to; null for pulses, or when it did not. */
  timeToStabilise?: number | null;
  /** Seconds from the fault's end until the gap is back; null when it was never away or not measured. */
  recovered: number | null;
  /** True when it had not recovered when watching ended. */
  censored: boolean;
  /** Gap × time during fault and recovery, in unit·seconds. */
  area: number | null;
  verdict: Verdict;
  /** The sentence that says why. */
  why: string;
}

/** Requests on the wire in selected flows and what became of them; the parts sum to the whole. */
export interface JournalCoverage {
  onWire: number;
  replayed: number;
  lostByMirror: number;
  unusable: Record<string, number>;
  shed: Record<string, number>;
  /** replayed / onWire. */
  coverage: number;
  /** Packets that nobody saw, because the gateway's kernel had no room for them. Left out when that is not known. */
  unseen?: number;
  /** replayed / (onWire + unseen): what verdicts rest on. Left out when `unseen` is. */
  coverageAtLeast?: number;
}

/** One alarm that fired. */
export interface JournalAlarm {
  name: string;
  severity: string;
  state: "firing" | "resolved" | "acknowledged" | "noData";
  time: number;
  value?: number;
}

/** A journal with the samples that lie beside it in `samples.sqlite`. */
export interface RecordedRun {
  journal: Journal;
  points: SignalPoint[];
}
