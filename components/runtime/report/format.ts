import type { DirectionEffect } from "../faults/plan";
import { surestCoverage } from "../runner/coverage";
import type { Effect, Journal, JournalExperiment, JournalFault, Verdict } from "../runner/journal";
import { formatProbability, formatShift, isShare, significant } from "../words";

/** How a verdict is shown: a mark, a word and a sentence, so that nothing depends on colour. */
export interface VerdictStyle {
  /** `cut` is what a run without a verdict shows. */
  key: Verdict | "cut";
  mark: string;
  word: string;
  meaning: string;
}

const verdictStyles: Record<VerdictStyle["key"], VerdictStyle> = {
  pass: {
    key: "pass",
    mark: "✓",
    word: "pass",
    meaning: "the effect lies inside the margin and the fault is proven to have happened",
  },
  degraded: {
    key: "degraded",
    mark: "▲",
    word: "degraded",
    meaning: "the whole interval of an effect lies beyond the margin",
  },
  fail: { key: "fail", mark: "✕", word: "fail", meaning: "the hypothesis is broken or a stop condition fired" },
  inconclusive: {
    key: "inconclusive",
    mark: "?",
    word: "inconclusive",
    meaning: "the measurements do not carry a verdict",
  },
  noData: { key: "noData", mark: "∅", word: "no data", meaning: "a series that the verdict needs is missing" },
  cut: { key: "cut", mark: "…", word: "no verdict", meaning: "nothing was analysed" },
};

/** Mark, word and meaning of a verdict; of a missing one, that there is none. */
export function verdictStyle(verdict: Verdict | undefined): VerdictStyle {
  return verdictStyles[verdict ?? "cut"];
}

const severities: (Verdict | undefined)[] = ["fail", "degraded", "inconclusive", "noData", undefined, "pass"];

/** Order of verdicts for sorting: the smaller, the more it needs attention. */
export function verdictRank(verdict: Verdict | undefined): number {
  return severities.indexOf(verdict);
}

/** `+92.1 ms (+94 %)`, or a dash when it could not be estimated. */
export function effectSize({ signal, shift, shiftPercent, unit }: Effect): string {
  if (shift === null) return "–";
  if (shiftPercent === null || isShare(signal, unit) || Math.abs(shiftPercent) > 100_000)
    return formatShift(signal, shift, unit);
  return `${formatShift(signal, shift, unit)} (${shiftPercent > 0 ? "+" : ""}${significant(shiftPercent)} %)`;
}

/** `+90 … +94 ms`, or a dash. */
export function effectInterval({ signal, low, high, unit }: Effect): string {
  return low === null || high === null ? "–" : `${formatShift(signal, low, unit)} … ${formatShift(signal, high, unit)}`;
}

/** q of an effect; of one whose level did not change but whose spread did, the q of the spread. */
export function effectQ({ q, spreadQ, verdict }: Effect): string {
  const bySpread = verdict === "degraded" && (q ?? 1) >= 0.05 && spreadQ !== undefined && spreadQ !== null;
  return bySpread ? `${formatProbability(spreadQ)} (spread)` : formatProbability(q);
}

/** `1.3 s`, `not within the time watched`, or a dash when it was never away. */
export function effectRecovery({ recovered, censored }: Effect): string {
  if (censored) return "not while watched";
  return recovered === null ? "–" : formatSeconds(recovered);
}

/** Seconds as people say them: `1.3 s`, `4 min 5 s`, `1 h 2 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${significant(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return minutes === 0 ? `${hours} h` : `${hours} h ${minutes} min`;
  return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
}

/** `2026-11-23 10:15:00 UTC`. */
export function formatInstant(time: number | string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** `10:15:00`, in UTC. */
export function formatClock(time: number): string {
  return new Date(time).toISOString().slice(11, 19);
}

/** Time since the run started, `1:05`, `1:02:05`. */
export function formatOffset(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const tail = String(rest).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** Milliseconds since 1970 at which the run ended, as far as is known. */
export function endOf({ endedAt, startedAt, phases, events }: Journal): number {
  if (endedAt !== undefined) return Date.parse(endedAt);
  const known = [...phases.map((phase) => phase.endedAt ?? phase.startedAt), ...events.map(({ time }) => time)];
  return Math.max(Date.parse(startedAt), ...known);
}

/** True when the run did not come to its own end. */
export function wasCut({ status }: Journal): boolean {
  return status !== "completed";
}

/** The run's sentence; where there is none, why. */
export function runSentence(journal: Journal): string {
  if (journal.sentence !== undefined) return journal.sentence;
  if (journal.status === "running") return "The run is still going on; it has no verdict yet.";
  return `There is no verdict${journal.statusReason === undefined ? "" : `: ${journal.statusReason}`}.`;
}

/** Why no verdict may be drawn, from the run or from some of its experiments; undefined when all may be judged. */
export function invalidNotice({ invalid, experiments }: Journal): string | undefined {
  if (invalid !== true) return undefined;
  const named = experiments.filter((experiment) => experiment.invalid === true).map(({ name }) => name);
  const why = "either a fault did nothing, or the shadow was not under the load of live";
  if (named.length === 0 || named.length === experiments.length)
    return `The run is invalid: no verdict may be drawn from it; ${why}.`;
  return `No verdict may be drawn from ${named.join(", ")}: ${why}. The other experiments stand.`;
}

/** `link down` for `linkDown`. */
export function spaced(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`);
}

/** What an experiment is called for people. */
export function experimentTitle({ name, definition }: JournalExperiment): string {
  const { title } = definition;
  return title === undefined ? name : `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
}

/** `asked 80 ms, measured 80.4 ms`, or what the counters say where a fault has no strength. */
export function faultProof({ effect }: JournalFault): string {
  if (effect === undefined) return "not measured";
  const strength = faultStrength(effect) ?? directionStrengths(effect);
  return strength === undefined ? effect.why : `${strength}; ${effect.why}`;
}

/** The strengths of each direction, where they were asked for separately. */
function directionStrengths({ directions }: NonNullable<JournalFault["effect"]>): string | undefined {
  const parts = Object.entries(directions ?? {}).flatMap(([way, effect]) => {
    const strength = faultStrength(effect);
    return strength === undefined ? [] : [`${way} ${strength}`];
  });
  return parts.length === 0 ? undefined : parts.join(", ");
}

function faultStrength({ asked, measured, unit }: DirectionEffect): string | undefined {
  if (asked === undefined) return undefined;
  const suffix = unit === undefined ? "" : ` ${unit}`;
  const found = measured === undefined ? "not measured" : `measured ${significant(measured)}${suffix}`;
  return `asked ${significant(asked)}${suffix}, ${found}`;
}

/** `0:40–0:58`, or `6 pulses, 1:48–2:21`, as time since the run started. */
export function faultWindows({ windows }: JournalFault, startedAt: number): string {
  const [first, last] = [windows[0], windows.at(-1)];
  if (first === undefined || last === undefined) return "never active";
  const span = `${formatOffset(first.start - startedAt)}–${formatOffset(last.end - startedAt)}`;
  return windows.length === 1 ? span : `${windows.length} pulses, ${span}`;
}

type Coverage = NonNullable<Journal["coverage"]>;

/** The share of live's requests that a verdict rests on: a lower bound where packets went by unseen. */
export function coverageShare(coverage: Coverage): string {
  const bound = (coverage.unseen ?? 0) > 0 ? "at least " : "";
  return `${bound}${significant(100 * surestCoverage(coverage))} %`;
}

/** What of live's requests was replayed, and what nobody saw. */
export function coverageSentence(coverage: Coverage): string {
  const { replayed, onWire, unseen = 0 } = coverage;
  const seen = `${significant(replayed)} of ${significant(onWire)} mirrored requests were replayed`;
  const share = coverageShare(coverage);
  if (unseen === 0) return `coverage ${share}: ${seen}`;
  const dropped = `${significant(unseen)} packets that the gateway's kernel dropped unseen may have been requests`;
  return `coverage ${share}: ${seen} (${significant(100 * coverage.coverage)} %), and ${dropped}`;
}
