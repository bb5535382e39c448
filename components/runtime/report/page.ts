import { surestCoverage } from "../runner/coverage";
import type {
  DoseResponseEffect,
  Effect,
  Journal,
  JournalExperiment,
  JournalFault,
  RecordedRun,
} from "../runner/journal";
import {
  type VerdictStyle,
  coverageShare,
  effectInterval,
  effectQ,
  effectRecovery,
  effectSize,
  endOf,
  experimentTitle,
  faultWindows,
  formatClock,
  formatInstant,
  formatOffset,
  formatSeconds,
  invalidNotice,
  runSentence,
  spaced,
  verdictRank,
  verdictStyle,
  wasCut,
} from "./format";
import { formatProbability, formatShift, formatValue, seriesName, signalName, significant } from "../words";
import { type Figures, drawFigures } from "./figures";
import { latencyRows } from "./latencyRows";
import { subnetFaults, tiersOf } from "./places";

/** The verdicts in the order in which the page explains them. */
export const BASE_VERDICTS: VerdictStyle[] = (["pass", "degraded", "fail", "inconclusive", "noData"] as const).map(
  verdictStyle,
);

const mostEvents = 300;
const mostFidelityItems = 40;
const fewEffects = 10;

/** Everything that the page says, as text; only drawings are markup. */
export function pageOf(run: RecordedRun): Record<string, unknown> {
  const { journal } = run;
  const figures = drawFigures(run);
  const startedAt = Date.parse(journal.startedAt);
  const tiers = tiersOf(journal, figures.letters);
  const { verdict } = journal;
  return {
    title: `${verdictStyle(verdict).word}: ${journal.network}, ${formatInstant(journal.startedAt)}`,
    id: journal.id,
    network: journal.network,
    version: journal.versions["shadownet"] ?? "",
    when: `${formatInstant(journal.startedAt)}, ${formatSeconds((endOf(journal) - startedAt) / 1000)}`,
    verdict: verdictStyle(verdict),
    sentence: asSentence(runSentence(journal)),
    notices: noticesOf(journal),
    facts: factsOf(journal),
    overview: figures.overview,
    letters: [...figures.letters].map(([fault, letter]) => ({
      letter,
      text: `${spaced(fault.kind)} on ${fault.target}`,
    })),
    tiers,
    subnets: subnetFaults(journal, figures.letters, tiers),
    experiments: journal.experiments.map((experiment, index) => experimentOf(journal, experiment, index, figures)),
    machines: figures.machines,
    omitted: figures.omitted,
    ...trustOf(journal),
    alarms: journal.alarms.map(({ name, severity, state, time, value }) => ({
      name,
      severity,
      state: spaced(state),
      time: formatClock(time),
      value: value === undefined ? "–" : significant(value),
    })),
    ...timelineOf(journal, startedAt),
    command: commandLine(journal.command),
    versions: versionsOf(journal),
  };
}

function noticesOf(journal: Journal): { tone: string; text: string }[] {
  const notices: { tone: string; text: string }[] = [];
  const invalid = invalidNotice(journal);
  if (invalid !== undefined) notices.push({ tone: "fail", text: invalid });
  if (wasCut(journal)) {
    const reason = journal.statusReason ?? "no reason was recorded";
    const because = runSentence(journal).includes(reason) ? "" : `: ${reason}`;
    const after = formatSeconds((endOf(journal) - Date.parse(journal.startedAt)) / 1000);
    const text =
      journal.status === "running"
        ? "This run is still going on. What was measured until now is below."
        : `This run was cut short (${journal.status}) after ${after}${because}. What was measured until then is below.`;
    notices.push({ tone: "cut", text });
  }
  return notices;
}

function factsOf({ experiments, coverage, alarms }: Journal): { name: string; value: string; more: string }[] {
  const faults = experiments.flatMap((experiment) => experiment.faults);
  const proven = faults.filter(({ effect }) => effect?.proven === true).length;
  const effects = experiments.flatMap((experiment) => experiment.effects);
  const real = effects.filter(({ verdict }) => verdict === "fail" || verdict === "degraded");
  const largest = real
    .filter(({ signal, shift }) => shift !== null && signal.startsWith("app.latency"))
    .sort(bySize)[0];
  const slowest = effects.filter(({ recovered }) => recovered !== null).sort((a, b) => b.recovered! - a.recovered!)[0];
  const stuck = effects.find(({ censored }) => censored);
  const fired = new Set(alarms.filter(({ state }) => state === "firing").map(({ name }) => name)).size;
  const facts = [
    {
      name: "Faults proven",
      value: `${proven} of ${faults.length}`,
      more: `in ${experiments.length} experiment${experiments.length === 1 ? "" : "s"}`,
    },
    largest === undefined
      ? { name: "Effects beyond the margin", value: String(real.length), more: `of ${effects.length} measured` }
      : {
          name: "Largest slow-down",
          value: effectSize(largest).replace(/ \(.*/, ""),
          more: signalName(largest.signal),
        },
    stuck === undefined
      ? {
          name: "Slowest recovery",
          value: slowest === undefined ? "–" : formatSeconds(slowest.recovered!),
          more: slowest === undefined ? "nothing had to recover" : seriesName(slowest.signal, slowest.target),
        }
      : {
          name: "Slowest recovery",
          value: "none seen",
          more: `${seriesName(stuck.signal, stuck.target)} was still away`,
        },
  ];
  const more = fired === 0 ? "no alarm fired" : `${fired} alarm${fired === 1 ? "" : "s"} fired`;
  return [
    ...facts,
    {
      name: "Traffic replayed",
      value: coverage === undefined ? "not counted" : coverageShare(coverage),
      more,
    },
  ];
}

function bySize(a: Effect, b: Effect): number {
  return Math.abs(b.shift ?? 0) - Math.abs(a.shift ?? 0);
}

function experimentOf(
  journal: Journal,
  experiment: JournalExperiment,
  index: number,
  figures: Figures,
): Record<string, unknown> {
  const { definition, faults, effects, verdict } = experiment;
  const startedAt = Date.parse(journal.startedAt);
  const style = verdictStyle(verdict);
  const byAction = new Map(faults.map((fault) => [fault.action, figures.letters.get(fault)!]));
  const title = definition.hypothesis?.title;
  return {
    anchor: `experiment-${index + 1}`,
    title: experimentTitle(experiment),
    verdict: style,
    sentence: asSentence(experiment.sentence ?? style.meaning),
    doses: (experiment.doses ?? []).map(doseSentence),
    latencies: latencyRows(experiment.latencies),
    broke: faults.map((fault) => brokeLine(fault, startedAt, figures)).join("; "),
    faults: faults.map((fault) => faultRow(fault, startedAt, figures)),
    hypothesis: title === undefined ? "" : `: ${title}`,
    probes: probeRows(experiment),
    commands: experiment.commands.map(({ action, machine, exitCode, seconds, withinObjective }) => ({
      action,
      machine,
      took: formatSeconds(seconds),
      ok: exitCode === 0 && withinObjective,
      result:
        exitCode !== 0
          ? `✕ exit code ${exitCode}`
          : withinObjective
            ? "✓ within its objective"
            : "✕ beyond its objective",
    })),
    ...foldedEffects(effects, byAction),
    noEffects: wasCut(journal) ? "the run ended before the analysis." : "the analysis found no series to compare.",
    figures: figures.experiments.get(experiment.name) ?? [],
    exact: faults
      .filter(({ commands }) => commands.length > 0)
      .map(({ action, notes, commands }) => ({
        action,
        notes: notes.length === 0 ? "" : ` · ${notes.join("; ")}`,
        text: commands.join("\n"),
      })),
    definition: JSON.stringify(definition, null, 2),
  };
}

function brokeLine(fault: JournalFault, startedAt: number, { letters }: Figures): string {
  const proof = fault.effect?.proven === true ? "proven" : "not proven";
  return `${letters.get(fault)!}: ${spaced(fault.kind)} on ${fault.target}, ${faultWindows(fault, startedAt)}, ${proof}`;
}

function faultRow(fault: JournalFault, startedAt: number, { letters }: Figures): Record<string, unknown> {
  const { action, kind, target, mechanism, windows, effect } = fault;
  const active = windows.reduce((sum, { start, end }) => sum + (end - start) / 1000, 0);
  const [first] = windows;
  return {
    letter: letters.get(fault)!,
    kind: spaced(kind),
    action,
    target,
    mechanism,
    when: faultWindows(fault, startedAt),
    clock: first === undefined ? "" : `${formatSeconds(active)} in all, from ${formatClock(first.start)}`,
    asked: strengthText(effect, "asked"),
    measured: strengthText(effect, "measured"),
    proven: effect?.proven === true,
    why: effect?.why ?? "the run ended before it was measured",
  };
}

/** `5 %`, or `20 % egress, 5 % ingress` where each direction was asked for by itself. */
function strengthText(effect: JournalFault["effect"], of: "asked" | "measured"): string {
  const text = (value: number | undefined, unit = ""): string =>
    value === undefined ? "–" : `${significant(value)} ${unit}`.trim();
  if (effect?.directions === undefined) return text(effect?.[of], effect?.unit);
  const { directions } = effect;
  return Object.entries(directions)
    .map(([way, one]) => `${text(one[of], one.unit)} ${way}`)
    .join(", ");
}

function probeRows({ probes, definition }: JournalExperiment): { name: string; cells: Record<string, string>[] }[] {
  return [...new Set(probes.map(({ name }) => name))].map((name) => {
    const signal = definition.hypothesis?.probes.find((probe) => probe.name === name)?.signal ?? "";
    const cells = (["before", "during", "after"] as const).map((when) => {
      const probe = probes
        .filter((one) => one.name === name && one.when === when)
        .sort((a, b) => Number(a.ok) - Number(b.ok))[0];
      if (probe === undefined) return { when, tone: "soft", word: "not checked", why: "" };
      const value = probe.value === undefined ? "no value" : formatValue(signal, probe.value);
      return { when, tone: probe.ok ? "ok" : "bad", word: `${probe.ok ? "✓" : "✕"} ${value}`, why: probe.why };
    });
    return { name, cells };
  });
}

/** What matters first; the series that nothing happened to are folded away when there are many. */
function foldedEffects(effects: Effect[], letters: Map<string, string>): Record<string, unknown> {
  const sorted = [...effects].sort((a, b) => verdictRank(a.verdict) - verdictRank(b.verdict));
  const matters = ({ verdict, target }: Effect): boolean =>
    verdict === "fail" || verdict === "degraded" || target === "service" || effects.length <= fewEffects;
  const rows = (some: Effect[]): object[] =>
    some.map((effect) => effectRow(effect, letters.get(effect.fault) ?? effect.fault));
  const rest = sorted.filter((effect) => !matters(effect));
  const words = new Map<string, number>();
  for (const { verdict } of rest)
    words.set(verdictStyle(verdict).word, (words.get(verdictStyle(verdict).word) ?? 0) + 1);
  const counts = [...words].map(([word, count]) => `${count} ${word}`).join(", ");
  return {
    effects: rows(sorted.filter(matters)),
    folded: rows(rest),
    foldedSummary: `${rest.length} more measured on single machines: ${counts}`,
  };
}

/** `Response time, median: +1 ms per ms of delay …` */
function doseSentence({ fault, target, signal, of, strengths, shifts, tau, p, unit }: DoseResponseEffect): string {
  const steps = strengths.map((strength, i) => `${significant(strength)} → ${formatShift(signal, shifts[i]!, unit)}`);
  const order = tau === 1 ? "the stronger the higher" : tau === -1 ? "the stronger the lower" : "in no strict order";
  const odds = `Kendall's tau ${significant(tau)}, p ${formatProbability(p)}`;
  return asSentence(
    `${seriesName(signal, of)} by strength of ${spaced(fault)} on ${target}: ${steps.join(", ")}; ${order} (${odds})`,
  );
}

function effectRow(effect: Effect, letter: string): Record<string, unknown> {
  const { signal, target, onset, verdict, why } = effect;
  return {
    name: signalName(signal),
    letter,
    target: target === "service" ? "whole service" : target,
    size: unbroken(effectSize(effect)),
    interval: unbroken(effectInterval(effect)),
    q: unbroken(effectQ(effect)),
    onset: onset === null ? "–" : formatSeconds(Math.round(10 * onset) / 10),
    recovery: effectRecovery(effect),
    verdict: verdictStyle(verdict),
    why,
  };
}

/** Text as a sentence: a capital letter in front unless it begins with a name, a full stop at the end. */
function asSentence(text: string): string {
  const end = /[.!?]$/.test(text.trimEnd()) ? "" : ".";
  const named = /^[\w-]+: /.test(text);
  return `${named ? text.charAt(0) : text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
}

/** Keeps a number and its unit on one line. */
function unbroken(text: string): string {
  return text.replace(/(?<=[\d<]) (?=[^…(])/g, "\u00a0");
}

function trustOf({ coverage, shadow }: Journal): Record<string, unknown> {
  const fidelity = shadow?.fidelity ?? [];
  const changed = fidelity.filter(({ outcome }) => outcome !== "cloned");
  const cloned = fidelity.length - changed.length;
  const others = changed.length - mostFidelityItems;
  return {
    coverage: coverage === undefined ? undefined : coverageOf(coverage),
    fidelity: changed.slice(0, mostFidelityItems),
    fidelitySummary:
      fidelity.length === 0
        ? "The run recorded no fidelity report."
        : `${cloned} of ${fidelity.length} parts are exact copies${changed.length === 0 ? "." : "; these differ:"}`,
    cloned: others > 0 ? `and ${others} more, see the journal` : "",
  };
}

function coverageOf(coverage: NonNullable<Journal["coverage"]>): object {
  const { onWire, replayed, lostByMirror, unusable, shed, unseen = 0 } = coverage;
  const parts = [
    { name: "replayed", count: replayed },
    { name: "lost by the mirror", count: lostByMirror },
    ...Object.entries(unusable).map(([name, count]) => ({ name: `not usable: ${name}`, count })),
    ...Object.entries(shed).map(([name, count]) => ({ name: `shed: ${name}`, count })),
  ];
  return {
    share: coverageShare(coverage),
    width: Math.max(0, Math.min(100, 100 * surestCoverage(coverage))).toFixed(1),
    unseen:
      unseen === 0
        ? ""
        : `Of those seen it was ${significant(100 * coverage.coverage)} %; ${unseen.toLocaleString("en-US")} packets that the gateway's kernel dropped unseen count as requests here.`,
    onWire: onWire.toLocaleString("en-US"),
    parts: parts.map(({ name, count }) => ({ name, count: count.toLocaleString("en-US") })),
  };
}

function timelineOf({ phases, events }: Journal, startedAt: number): { events: object[]; moreEvents: number } {
  const all = [
    ...phases.map((phase) => ({
      time: phase.startedAt,
      kind: "phase",
      message: `${phase.name}${phase.experiment === undefined ? "" : ` of ${phase.experiment}`}${phase.endedAt === undefined ? ", never ended" : `, ${formatSeconds((phase.endedAt - phase.startedAt) / 1000)}`}`,
    })),
    ...events,
  ].sort((a, b) => a.time - b.time);
  const shown = all.slice(0, mostEvents).map(({ time, kind, message }) => ({
    time: formatClock(time),
    offset: formatOffset(time - startedAt),
    kind,
    message,
  }));
  return { events: shown, moreEvents: all.length - shown.length };
}

/** The command as one types it: arguments with anything special are quoted. */
function commandLine(command: string[]): string {
  return command.map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : `'${part.replaceAll("'", `'\\''`)}'`)).join(" ");
}

function versionsOf({ id, seed, backEnd, versions, capabilities }: Journal): { name: string; value: string }[] {
  const pairs = [
    { name: "run", value: id },
    { name: "seed", value: String(seed) },
    { name: "back end", value: backEnd },
    ...Object.entries(versions).map(([name, value]) => ({ name, value })),
  ];
  if (capabilities !== undefined) {
    const found = Object.entries(capabilities).map(
      ([name, value]) => `${spaced(name)}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
    pairs.push({ name: "mechanisms here", value: found.join(", ") });
  }
  return pairs;
}
