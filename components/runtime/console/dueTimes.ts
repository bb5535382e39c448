import { createHash } from "node:crypto";

import { Cron } from "croner";

import type { ExperimentSchedule } from "../../experiment";

const unitMilliseconds: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/**
 * The first time after `after` at which a schedule is due, before its jitter; milliseconds since 1970. A cron expression
 * follows its time zone, also over the change to summer time; a rate counts from `anchor`. Undefined when there is none.
 */
export function nextDue(schedule: ExperimentSchedule, after: number, anchor: number): number | undefined {
  if (schedule.cron !== undefined) {
    const cron = new Cron(schedule.cron, { timezone: schedule.timeZone ?? "UTC", paused: true, mode: "5-part" });
    return cron.nextRun(new Date(after))?.getTime();
  }
  const interval = rateMilliseconds(schedule.rate ?? "");
  if (interval === undefined) return undefined;
  return anchor + (Math.floor((after - anchor) / interval) + 1) * interval;
}

/** Length of `10 minutes`, `6 hours` or `1 day` in milliseconds; undefined for anything else. */
function rateMilliseconds(rate: string): number | undefined {
  const [, count, unit] = /^([1-9]\d*) (minute|hour|day)s?$/.exec(rate) ?? [];
  return unit === undefined ? undefined : Number(count) * unitMilliseconds[unit]!;
}

/** Delay of one start, in milliseconds: the same for the same seed, schedule and time. */
export function jitterOf(schedule: ExperimentSchedule, key: string, due: number): number {
  const digest = createHash("sha256").update(`${key}/${due}`).digest();
  return Math.floor((digest.readUInt32BE() / 2 ** 32) * (schedule.jitterSeconds ?? 0) * 1000);
}
