import { isDeepStrictEqual } from "node:util";

import Table from "cli-table3";
import colours from "picocolors";

import { surestCoverage } from "../runner/coverage";
import type { Effect, Journal, JournalExperiment, RecordedRun, Verdict } from "../runner/journal";
import { effectInterval, effectSize, verdictStyle } from "./format";
import { seriesName, significant } from "../words";
import { markdownRow, markdownText } from "./markdown";
import { printable, terminalVerdict } from "./table";

/** What changed from one run to a later one. */
export interface RunComparison {
  /** Version of this object; 1. */
  version: 1;
  before: ComparedRun;
  after: ComparedRun;
  /** One sentence with the most important change. */
  sentence: string;
  /** Why the runs are not like for like, one sentence each; empty when they are. */
  differences: string[];
  experiments: ComparedExperiment[];
}

/** One of the two runs. */
interface ComparedRun {
  id: string;
  startedAt: string;
  /** Null when the run has none. */
  verdict: Verdict | null;
  coverage: number | null;
}

/** One experiment in both runs; it is missing from the run whose verdict is undefined. */
interface ComparedExperiment {
  name: string;
  change: Change;
  before?: Verdict | null;
  after?: Verdict | null;
  effects: ComparedEffect[];
}

/** One effect in both runs. */
interface ComparedEffect {
  fault: string;
  signal: string;
  target: string;
  change: Change;
  before?: Effect;
  after?: Effect;
}

/**
 * `worse` and `better` by verdict; `unclear` when only one of the two runs carries a verdict (`inconclusive`, `noData`
 * and a missing one carry none); `larger` and `smaller` when the verdict is the same but the intervals of the effects
 * do not overlap; `same` when nothing of this holds; `new` and `gone` when only one run has it.
 */
const Change = {
  Worse: "worse",
  Unclear: "unclear",
  Larger: "larger",
  New: "new",
  Gone: "gone",
  Smaller: "smaller",
  Better: "better",
  Same: "same",
} as const;
type Change = (typeof Change)[keyof typeof Change];

const changeMarks: Record<Change, string> = {
  worse: "▼ worse",
  unclear: "? unclear",
  larger: "▼ larger",
  new: "+ new",
  gone: "− gone",
  smaller: "▲ smaller",
  better: "▲ better",
  same: "= same",
};

/** Verdicts that say something about the system, best first. */
const carried: (Verdict | undefined)[] = ["pass", "degraded", "fail"];

const changeOrder = Object.values(Change);

/** Compares a run with an earlier one, experiment by experiment and effect by effect. */
export function compareRuns(before: RecordedRun, after: RecordedRun): RunComparison {
  const names = union(before.journal.experiments, after.journal.experiments, ({ name }) => name);
  const experiments = names.map((name) =>
    compareExperiments(name, experimentNamed(before, name), experimentNamed(after, name)),
  );
  return {
    version: 1,
    before: comparedRun(before.journal),
    after: comparedRun(after.journal),
    sentence: comparisonSentence(before.journal, after.journal, experiments),
    differences: differencesBetween(before.journal, after.journal),
    experiments,
  };
}

/** A comparison for the terminal. */
export function renderComparison(comparison: RunComparison): string {
  const { before, after, differences, experiments, sentence } = comparison;
  const verdicts = `${terminalVerdict(before.verdict ?? undefined)} → ${terminalVerdict(after.verdict ?? undefined)}`;
  const lines = [`${verdicts}  ${printable(sentence)}`, colours.dim(printable(`${before.id} → ${after.id}`))];
  if (differences.length > 0)
    lines.push("", colours.yellow("Not like for like:"), ...differences.map((text) => `  ${printable(text)}`));
  for (const experiment of experiments) {
    lines.push(
      "",
      `${changeMarks[experiment.change]}  ${colours.bold(printable(experiment.name))}  ${verdictChange(experiment)}`,
    );
    const changed = experiment.effects.filter(({ change }) => change !== Change.Same);
    if (changed.length === 0) lines.push("  no effect changed");
    else lines.push(effectTable(changed));
  }
  return `${lines.join("\n")}\n`;
}

/** A comparison as Markdown for a pull request. */
export function renderComparisonMarkdown(comparison: RunComparison): string {
  const { before, after, differences, experiments, sentence } = comparison;
  const [from, to] = [verdictStyle(before.verdict ?? undefined), verdictStyle(after.verdict ?? undefined)];
  const lines = [`## ${from.mark} ${from.word} → ${to.mark} ${to.word}`, "", markdownText(sentence), ""];
  if (differences.length > 0)
    lines.push("Not like for like:", "", ...differences.map((text) => `- ${markdownText(text)}`), "");
  const head = ["experiment", "what", "before", "after", "change"];
  lines.push(markdownRow(head), markdownRow(head.map(() => "---")));
  for (const experiment of experiments) {
    const name = markdownText(experiment.name);
    lines.push(
      markdownRow([
        name,
        "**verdict**",
        verdictWord(experiment.before),
        verdictWord(experiment.after),
        changeMarks[experiment.change],
      ]),
    );
    for (const effect of experiment.effects.filter(({ change }) => change !== Change.Same)) {
      const what = markdownText(`${effect.fault}: ${seriesName(effect.signal, effect.target)}`);
      lines.push(
        markdownRow([
          name,
          what,
          markdownText(effectText(effect.before)),
          markdownText(effectText(effect.after)),
          changeMarks[effect.change],
        ]),
      );
    }
  }
  lines.push("", `<sub>${markdownText(`${before.id} → ${after.id}`)}</sub>`);
  return `${lines.join("\n")}\n`;
}

function effectTable(effects: ComparedEffect[]): string {
  const table = new Table({
    head: ["fault", "what", "before", "after", "change"],
    style: { head: ["dim"], border: ["dim"], compact: true },
  });
  for (const { fault, signal, target, before, after, change } of effects) {
    table.push([
      printable(fault),
      printable(seriesName(signal, target)),
      printable(effectText(before)),
      printable(effectText(after)),
      changeMarks[change],
    ]);
  }
  return table.toString();
}

function effectText(effect: Effect | undefined): string {
  return effect === undefined ? "–" : `${effectSize(effect)} [${effectInterval(effect)}]`;
}

function verdictWord(verdict: Verdict | null | undefined): string {
  if (verdict === undefined) return "–";
  const { mark, word } = verdictStyle(verdict ?? undefined);
  return `${mark} ${word}`;
}

function verdictChange({ before, after }: ComparedExperiment): string {
  return `${verdictWord(before)} → ${verdictWord(after)}`;
}

function comparedRun({ id, startedAt, verdict, coverage }: Journal): ComparedRun {
  return {
    id,
    startedAt,
    verdict: verdict ?? null,
    coverage: coverage === undefined ? null : surestCoverage(coverage),
  };
}

function experimentNamed({ journal }: RecordedRun, name: string): JournalExperiment | undefined {
  return journal.experiments.find((experiment) => experiment.name === name);
}

function compareExperiments(name: string, before?: JournalExperiment, after?: JournalExperiment): ComparedExperiment {
  const keyOf = ({ fault, signal, target }: Effect): string => JSON.stringify([fault, signal, target]);
  const [earlier, later] = [before?.effects ?? [], after?.effects ?? []];
  const effects = union(earlier, later, keyOf).map((key) => {
    const [old, now] = [earlier.find((one) => keyOf(one) === key), later.find((one) => keyOf(one) === key)];
    const { fault, signal, target } = (now ?? old)!;
    return { fault, signal, target, change: effectChange(old, now), before: old, after: now };
  });
  effects.sort((a, b) => changeOrder.indexOf(a.change) - changeOrder.indexOf(b.change));
  const verdictOf = (experiment?: JournalExperiment): Verdict | null | undefined =>
    experiment === undefined ? undefined : (experiment.verdict ?? null);
  const change =
    before === undefined ? Change.New : after === undefined ? Change.Gone : verdictMove(before.verdict, after.verdict);
  return { name, change, before: verdictOf(before), after: verdictOf(after), effects };
}

function effectChange(before: Effect | undefined, after: Effect | undefined): Change {
  if (before === undefined) return Change.New;
  if (after === undefined) return Change.Gone;
  const move = verdictMove(before.verdict, after.verdict);
  if (move !== Change.Same) return move;
  if (before.low === null || before.high === null || after.low === null || after.high === null) return Change.Same;
  if (after.low <= before.high && before.low <= after.high) return Change.Same;
  return Math.abs(after.shift ?? 0) > Math.abs(before.shift ?? 0) ? Change.Larger : Change.Smaller;
}

function verdictMove(before: Verdict | undefined, after: Verdict | undefined): Change {
  if (before === after) return Change.Same;
  const [from, to] = [carried.indexOf(before), carried.indexOf(after)];
  if (from < 0 && to < 0) return Change.Same;
  return from < 0 || to < 0 ? Change.Unclear : to > from ? Change.Worse : Change.Better;
}

function comparisonSentence(before: Journal, after: Journal, experiments: ComparedExperiment[]): string {
  const named = (change: Change): string[] =>
    experiments.filter((one) => one.change === change).map(({ name }) => name);
  const count = (change: Change): number =>
    experiments.flatMap(({ effects }) => effects).filter((effect) => effect.change === change).length;
  const [worse, better] = [named(Change.Worse), named(Change.Better)];
  const parts: string[] = [];
  if (worse.length > 0) parts.push(`${worse.join(", ")} became worse`);
  if (better.length > 0) parts.push(`${better.join(", ")} became better`);
  const unclear = named(Change.Unclear);
  if (unclear.length > 0) parts.push(`${unclear.join(", ")} cannot be compared: only one run carries a verdict`);
  if (parts.length === 0)
    parts.push(before.verdict === after.verdict ? "the verdicts are the same" : "no experiment's verdict changed");
  const [larger, smaller] = [count(Change.Larger), count(Change.Smaller)];
  if (larger + smaller > 0) parts.push(`${larger} effects grew and ${smaller} shrank beyond their intervals`);
  const text = parts.join("; ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function differencesBetween(before: Journal, after: Journal): string[] {
  const differences: string[] = [];
  if (before.network !== after.network) differences.push(`another network: ${before.network}, then ${after.network}`);
  if (before.seed !== after.seed) differences.push(`another seed: ${before.seed}, then ${after.seed}`);
  for (const name of new Set([...Object.keys(before.versions), ...Object.keys(after.versions)])) {
    const [old, now] = [before.versions[name] ?? "none", after.versions[name] ?? "none"];
    if (old !== now) differences.push(`another version of ${name}: ${old}, then ${now}`);
  }
  for (const { name, definition } of after.experiments) {
    const old = before.experiments.find((experiment) => experiment.name === name);
    if (old !== undefined && !isDeepStrictEqual(old.definition, definition))
      differences.push(`the definition of ${name} changed`);
  }
  const [from, to] = [comparedRun(before).coverage, comparedRun(after).coverage];
  if (from !== null && to !== null && Math.abs(from - to) > 0.02) {
    differences.push(`coverage went from ${significant(100 * from)} % to ${significant(100 * to)} %`);
  }
  for (const journal of [before, after]) {
    if (journal.status !== "completed") differences.push(`${journal.id} did not complete: it is ${journal.status}`);
    if (journal.invalid === true) differences.push(`${journal.id} is invalid`);
  }
  return differences;
}

function union<T>(before: T[], after: T[], key: (item: T) => string): string[] {
  return [...new Set([...before, ...after].map(key))];
}
