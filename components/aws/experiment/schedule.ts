import { Cron } from "croner";

import type { ExperimentSchedule } from "../../experiment";
import type { Problem } from "../../internal/problems";

/** Longest flexible window that EventBridge Scheduler takes. */
const longestWindowMinutes = 1440;

/** A schedule as EventBridge Scheduler takes it. */
export interface PlannedSchedule {
  expression: string;
  timeZone: string;
  /** Minutes within which a start may be put off at random; 0 means at the minute. */
  windowMinutes: number;
}

interface Field {
  name: string;
  first: number;
  last: number;
}

const cronFields: Field[] = [
  { name: "minute", first: 0, last: 59 },
  { name: "hour", first: 0, last: 23 },
  { name: "day of the month", first: 1, last: 31 },
  { name: "month", first: 1, last: 12 },
  { name: "day of the week", first: 0, last: 7 },
];

/** The schedule in EventBridge's words; its problems have been refused before. */
export function plannedSchedule({
  cron,
  rate,
  timeZone = "UTC",
  jitterSeconds = 0,
}: ExperimentSchedule): PlannedSchedule {
  return {
    expression: cron === undefined ? rateExpression(rate ?? "") : cronExpression(cron),
    timeZone,
    windowMinutes: Math.ceil(jitterSeconds / 60),
  };
}

/** `10 minutes` and `1 day` as `rate(…)`, whose unit is singular for one and plural for more. */
function rateExpression(rate: string): string {
  const [count = "", unit = ""] = rate.split(" ");
  const singular = unit.replace(/s$/, "");
  return `rate(${count} ${count === "1" ? singular : `${singular}s`})`;
}

/**
 * Five fields of cron as EventBridge's six: steps are written out, days of the week are counted from Sunday as 1, and
 * of the two fields for days the one that says nothing becomes `?`.
 */
function cronExpression(cron: string): string {
  const texts = cron.trim().split(/\s+/);
  const [minute, hour, dayOfMonth, month, dayOfWeek] = cronFields.map((field, index) =>
    index === 4 ? weekdays(texts[index]!) : writtenOut(texts[index]!, field),
  );
  const days = dayOfWeek === "*" ? `${dayOfMonth!} ${month!} ?` : `? ${month!} ${dayOfWeek!}`;
  return `cron(${minute!} ${hour!} ${days} *)`;
}

/** Parts of a field, each with a step as a list of numbers. */
function writtenOut(text: string, { first, last }: Field): string {
  return text
    .split(",")
    .map((part) => {
      const match = /^(\*|\d+)(?:-(\d+))?\/(\d+)$/.exec(part);
      if (match === null) return part.toUpperCase();
      const from = match[1] === "*" ? first : Number(match[1]);
      const to = match[2] === undefined ? last : Number(match[2]);
      const step = Number(match[3]);
      return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step).join(",");
    })
    .join(",");
}

function weekdays(text: string): string {
  if (text === "*") return "*";
  const lists = writtenOut(text, { name: "", first: 0, last: 6 }).split(",");
  const numbers = lists.flatMap((part) => {
    const range = /^(\d)(?:-(\d))?$/.exec(part);
    if (range === null) return [part];
    const from = Number(range[1]);
    const to = Number(range[2] ?? range[1]);
    return Array.from({ length: to - from + 1 }, (_, index) => `${((from + index) % 7) + 1}`);
  });
  return [...new Set(numbers)].join(",");
}

/** What EventBridge cannot do of a schedule, and runs that would meet each other. */
export function scheduleProblems(schedule: ExperimentSchedule | undefined, runSeconds: number): Problem[] {
  if (schedule === undefined) return [];
  const { cron, rate, jitterSeconds = 0 } = schedule;
  const problems: Problem[] = [];
  if (Math.ceil(jitterSeconds / 60) > longestWindowMinutes) {
    const reason = `${jitterSeconds} s is too long; EventBridge puts a start off by at most ${longestWindowMinutes * 60} s`;
    problems.push({ path: "schedule.jitterSeconds", reason });
  }
  if (cron !== undefined) problems.push(...cronProblems(cron));
  if (problems.length > 0) return problems;
  const gap = cron === undefined ? rateSeconds(rate ?? "") : shortestGap(cron, schedule.timeZone);
  const needed = runSeconds + Math.ceil(jitterSeconds / 60) * 60;
  if (gap < needed) {
    const reason = `starts every ${gap} s, but a run takes up to ${needed} s; runs would meet each other`;
    problems.push({
      path: cron === undefined ? "schedule.rate" : "schedule.cron",
      reason: `${reason}, so start less often`,
    });
  }
  return problems;
}

function cronProblems(cron: string): Problem[] {
  const path = "schedule.cron";
  const texts = cron.trim().split(/\s+/);
  try {
    new Cron(cron, { paused: true });
  } catch (error) {
    return [{ path, reason: `"${cron}" is no cron expression: ${(error as Error).message}` }];
  }
  if (texts[2] !== "*" && texts[4] !== "*") {
    return [
      {
        path,
        reason: `"${cron}" names days of the month and of the week; EventBridge takes one of them, the other must be *`,
      },
    ];
  }
  return [];
}

/** Shortest time between two starts among the next two hundred. */
function shortestGap(cron: string, timezone = "UTC"): number {
  const starts = new Cron(cron, { paused: true, timezone }).nextRuns(200).map((date) => date.getTime() / 1000);
  const gaps = starts.slice(1).map((start, index) => start - starts[index]!);
  return Math.min(Infinity, ...gaps);
}

function rateSeconds(rate: string): number {
  const [count = "", unit = ""] = rate.split(" ");
  const units: Record<string, number> = { minute: 60, hour: 3600, day: 86_400 };
  return Number(count) * (units[unit.replace(/s$/, "")] ?? 0);
}
