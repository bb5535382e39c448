import type { Problem } from "../../internal/problems";
import type { AlarmRule, MonitorSettings } from "../../monitor";
import type { Topology } from "../../topology";
import type { AlarmSettings } from "./alarm";
import { machinesOf, periodFor, seriesProblems, seriesQueries } from "./queries";

/** Most children that CloudWatch takes in one composite alarm. */
export const mostChildren = 100;

/** Name of the component that alarms of the service as a whole belong to. */
export const serviceComponent = "service";

/** One alarm of CloudWatch; a rule over several machines gives one for each. */
export interface PlannedMonitorAlarm extends AlarmSettings {
  /** Name of the rule, with that of the machine where there are several. */
  key: string;
  /** Machine, or `service`. */
  component: string;
  severity: string;
}

/** The alarms of all rules, in order; their problems have been refused before. */
export function plannedAlarms(
  { alarms = [] }: MonitorSettings,
  topology: Topology,
  share: number | undefined,
): PlannedMonitorAlarm[] {
  return alarms.flatMap((rule) => {
    const machines = machinesOf(topology, rule.target);
    if (machines === undefined) return [alarmOf(rule, topology, share, undefined, keyOf(rule.name))];
    const several = machines.length > 1;
    return machines.map((machine) =>
      alarmOf(rule, topology, share, machine, several ? `${keyOf(rule.name)}-${machine}` : keyOf(rule.name)),
    );
  });
}

function alarmOf(
  { name, signal, side = "shadow", above, below, forSeconds = 10, severity = "warning" }: AlarmRule,
  topology: Topology,
  share: number | undefined,
  machine: string | undefined,
  key: string,
): PlannedMonitorAlarm {
  const periodSeconds = periodFor(signal, forSeconds);
  const limit = above === undefined ? `below ${below ?? 0}` : `above ${above}`;
  return {
    key,
    component: machine ?? serviceComponent,
    severity,
    description: `[${severity}] ${name}: ${signal} of ${machine ?? "the service"} (${side}) ${limit} for ${forSeconds} s`,
    queries: seriesQueries(topology, {
      signal,
      side,
      target: machine,
      pick: above === undefined ? "MIN" : "MAX",
      periodSeconds,
      share,
    }),
    comparison: above === undefined ? "LessThanThreshold" : "GreaterThanThreshold",
    threshold: above ?? below ?? 0,
    evaluationPeriods: Math.max(1, Math.ceil(forSeconds / periodSeconds)),
  };
}

/** A rule's name as a part of other names. */
export function keyOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}

/** What is wrong with the rules on AWS; form and names have been checked. */
export function ruleProblems({ alarms = [] }: MonitorSettings, topology: Topology): Problem[] {
  const problems: Problem[] = [];
  const keys = new Map<string, string>();
  const children = new Map<string, number>();
  alarms.forEach((rule, index) => {
    const path = `alarms[${index}]`;
    const key = keyOf(rule.name);
    const other = keys.get(key);
    if (key === "") problems.push({ path: `${path}.name`, reason: `"${rule.name}" has no letter or digit` });
    if (other !== undefined) {
      problems.push({
        path: `${path}.name`,
        reason: `"${rule.name}" and "${other}" are the same in names of AWS; rename one`,
      });
    }
    keys.set(key, rule.name);
    // One alarm a machine: each needs only the metrics of its own.
    const machines = machinesOf(topology, rule.target);
    const targets = machines ?? [undefined];
    const side = rule.side ?? "shadow";
    const own = targets.flatMap((target) => seriesProblems(path, { signal: rule.signal, side, target }, topology));
    problems.push(...[...new Map(own.map((problem) => [problem.reason, problem])).values()]);
    for (const component of machines ?? [serviceComponent]) {
      children.set(component, (children.get(component) ?? 0) + 1);
    }
  });
  for (const [component, count] of children) {
    if (count <= mostChildren) continue;
    const reason = `gives ${component} ${count} alarms; CloudWatch puts at most ${mostChildren} under one composite alarm`;
    problems.push({ path: "alarms", reason });
  }
  return problems;
}

/**
 * The rule of a composite alarm over some alarms: it fires when one of them does or has no data, as silence would
 * otherwise look like health.
 */
export function compositeRule(names: readonly string[]): string {
  return names.map((name) => `ALARM("${name}") OR INSUFFICIENT_DATA("${name}")`).join(" OR ");
}
