import type { Gap } from "./calibration";
import { autocorrelatedRankTest, hodgesLehmann, type ShiftInterval } from "./ranks";
import { present } from "./series";

/** How much lower and higher a shift may be than it looks, because the slope of the calibration is known to a bracket only. */
export interface Slack {
  below: number;
  above: number;
}

/** No doubt about the slope. */
export const noSlack: Slack = { below: 0, above: 0 };

/**
 * Slack of a shift on the scale of the test: at slope b it is shift(b₀) − (b − b₀)·(how far live moved), so that live's own move
 * times the bracket of the slope is what the shift may be wrong by (the delta method of analysis of covariance; Rao 1973, 6a).
 */
export function slopeSlack(gap: Gap, baseline: readonly number[], fault: readonly number[]): Slack {
  if (!gap.live) return noSlack;
  const [before, during] = [present(gap.live, baseline), present(gap.live, fault)];
  if (before.length === 0 || during.length === 0) return noSlack;
  const moved = hodgesLehmann(before, during).shift;
  const { below, above } = gap.slack;
  return moved > 0
    ? { below: above * moved, above: below * moved }
    : { below: below * Math.abs(moved), above: above * Math.abs(moved) };
}

/** Two independent doubts together: the half width of the interval, and the slack, added in quadrature. */
function allowance({ shift, low, high }: ShiftInterval, slack: Slack): Slack {
  const more = (half: number, extra: number): number => Math.hypot(half, extra) - half;
  return { below: more(shift - low, slack.below), above: more(high - shift, slack.above) };
}

/** An interval with the slack in it. */
export function widened(interval: ShiftInterval, slack: Slack): ShiftInterval {
  const { below, above } = allowance(interval, slack);
  return { shift: interval.shift, low: interval.low - below, high: interval.high + above };
}

/** p of the autocorrelated rank test after the shift was moved towards 0 by its allowance; 1 where that reaches 0. */
export function slackRankP(
  a: readonly number[],
  b: readonly number[],
  { tau, interval, slack }: { tau: number; interval: ShiftInterval; slack: Slack },
): number {
  const { below, above } = allowance(interval, slack);
  const move = interval.shift > 0 ? below : -above;
  if (Math.abs(move) >= Math.abs(interval.shift) && move !== 0) return 1;
  return autocorrelatedRankTest(a, move === 0 ? b : b.map((value) => value - move), tau).p;
}
