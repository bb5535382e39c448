import type { JournalExperiment, RecordedRun } from "../runner/journal";
import {
  coverageSentence,
  effectInterval,
  effectQ,
  effectRecovery,
  effectSize,
  experimentTitle,
  faultProof,
  faultWindows,
  formatInstant,
  invalidNotice,
  runSentence,
  spaced,
  verdictRank,
  verdictStyle,
} from "./format";
import { seriesName } from "../words";

/** Text that shows as it is in GitHub-flavoured Markdown, also inside a table: no markup, no mentions, one line. */
export function markdownText(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\\`*_{}[\]()#+!|~]/g, "\\$&")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/@/g, "&#64;");
}

/** One row of a Markdown table. */
export function markdownRow(cells: string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** A recorded run as a comment for a pull request: verdict first, then a table per experiment, folded details last. */
export function renderMarkdown(run: RecordedRun): string {
  const { journal } = run;
  const { mark, word } = verdictStyle(journal.verdict);
  const lines = [`## ${mark} ${word}: ${markdownText(journal.network)}`, "", markdownText(runSentence(journal)), ""];
  const invalid = invalidNotice(journal);
  if (invalid !== undefined) lines.push(`**${markdownText(invalid)}**`, "");
  if (journal.experiments.length > 0) {
    lines.push(markdownRow(["experiment", "verdict", "why"]), markdownRow(["---", "---", "---"]));
    lines.push(...journal.experiments.map(summaryRow), "");
  }
  for (const experiment of journal.experiments) lines.push(...details(experiment, Date.parse(journal.startedAt)));
  if (journal.coverage !== undefined) {
    const sentence = coverageSentence(journal.coverage);
    lines.push(`${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`, "");
  }
  const about = `run ${journal.id}, started ${formatInstant(journal.startedAt)}, seed ${journal.seed}`;
  lines.push(`<sub>${markdownText(about)}</sub>`);
  return `${lines.join("\n")}\n`;
}

function summaryRow(experiment: JournalExperiment): string {
  const { mark, word } = verdictStyle(experiment.verdict);
  const why = experiment.sentence ?? verdictStyle(experiment.verdict).meaning;
  return markdownRow([markdownText(experimentTitle(experiment)), `${mark} ${word}`, markdownText(why)]);
}

function details(experiment: JournalExperiment, startedAt: number): string[] {
  const lines = [`<details><summary>${markdownText(experimentTitle(experiment))}</summary>`, ""];
  for (const fault of experiment.faults) {
    const proof = fault.effect?.proven === true ? "proven" : "**not proven**";
    const what = `${spaced(fault.kind)} on ${fault.target}, ${faultWindows(fault, startedAt)}`;
    lines.push(`- ${markdownText(what)}: ${proof}, ${markdownText(faultProof(fault))}`);
  }
  if (experiment.effects.length > 0) {
    const head = ["what", "effect", "95 % interval", "q", "recovery", "verdict"];
    lines.push("", markdownRow(head), markdownRow(head.map(() => "---")));
    const sorted = [...experiment.effects].sort((a, b) => verdictRank(a.verdict) - verdictRank(b.verdict));
    for (const effect of sorted) {
      const { mark, word } = verdictStyle(effect.verdict);
      const numbers = [effectSize(effect), effectInterval(effect), effectQ(effect), effectRecovery(effect)];
      const name = seriesName(effect.signal, effect.target);
      lines.push(markdownRow([markdownText(name), ...numbers.map(markdownText), `${mark} ${word}`]));
    }
  }
  return [...lines, "", "</details>", ""];
}
