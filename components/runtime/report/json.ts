import type { FaultEffect } from "../faults/plan";
import type {
  DoseResponseEffect,
  Effect,
  Journal,
  JournalAlarm,
  JournalCoverage,
  PhaseLatency,
  RecordedRun,
  Verdict,
} from "../runner/journal";
import { endOf, runSentence } from "./format";

/** What `report.json` holds: the run's results without its samples and its events. */
export interface RunReport {
  /** Version of this object; 1. */
  version: 1;
  run: {
    id: string;
    network: string;
    backEnd: string;
    status: Journal["status"];
    statusReason?: string;
    startedAt: string;
    /** Left out while the run goes on. */
    endedAt?: string;
    /** Wall-clock length of the run. */
    seconds: number;
    seed: number;
    command: string[];
    versions: Record<string, string>;
  };
  /** Null when the run ended before its analysis. */
  verdict: Verdict | null;
  sentence: string;
  /** True when no verdict may be drawn from the run. */
  invalid: boolean;
  experiments: ExperimentReport[];
  /** Every effect of the run. */
  effects: (Effect & { experiment: string })[];
  /** Null when it was not counted. */
  coverage: JournalCoverage | null;
  alarms: JournalAlarm[];
}

/** One experiment in `report.json`. */
interface ExperimentReport {
  name: string;
  title?: string;
  verdict: Verdict | null;
  sentence?: string;
  deviated: boolean;
  /** True when no verdict may be drawn from this experiment. */
  invalid: boolean;
  doses: DoseResponseEffect[];
  /** Response times of all requests per phase and side. */
  latencies: PhaseLatency[];
  faults: {
    action: string;
    kind: string;
    target: string;
    mechanism: string;
    /** Milliseconds since 1970. */
    windows: { start: number; end: number }[];
    proven: boolean;
    asked?: number;
    measured?: number;
    unit?: string;
    why?: string;
    /** Each direction by itself, where their values were asked for separately. */
    directions?: FaultEffect["directions"];
    /** What came of probe packets, where they were asked for. */
    probes?: FaultEffect["probes"];
  }[];
  probes: Journal["experiments"][number]["probes"];
  commands: Journal["experiments"][number]["commands"];
}

/** The run's results as one documented object, see {@link RunReport}. */
export function renderReportJson(run: RecordedRun): RunReport {
  const { journal } = run;
  const { id, network, backEnd, status, statusReason, startedAt, endedAt, seed, command, versions } = journal;
  const seconds = (endOf(journal) - Date.parse(startedAt)) / 1000;
  return {
    version: 1,
    run: { id, network, backEnd, status, statusReason, startedAt, endedAt, seconds, seed, command, versions },
    verdict: journal.verdict ?? null,
    sentence: runSentence(journal),
    invalid: journal.invalid ?? false,
    experiments: journal.experiments.map(experimentReport),
    effects: journal.experiments.flatMap(({ name, effects }) =>
      effects.map((effect) => ({ experiment: name, ...effect })),
    ),
    coverage: journal.coverage ?? null,
    alarms: journal.alarms,
  };
}

function experimentReport(experiment: Journal["experiments"][number]): ExperimentReport {
  const { name, definition, verdict, sentence, deviated, faults, probes, commands } = experiment;
  return {
    name,
    title: definition.title,
    verdict: verdict ?? null,
    sentence,
    deviated,
    invalid: experiment.invalid ?? false,
    doses: experiment.doses ?? [],
    latencies: experiment.latencies ?? [],
    faults: faults.map(({ action, kind, target, mechanism, windows, effect }) => {
      const { proven = false, asked, measured, unit, why, directions, probes } = effect ?? {};
      return { action, kind, target, mechanism, windows, proven, asked, measured, unit, why, directions, probes };
    }),
    probes,
    commands,
  };
}
