export { analyseRun, type AnalysedExperiment, type Analysis, type RunSettings } from "./run";
export { analysePair, type PairInput } from "./pair";
export { estimate, type Estimate, type Question } from "./estimate";
export { defaults, type PairSettings } from "./settings";
export { isApparatus, ruleOf, type SignalRule } from "./signals";
export { judge } from "./verdict";
export type { Judgement } from "./runVerdict";
export { parseCsv, parseWindow } from "./csv";
export { align, type AlignedPair, type Sample, type Window } from "./series";
export { calibratedSlope, formGap, type Gap } from "./calibration";
export {
  autocorrelatedRankTest,
  cliffsDelta,
  deltaBand,
  effectiveDegrees,
  effectiveSampleFactor,
  hodgesLehmann,
  mannWhitney,
  spikeRobustSampleFactor,
  type RankTest,
  type SampleFactor,
  type ShiftInterval,
} from "./ranks";
export { brownForsythe, ks2, type SpreadTest } from "./spread";
export {
  binomialTwoSided,
  dispersionFactor,
  fisherExact,
  poissonRatio,
  riskDifference,
  type RateRatio,
  type RiskDifference,
  type Tally,
} from "./counts";
export { walshInterval, wilcoxonSignedRank, type SignedRankTest } from "./signedRank";
export { doseResponse, kendall, theilSen, type DoseResponse, type Line } from "./trend";
export { benjaminiHochberg } from "./multiplicity";
export { bestSplit, eDivisive, energyStatistics, type ChangePoint, type EnergyStatistics } from "./changePoints";
export { hunterChangePoints, type HunterSettings } from "./hunter";
export { cohensD, welchTest } from "./classics";
export {
  area,
  onset,
  pulseOnset,
  recovery,
  timeToDetect,
  timeToStabilise,
  type EvenSeries,
  type Recovery,
} from "./recovery";
export { minimumDetectableEffect, minimumDetectablePulse, minimumDetectableRisk } from "./detectable";
export { falseAlarmRate, rateOf, type FalseAlarmRate } from "./falseAlarms";
export { analysePlacebo } from "./placebo";
export { gilbertElliott } from "./loss";
export { phaseLatencies } from "./latencies";
export { latencyHistogram, mergeLatencies, percentiles, type Percentiles } from "./percentiles";
export { wilsonInterval } from "./distributions";
export { correlation, mad, mean, median, midranks, quantile, rankCorrelation } from "./descriptive";
