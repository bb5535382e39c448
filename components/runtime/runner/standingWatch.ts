import type { AlarmRule } from "../../monitor";
import { AlarmEngine, type AlarmTransition } from "./alarms";
import { type Clock, systemClock } from "./clock";
import type { Driver } from "./driver";
import { AlarmNotifier, type NotifySettings } from "./notify";
import { RecentPoints, wholeService } from "./recent";

/** What {@link StandingWatch} needs. */
export interface StandingWatchOptions {
  driver: Driver;
  rules: AlarmRule[];
  /** Who is told. Defaults to nobody. */
  notify?: NotifySettings;
  /** Defaults to 1. */
  stepSeconds?: number;
  onTransition?: (transition: AlarmTransition) => void;
  /** What could not be told to a receiver. */
  onProblem?: (problem: string) => void;
  /** Ends the watch. */
  signal: AbortSignal;
  /** Defaults to the machine's own clock. */
  clock?: Clock;
}

/** How an alarm stands. */
export interface AlarmStanding {
  rule: AlarmRule;
  state: "ok" | "firing" | "acknowledged" | "noData";
  /** Time of its last change, milliseconds since 1970; undefined when it never changed. */
  since?: number;
  /** Newest value. */
  value?: number;
}

/** Seconds that the first samples of a watch may take: the shadow is probed before traffic is let in. */
const patienceSeconds = 60;

/** Seconds of traffic after which the usual gap between live and shadow is taken, for alarms on the gap. */
const calibrationSeconds = 60;

/** Watches alarms while traffic flows, with or without a run, and keeps the last quarter of an hour of every signal. */
export class StandingWatch {
  readonly recent = new RecentPoints();
  private readonly ofSides: AlarmEngine;
  private readonly ofGap: AlarmEngine;
  private readonly clock: Clock;
  private notifier?: AlarmNotifier;
  private readonly changed = new Map<string, AlarmTransition>();
  private calibrated = false;

  constructor(private readonly options: StandingWatchOptions) {
    const { rules, stepSeconds = 1, clock = systemClock } = options;
    const onTransition = (transition: AlarmTransition): void => {
      this.changed.set(transition.name, transition);
      this.notifier?.tell(transition);
      options.onTransition?.(transition);
    };
    const isOnGap = ({ side }: AlarmRule): boolean => side === "gap";
    const engine = (chosen: AlarmRule[]): AlarmEngine =>
      new AlarmEngine(chosen, this.recent, stepSeconds, onTransition);
    this.ofSides = engine(rules.filter((rule) => !isOnGap(rule)));
    this.ofGap = engine(rules.filter(isOnGap));
    this.clock = clock;
  }

  /** Says that somebody has seen a firing alarm; says whether there was one. */
  acknowledge(name: string): boolean {
    const now = this.clock.now();
    return this.ofSides.acknowledge(name, now) || this.ofGap.acknowledge(name, now);
  }

  /** How every alarm stands now; one that cannot be judged has no data. */
  states(): AlarmStanding[] {
    const now = this.clock.now();
    return this.options.rules.map((rule) => {
      const { signal, target = wholeService, side = "shadow" } = rule;
      const last = this.changed.get(rule.name);
      const newest = this.recent.latest(signal, target, side, now - 15_000, now + 1)?.value;
      const judged = newest !== undefined && (side !== "gap" || this.calibrated);
      const quiet = judged ? "ok" : "noData";
      const state = last === undefined || last.state === "resolved" ? quiet : last.state;
      return { rule, state, since: last?.time, value: newest };
    });
  }

  /**
   * Watches until told to end. The gap is taken against the first minute with traffic, so it means: since then; until it
   * is known, alarms on the gap have no data.
   */
  async run(): Promise<void> {
    const { driver, signal, stepSeconds = 1 } = this.options;
    const { network } = await driver.describe();
    this.notifier = new AlarmNotifier(network, this.options.notify ?? {}, (problem) =>
      this.options.onProblem?.(problem),
    );
    const start = this.clock.now();
    let firstTraffic: number | undefined;
    await driver.startSampling(stepSeconds, (points) => {
      firstTraffic ??= points.find(({ side, signal: name }) => side === "live" && name === "app.requests")?.time;
      this.recent.add(points);
    });
    try {
      while (!signal.aborted) {
        await this.clock.sleep(stepSeconds * 1000, signal).catch(() => undefined);
        const now = this.clock.now();
        if (!this.calibrated && firstTraffic !== undefined && now - firstTraffic >= calibrationSeconds * 1000) {
          this.recent.calibrate(firstTraffic, now);
          this.calibrated = true;
        }
        const expected = now - start >= patienceSeconds * 1000;
        this.ofSides.evaluate(now, expected);
        if (this.calibrated) this.ofGap.evaluate(now);
      }
    } finally {
      await driver.stopSampling();
      await this.notifier.drain();
    }
  }
}
