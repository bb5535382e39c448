import { z } from "zod";

import { SignalSide } from "../experiment";
import { type Problem, didYouMean } from "../internal/problems";
import { type MonitorSettings, Severity, Signal } from "../monitor";
import { describeValue, shapeProblems } from "./shape";
import { signalProblems, thresholdProblems } from "./signal";
import type { Topology } from "../topology";

const monitorShape: z.ZodType<MonitorSettings> = z.strictObject({
  signals: z.array(z.string()).optional(),
  alarms: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        signal: z.string(),
        target: z.string().optional(),
        side: z.enum(SignalSide).optional(),
        above: z.number().optional(),
        below: z.number().optional(),
        forSeconds: z.number().nonnegative().optional(),
        severity: z.enum(Severity).optional(),
      }),
    )
    .optional(),
  notify: z.array(z.string()).optional(),
});

/** A way to tell somebody of an alarm. */
export type NotifyWay = "web" | "mail" | "topic";

/**
 * Everything that is wrong with the settings of a monitor of a shadow with this topology, on a back end that can tell
 * people in these ways.
 */
export function validateMonitor(
  settings: unknown,
  topology: Topology,
  ways: readonly NotifyWay[] = ["web"],
): Problem[] {
  const problems = shapeProblems(monitorShape, settings);
  if (problems.length > 0) return problems;
  const { signals = [], alarms = [], notify = [] } = settings as MonitorSettings;
  const names = new Set<string>();
  return [
    ...signals.flatMap((signal, s) => unknownSignal(`signals[${s}]`, signal)),
    ...alarms.flatMap((alarm, a) => [
      ...(names.has(alarm.name) ? [{ path: `alarms[${a}].name`, reason: `"${alarm.name}" is taken already` }] : []),
      ...(names.add(alarm.name), signalProblems(`alarms[${a}]`, alarm, topology)),
      ...thresholdProblems(`alarms[${a}]`, alarm),
    ]),
    ...notify.flatMap((url, u) => receiverProblems(`notify[${u}]`, url, ways)),
  ];
}

function unknownSignal(path: string, signal: string): Problem[] {
  const known: string[] = Object.values(Signal);
  if (known.includes(signal)) return [];
  return [{ path, reason: `no signal "${signal}"; there are ${known.join(", ")}${didYouMean(signal, known)}` }];
}

const examples: Record<NotifyWay, string> = {
  web: "a web address such as https://alerts.example/hook",
  mail: "a mail address such as mailto:oncall@example.com",
  topic: "the ARN of an SNS topic",
};

function wayOf(text: string): NotifyWay | undefined {
  if (/^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}$/.test(text)) return "topic";
  if (/^mailto:[^\s@]+@[^\s@]+$/.test(text)) return "mail";
  return URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol) ? "web" : undefined;
}

function receiverProblems(path: string, text: string, ways: readonly NotifyWay[]): Problem[] {
  const way = wayOf(text);
  if (way !== undefined && ways.includes(way)) return [];
  return [{ path, reason: `${describeValue(text)} is not ${ways.map((known) => examples[known]).join(" or ")}` }];
}
