import type { FaultTarget, ShadowChange, SignalSide } from "../../experiment";
import type { Capabilities, FaultEffect, FaultPlan, ResolvedTarget } from "../faults/plan";
import type { ExchangeSample } from "../gateway/exchange";

/** One value of one series. */
export interface SignalPoint {
  signal: string;
  /** Machine or `service` for the whole. */
  target: string;
  side: SignalSide;
  /** Start of the sample, milliseconds since 1970. */
  time: number;
  /** Milliseconds, ratio 0–1, percent, bytes per second or count, as the signal says. */
  value: number;
}

/** One attempt to leave the shadow. */
export interface ContainmentFinding {
  /** Where it was tried from. */
  from: string;
  /** What it tried to reach, for example `tcp 203.0.113.10:80` or `icmp6 2001:db8::1`. */
  attempt: string;
  /** True when it got through: a breach. */
  reached: boolean;
  detail: string;
}

/** A fault that is armed on its target. */
export interface FaultHandle {
  id: string;
  target: string;
  startedAt: number;
}

/** What a shadow is made of, for blast radius, report and fidelity gate. */
export interface ShadowDescription {
  network: string;
  backEnd: string;
  /** `subnets` in the order of the interfaces. Defaults to not known. */
  machines: { name: string; role?: string; running: boolean; subnets?: string[] }[];
  links: string[];
  services: { name: string; port: number; machines: string[]; edge: boolean }[];
  fidelity: { subject: string; outcome: string; reason: string }[];
}

/** State of the mirror and the gateway. */
export interface MirrorState {
  percent: number;
  intakeOpen: boolean;
  /** Why the mirror cannot be trusted now; empty when healthy. */
  problems: string[];
  /** Requests on the wire, replayed and answered so far; coverage is replayed / onWire. */
  onWire: number;
  replayed: number;
  answered: number;
  coverage: number;
  /** Requests in selected flows that the mirror lost. Defaults to not known. */
  lostByMirror?: number;
  /**
   * Packets that the gateway's kernel dropped for want of room, so that nobody saw what they carried; each counts as a
   * request that did not reach the shadow. Defaults to not known.
   */
  unseen?: number;
  /** Replayed requests that the shadow did not answer, by what went wrong. Defaults to not known. */
  failed?: Record<string, number>;
  /** Requests that could not be replayed, by reason. Defaults to not known. */
  unusable?: Record<string, number>;
  /** Requests shed because of overload, by reason. Defaults to not known. */
  shed?: Record<string, number>;
}

/** How a run-book step ended. */
export interface DrillResult {
  exitCode: number;
  /** Last part of what it printed, for the journal. */
  output: string;
}

/** A rehearsed change that is in place. */
export interface ChangeHandle {
  id: string;
  machine: string;
  /** What was changed, in a sentence. */
  summary: string;
}

/** Code of the error that a driver's calls end with when the shadow was removed while it was in use. */
export const shadowGoneCode = "shadow-gone";

/** All that the runner knows of a back end. */
export interface Driver {
  describe(): Promise<ShadowDescription>;
  capabilities(): Promise<Capabilities>;
  /** Resolves a target to things inside the shadow; throws a ProblemsError when it names nothing, or anything outside. */
  resolve(target: FaultTarget): Promise<ResolvedTarget>;
  /** Arms the undo on the target, applies the plan and verifies it. */
  start(plan: FaultPlan): Promise<FaultHandle>;
  /** Tells the target that the runner is alive. */
  heartbeat(handle: FaultHandle): Promise<void>;
  /** Reads the counters that prove the effect. */
  effect(handle: FaultHandle): Promise<FaultEffect>;
  /** Undoes the fault and checks that nothing of it is left; does nothing when it has ended by itself. */
  stop(handle: FaultHandle): Promise<void>;
  /** Tries to leave the shadow from every kind of machine. */
  probeContainment(): Promise<ContainmentFinding[]>;
  mirror(): Promise<MirrorState>;
  /** Opens or closes the gateway's intake. */
  setIntake(open: boolean): Promise<void>;
  /** Starts to record; the sink gets points as they become known, not always in order. */
  startSampling(
    stepSeconds: number,
    sink: (points: SignalPoint[]) => void,
    exchanges?: (samples: ExchangeSample[]) => void,
  ): Promise<void>;
  stopSampling(): Promise<void>;
  /** What earlier runs left behind, one sentence each. */
  leftovers(): Promise<string[]>;
  /** Undoes every fault of this shadow, whoever started it. */
  halt(): Promise<void>;
  /** Runs a run-book step inside a machine of the shadow; left out where the back end cannot. */
  command?(machine: string, argv: string[], timeoutSeconds: number): Promise<DrillResult>;
  /** Carries out a rehearsed change; left out where the back end cannot. */
  change?(change: ShadowChange): Promise<ChangeHandle>;
  /** Takes a rehearsed change back. */
  revertChange?(handle: ChangeHandle): Promise<void>;
  close(): Promise<void>;
}
