import type { ExperimentAction } from "../../experiment";
import { expectedSeconds, runGraph } from "./actions";
import { type ActiveFault, mergeEffects } from "./activeFaults";
import { blastRadiusProblems, defaultBlastSeconds } from "./blastRadius";
import { within } from "./clock";
import { checkContainment } from "./containment";
import type { RunContext } from "./context";
import { RunEnded } from "./control";
import type { FaultEffect, FaultPlan } from "../faults/plan";
import type { JournalExperiment } from "./journal";
import { type PlannedExperiment, journalFault, planFault } from "./plans";
import { checkProbe } from "./probes";
import { defaultChangeSeconds, faultWindows } from "./pulse";
import { analysisSettings } from "./settings";

/** Samples of a step become known within so many steps after it. */
const settlingSteps = 3;

/** Expected seconds of an experiment. */
export function experimentSeconds({ definition }: PlannedExperiment, seed: number): number {
  const { baselineSeconds, recoverySeconds } = analysisSettings(definition);
  return baselineSeconds + expectedSeconds(definition, seed) + recoverySeconds;
}

/** Carries out one experiment: baseline, faults, recovery. Every fault that was started is undone when it ends. */
export class ExperimentRun {
  private readonly touched: FaultPlan[] = [];
  private readonly settings;

  constructor(
    private readonly context: RunContext,
    private readonly planned: PlannedExperiment,
    private readonly record: JournalExperiment,
    /** Expected seconds of all that follows this experiment. */
    private readonly later: number,
  ) {
    this.settings = analysisSettings(planned.definition);
  }

  async run(): Promise<void> {
    const { watch, faults, clock, writer } = this.context;
    const { definition } = this.planned;
    const { baselineSeconds, recoverySeconds } = this.settings;
    const faultSeconds = expectedSeconds(definition, this.context.seed);
    watch.beginPhase("baseline", baselineSeconds, faultSeconds + recoverySeconds + this.later);
    const holds = await this.baseline();
    if (!holds) return;
    const faultStart = clock.now();
    try {
      watch.beginPhase("fault", faultSeconds, recoverySeconds + this.later);
      await this.faultPhase();
      watch.beginPhase("recovery", recoverySeconds, this.later);
      await this.recovery(faultStart);
    } finally {
      writer.endPhase();
      await faults.stopAll();
    }
  }

  private async baseline(): Promise<boolean> {
    const { clock, control, recent, writer } = this.context;
    const start = clock.now();
    await clock.sleep(this.settings.baselineSeconds * 1000, control.signal);
    recent.calibrate(start, clock.now());
    const broken = this.checkHypothesis("before", [{ from: start, to: clock.now() }]);
    if (broken.length === 0) return true;
    writer.event(
      "hypothesis-not-met",
      `nothing was broken, because the hypothesis does not hold: ${broken.join("; ")}`,
    );
    return false;
  }

  private async faultPhase(): Promise<void> {
    const { control, watch } = this.context;
    const { definition } = this.planned;
    watch.limitFaults(definition.blastRadius?.durationSeconds ?? defaultBlastSeconds);
    const probing = this.probeContainment();
    try {
      await runGraph(definition.actions, async (name, action) => {
        try {
          control.throwIfEnded();
          await this.carryOut(name, action);
        } catch (error) {
          throw control.end(error);
        }
      });
    } finally {
      await probing;
      watch.limitFaults(Infinity);
    }
    control.throwIfEnded();
  }

  private async recovery(faultStart: number): Promise<void> {
    const { clock, control, stepSeconds } = this.context;
    const start = clock.now();
    await clock.sleep(this.settings.recoverySeconds * 1000, control.signal);
    const settled = start + (this.settings.recoverySeconds * 1000) / 2;
    const to = clock.now();
    await clock.sleep(settlingSteps * stepSeconds * 1000, control.signal);
    this.checkHypothesis("during", this.faultTimes(faultStart, start));
    this.checkHypothesis("after", [{ from: settled, to }]);
  }

  /** Once in every experiment, when its faults have begun and the ignored first samples are over. */
  private async probeContainment(): Promise<void> {
    const { clock, control } = this.context;
    try {
      await clock.sleep(this.settings.settleSeconds * 1000, control.signal);
      await checkContainment(this.context, `experiment ${this.planned.name}`);
    } catch (error) {
      control.end(error);
    }
  }

  private faultTimes(from: number, to: number): { from: number; to: number }[] {
    const windows = this.record.faults.flatMap((fault) => fault.windows);
    const settle = this.settings.settleSeconds * 1000;
    if (windows.length === 0) return [{ from, to }];
    return windows.map(({ start, end }) => ({ from: Math.min(start + settle, end), to: end }));
  }

  private checkHypothesis(when: "before" | "during" | "after", windows: { from: number; to: number }[]): string[] {
    const probes = this.planned.definition.hypothesis?.probes ?? [];
    const results = probes.map((probe) => checkProbe(this.context.recent, probe, when, windows));
    this.record.probes.push(...results);
    const broken = results.filter(({ ok }) => !ok);
    if (broken.length > 0 && when !== "before") this.record.deviated = true;
    return broken.map(({ name, why }) => `${name}: ${why}`);
  }

  private async carryOut(name: string, action: ExperimentAction): Promise<void> {
    const { clock, control } = this.context;
    if (action.fault !== undefined) await this.injectFault(name, action);
    else if (action.change !== undefined) await this.rehearseChange(name, action);
    else if (action.command !== undefined) await this.runCommand(name, action);
    else if (action.probe !== undefined) this.probeNow(action);
    else await clock.sleep((action.waitSeconds ?? 0) * 1000, control.signal);
  }

  private async injectFault(name: string, action: ExperimentAction): Promise<void> {
    const { clock, control, seed } = this.context;
    const start = clock.now();
    const entry = journalFault(name, this.planned.plans.get(name)!);
    this.record.faults.push(entry);
    const effects: (FaultEffect | undefined)[] = [];
    for (const window of faultWindows(name, action, seed)) {
      await clock.sleep(start + window.start * 1000 - clock.now(), control.signal);
      const plan = await this.planNow(name);
      const active = await this.context.faults.start(plan, entry, window.seconds);
      try {
        effects.push(await this.proveEffect(active));
        entry.effect = mergeEffects(effects);
        await clock.sleep(active.window.end - clock.now(), control.signal);
      } finally {
        await this.endWindow(active, action);
      }
    }
  }

  /**
   * Reads the proof shortly before the fault ends, because afterwards its counters may be gone; and once halfway, for a
   * target so slow that it undoes the fault by itself before the last reading.
   */
  private async proveEffect(active: ActiveFault): Promise<FaultEffect | undefined> {
    const { clock, control, faults } = this.context;
    const { start, end } = active.window;
    const lead = Math.min(2000, Math.max(500, (end - start) / 10));
    await clock.sleep((start + end) / 2 - clock.now(), control.signal);
    const halfway = await faults.readEffect(active);
    await clock.sleep(end - lead - clock.now(), control.signal);
    const last = clock.now() < end ? await faults.readEffect(active) : undefined;
    return last ?? halfway;
  }

  /** A machine that is to stay down is brought back when the experiment ends, or at once when the run was told to end. */
  private async endWindow(active: ActiveFault, action: ExperimentAction): Promise<void> {
    const { control, faults } = this.context;
    if (action.staysDown === true && control.ended === undefined) {
      active.fault.notes.push("it stays down after its window, until the experiment ends");
      return;
    }
    await faults.stop(active);
  }

  /** The target may have changed since the preflight, so it is resolved again and the blast radius checked again. */
  private async planNow(name: string): Promise<FaultPlan> {
    const { driver, capabilities, seed, shadow } = this.context;
    const { definition } = this.planned;
    const plan = await planFault(this.planned.name, name, definition, { driver, capabilities, seed });
    const problems = blastRadiusProblems(definition.blastRadius, [...this.touched, plan], shadow);
    if (problems.length > 0) throw new RunEnded("aborted", `blast radius: ${problems.join("; ")}`, "fail");
    this.touched.push(plan);
    return plan;
  }

  private async rehearseChange(name: string, action: ExperimentAction): Promise<void> {
    const { driver, clock, control, writer } = this.context;
    const change = action.change!;
    const handle = await within(300_000, `change "${name}"`, driver.change!(change));
    const seconds = action.durationSeconds ?? defaultChangeSeconds;
    const window = { start: clock.now(), end: clock.now() + seconds * 1000 };
    const touches = { machines: [handle.machine], links: [] };
    const proof = { counters: {}, proven: true, why: handle.summary };
    const common = { action: name, kind: "change", target: handle.machine, mechanism: "change", touches, commands: [] };
    this.record.faults.push({ ...common, windows: [window], effect: proof, notes: [handle.summary] });
    writer.event("change-made", `${name}: ${handle.summary}`);
    try {
      await clock.sleep(seconds * 1000, control.signal);
    } finally {
      window.end = Math.min(window.end, clock.now());
      if (change.keep !== true) {
        await within(300_000, `taking back change "${name}"`, driver.revertChange!(handle));
        writer.event("change-reverted", `${name}: ${handle.summary}`);
      }
    }
  }

  private async runCommand(name: string, action: ExperimentAction): Promise<void> {
    const { driver, clock, writer } = this.context;
    const machine = action.target!.machine!;
    const objective = action.objectiveSeconds ?? 60;
    const start = clock.now();
    const limit = Math.max(60, 2 * objective);
    const { exitCode, output } = await driver.command!(machine, action.command!, limit);
    const seconds = (clock.now() - start) / 1000;
    const withinObjective = exitCode === 0 && seconds <= objective;
    this.record.commands.push({ action: name, machine, exitCode, seconds, withinObjective });
    const message = `${name} on ${machine} ended with ${exitCode} after ${seconds.toFixed(1)} of ${objective} seconds`;
    writer.event("command", message, { output });
  }

  private probeNow(action: ExperimentAction): void {
    const { clock, recent, stepSeconds, writer } = this.context;
    const to = clock.now();
    const window = { from: to - (10 + settlingSteps * stepSeconds) * 1000, to };
    const result = checkProbe(recent, action.probe!, "during", [window]);
    this.record.probes.push(result);
    if (!result.ok) this.record.deviated = true;
    writer.event("probe", `${result.name}: ${result.why}`);
  }
}
