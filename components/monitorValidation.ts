import { z } from "zod";

import { SignalSide } from "./experiment";
import { type Problem, didYouMean } from "./internal/problems";
import { type MonitorSettings, Severity, Signal } from "./monitor";
import { describeValue, shapeProblems } from "./shapeProblems";
import { signalProblems, thresholdProblems } from "./signalValidation";
import type { Topology } from "./topology";

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
  notifyUrls: z.array(z.string()).optional(),
});

/** Everything that is wrong with the settings of a monitor of a shadow with this topology. */
export function validateMonitor(settings: unknown, topology: Topology): Problem[] {
  const problems = shapeProblems(monitorShape, settings);
  if (problems.length > 0) return problems;
  const { signals = [], alarms = [], notifyUrls = [] } = settings as MonitorSettings;
  const names = new Set<string>();
  return [
    ...signals.flatMap((signal, s) => unknownSignal(`signals[${s}]`, signal)),
    ...alarms.flatMap((alarm, a) => [
      ...(names.has(alarm.name) ? [{ path: `alarms[${a}].name`, reason: `"${alarm.name}" is taken already` }] : []),
      ...(names.add(alarm.name), signalProblems(`alarms[${a}]`, alarm, topology)),
      ...thresholdProblems(`alarms[${a}]`, alarm),
    ]),
    ...notifyUrls.flatMap((url, u) => urlProblems(`notifyUrls[${u}]`, url)),
  ];
}

function unknownSignal(path: string, signal: string): Problem[] {
  const known: string[] = Object.values(Signal);
  if (known.includes(signal)) return [];
  return [{ path, reason: `no signal "${signal}"; there are ${known.join(", ")}${didYouMean(signal, known)}` }];
}

function urlProblems(path: string, text: string): Problem[] {
  if (URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol)) return [];
  return [{ path, reason: `${describeValue(text)} is not a web address such as https://alerts.example/hook` }];
}
