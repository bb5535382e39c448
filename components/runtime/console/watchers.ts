import type { MonitorSettings } from "../../monitor";
import type { AlarmTransition } from "../runner/alarms";
import type { Clock } from "../runner/clock";
import type { Driver, SignalPoint } from "../runner/driver";
import type { NotifySettings } from "../runner/notify";
import { StandingIntake, needsTraffic } from "../runner/standingIntake";
import { type AlarmStanding, StandingWatch } from "../runner/standingWatch";
import type { ConsoleBackEnd } from "./backEnd";
import { conflict, notFound } from "./errors";
import type { History } from "./history";

/** A change of an alarm, as it is kept. */
export interface AlarmRecord {
  shadow: string;
  name: string;
  severity: string;
  state: "firing" | "resolved" | "acknowledged" | "noData";
  /** Milliseconds since 1970. */
  time: number;
  value?: number;
}

interface Watched {
  settings: string;
  driver: Driver;
  watch: StandingWatch;
  stop: AbortController;
  done: Promise<void>;
}

/** What {@link Watchers} needs. */
export interface WatchersOptions {
  backEnd: ConsoleBackEnd;
  clock: Clock;
  /** Folder with the halt switch, the locks and the holds on intakes. */
  stateFolder: string;
  /** Told of alarms beside whom the stack's monitor names. */
  notify: NotifySettings;
  history: History<AlarmRecord>;
  onProblem: (problem: string) => void;
}

/**
 * Samples every shadow and watches its alarms, with or without a run; follows shadows that come, go or change. Where an alarm
 * asks for traffic, the shadow's intake is kept open.
 */
export class Watchers {
  private readonly watched = new Map<string, Watched>();
  private readonly problems = new Map<string, string>();

  constructor(private readonly options: WatchersOptions) {}

  /** Begins and ends watches so that they are what the back end says now. */
  async reconcile(): Promise<void> {
    const { backEnd } = this.options;
    const shadows = await backEnd.shadows();
    for (const shadow of [...this.watched.keys()]) if (!shadows.includes(shadow)) await this.end(shadow);
    for (const shadow of shadows) {
      try {
        await this.follow(shadow);
        this.problems.delete(shadow);
      } catch (error) {
        this.report(shadow, `it cannot be watched: ${(error as Error).message}`);
      }
    }
  }

  /** How the alarms of every shadow stand. */
  standing(): ({ shadow: string } & AlarmStanding)[] {
    return [...this.watched].flatMap(([shadow, { watch }]) => watch.states().map((state) => ({ shadow, ...state })));
  }

  /** The newest point of every series of a shadow, none older than 15 seconds. */
  newest(shadow: string): SignalPoint[] {
    const now = this.options.clock.now();
    return this.watched.get(shadow)?.watch.recent.newest(now - 15_000, now + 1) ?? [];
  }

  /** Driver of a watched shadow. */
  driver(shadow: string): Driver | undefined {
    return this.watched.get(shadow)?.driver;
  }

  /** Says that somebody has seen a firing alarm; throws when there is no such alarm or it does not fire. */
  acknowledge(shadow: string, name: string): void {
    const entry = this.watched.get(shadow);
    if (entry === undefined) throw notFound("shadow", shadow, this.watched.keys());
    const states = entry.watch.states();
    const found = states.find(({ rule }) => rule.name === name);
    if (found === undefined) {
      throw notFound(
        "alarm",
        name,
        states.map(({ rule }) => rule.name),
      );
    }
    if (!entry.watch.acknowledge(name)) throw conflict("not-firing", `alarm "${name}" does not fire: ${found.state}`);
  }

  async close(): Promise<void> {
    await Promise.all([...this.watched.keys()].map((shadow) => this.end(shadow)));
  }

  private async follow(shadow: string): Promise<void> {
    const monitor = await this.options.backEnd.monitor(shadow);
    const settings = JSON.stringify(monitor);
    if (this.watched.get(shadow)?.settings === settings) return;
    await this.end(shadow);
    await this.begin(shadow, settings, monitor);
  }

  private async begin(shadow: string, settings: string, monitor: MonitorSettings): Promise<void> {
    const { backEnd, clock, notify } = this.options;
    const driver = await backEnd.open(shadow);
    const stop = new AbortController();
    const urls = [...new Set([...(monitor.notify ?? []), ...(notify.urls ?? [])])];
    const watch = new StandingWatch({
      driver,
      rules: monitor.alarms ?? [],
      notify: { urls, command: notify.command },
      onTransition: (transition) => this.record(shadow, transition),
      onProblem: (problem) => this.options.onProblem(problem),
      signal: stop.signal,
      clock,
    });
    const entry: Watched = { settings, driver, watch, stop, done: Promise.resolve() };
    this.watched.set(shadow, entry);
    entry.done = this.carryOut(shadow, entry, monitor);
  }

  /** Watches and keeps the intake open until one of both ends, then ends the other. */
  private async carryOut(shadow: string, entry: Watched, { alarms = [] }: MonitorSettings): Promise<void> {
    const { driver, watch, stop } = entry;
    const intake = alarms.some(needsTraffic) ? this.keepIntake(shadow, driver, stop.signal) : Promise.resolve();
    try {
      await watch.run();
    } catch (error) {
      this.report(shadow, `it cannot be watched: ${(error as Error).message}`);
    } finally {
      stop.abort();
      await intake;
      if (this.watched.get(shadow) === entry) this.watched.delete(shadow);
      await driver.close();
    }
  }

  private async keepIntake(shadow: string, driver: Driver, signal: AbortSignal): Promise<void> {
    const { clock, stateFolder, onProblem: report } = this.options;
    const onProblem = (problem: string): void => report(`${shadow}: ${problem}`);
    try {
      await new StandingIntake({ driver, network: shadow, stateFolder, clock, onProblem, signal }).keep();
    } catch (error) {
      onProblem(`the intake cannot be closed: ${(error as Error).message}`);
    }
  }

  private async end(shadow: string): Promise<void> {
    const entry = this.watched.get(shadow);
    if (entry === undefined) return;
    this.watched.delete(shadow);
    entry.stop.abort();
    await entry.done;
  }

  private record(shadow: string, { name, severity, state, time, value }: AlarmTransition): void {
    this.options.history.add({ shadow, name, severity, state, time, ...(value === undefined ? {} : { value }) });
  }

  /** The same problem is reported once, not at every attempt. */
  private report(shadow: string, message: string): void {
    if (this.problems.get(shadow) === message) return;
    this.problems.set(shadow, message);
    this.options.onProblem(`${shadow}: ${message}`);
  }
}
