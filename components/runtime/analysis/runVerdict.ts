import { surestCoverage } from "../runner/coverage";
import { RunStatus, Verdict, type Effect, type Journal, type JournalExperiment } from "../runner/journal";
import { formatShift, seriesName, significant } from "../words";

/** Target of signals that speak of the service as a whole. */
export const wholeService = "service";

/** A verdict with the sentence that says why. */
export interface Judgement {
  verdict: Verdict;
  sentence: string;
  /** True when the shadow was not under the claimed load or a fault did nothing: no verdict may be drawn. */
  invalid: boolean;
}

/** An effect, and whether it is degraded when faults that overlapped it are taken as one. */
export interface JudgedEffect {
  effect: Effect;
  together: boolean;
}

/** Verdict of one experiment: broken hypothesis first, then whether it may be judged at all, then the statistics. */
export function experimentVerdict(
  journal: Journal,
  experiment: JournalExperiment,
  judged: readonly JudgedEffect[],
  minimumCoverage: number,
): Judgement {
  const failure = failureOf(journal, experiment);
  const doubt = invalidity(journal, experiment, minimumCoverage);
  if (failure !== undefined) return { verdict: Verdict.Fail, sentence: failure, invalid: doubt !== undefined };
  const early = experiment.probes.find(({ when, ok }) => when === "before" && !ok);
  if (early) {
    const happened = experiment.faults.some(({ windows }) => windows.length > 0);
    const so = happened ? "" : ", so nothing was broken";
    const sentence = `the steady state did not hold before the fault${so}: probe "${early.name}": ${early.why}`;
    return { verdict: Verdict.Inconclusive, sentence, invalid: false };
  }
  if (doubt !== undefined) return { verdict: Verdict.Inconclusive, sentence: doubt, invalid: true };
  if (experiment.faults.length === 0) return withoutFault(experiment);
  return { ...fromEffects(journal, judged), invalid: false };
}

/** Why the experiment failed: a stop condition, a broken hypothesis, or a missed recovery-time objective. */
function failureOf(journal: Journal, experiment: JournalExperiment): string | undefined {
  const phases = journal.phases.filter((phase) => phase.experiment === experiment.name);
  const [start, end] = [phases[0]?.startedAt ?? -Infinity, phases.at(-1)?.endedAt ?? Infinity];
  const stop = journal.events.find(({ kind, time }) => /^stop-?condition/i.test(kind) && time >= start && time <= end);
  if (stop) return `a stop condition fired: ${stop.message}`;
  const broken = experiment.probes.filter(({ when, ok }) => when !== "before" && !ok);
  const [first] = broken;
  if (first) {
    const more = broken.length > 1 ? ` (and ${broken.length - 1} more)` : "";
    return `the hypothesis is broken: probe "${first.name}" ${first.when} the fault: ${first.why}${more}`;
  }
  if (experiment.deviated) return "the hypothesis is broken: the run deviated from its steady state";
  const late = experiment.commands.find(({ withinObjective }) => !withinObjective);
  if (!late) return undefined;
  return `the recovery objective of "${late.action}" was missed on ${late.machine}: ${significant(late.seconds)} s, exit code ${late.exitCode}`;
}

/** Why no verdict may be drawn: a fault that did nothing, or a shadow that was not under the claimed load. */
function invalidity(journal: Journal, experiment: JournalExperiment, minimumCoverage: number): string | undefined {
  const planned = Object.values(experiment.definition.actions).some(({ fault }) => fault !== undefined);
  const happened = experiment.faults.some(({ windows }) => windows.length > 0);
  if ((planned || experiment.faults.length > 0) && !happened) return "no fault was carried out";
  const unproven = experiment.faults.find(({ effect }) => effect?.proven !== true);
  if (unproven) {
    return `the fault "${unproven.action}" is not proven to have happened: ${unproven.effect?.why ?? "no counter was read"}`;
  }
  if (journal.coverage === undefined) return undefined;
  const coverage = surestCoverage(journal.coverage);
  if (coverage >= minimumCoverage) return undefined;
  const { unseen = 0 } = journal.coverage;
  const dropped =
    unseen === 0 ? "" : ` when the ${unseen} packets that the gateway's kernel dropped unseen are counted as such`;
  return `only ${(100 * coverage).toFixed(1)} % of the selected requests reached the shadow${dropped}, at least ${100 * minimumCoverage} % are needed`;
}

/** A drill or a wait: it passes on its probes and commands, or has nothing to say. */
function withoutFault({ probes, commands }: JournalExperiment): Judgement {
  const checks = probes.length + commands.length;
  return checks > 0
    ? {
        verdict: Verdict.Pass,
        sentence: `nothing was broken, and all ${checks} probes and commands held`,
        invalid: false,
      }
    : { verdict: Verdict.NoData, sentence: "nothing was broken or checked", invalid: false };
}

/**
 * What users notice decides: signals of requests, the whole service's and its parts'. A machine that works harder or
 * falls silent is what a fault does, not yet a degradation, so machine signals decide only where no request was measured.
 */
function fromEffects(journal: Journal, judged: readonly JudgedEffect[]): { verdict: Verdict; sentence: string } {
  const effects = judged.map(({ effect }) => effect);
  const app = effects.filter(({ signal }) => signal.startsWith("app."));
  const telling = app.length > 0 ? app : effects;
  const degraded = telling.filter(({ verdict }) => verdict === Verdict.Degraded);
  if (degraded.length > 0) return { verdict: Verdict.Degraded, sentence: summary(degraded) };
  const jointly = judged.find(({ effect, together }) => together && telling.includes(effect))?.effect;
  if (jointly) {
    const sentence = `${label(jointly)} degraded while several faults were active, not attributed to one of them: ${jointly.why}`;
    return { verdict: Verdict.Degraded, sentence };
  }
  if (journal.status === RunStatus.Interrupted || journal.status === RunStatus.Aborted) {
    return { verdict: Verdict.Inconclusive, sentence: `the run was cut: ${journal.statusReason ?? journal.status}` };
  }
  const service = telling.filter(({ target }) => target === wholeService);
  const decisive = service.length > 0 ? service : telling;
  if (decisive.every(({ verdict }) => verdict === Verdict.NoData)) {
    return { verdict: Verdict.NoData, sentence: "no signal has samples in the baseline" };
  }
  const open = decisive.find(({ verdict }) => verdict === Verdict.Inconclusive);
  if (open) return { verdict: Verdict.Inconclusive, sentence: `${label(open)}: ${open.why}` };
  const silent = decisive.find(({ verdict }) => verdict === Verdict.NoData);
  if (silent) return { verdict: Verdict.NoData, sentence: `${label(silent)}: ${silent.why}` };
  const what = service.length > 0 ? "signals of the service" : "signals";
  const count = decisive.length === 1 ? "the only signal measured" : `all ${decisive.length} ${what}`;
  const sentence = `${count} stayed within the margin while the fault was proven to happen${aside(effects, telling)}`;
  return { verdict: Verdict.Pass, sentence };
}

/** What changed on machines although no request suffered. */
function aside(effects: readonly Effect[], telling: readonly Effect[]): string {
  const moved = effects.filter((effect) => effect.verdict === Verdict.Degraded && !telling.includes(effect));
  if (moved.length === 0) return "";
  const { signal, target, shift, shiftPercent, unit } = surest(moved);
  const size = shiftPercent === null ? formatShift(signal, shift ?? 0, unit) : signedPercent(shiftPercent);
  const others = moved.length > 1 ? ` and ${moved.length - 1} more machine signal${moved.length > 2 ? "s" : ""}` : "";
  return `; changed on machines: ${seriesName(signal, target)} (${size})${others}`;
}

function signedPercent(value: number): string {
  return `${value > 0 ? "+" : ""}${significant(value)} %`;
}

/** Service signals first, then the surest and largest. */
function surest(effects: readonly Effect[]): Effect {
  const rank = ({ signal, target }: Effect): number =>
    signal.startsWith("app.") ? (target === wholeService ? 0 : 1) : 2;
  return [...effects].sort(
    (a, b) =>
      rank(a) - rank(b) || (a.q ?? 1) - (b.q ?? 1) || Math.abs(b.shiftPercent ?? 0) - Math.abs(a.shiftPercent ?? 0),
  )[0]!;
}

function summary(degraded: readonly Effect[]): string {
  const first = surest(degraded);
  const more = degraded.length - 1;
  const others = more > 0 ? `; ${more} more signal${more === 1 ? "" : "s"} degraded` : "";
  return `${label(first)} ${first.why}${back(first)}${others}`;
}

function label({ fault, signal, target }: Effect): string {
  return `"${fault}": ${seriesName(signal, target)}`;
}

function back(effect: Effect): string {
  if (effect.censored) return ", not recovered when watching ended";
  return effect.recovered === null ? "" : `, back ${significant(effect.recovered)} s after the fault ended`;
}

/** Verdict of a run: the worst of its experiments, with its sentence, and then in a word how the others ended. */
export function runVerdict(journal: Journal, experiments: readonly (Judgement & { name: string })[]): Judgement {
  const order = [Verdict.Fail, Verdict.Degraded, Verdict.Inconclusive, Verdict.NoData, Verdict.Pass];
  const invalid = experiments.some((experiment) => experiment.invalid);
  const [worst] = [...experiments].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
  if (worst === undefined) {
    return { verdict: Verdict.NoData, sentence: journal.statusReason ?? "no experiment was run", invalid: true };
  }
  const { verdict } = worst;
  if (experiments.length === 1) return { verdict, sentence: `${worst.name}: ${worst.sentence}`, invalid };
  const tally = order
    .map((one) => ({
      one,
      names: experiments.filter((candidate) => candidate.verdict === one).map(({ name }) => name),
    }))
    .filter(({ names }) => names.length > 0)
    .map(({ one, names }) => `${one === Verdict.NoData ? "no data" : one}: ${names.join(", ")}`);
  return {
    verdict,
    sentence: `${worst.name}: ${worst.sentence}. Of ${experiments.length} experiments ${tally.join("; ")}`,
    invalid,
  };
}
