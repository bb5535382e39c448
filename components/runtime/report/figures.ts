import type { Effect, JournalExperiment, RecordedRun } from "../runner/journal";
import { type ChartSpec, renderChart } from "./charts";
import { verdictRank } from "./format";
import { formatValue, seriesName, signalName } from "../words";
import {
  type SeriesIndex,
  type Span,
  baselinesOf,
  experimentSpan,
  gapOf,
  indexPoints,
  measuredSpan,
  medianWithin,
  samplesOf,
} from "./series";

/** One drawing with its words. */
interface Figure {
  title: string;
  /** What it shows, in one sentence. */
  caption: string;
  /** SVG text; the only part of the page that is not escaped. */
  svg: string;
  /** A second drawing for narrow screens, where the first is wide. */
  narrow?: string;
}

/** All drawings of a page, within a budget that keeps it under a megabyte. */
export interface Figures {
  overview: Figure[];
  /** By name of the experiment. */
  experiments: Map<string, Figure[]>;
  machines: { name: string; affected: boolean; figures: Figure[] }[];
  /** Machines whose figures were left out. */
  omitted: number;
  /** Letter by which the drawings call each fault: `A`, `B` … */
  letters: Map<JournalExperiment["faults"][number], string>;
}

const experimentBudget = 24;
const machineBudget = 8;
const mostLetters = 6;
const machineSignals = [
  "machine.cpu",
  "machine.memory",
  "machine.network.in",
  "machine.network.out",
  "machine.disk.read",
  "machine.disk.write",
];
const serviceSignals = ["app.latency.p95", "app.errors", "app.latency.p50", "app.requests"];

/** Chooses and draws what the page shows: the whole run, each experiment, the machines. */
export function drawFigures(run: RecordedRun): Figures {
  const pen = new Pen(run);
  const { experiments } = run.journal;
  const each = Math.max(2, Math.min(6, Math.floor(experimentBudget / Math.max(1, experiments.length))));
  const shown = [...experiments]
    .sort((a, b) => verdictRank(a.verdict) - verdictRank(b.verdict))
    .slice(0, experimentBudget / 2);
  return {
    overview: ["app.latency.p95", "app.errors"].flatMap((signal) => pen.overview(signal)),
    experiments: new Map(shown.map((experiment) => [experiment.name, pen.experiment(experiment, each)])),
    ...pen.machines(),
    letters: pen.letters,
  };
}

/** `A` … `Z`, `A2` … for the number of a fault. */
function letter(index: number): string {
  const round = Math.floor(index / 26);
  return `${String.fromCharCode(65 + (index % 26))}${round === 0 ? "" : round + 1}`;
}

class Pen {
  readonly letters: Figures["letters"];
  private readonly index: SeriesIndex;
  private readonly span: Span;
  private drawn = 0;

  constructor(private readonly run: RecordedRun) {
    this.index = indexPoints(run.points);
    this.span = measuredSpan(run);
    const faults = run.journal.experiments.flatMap((experiment) => experiment.faults);
    this.letters = new Map(faults.map((fault, number) => [fault, letter(number)]));
  }

  overview(signal: string): Figure[] {
    const spec = this.spec(signal, "service", this.span);
    if (spec === undefined) return [];
    const { title, caption } = this.words(signal, "service", spec);
    const wide = renderChart({ ...spec, size: { width: 1060, height: 320 }, samples: 480 });
    return [
      {
        title,
        caption,
        svg: wide,
        narrow: renderChart({ ...spec, id: `${spec.id}n`, size: { width: 400, height: 300 } }),
      },
    ];
  }

  experiment(experiment: JournalExperiment, limit: number): Figure[] {
    const span = experimentSpan(this.run.journal, experiment);
    if (span === undefined) return [];
    const shown: Figure[] = [];
    for (const [signal, target] of choice(experiment)) {
      if (shown.length >= limit) break;
      const spec = this.spec(signal, target, span, experiment);
      if (spec !== undefined) shown.push({ ...this.words(signal, target, spec), svg: renderChart(spec) });
    }
    return shown;
  }

  machines(): Pick<Figures, "machines" | "omitted"> {
    const { journal } = this.run;
    const hit = new Set(
      journal.experiments.flatMap(({ faults }) => faults.flatMap(({ touches }) => machinesTouched(touches))),
    );
    const measured = new Set(
      this.run.points.filter(({ signal }) => signal.startsWith("machine.")).map(({ target }) => target),
    );
    const named = journal.shadow?.machines.map(({ name }) => name) ?? [];
    const all = [...new Set([...named, ...measured])].filter((name) => measured.has(name));
    const ordered = [...all.filter((name) => hit.has(name)), ...all.filter((name) => !hit.has(name))];
    const machines = ordered.slice(0, machineBudget).map((name) => {
      const figures = machineSignals.flatMap((signal): Figure[] => {
        const spec = this.spec(signal, name, this.span);
        return spec === undefined
          ? []
          : [{ ...this.words(signal, name, spec), svg: renderChart({ ...spec, samples: 160 }) }];
      });
      return { name, affected: hit.has(name), figures };
    });
    return { machines, omitted: ordered.length - machines.length };
  }

  private spec(signal: string, target: string, span: Span, experiment?: JournalExperiment): ChartSpec | undefined {
    const { journal } = this.run;
    const live = samplesOf(this.index, signal, target, "live", span);
    const shadow = samplesOf(this.index, signal, target, "shadow", span);
    if (live.length + shadow.length === 0) return undefined;
    const baselines = baselinesOf(journal, experiment?.name);
    const level = medianWithin(samplesOf(this.index, signal, target, "shadow"), baselines);
    const shown = experiment === undefined ? journal.experiments : [experiment];
    const percent = shown[0]?.definition.analysis?.marginPercent ?? 10;
    const spec = {
      id: `c${this.drawn++}`,
      signal,
      live,
      shadow,
      gap: gapOf(this.index, signal, target, baselines, span),
      span,
      startedAt: Date.parse(journal.startedAt),
      windows: this.windows(shown, span),
      margin: level === undefined || level === 0 ? undefined : (Math.abs(level) * percent) / 100,
      bounds: boundsOf(shown, signal, target),
    };
    return { ...spec, description: `${seriesName(signal, target)}. ${summary(spec)}` };
  }

  private words(signal: string, target: string, spec: ChartSpec): Pick<Figure, "title" | "caption"> {
    const name = signalName(signal);
    const title = target === "service" ? `${name.charAt(0).toUpperCase()}${name.slice(1)}` : `${target}: ${name}`;
    return { title, caption: summary(spec) };
  }

  private windows(experiments: JournalExperiment[], { start, end }: Span): ChartSpec["windows"] {
    return experiments
      .flatMap(({ faults }) => faults)
      .flatMap((fault) =>
        fault.windows.map((window, number) => {
          const mark = this.letters.get(fault)!;
          return { ...window, letter: mark, label: number === 0 ? mark : "" };
        }),
      )
      .filter((window) => window.end > start && window.start < end)
      .map((window) => ({ ...window, start: Math.max(window.start, start), end: Math.min(window.end, end) }));
  }
}

/** Series of an experiment worth a drawing: the service's first, then the machines that were moved most. */
function choice({ effects }: JournalExperiment): [string, string][] {
  const moved = [...effects]
    .filter(({ target }) => target !== "service")
    .sort((a, b) => verdictRank(a.verdict) - verdictRank(b.verdict) || size(b) - size(a));
  const service = serviceSignals.map((signal): [string, string] => [signal, "service"]);
  const machines = moved.map(({ signal, target }): [string, string] => [signal, target]);
  const seen = new Set<string>();
  return [...service.slice(0, 2), ...machines.slice(0, 2), ...service.slice(2), ...machines.slice(2)].filter(
    (series) => {
      const key = series.join("\n");
      return seen.has(key) ? false : seen.add(key);
    },
  );
}

function size({ delta }: Effect): number {
  return Math.abs(delta ?? 0);
}

/** Machines that a fault touches, also by one of their links. */
function machinesTouched({ machines, links }: { machines: string[]; links: string[] }): string[] {
  return [...machines, ...links.filter((link) => link.includes("/")).map((link) => link.split("/")[0]!)];
}

function boundsOf(experiments: JournalExperiment[], signal: string, target: string): number[] {
  const probes = experiments.flatMap(({ definition }) => definition.hypothesis?.probes ?? []);
  const own = probes.filter((probe) => probe.signal === signal && (probe.target ?? "service") === target);
  const bounds = own.flatMap(({ tolerance }) => [tolerance.minimum, tolerance.maximum]);
  return [...new Set(bounds.filter((bound) => bound !== undefined))];
}

/** `A: 1,003 ms against live's 97 ms. B: …`: medians while each fault was active. */
function summary({ signal, shadow, live, windows }: Omit<ChartSpec, "description">): string {
  if (windows.length === 0) return "No fault was active in this stretch.";
  const letters = [...new Set(windows.map((window) => window.letter))];
  const said = letters.slice(0, mostLetters).map((name) => {
    const own = windows.filter((window) => window.letter === name);
    const [broken, other] = [medianWithin(shadow, own), medianWithin(live, own)];
    if (broken === undefined) return `${name}: the shadow gave no sample`;
    const against = other === undefined ? "live was not measured" : `against live's ${formatValue(signal, other)}`;
    return `${name}: ${formatValue(signal, broken)}${other === undefined ? ", " : " "}${against}`;
  });
  const rest = letters.length > mostLetters ? "; and so on" : "";
  return `Medians during the faults. ${said.join("; ")}${rest}.`;
}
