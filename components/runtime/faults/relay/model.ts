import type { DelayDistribution } from "../../../experiment";
import type { Way } from "../match";

/** How long the relay holds packets. */
export interface DelayModel {
  delayMilliseconds: number;
  /** Standard deviation of normal, half the width of uniform, scale of the Pareto ones. */
  jitterMilliseconds: number;
  distribution: DelayDistribution;
  /** True when a packet never overtakes an earlier one of the same direction. */
  keepOrder: boolean;
}

/** One direction of one link. */
interface RelayTap {
  name: string;
  seed: number;
  model: DelayModel;
  /** The direction, where each is reported by itself. Defaults to reporting all together. */
  way?: Way;
}

/** What the relay reads when it starts. */
export interface RelayConfig {
  /** The fault's state folder: heartbeat, deadline, end mark, and where the relay reports. */
  state: string;
  /** Own address, port, and the address that frames go back to. */
  listen: string;
  port: number;
  returnTo: string;
  /** One entry for each direction of each link; the first has VXLAN identifier 1. */
  taps: RelayTap[];
  /** Most packets held at once. */
  limit: number;
}

/** What the relay reports in `relay.json`, for each direction under names of its own where taps say their direction. */
export interface RelayReport {
  received: number;
  delayed: number;
  overflowed: number;
  held: number;
  /** Packets that left more than 1 ms after their time. */
  late: number;
  /** How long the packets that left were held, all together. */
  heldMicroseconds: number;
  /** The worst of them. */
  worstLateMilliseconds: number;
}

/** Mark that frames carry which the relay has sent back; taps let them pass. */
export const relayMark = 0x5add;
