import type { BoundaryReplacement } from "./topology";

/** A change of number or size of the machines that a selector names. */
export interface ScaleRule {
  /** Machine name or pattern, for example `app-*`. */
  machines: string;
  /** How many machines there are in all; copies beyond production's get new addresses. Defaults to production's number. */
  replicas?: number;
  /** Processors. Defaults to production's. */
  cpus?: number;
  /** Memory. Defaults to production's. */
  memoryMegabytes?: number;
  /** Instance type where the back end has such names. Defaults to production's. */
  type?: string;
}

/** What a machine's disk starts with. */
export const DiskState = { None: "none", Latest: "latest", Snapshot: "snapshot" } as const;
export type DiskState = (typeof DiskState)[keyof typeof DiskState];

/** What state the machines that a selector names start with. */
export interface StateRule {
  /** Machine name or pattern. */
  machines: string;
  /** None (empty), latest (newest copy that exists) or snapshot (taken now). Defaults to latest. */
  disk?: DiskState;
  /** Copy memory too. Defaults to false; refused by back ends that cannot. */
  memory?: boolean;
}

/** A boundary that is treated in another way than the topology says. */
export interface BoundaryOverride {
  /** Name of the boundary. */
  name: string;
  /** What takes its place in the shadow. Defaults to what the topology says, else a sink. */
  replacement?: BoundaryReplacement;
  /** Restore a managed database from its newest snapshot, where the back end can. Defaults to false. */
  restore?: boolean;
}

/** One way in which the shadow differs from production. */
export interface FidelityItem {
  /** What it is about, for example `machines/web-1` or `boundaries/internet`. */
  subject: string;
  outcome: FidelityOutcome;
  /** Why, in a sentence. */
  reason: string;
}

/** How a part of production appears in the shadow. */
export const FidelityOutcome = {
  Cloned: "cloned",
  Substituted: "substituted",
  Dropped: "dropped",
  Scaled: "scaled",
} as const;
export type FidelityOutcome = (typeof FidelityOutcome)[keyof typeof FidelityOutcome];
