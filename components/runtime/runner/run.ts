import { basename, resolve } from "node:path";

import type { Experiment } from "../../experiment";
import type { AlarmRule } from "../../monitor";
import type { ExchangeSample } from "../gateway/exchange";
import { ActiveFaults } from "./activeFaults";
import { AlarmEngine } from "./alarms";
import { type Clock, systemClock, within } from "./clock";
import { Closing } from "./closing";
import type { RunContext, SkippedChecks } from "./context";
import { RunControl } from "./control";
import type { Driver, MirrorState, ShadowDescription, SignalPoint } from "./driver";
import { dryRun } from "./dryRun";
import { ExperimentRun, experimentSeconds } from "./experimentRun";
import { refuseWhenHalted } from "./halt";
import { IntakeHold } from "./intakeHold";
import type { Journal } from "./journal";
import { JournalWriter } from "./journalWriter";
import { lockShadow } from "./lock";
import { AlarmNotifier, type NotifySettings } from "./notify";
import { type PlannedExperiment, journalExperiment, planExperiments } from "./plans";
import { preflight, usualPreflightSeconds } from "./preflight";
import { ownIdentity } from "./processes";
import type { RunProgress } from "./progress";
import { RecentPoints } from "./recent";
import { analysisSettings } from "./settings";
import { createStore } from "./store";
import { Watch } from "./watch";
import type { Capabilities } from "../faults/plan";

export type { RunProgress } from "./progress";

/** How far a dry run goes: check the files, also read from the shadow, also print every command. */
export type DryRun = "nothing" | "reads" | "plan";

/** What {@link runExperiments} needs. */
export interface RunOptions {
  driver: Driver;
  /** Experiments by name; carried out one after the other. */
  experiments: Record<string, Experiment>;
  /** Folder of this run, `runs/<id>`; made when missing. Its name is the run's id. */
  folder: string;
  /** Folder with the halt switch and the locks; the same for everybody who could touch the same shadows. */
  stateFolder: string;
  /** Seed of everything random. Defaults to 1. */
  seed?: number;
  /** Command that started it, for the journal. Defaults to none. */
  command?: string[];
  /** Versions of the tool and what it runs on, for the journal. Defaults to none. */
  versions?: Record<string, string>;
  onProgress?: (progress: RunProgress) => void;
  /** Ends the run; every fault is undone first. */
  signal?: AbortSignal;
  /** Defaults to a real run. */
  dryRun?: DryRun;
  /** Defaults to no check skipped. */
  skip?: SkippedChecks;
  /** Thresholds to watch beside the stop conditions. Defaults to none. */
  alarms?: AlarmRule[];
  /** Who is told of alarms. Defaults to nobody. */
  notify?: NotifySettings;
  /** Defaults to the machine's own clock. */
  clock?: Clock;
}

/**
 * Carries out one run of one or more experiments and returns its journal, which is also in `journal.json`. However the
 * run ends, every fault it started was undone and the journal closed before this returns. Throws, with nothing done and
 * no journal written, when the input is bad, runs are halted, or another run uses the shadow.
 */
export async function runExperiments(options: RunOptions): Promise<Journal> {
  const { driver, experiments, stateFolder, seed = 1 } = options;
  if (options.dryRun !== undefined) return dryRun(options.dryRun, options);
  refuseWhenHalted(stateFolder);
  const shadow = await driver.describe();
  const unlock = lockShadow(stateFolder, shadow.network, basename(resolve(options.folder)));
  try {
    const capabilities = await driver.capabilities();
    const planned = await planExperiments(experiments, { driver, capabilities, seed }, shadow);
    return await new Run(options, shadow, capabilities, planned).carryOut();
  } finally {
    unlock();
  }
}

/** The journal of a run that begins now. */
export function newJournal(
  options: RunOptions,
  shadow: ShadowDescription,
  capabilities: Record<string, unknown>,
  planned: PlannedExperiment[],
): Journal {
  const { machines, links, services, fidelity } = shadow;
  return {
    version: 1,
    id: basename(resolve(options.folder)),
    network: shadow.network,
    backEnd: shadow.backEnd,
    status: "running",
    process: ownIdentity(),
    startedAt: new Date((options.clock ?? systemClock).now()).toISOString(),
    seed: options.seed ?? 1,
    command: options.command ?? [],
    versions: options.versions ?? {},
    capabilities,
    shadow: {
      machines: machines.map(({ name, role, subnets }) => ({ name, role, subnets })),
      links,
      services,
      fidelity,
    },
    phases: [],
    events: [],
    experiments: planned.map(journalExperiment),
    alarms: [],
  };
}

class Run {
  private readonly context: RunContext;
  private readonly store;
  private readonly notifier: AlarmNotifier;
  private mirrorAtStart?: MirrorState;

  constructor(
    private readonly options: RunOptions,
    shadow: ShadowDescription,
    capabilities: Capabilities,
    private readonly planned: PlannedExperiment[],
  ) {
    const { driver, folder, stateFolder, clock = systemClock, seed = 1, skip = {} } = options;
    const stepSeconds = Math.min(...planned.map(({ definition }) => analysisSettings(definition).stepSeconds));
    const journal = newJournal(options, shadow, { ...capabilities }, planned);
    const writer = new JournalWriter(folder, journal, clock);
    const control = new RunControl(options.signal);
    const recent = new RecentPoints();
    const faults = new ActiveFaults(driver, clock, writer, (error) => control.end(error));
    this.store = createStore(folder);
    this.notifier = new AlarmNotifier(shadow.network, options.notify ?? {}, (problem) =>
      writer.event("notification-failed", problem),
    );
    const alarms = new AlarmEngine(options.alarms ?? [], recent, stepSeconds, (transition) => {
      const { name, severity, state, time, value } = transition;
      journal.alarms.push({ name, severity, state, time, ...(value === undefined ? {} : { value }) });
      writer.event("alarm", `${severity} alarm ${name}: ${state}`);
      this.notifier.tell(transition);
    });
    const { onProgress } = options;
    const experimentCount = planned.length;
    const watched = { clock, control, writer, recent, faults, alarms, stateFolder, stepSeconds };
    const watch = new Watch({ ...watched, experimentCount, onProgress });
    const intake = new IntakeHold(driver, stateFolder, shadow.network, journal.id);
    const shared = { driver, clock, control, writer, journal, recent, faults, intake, watch };
    this.context = { ...shared, shadow, capabilities, seed, stepSeconds, skip };
  }

  async carryOut(): Promise<Journal> {
    const { control, watch } = this.context;
    watch.start();
    try {
      await this.before();
      await this.experiments();
    } catch (error) {
      control.end(error);
    }
    const { store, notifier, mirrorAtStart } = this;
    await new Closing(this.context, { store, notifier, mirrorAtStart }).close();
    return this.context.journal;
  }

  private async before(): Promise<void> {
    const { control, watch, driver, seed } = this.context;
    control.throwIfEnded();
    const margins = this.planned.map(({ definition }) => analysisSettings(definition).marginPercent);
    watch.beginPhase("preflight", usualPreflightSeconds, this.secondsFrom(0, seed));
    await preflight(this.context, () => this.sample(), Math.min(...margins));
    watch.expectSamples();
    this.mirrorAtStart = await within(60_000, "reading the mirror's state", driver.mirror());
  }

  private async experiments(): Promise<void> {
    const { watch, journal, seed } = this.context;
    for (const [index, planned] of this.planned.entries()) {
      watch.beginExperiment(planned.name, planned.definition, index + 1);
      const later = this.secondsFrom(index + 1, seed);
      await new ExperimentRun(this.context, planned, journal.experiments[index]!, later).run();
      watch.endExperiment();
    }
  }

  private secondsFrom(index: number, seed: number): number {
    return this.planned.slice(index).reduce((sum, planned) => sum + experimentSeconds(planned, seed), 0);
  }

  /** A sample that cannot be stored ends the run, because its verdict could not be checked any more. */
  private async sample(): Promise<void> {
    const { driver, recent, control, writer, stepSeconds } = this.context;
    const guarded =
      <T>(take: (values: T[]) => void) =>
      (values: T[]): void => {
        try {
          take(values);
        } catch (error) {
          control.end(new Error(`samples cannot be stored: ${(error as Error).message}`, { cause: error }));
        }
      };
    const points = guarded((values: SignalPoint[]) => {
      recent.add(values);
      this.store.add(values);
    });
    let keeping = true;
    const exchanges = guarded((samples: ExchangeSample[]) => {
      if (!keeping) return;
      keeping = this.store.addExchanges(samples);
      if (!keeping) writer.event("exchanges-limit", "no more raw exchanges are kept: their size has reached its limit");
    });
    await driver.startSampling(stepSeconds, points, exchanges);
  }
}
