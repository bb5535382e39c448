import type { AlarmRule } from "../../monitor";
import { AlarmEngine, type AlarmTransition } from "./alarms";
import { type Clock, systemClock } from "./clock";
import type { Driver } from "./driver";
import { AlarmNotifier, type NotifySettings } from "./notify";
import { RecentPoints } from "./recent";

/** What {@link watchAlarms} needs. */
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

/** Seconds of traffic after which the usual gap between live and shadow is taken, for alarms on the gap. */
const calibrationSeconds = 60;

/**
 * Watches alarms while traffic flows without a run, until told to end. The gap is taken against the first minute, so it
 * means: since the watch began. It samples by itself; a run on the same shadow watches its alarms on its own.
 */
export async function watchAlarms(options: StandingWatchOptions): Promise<void> {
  const { driver, rules, signal, clock = systemClock, stepSeconds = 1 } = options;
  const { network } = await driver.describe();
  const notifier = new AlarmNotifier(network, options.notify ?? {}, (problem) => options.onProblem?.(problem));
  const recent = new RecentPoints();
  const onTransition = (transition: AlarmTransition): void => {
    notifier.tell(transition);
    options.onTransition?.(transition);
  };
  const isOnGap = ({ side }: AlarmRule): boolean => side === "gap";
  const ofSides = new AlarmEngine(
    rules.filter((rule) => !isOnGap(rule)),
    recent,
    stepSeconds,
    onTransition,
  );
  const ofGap = new AlarmEngine(rules.filter(isOnGap), recent, stepSeconds, onTransition);
  const start = clock.now();
  let calibrated = false;
  await driver.startSampling(stepSeconds, (points) => recent.add(points));
  try {
    while (!signal.aborted) {
      await clock.sleep(stepSeconds * 1000, signal).catch(() => undefined);
      const now = clock.now();
      if (!calibrated && now - start >= calibrationSeconds * 1000) {
        recent.calibrate(start, now);
        calibrated = true;
      }
      ofSides.evaluate(now);
      if (calibrated) ofGap.evaluate(now);
    }
  } finally {
    await driver.stopSampling();
    await notifier.drain();
  }
}
