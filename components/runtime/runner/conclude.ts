import { analyseRun, phaseLatencies } from "../analysis";
import type { ExchangeSample } from "../gateway/exchange";
import type { RunEnded } from "./control";
import type { SignalPoint } from "./driver";
import { type Journal, Verdict } from "./journal";

/** Writes what the statistics say into the journal; a run that was ended by a stop condition or a breach fails. */
export function conclude(
  journal: Journal,
  { points, exchanges }: { points: SignalPoint[]; exchanges: Iterable<ExchangeSample> },
  ended: RunEnded | undefined,
): void {
  const latencies = phaseLatencies(journal, exchanges);
  const analysis = analyseRun({ journal, points });
  for (const { name, effects, doses, verdict, sentence, invalid } of analysis.experiments) {
    const experiment = journal.experiments.find((candidate) => candidate.name === name)!;
    const rows = latencies.get(name) ?? [];
    Object.assign(experiment, { effects, verdict, sentence, invalid, ...(doses.length > 0 && { doses }) });
    if (rows.length > 0) experiment.latencies = rows;
  }
  journal.verdict = analysis.verdict;
  journal.sentence = analysis.sentence;
  journal.invalid = analysis.invalid;
  if (ended === undefined) return;
  const cut = journal.verdict === Verdict.Fail || journal.verdict === Verdict.Degraded;
  journal.verdict = ended.verdict ?? (cut ? journal.verdict : Verdict.Inconclusive);
  journal.sentence = `the run ended early: ${ended.message}`;
}
