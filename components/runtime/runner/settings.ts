import type { AnalysisSettings, Experiment } from "../../experiment";

/** An experiment's analysis settings with every default filled in. */
export function analysisSettings({ analysis }: Experiment): Required<AnalysisSettings> {
  return {
    baselineSeconds: analysis?.baselineSeconds ?? 60,
    settleSeconds: analysis?.settleSeconds ?? 1,
    recoverySeconds: analysis?.recoverySeconds ?? 30,
    marginPercent: analysis?.marginPercent ?? 10,
    stepSeconds: analysis?.stepSeconds ?? 1,
  };
}
