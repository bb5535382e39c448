/** What the analysis takes for granted; every field has a default that {@link defaults} shows. */
export interface PairSettings {
  /** Seconds between samples. Defaults to the usual distance of the series. */
  stepSeconds?: number;
  /** Seconds dropped after a fault starts. Defaults to 1; pulses shorter than ten steps drop nothing. */
  settleSeconds: number;
  /** Smallest difference of interest as percent of shadow's baseline level: an effect must lie beyond it. */
  marginPercent: number;
  /** "No effect" needs the whole interval inside this percentage of the level. Defaults to the margin. */
  equivalencePercent?: number;
  /** How long the gap must stay back to count as recovered. */
  holdSeconds: number;
  /** Spearman's correlation over the baseline below which live is no control. */
  minimumCorrelation: number;
  /** Largest share of missing samples in a phase. */
  maximumMissing: number;
  /** Fewest samples of the baseline, and of the fault. */
  minimumBaseline: number;
  minimumFault: number;
  /** Largest q that counts as proven. */
  alpha: number;
}

/** The defaults; why these numbers: docs/statistics.md. */
export const defaults: PairSettings = {
  settleSeconds: 1,
  marginPercent: 10,
  holdSeconds: 10,
  minimumCorrelation: 0.3,
  maximumMissing: 0.2,
  minimumBaseline: 20,
  minimumFault: 8,
  alpha: 0.05,
};
