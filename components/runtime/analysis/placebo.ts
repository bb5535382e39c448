import type { Effect, RecordedRun } from "../runner/journal";
import { analyseRun, type RunSettings } from "./run";

/** Name of the fault that never happened. */
const placebo = "placebo";

/**
 * Analyses a run without faults as if something had been broken during its fault phases: the same analysis on the same
 * system, where every finding is a false alarm (A/A calibration). Empty when no experiment of the run has a fault phase.
 */
export function analysePlacebo(run: RecordedRun, settings: RunSettings = {}): Effect[] {
  const experiments = run.journal.experiments.map((experiment) => {
    const phase = run.journal.phases.find(
      ({ name, experiment: of }) => name === "fault" && (of === undefined || of === experiment.name),
    );
    if (phase?.endedAt === undefined) return { ...experiment, faults: [] };
    const windows = [{ start: phase.startedAt, end: phase.endedAt }];
    const fault = { action: placebo, kind: placebo, target: "", mechanism: "none", windows, notes: [], commands: [] };
    return { ...experiment, faults: [{ ...fault, touches: { machines: [], links: [] } }] };
  });
  return analyseRun({ ...run, journal: { ...run.journal, experiments } }, settings).experiments.flatMap(
    ({ effects }) => effects,
  );
}
