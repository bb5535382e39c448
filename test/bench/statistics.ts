import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { analysePair, mannWhitney, median, type Sample, welchTest } from "../../components/runtime/analysis";
import type { Effect } from "../../components/runtime/runner/journal";
import { simulate, type Model } from "../unit/runtime/analysis/simulation";

/** Simulated runs per cell without an effect; the standard error of a 5 % rate over 600 runs is 0.9 points. */
const runs = Number(process.argv[2] ?? 600);
/** Runs per cell with an effect, where a rate need not be known that well. */
const powerRuns = Math.ceil(runs / 4);
const phis = [0, 0.5, 0.8];
const lengths = [
  { baseline: 40, fault: 20 },
  { baseline: 60, fault: 60 },
  { baseline: 120, fault: 30 },
  { baseline: 300, fault: 60 },
  { baseline: 480, fault: 120 },
];

interface Pair {
  live: Sample[];
  shadow: Sample[];
}

type Length = (typeof lengths)[number];

/** One simulated pair with an effect of `effect` noise widths in the fault. */
function draw(seed: number, { baseline, fault }: Length, model: Omit<Model, "samples" | "during">): Pair {
  const during = (second: number): boolean => second >= baseline;
  return simulate(seed, { ...model, samples: baseline + fault, during });
}

function analyse(pair: Pair, { baseline, fault }: Length): Effect {
  const faults = [{ name: "fault", windows: [{ start: baseline, end: baseline + fault }] }];
  return analysePair({ ...pair, faults, settings: { marginPercent: 0, equivalencePercent: 10 } })[0]!;
}

/** Medians over blocks of five seconds, of each side. */
function fiveSecondMedians({ live, shadow }: Pair): Pair {
  const blocks = (side: Sample[]): Sample[] =>
    Array.from({ length: side.length / 5 }, (_, i) => ({
      time: 5 * i,
      value: median(side.slice(5 * i, 5 * i + 5).map(({ value }) => value)),
    }));
  return { live: blocks(live), shadow: blocks(shadow) };
}

function percent(hits: number, of: number): string {
  return ((100 * hits) / of).toFixed(1);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Rates over all runs of one cell. */
function cell(
  length: Length,
  model: Omit<Model, "samples" | "during">,
  prepare: (pair: Pair) => Pair = (pair) => pair,
) {
  const count = model.effect === undefined ? runs : powerRuns;
  const effects = Array.from({ length: count }, (_, i) => analyse(prepare(draw(i + 1, length, model)), length));
  const judged = effects.filter(({ p }) => p !== null);
  const truth = model.effect ?? 0;
  const rate = (hit: (effect: Effect) => boolean): string =>
    judged.length === 0 ? "–" : percent(judged.filter(hit).length, judged.length);
  return {
    alarms: rate(({ p }) => p! < 0.05),
    degraded: rate(({ verdict }) => verdict === "degraded"),
    covered: rate(({ low, high }) => low! <= truth && high! >= truth),
    detectable: judged.length === 0 ? "–" : median(judged.map((effect) => effect.minimumDetectable!)).toFixed(1),
  };
}

/** The common methods on the same data, no fault: share with p < 0.05. */
function naive(length: Length, model: Omit<Model, "samples" | "during">): string[] {
  const hits = { before: 0, sides: 0, welch: 0, gap: 0 };
  for (let seed = 1; seed <= runs; seed++) {
    const pair = draw(seed, length, model);
    const [live, shadow] = [pair.live, pair.shadow].map((side) => side.map(({ value }) => value)) as [
      number[],
      number[],
    ];
    const gap = shadow.map((value, i) => value - live[i]!);
    const split = (values: number[]): [number[], number[]] => [
      values.slice(0, length.baseline),
      values.slice(length.baseline),
    ];
    if (mannWhitney(...split(shadow)).p < 0.05) hits.before++;
    if (mannWhitney(split(live)[1], split(shadow)[1]).p < 0.05) hits.sides++;
    if (welchTest(...split(gap)).p < 0.05) hits.welch++;
    if (mannWhitney(...split(gap)).p < 0.05) hits.gap++;
  }
  return [hits.before, hits.sides, hits.welch, hits.gap].map((count) => percent(count, runs));
}

function alarmTable(): string {
  const rows = [0, 0.05].flatMap((spikes) =>
    lengths.flatMap((length) =>
      phis.map((phi) => {
        const { alarms, degraded, covered } = cell(length, { phi, spikes });
        const name = `${length.baseline} / ${length.fault}`;
        return [
          name,
          String(phi),
          spikes > 0 ? "5 %" : "none",
          alarms,
          degraded,
          covered,
          ...naive(length, { phi, spikes }),
        ];
      }),
    ),
  );
  const head = ["baseline / fault s", "phi", "spikes", "**p < 0.05**", "**degraded**", "coverage"];
  return table([...head, "before/during", "shadow/live", "Welch on gap", "ranks on gap"], rows);
}

function powerTable(): string {
  const rows = lengths.flatMap((length) =>
    phis.map((phi) => {
      const cells = [1, 2, 3, 6].map((effect) => cell(length, { phi, effect }));
      const found = cells.map(({ degraded }) => degraded);
      return [`${length.baseline} / ${length.fault}`, String(phi), ...found, cells[1]!.covered, cells[1]!.detectable];
    }),
  );
  return table(
    ["baseline / fault s", "phi", "1 sd", "2 sd", "3 sd", "6 sd", "coverage at 2 sd", "median detectable"],
    rows,
  );
}

function slopeTable(): string {
  const rows = [1, 3].flatMap((load) =>
    [0.5, 1, 1.5, 2].map((slope) => [
      `${load} × ${slope}`,
      ...[lengths[0]!, lengths[2]!, lengths[3]!].flatMap((length) =>
        phis.map((phi) => cell(length, { phi, slope, load }).alarms),
      ),
    ]),
  );
  const head = ["40 / 20", "120 / 30", "300 / 60"].flatMap((length) => phis.map((phi) => `${length}, phi ${phi}`));
  return table(["load × slope", ...head], rows);
}

function medianTable(): string {
  const rows = lengths
    .filter(({ baseline }) => baseline >= 120)
    .flatMap((length) =>
      phis.map((phi) => {
        const plain = cell(length, { phi, spikes: 0.05 });
        const medians = cell(length, { phi, spikes: 0.05 }, fiveSecondMedians);
        const power = cell(length, { phi, spikes: 0.05, effect: 2 });
        const medianPower = cell(length, { phi, spikes: 0.05, effect: 2 }, fiveSecondMedians);
        const name = `${length.baseline} / ${length.fault}`;
        return [name, String(phi), plain.alarms, medians.alarms, power.degraded, medianPower.degraded];
      }),
    );
  return table(
    ["baseline / fault s", "phi", "alarms, 1 s", "alarms, 5 s medians", "2 sd found, 1 s", "2 sd found, 5 s medians"],
    rows,
  );
}

function pulseTable(): string {
  const designs = [
    { count: 8, on: 2, off: 2 },
    { count: 8, on: 5, off: 5 },
    { count: 8, on: 20, off: 40 },
    { count: 10, on: 20, off: 40 },
  ];
  const rows = designs.flatMap(({ count, on, off }) =>
    phis.map((phi) => {
      const start = 30;
      const windows = Array.from({ length: count }, (_, i) => {
        const begin = start + i * (on + off);
        return { start: begin, end: begin + on };
      });
      const during = (second: number): boolean =>
        windows.some((window) => second >= window.start && second < window.end);
      const rate = (effect: number, spikes: number): string => {
        let found = 0;
        const drawn = effect === 0 ? runs : powerRuns;
        for (let seed = 1; seed <= drawn; seed++) {
          const pair = simulate(seed, { samples: start + count * (on + off), phi, effect, during, spikes });
          const faults = [{ name: "pulses", windows }];
          if (analysePair({ ...pair, faults, settings: { marginPercent: 0 } })[0]!.p! < 0.05) found++;
        }
        return percent(found, drawn);
      };
      return [
        `${count} × ${on} on / ${off} off`,
        String(phi),
        rate(0, 0),
        rate(0, 0.05),
        rate(1, 0),
        rate(2, 0),
        rate(3, 0),
      ];
    }),
  );
  return table(["pulses", "phi", "alarms", "alarms, spikes", "1 sd", "2 sd", "3 sd"], rows);
}

async function main(): Promise<void> {
  const sections: [string, () => string][] = [
    ["False alarms: nothing was broken (percent of runs)", alarmTable],
    [
      "Shadow follows the load more or less than live does, nothing was broken: p < 0.05 in percent of runs",
      slopeTable,
    ],
    ["Power: percent of runs in which the effect is found", powerTable],
    ["Spikes: 5 s medians against 1 s samples", medianTable],
    ["Pulses (exact signed-rank test)", pulseTable],
  ];
  const parts = sections.map(([title, make]) => {
    const part = `## ${title}\n\n${make()}`;
    process.stdout.write(`${part}\n\n`);
    return part;
  });
  const text = `# Simulation bench of the analysis\n
\`npm run bench:statistics\` wrote this file: ${runs} seeded runs per cell (${powerRuns} where
there is an effect). Model, reading and consequences:
[docs/statistics.md](../../docs/statistics.md). Effects in units of one side's noise sd; the gap's is 1.41 of them.\n
${parts.join("\n\n")}\n`;
  await writeFile(join(__dirname, "statistics.md"), text);
}

void main();
