import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

import type { Experiment } from "../../components/experiment";
import { openLabDriver } from "../../components/lab/driver";
import { stateFolder } from "../../components/lab/kernel/names";
import { analysePlacebo, falseAlarmRate, rateOf, type FalseAlarmRate } from "../../components/runtime/analysis";
import { RunStatus, type Effect, Verdict } from "../../components/runtime/runner/journal";
import { runExperiments } from "../../components/runtime/runner/run";
import { loadRun } from "../../components/runtime/runner/store";
import { openLiveLab } from "../support/liveLab";

/**
 * Real A/A runs: the whole experiment with nothing broken, on a small lab under live traffic. What the analysis finds is a
 * false alarm. BENCH_RUNS says how many (default 20); each takes about 80 s. BENCH_FOLDER keeps the runs there, for
 * `shadownet calibrate --journal`; without it they are removed.
 */
const runs = Number(process.env.BENCH_RUNS ?? "20");

const experiment: Experiment = {
  title: "nothing is broken",
  actions: { nothing: { waitSeconds: 20 } },
  analysis: { baselineSeconds: 40, recoverySeconds: 1 },
};

async function main(): Promise<void> {
  const lab = await openLiveLab("aa");
  const kept = process.env.BENCH_FOLDER;
  const folder = kept ?? (await mkdtemp(join(tmpdir(), "shadownet-aa-")));
  const all: Effect[] = [];
  let [completed, alarmed] = [0, 0];
  try {
    console.log(
      "What was found is below its run.\n\n| run | load | tests | p < 0.05 | degraded |\n|---|---|---|---|---|",
    );
    for (let number = 1; number <= runs; number++) {
      const effects = await oneRun(lab.shadow, join(folder, `aa-${number}`), number);
      if (effects === undefined) continue;
      all.push(...effects);
      completed++;
      const service = effects.filter(({ signal }) => signal.startsWith("app."));
      if (service.some(({ verdict }) => verdict === Verdict.Degraded)) alarmed++;
      const [byP, byVerdict] = [falseAlarmRate(effects, "p"), falseAlarmRate(effects)];
      const load = loadavg()[0]!.toFixed(1);
      console.log(`| ${number} | ${load} | ${byP.judged} | ${byP.alarms} | ${byVerdict.alarms} |`);
      for (const { signal, target, verdict, why } of effects.filter(({ p }) => p !== null && p < 0.05)) {
        console.log(`  ${signal} of ${target}: ${verdict}: ${why}`);
      }
    }
    console.log(`\nsingle tests with p < 0.05: ${said(falseAlarmRate(all, "p"))}`);
    console.log(`effects judged degraded: ${said(falseAlarmRate(all))}`);
    console.log(`runs judged degraded: ${said(rateOf(alarmed, completed))}`);
  } finally {
    await lab.close();
    if (kept === undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function oneRun(network: string, folder: string, seed: number): Promise<Effect[] | undefined> {
  const driver = await openLabDriver(network);
  try {
    const request = { driver, experiments: { calibration: experiment }, folder, stateFolder: stateFolder(), seed };
    const { status, statusReason } = await runExperiments(request);
    if (status === RunStatus.Completed) return analysePlacebo(await loadRun(folder));
    console.log(`| ${seed} | left out: ${statusReason ?? status} |`);
    return undefined;
  } finally {
    await driver.close();
  }
}

function said({ alarms, judged, rate, low, high }: FalseAlarmRate): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return `${alarms} of ${judged}, ${percent(rate)} (95 % interval ${percent(low)} to ${percent(high)})`;
}

void main();
