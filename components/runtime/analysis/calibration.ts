import { median, rankCorrelation } from "./descriptive";
import { normalQuantile } from "./distributions";
import { spikeRobustSampleFactor } from "./ranks";
import { present, type AlignedPair } from "./series";
import { explained, theilSen, type Line } from "./trend";

/** The gap between shadow and calibrated live, on the scale of the test and in the signal's unit. */
export interface Gap {
  /** On the scale of the test: logarithm or identity. */
  test: number[];
  /** In the signal's unit: shadow − what live predicts. */
  unit: number[];
  /**
   * `live`: shadow against calibrated live; `weak`: live explains too little to be calibrated, so an effect has to show both
   * against live at slope 1 and in shadow alone; `none`: shadow alone.
   */
  control: "live" | "weak" | "none";
  /** Shadow alone, where the control is weak. */
  alone?: { test: number[]; unit: number[] };
  /** Why there is no good control. */
  controlNote?: string;
  slope: number;
  /** How far below and above the slope the baseline allows it to be. */
  slack: { below: number; above: number };
  /** Units per step on the scale of the test: the level for a logarithm, else 1. */
  unitsPerStep: number;
  /** Live on the scale of the test; undefined where it is no control. */
  live?: number[];
  /** Spearman's correlation of live and shadow over the baseline; 0 without a live side. */
  correlation: number;
  /** R² of the calibration over the baseline. */
  explained: number;
  /** Median of shadow over the baseline, in the unit. */
  level: number;
}

/** The transform of a series; a logarithm's zeros stand at a hundredth of the baseline's level, which ranks as lowest. */
function transformed(values: readonly number[], level: number, transform: "log" | "identity"): number[] {
  if (transform === "identity") return [...values];
  const floor = level > 0 ? level / 100 : 1e-9;
  return values.map((value) => (Number.isNaN(value) ? value : Math.log(Math.max(value, floor))));
}

/** Samples that fix a slope well enough: what more would bring is far below the noise of one side. */
const enough = 150;

/** A slope, and how far below and above it the truth may be. */
export interface CalibratedSlope {
  slope: number;
  below: number;
  above: number;
}

/**
 * Slope of shadow on live. Noise in live pulls Theil-Sen's slope of shadow on live towards 0, noise in shadow pulls the inverse away
 * from it, so the truth lies between; the estimate is their geometric mean (reduced major axis; Isobe et al. 1990, with standard error
 * of its logarithm sqrt((1−r²)·tau/n)). 1, the parallel response, unless its 95 % interval excludes that. A slope other than 1 is known
 * to the bracket of both only, which ends at 0 and at twice the slope: beyond, live would be no control.
 */
export function calibratedSlope(live: readonly number[], shadow: readonly number[]): CalibratedSlope {
  const forward = slopeOf(live, shadow);
  const backward = slopeOf(shadow, live);
  const one = { slope: 1, below: 0, above: 0 };
  if (forward.slope <= 0 || backward.slope <= 0) return one;
  const slope = Math.sqrt(forward.slope / backward.slope);
  const tau = spikeRobustSampleFactor(shadow.map((value, i) => value - slope * live[i]!));
  const error = Math.sqrt(((1 - rankCorrelation(live, shadow) ** 2) * tau) / live.length);
  if (Math.abs(Math.log(slope)) < normalQuantile(0.975) * error) return one;
  const top = backward.low > 0 ? Math.min(1 / backward.low, 2 * slope) : 2 * slope;
  return { slope, below: slope - Math.min(slope, Math.max(0, forward.low)), above: Math.max(slope, top) - slope };
}

/** Theil-Sen line whose interval allows for the autocorrelation of what the line leaves over, not for that of the load itself. */
function slopeOf(x: readonly number[], y: readonly number[]): Line {
  const { slope } = theilSen(x, y, 1, enough);
  return theilSen(x, y, spikeRobustSampleFactor(y.map((value, i) => value - slope * x[i]!)), enough);
}

/** Calibrates live to shadow on the baseline only, and forms the gap over the whole time. */
export function formGap(
  pair: AlignedPair,
  baseline: readonly number[],
  transform: "log" | "identity",
  minimumCorrelation: number,
): Gap {
  const level = median(present(pair.shadow, baseline));
  const shadow = transformed(pair.shadow, level, transform);
  const unitsPerStep = transform === "log" ? Math.abs(level) : 1;
  const alone = (note: string): Gap => ({
    test: shadow,
    unit: pair.shadow.slice(),
    control: "none",
    controlNote: note,
    slope: 0,
    slack: { below: 0, above: 0 },
    unitsPerStep,
    correlation: 0,
    explained: 0,
    level,
  });
  if (!pair.live) return alone("no live side");
  const live = transformed(pair.live, median(present(pair.live, baseline)), transform);
  const both = baseline.filter((cell) => !Number.isNaN(live[cell]!) && !Number.isNaN(shadow[cell]!));
  if (both.length < baseline.length / 2) return alone("live has too few samples");
  const [x, y] = [both.map((cell) => live[cell]!), both.map((cell) => shadow[cell]!)];
  const correlation = rankCorrelation(x, y);
  const weak = correlation < minimumCorrelation;
  const { slope, ...slack } = weak ? { slope: 1, below: 0, above: 0 } : calibratedSlope(x, y);
  const intercept = median(y.map((value, i) => value - slope * x[i]!));
  const back = transform === "log" ? Math.exp : (value: number): number => value;
  const predicted = live.map((value) => intercept + slope * value);
  return {
    test: shadow.map((value, cell) => value - predicted[cell]!),
    unit: pair.shadow.map((value, cell) => value - back(predicted[cell]!)),
    control: weak ? "weak" : "live",
    ...(weak && {
      alone: { test: shadow, unit: pair.shadow.slice() },
      controlNote: `live explains little (correlation ${correlation.toFixed(2)}), so this shows both with and without it`,
    }),
    slope,
    slack,
    unitsPerStep,
    live,
    correlation,
    explained: explained(x, y, { slope, intercept, low: slope, high: slope }),
    level,
  };
}
