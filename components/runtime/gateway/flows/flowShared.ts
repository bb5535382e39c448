import type { ExchangeLog } from "../compare/exchangeLog";
import type { GatewayStats } from "../stats";
import type { PacketRecorder } from "../intake/captureWriter";
import type { RequestHook } from "../replay/hooks/hook";
import type { Selection } from "./selectors";

/** Bounds of one gateway; at a bound whole flows are shed. */
export interface FlowLimits {
  flows: number;
  /** Flows beyond this would use up the descriptors of the process. */
  descriptors: number;
  bytesPerFlow: number;
  totalBytes: number;
  maximumLagMilliseconds: number;
  overtakingMilliseconds: number;
  holeTimeoutMilliseconds: number;
  idleTimeoutMilliseconds: number;
  /** How long the first bytes of a flow may leave open what application it is. */
  openingMilliseconds: number;
}

/**
 * Whether selectors have a flow carried: a flow that they decide by its first bytes is `undecided` until they are there,
 * and left out as a whole when they say so.
 */
export type Standing = "undecided" | "carried" | "leftOut";

/** What all flows of a gateway share. */
export interface FlowShared {
  stats: GatewayStats;
  log: ExchangeLog;
  limits: FlowLimits;
  memory: { used: number };
  selection: Selection;
  /** Gets the packets of carried flows; undefined when nothing is recorded. */
  recorder: PacketRecorder | undefined;
  /** Undefined when requests go verbatim. */
  hooks: readonly RequestHook[] | undefined;
}
