import { unseenBetween } from "./coverage";
import type { MirrorState } from "./driver";
import { type RecentPoints, mean, median, wholeService } from "./recent";

/** What the fidelity gate looks at. */
export interface FidelityWindow {
  from: number;
  to: number;
  stepSeconds: number;
  /** Counters of the gateway at the window's start and end. */
  before: MirrorState;
  after: MirrorState;
  /** Smallest relative difference of interest, in percent; the errors of both sides may differ by no more. */
  marginPercent: number;
}

/** Less than this share of the live requests in the shadow is not the claimed load. */
const leastCoverage = 0.8;

/** How often slower or faster than live a healthy shadow may be, beyond the allowance. */
const latencyFactor = 5;
const latencyAllowanceMilliseconds = 20;

/**
 * Why the shadow is not like live while nothing is broken yet, one sentence each; an empty list when it is. Without
 * this a verdict would compare live with a shadow that was ill or idle from the start.
 */
export function fidelityProblems(recent: RecentPoints, window: FidelityWindow): string[] {
  const problems = [
    coverageProblem(window),
    answerProblem(recent, window),
    errorProblem(recent, window),
    latencyProblem(recent, window),
  ];
  return problems.filter((problem) => problem !== undefined);
}

function coverageProblem({ before, after }: FidelityWindow): string | undefined {
  const onWire = after.onWire - before.onWire;
  const replayed = after.replayed - before.replayed;
  if (onWire <= 0) return "coverage: the gateway saw no request on the wire; does traffic reach an edge service?";
  const unseen = unseenBetween(before, after) ?? 0;
  const coverage = replayed / (onWire + unseen);
  if (coverage >= leastCoverage) return undefined;
  const dropped = unseen === 0 ? "" : ` and ${unseen} packets that the gateway's kernel dropped unseen`;
  const share = `${(100 * coverage).toFixed(1)} % of ${onWire} requests${dropped}`;
  return `coverage: only ${share} were replayed, at least ${100 * leastCoverage} % are needed for the claimed load`;
}

/** A request that will time out has no sample yet, but it is missing among the answers at once. */
function answerProblem(
  recent: RecentPoints,
  { from, to, before, after, marginPercent }: FidelityWindow,
): string | undefined {
  const replayed = after.replayed - before.replayed;
  const answered = after.answered - before.answered;
  const allowed = (mean(recent.values("app.errors", wholeService, "live", from, to)) ?? 0) + marginPercent / 100;
  if (replayed <= 0 || 1 - answered / replayed <= allowed) return undefined;
  const share = `${((100 * answered) / replayed).toFixed(1)} % of ${replayed} replayed requests`;
  return `answers: the shadow answered only ${share}${describeFailures(before.failed, after.failed)}`;
}

function describeFailures(before: Record<string, number> = {}, after: Record<string, number> = {}): string {
  const grown = Object.entries(after).map(([name, count]): [string, number] => [name, count - (before[name] ?? 0)]);
  const list = grown.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  return list.length === 0 ? "" : ` (${list.join(", ")})`;
}

function errorProblem(recent: RecentPoints, { from, to, marginPercent }: FidelityWindow): string | undefined {
  const live = mean(recent.values("app.errors", wholeService, "live", from, to));
  const shadow = mean(recent.values("app.errors", wholeService, "shadow", from, to));
  if (live === undefined || shadow === undefined) return "errors: nothing was measured on live or on the shadow";
  if (Math.abs(shadow - live) <= marginPercent / 100) return undefined;
  const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`;
  const what = `live fails ${percent(live)} of its requests, the shadow ${percent(shadow)}`;
  return `errors: ${what}; they may differ by ${marginPercent} percentage points before anything is broken`;
}

function latencyProblem(recent: RecentPoints, { from, to }: FidelityWindow): string | undefined {
  const live = median(recent.values("app.latency.p50", wholeService, "live", from, to));
  const shadow = median(recent.values("app.latency.p50", wholeService, "shadow", from, to));
  if (live === undefined || shadow === undefined) return "latency: no successful response on live or on the shadow";
  const slow = Math.max(live, shadow);
  const quick = Math.min(live, shadow);
  if (slow - quick <= latencyAllowanceMilliseconds || slow <= quick * latencyFactor) return undefined;
  const what = `half of live's answers take up to ${live.toFixed(1)} ms, of the shadow's ${shadow.toFixed(1)} ms`;
  return `latency: ${what}; more than ${latencyFactor} times apart is not plausible before anything is broken`;
}
