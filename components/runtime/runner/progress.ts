import type { JournalEvent, JournalPhase } from "./journal";
import { type RecentPoints, wholeService } from "./recent";

/** What live and shadow do now; null where nothing was measured in the last seconds. */
export interface LiveFigures {
  /** Requests per second. */
  requestsLive: number | null;
  requestsShadow: number | null;
  /** Milliseconds. */
  p95Live: number | null;
  p95Shadow: number | null;
  /** Ratio 0–1. */
  errorsLive: number | null;
  errorsShadow: number | null;
  /** Ratio 0–1 of the live requests that were replayed; packets that nobody saw count as requests. */
  coverage: number | null;
}

/** Told while a run goes on: when a phase begins, at every step, and when something happens. */
export interface RunProgress {
  kind: "phase" | "step" | "event" | "end";
  /** Milliseconds since 1970. */
  time: number;
  phase: JournalPhase["name"];
  /** Name of the experiment; left out before the first and after the last. */
  experiment?: string;
  /** Position of the experiment, from 1. */
  experimentNumber: number;
  experimentCount: number;
  /** Expected seconds until the phase ends. */
  remainingSeconds: number;
  /** Expected seconds until the whole run ends. */
  runRemainingSeconds: number;
  /** Names of the actions whose faults are on. */
  activeFaults: string[];
  figures: LiveFigures;
  /** What happened, with kind `event`. */
  event?: JournalEvent;
}

/** The newest value of each figure, at most ten seconds old. */
export function liveFigures(recent: RecentPoints, now: number, stepSeconds: number): LiveFigures {
  const newest = (signal: string, side: "live" | "shadow"): number | null =>
    recent.latest(signal, wholeService, side, now - 10_000, now + 1)?.value ?? null;
  const perSecond = (side: "live" | "shadow"): number | null => {
    const count = newest("app.requests", side);
    return count === null ? null : count / stepSeconds;
  };
  return {
    requestsLive: perSecond("live"),
    requestsShadow: perSecond("shadow"),
    p95Live: newest("app.latency.p95", "live"),
    p95Shadow: newest("app.latency.p95", "shadow"),
    errorsLive: newest("app.errors", "live"),
    errorsShadow: newest("app.errors", "shadow"),
    coverage: newest("replay.coverage", "shadow"),
  };
}
