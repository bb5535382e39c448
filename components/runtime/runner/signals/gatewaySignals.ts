import type { GatewayStats } from "../../gateway/stats";
import type { SignalPoint } from "../driver";
import { wholeService } from "../recent";

type Requests = GatewayStats["requests"];

/**
 * Ratios are taken over so many steps, because a request that is on its way is on the wire already and not yet replayed.
 */
const ratioSteps = 5;

/**
 * Turns a gateway's counters into points per step. `replay.coverage`: share of the requests on the wire that were
 * replayed, where each packet that the kernel dropped unseen counts as a request. `mirror.loss`: share of them that the mirror lost. `mirror.share`: share of the flows seen that were
 * selected, in percent. All over the last five steps; a step without requests is a gap.
 */
export class GatewaySignals {
  private readonly history: GatewayStats[] = [];

  /** The points of the step that these counters end. */
  points(stats: GatewayStats, stepStart: number): SignalPoint[] {
    if (this.isRestart(stats)) this.history.length = 0;
    const before = this.history[0];
    this.history.push(stats);
    if (this.history.length > ratioSteps) this.history.shift();
    if (before === undefined || stats.time <= before.time) return [];
    const points: SignalPoint[] = [];
    const add = (signal: string, part: number, whole: number): void => {
      const value = part / whole;
      if (whole > 0) points.push({ signal, target: wholeService, side: "shadow", time: stepStart, value });
    };
    const grown = (name: keyof Pick<Requests, "onWire" | "replayed" | "lostByMirror">): number =>
      stats.requests[name] - before.requests[name];
    const unseen = (stats.intake.kernelDrops ?? 0) - (before.intake.kernelDrops ?? 0);
    add("replay.coverage", grown("replayed"), grown("onWire") + unseen);
    add("mirror.loss", grown("lostByMirror"), grown("onWire"));
    const seen = stats.selection.flowsSeen - before.selection.flowsSeen;
    add("mirror.share", 100 * (stats.selection.flowsSelected - before.selection.flowsSelected), seen);
    return points;
  }

  private isRestart(stats: GatewayStats): boolean {
    const last = this.history.at(-1);
    return last !== undefined && stats.startedAt !== last.startedAt;
  }
}
