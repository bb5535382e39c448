import { dispersionFactor, fisherExact, poissonRatio, riskDifference, type Tally } from "./counts";
import { minimumDetectableRisk } from "./detectable";
import { normalQuantile, normalTwoSided } from "./distributions";
import { effectiveSampleFactor } from "./ranks";
import type { AlignedPair } from "./series";

/** Events per step: `count` against live's count, `ratio` as shares of the requests per step. */
export interface Events {
  kind: "count" | "ratio";
  events: AlignedPair;
  requests?: AlignedPair;
}

/** What totals say; `missing` says why they say nothing. */
export interface CountEstimate {
  missing?: string;
  level: number;
  shift: number;
  low: number;
  high: number;
  p: number;
  delta: number;
  minimumDetectable: number;
  effectiveSamples: number;
  control: "live" | "none";
  controlNote?: string;
  correlation: number;
}

const empty: CountEstimate = {
  level: 0,
  shift: 0,
  low: 0,
  high: 0,
  p: 1,
  delta: 0,
  minimumDetectable: 0,
  effectiveSamples: 0,
  control: "none",
  correlation: 0,
};

/** Compares totals of the fault with totals of the baseline; never ranks of mostly-zero series. */
export function estimateCounts(data: Events, baseline: readonly number[], fault: readonly number[]): CountEstimate {
  return data.kind === "count" ? countRatio(data.events, baseline, fault) : errorShare(data, baseline, fault);
}

/** Events of shadow per event of live, fault against baseline: a Poisson ratio with live's events as the exposure. */
function countRatio(events: AlignedPair, baseline: readonly number[], fault: readonly number[]): CountEstimate {
  const live = events.live!;
  const known = (cell: number): boolean => !Number.isNaN(live[cell]!) && !Number.isNaN(events.shadow[cell]!);
  const [before, during] = [baseline.filter(known), fault.filter(known)];
  const total = (values: readonly number[], cells: readonly number[]): number =>
    cells.reduce((sum, cell) => sum + values[cell]!, 0);
  const [liveBefore, liveDuring] = [total(live, before), total(live, during)];
  if (liveBefore === 0 || liveDuring === 0) return { ...empty, missing: "live had no events to compare with" };
  const [shadowBefore, shadowDuring] = [total(events.shadow, before), total(events.shadow, during)];
  const share = shadowBefore / liveBefore;
  const expected = before.map((cell) => live[cell]! * share);
  const observed = before.map((cell) => events.shadow[cell]!);
  const tau = effectiveSampleFactor(observed.map((value, i) => value - expected[i]!));
  const dispersion = dispersionFactor(observed, expected) * tau;
  const rate = poissonRatio(shadowBefore, liveBefore, shadowDuring, liveDuring, { dispersion });
  const level = shadowBefore / before.length;
  const error = Math.sqrt(dispersion * (1 / (shadowBefore + 0.5) + share / Math.max(1, share * liveDuring)));
  return {
    ...empty,
    level,
    shift: level * (shadowBefore > 0 ? shadowDuring / liveDuring / share - 1 : 0),
    low: level * (rate.low - 1),
    high: level * (rate.high - 1),
    p: rate.p,
    delta: Math.max(-1, Math.min(1, rate.ratio - 1)),
    minimumDetectable: level * (normalQuantile(0.975) + normalQuantile(0.8)) * error,
    effectiveSamples: (shadowBefore + shadowDuring) / dispersion,
    control: "live",
    correlation: 1,
  };
}

/** Errors out of requests in the given cells; cells with no request carry nothing. */
function tally(ratios: readonly number[], requests: readonly number[], cells: readonly number[]): Tally {
  let [hits, trials] = [0, 0];
  for (const cell of cells) {
    if (Number.isNaN(ratios[cell]!) || !(requests[cell]! > 0)) continue;
    hits += Math.round(ratios[cell]! * requests[cell]!);
    trials += requests[cell]!;
  }
  return { hits, trials };
}

/**
 * Share of errors, fault against baseline, less live's own change: p is the larger of Fisher's test on shadow's totals
 * and of the difference in differences, so that neither a change that live shares nor a handful of errors is called an effect.
 */
function errorShare(
  { events, requests }: Events,
  baseline: readonly number[],
  fault: readonly number[],
): CountEstimate {
  const shadow = {
    before: tally(events.shadow, requests!.shadow, baseline),
    during: tally(events.shadow, requests!.shadow, fault),
  };
  if (shadow.before.trials === 0 || shadow.during.trials === 0) {
    return { ...empty, missing: `no requests in the ${shadow.before.trials === 0 ? "baseline" : "fault"}` };
  }
  const hasLive = events.live !== undefined && requests!.live !== undefined;
  const live = hasLive
    ? {
        before: tally(events.live!, requests!.live!, baseline),
        during: tally(events.live!, requests!.live!, fault),
      }
    : undefined;
  const control = live && live.before.trials > 0 && live.during.trials > 0 ? live : undefined;
  const share = shadow.before.hits / shadow.before.trials;
  const dispersion = burstiness(events.shadow, requests!.shadow, baseline, share);
  const difference = riskDifference(shadow.before, shadow.during, control, { dispersion });
  const scaled = (value: number): number => Math.round(value / dispersion);
  const fisher = fisherExact(
    scaled(shadow.before.hits),
    scaled(shadow.before.trials),
    scaled(shadow.during.hits),
    scaled(shadow.during.trials),
  );
  const apart = control ? normalTwoSided((difference.low + difference.high) / 2 / difference.error) : 0;
  return {
    ...empty,
    level: share,
    shift: difference.difference,
    low: difference.low,
    high: difference.high,
    p: Math.max(fisher, apart),
    delta: difference.difference,
    minimumDetectable: minimumDetectableRisk(difference.error),
    effectiveSamples: (shadow.before.trials + shadow.during.trials) / dispersion,
    control: control ? "live" : "none",
    ...(!control && { controlNote: "no live side" }),
    correlation: control ? 1 : 0,
  };
}

/** How much more errors clump over the baseline than independent ones would: Pearson's dispersion × autocorrelation. */
function burstiness(
  ratios: readonly number[],
  requests: readonly number[],
  cells: readonly number[],
  share: number,
): number {
  const known = cells.filter((cell) => !Number.isNaN(ratios[cell]!) && requests[cell]! > 0);
  const observed = known.map((cell) => ratios[cell]! * requests[cell]!);
  const expected = known.map((cell) => requests[cell]! * share);
  const dispersion = dispersionFactor(observed, expected, Math.min(share, 0.99));
  return dispersion > 1 ? dispersion * effectiveSampleFactor(observed) : 1;
}
