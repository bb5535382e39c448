import Table from "cli-table3";
import colours from "picocolors";

import type { Effect, JournalExperiment, RecordedRun, Verdict } from "../runner/journal";
import {
  coverageSentence,
  effectInterval,
  effectQ,
  effectRecovery,
  effectSize,
  endOf,
  experimentTitle,
  faultProof,
  faultWindows,
  invalidNotice,
  formatSeconds,
  runSentence,
  spaced,
  verdictRank,
  verdictStyle,
} from "./format";
import { seriesName } from "../words";

const paint: Record<string, (text: string) => string> = {
  pass: colours.green,
  degraded: colours.yellow,
  fail: colours.red,
  inconclusive: colours.magenta,
  noData: colours.magenta,
  cut: colours.dim,
};

/** Removes what could move the cursor or change the colours of a terminal from text that comes from outside. */
export function printable(text: string): string {
  return text.replace(/\s+/g, " ").replace(/\p{Cc}/gu, "\ufffd");
}

/** A verdict with its mark, coloured where the terminal has colours. */
export function terminalVerdict(verdict: Verdict | undefined): string {
  const { key, mark, word } = verdictStyle(verdict);
  return paint[key]!(`${mark} ${word}`);
}

/** A recorded run for the terminal: the verdict, what was broken with its proof, and the effects. */
export function renderTable(run: RecordedRun): string {
  const { journal } = run;
  const seconds = (endOf(journal) - Date.parse(journal.startedAt)) / 1000;
  const about = `run ${journal.id} · ${journal.network} · ${journal.status} after ${formatSeconds(seconds)}`;
  const lines = [
    `${colours.bold(terminalVerdict(journal.verdict))}  ${printable(runSentence(journal))}`,
    colours.dim(printable(about)),
  ];
  const invalid = invalidNotice(journal);
  if (invalid !== undefined) lines.push(colours.red(printable(invalid)));
  for (const experiment of journal.experiments)
    lines.push("", ...experimentLines(experiment, Date.parse(journal.startedAt)));
  if (journal.coverage !== undefined) lines.push("", coverageSentence(journal.coverage));
  return `${lines.join("\n")}\n`;
}

function experimentLines(experiment: JournalExperiment, startedAt: number): string[] {
  const title = colours.bold(printable(`${experiment.name}: ${experimentTitle(experiment)}`));
  const lines = [`${terminalVerdict(experiment.verdict)}  ${title}`];
  if (experiment.sentence !== undefined) lines.push(`  ${printable(experiment.sentence)}`);
  for (const fault of experiment.faults) {
    const proof = fault.effect?.proven === true ? colours.green("proven") : colours.red("not proven");
    const what = `${fault.action}: ${spaced(fault.kind)} on ${fault.target}, ${faultWindows(fault, startedAt)}`;
    lines.push(`  ${printable(what)} · ${proof}: ${printable(faultProof(fault))}`);
  }
  if (experiment.effects.length > 0) lines.push(effectTable(experiment.effects));
  return lines;
}

function effectTable(effects: Effect[]): string {
  const table = new Table({
    head: ["fault", "what", "effect", "95 % interval", "q", "recovery", "verdict"],
    style: { head: ["dim"], border: ["dim"], compact: true },
  });
  const shown = mostTelling(effects);
  for (const effect of shown) {
    const { fault, signal, target, verdict } = effect;
    const numbers = [effectSize(effect), effectInterval(effect), effectQ(effect), effectRecovery(effect)].map(
      printable,
    );
    table.push([printable(fault), printable(seriesName(signal, target)), ...numbers, terminalVerdict(verdict)]);
  }
  const left = effects.length - shown.length;
  return left === 0
    ? table.toString()
    : `${table.toString()}\n${colours.dim(`  and ${left} more in the report: ${tally(effects, shown)}`)}`;
}

/** Rows beyond which a table for the terminal is read by nobody. */
const mostRows = 12;

/** The service as a whole first, then what got worse, the surest first; in the order of the verdicts. */
function mostTelling(effects: Effect[]): Effect[] {
  const rank = ({ target, verdict }: Effect): number =>
    target === "service" ? 0 : verdict === "fail" || verdict === "degraded" ? 1 : 2;
  return [...effects]
    .sort((a, b) => rank(a) - rank(b) || (a.q ?? 2) - (b.q ?? 2))
    .filter((effect, index) => index < mostRows && rank(effect) < 2)
    .sort((a, b) => verdictRank(a.verdict) - verdictRank(b.verdict));
}

/** What the verdicts of the effects that are not shown are. */
function tally(effects: Effect[], shown: Effect[]): string {
  const counts = new Map<string, number>();
  for (const { verdict } of effects.filter((effect) => !shown.includes(effect))) {
    const { word } = verdictStyle(verdict);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
}
