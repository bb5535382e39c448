import { median } from "./descriptive";
import { MINIMUM_PULSES } from "./pulses";
import {
  area,
  onset,
  pulseOnset,
  recovery,
  timeToDetect,
  timeToStabilise,
  usualBand,
  type EvenSeries,
  type Recovery,
} from "./recovery";
import type { Window } from "./series";

/** How an effect came, stayed and went. */
export interface Course {
  onset: number | null;
  timeToDetect: number | null;
  timeToStabilise: number | null;
  recovery: Recovery | null;
  area: number | null;
}

/** What is needed to follow a gap through its fault. */
export interface CourseInput {
  gap: EvenSeries;
  /** Values of the gap over the baseline. */
  baseline: readonly number[];
  windows: readonly Window[];
  watchUntil: number;
  holdSeconds: number;
  /** Smallest difference of interest in the unit: what is closer to the baseline is as good as back. */
  margin: number;
  /** Times mean something only for an effect that is proven; without one only the area is measured. */
  proven: boolean;
}

/** Follows a gap through its fault. Time to detect and to stabilise belong to one lasting window and stay null for pulses. */
export function courseOf(input: CourseInput): Course {
  const { gap, baseline, windows, watchUntil, holdSeconds, margin, proven } = input;
  const [first, last] = [windows[0]!, windows[windows.length - 1]!];
  const centre = median(baseline);
  const between = (recovered: number | null): number =>
    area(gap, centre, first.start, Math.max(last.end, recovered === null ? watchUntil : last.end + recovered));
  const none = { onset: null, timeToDetect: null, timeToStabilise: null, recovery: null };
  if (!proven || baseline.length === 0) return { ...none, area: between(null) };
  const band = usualBand(baseline, margin);
  const back = recovery(gap, baseline, { end: last.end, watchUntil }, { hold: holdSeconds, tolerance: margin });
  const single = windows.length === 1;
  const start = windows.length >= MINIMUM_PULSES ? pulseOnset(gap, windows) : onset(gap, first);
  return {
    onset: start,
    timeToDetect: single ? timeToDetect(gap, centre, band, first) : null,
    timeToStabilise: single ? timeToStabilise(gap, band, first) : null,
    recovery: back,
    area: between(back.recovered),
  };
}
