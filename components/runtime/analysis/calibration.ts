import { median, rankCorrelation } from "./descriptive";
import { effectiveSampleFactor } from "./ranks";
import { present, type AlignedPair } from "./series";
import { explained, theilSen } from "./trend";

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

/**
 * Slope of shadow on live by Theil-Sen, both ways round: noise in live pulls shadow-on-live towards 0 and noise in shadow pulls
 * the inverse away from it, so the truth lies between. 1 where that bracket contains it; else the geometric mean (reduced major axis).
 */
export function calibratedSlope(live: readonly number[], shadow: readonly number[]): number {
  const tau = effectiveSampleFactor(shadow);
  const forward = theilSen(live, shadow, tau, enough);
  const backward = theilSen(shadow, live, tau, enough);
  const top = backward.low > 0 ? 1 / backward.low : Infinity;
  if (forward.low <= 1 && 1 <= top) return 1;
  return forward.slope > 0 && backward.slope > 0 ? Math.sqrt(forward.slope / backward.slope) : 1;
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
  const alone = (note: string): Gap => ({
    test: shadow,
    unit: pair.shadow.slice(),
    control: "none",
    controlNote: note,
    slope: 0,
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
  const slope = weak ? 1 : calibratedSlope(x, y);
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
    correlation,
    explained: explained(x, y, { slope, intercept, low: slope, high: slope }),
    level,
  };
}
