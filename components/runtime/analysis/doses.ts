import type { ExperimentAction } from "../../experiment";
import type { DoseResponseEffect, Effect, JournalExperiment } from "../runner/journal";
import { doseResponse } from "./trend";

/** Fewest strengths that can show an order. */
const MINIMUM_STRENGTHS = 3;

/** Settings of a fault that are its strength. */
const strengths = ["delayMilliseconds", "percent", "bitsPerSecond", "sharePercent"] as const;
type Strength = (typeof strengths)[number];

/** Actions that do the same to the same target, but for one strength. */
interface Series {
  kind: string;
  target: string;
  parameter: Strength;
  doses: Map<string, number>;
}

/**
 * Dose-response of an experiment whose actions repeat one fault on one target at three or more strengths: Theil-Sen slope and
 * Kendall's tau of shift against strength, for every app signal that was measured under all of them.
 */
export function dosesOf(experiment: JournalExperiment, effects: readonly Effect[]): DoseResponseEffect[] {
  return seriesOf(experiment).flatMap((series) => {
    const own = effects.filter(({ fault, signal }) => series.doses.has(fault) && signal.startsWith("app."));
    const names = new Map(own.map((effect) => [`${effect.signal}\n${effect.target}`, effect]));
    return [...names.values()].flatMap((sample): DoseResponseEffect[] => {
      const measured = own.filter(
        ({ signal, target, shift }) => signal === sample.signal && target === sample.target && shift !== null,
      );
      if (measured.length < series.doses.size) return [];
      const ordered = measured
        .map(({ fault, shift }) => ({ dose: series.doses.get(fault)!, shift: shift! }))
        .sort((a, b) => a.dose - b.dose);
      const [doses, shifts] = [ordered.map(({ dose }) => dose), ordered.map(({ shift }) => shift)];
      const { slope, low, high, tau, p } = doseResponse(doses, shifts);
      const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
      const { signal, target: of, unit } = sample;
      const { kind: fault, target, parameter } = series;
      const line = { slope, low: finite(low), high: finite(high), tau, p };
      return [{ fault, target, parameter, signal, of, unit, strengths: doses, shifts, ...line }];
    });
  });
}

function seriesOf({ definition, faults }: JournalExperiment): Series[] {
  const found = new Map<string, Series>();
  for (const { action: name, kind, target } of faults) {
    const action = definition.actions[name];
    const parameter = action && strengths.find((setting) => action[setting] !== undefined);
    if (action === undefined || parameter === undefined) continue;
    const key = JSON.stringify([kind, target, parameter, sameApart(action, parameter)]);
    const series = found.get(key) ?? { kind, target, parameter, doses: new Map<string, number>() };
    series.doses.set(name, action[parameter]!);
    found.set(key, series);
  }
  return [...found.values()].filter(({ doses }) => new Set(doses.values()).size >= MINIMUM_STRENGTHS);
}

/** What must agree besides the strength: everything but when it happens. */
function sameApart(action: ExperimentAction, parameter: Strength): unknown[] {
  const free = new Set<string>([parameter, "startAfter", "seed", "durationSeconds"]);
  return Object.entries(action)
    .filter(([key]) => !free.has(key))
    .sort(([a], [b]) => a.localeCompare(b));
}
