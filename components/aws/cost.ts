import type { MonitorSettings } from "../monitor";
import type { ExperimentPlan } from "./experiment/model";
import { guardedMachines } from "./mirror/guard";
import type { MirrorPlan } from "./mirror/plan";
import type { AwsMirrorSettings } from "./mirror/settings";
import { tally } from "./network/cost";

const defaultGatewayType = "c6i.large";

/** What a mirror costs: the lines of the environment's formula, and what production pays without a bill. */
export function mirrorCost(plan: MirrorPlan, settings: AwsMirrorSettings): string[] {
  const { sources, zones, targetMode } = plan;
  // Zones without sources get no gateway.
  const gateways = zones.length * (settings.gatewaysPerZone ?? 1);
  const byBalancer = targetMode === "gatewayLoadBalancer";
  return [
    `mirror: ${sources.length} sessions by the hour${byBalancer ? `; ${zones.length} endpoints in production by the hour and by GB copied; 1 Gateway Load Balancer by the hour and by capacity units` : ""}`,
    `gateways: ${gateways} × ${settings.gatewayInstanceType ?? defaultGatewayType} by the hour, their metrics by the month`,
    `guards: alarms by the month: ${guardedMachines(plan).length} and one over all`,
    `production pays no bill for it, but copies take bandwidth and packets a second of ${sources.length} interfaces: as much again as what they carry of the copied traffic`,
  ];
}

/** What an experiment costs, by the run and by the month. */
export function experimentCost(
  name: string,
  plan: ExperimentPlan,
  { repetitions, reported }: { repetitions: number; reported: boolean },
): string {
  const actions = plan.templates.flatMap((template) => template.actions);
  const minutes = actions.reduce((sum, { seconds }) => sum + Math.ceil(seconds / 60), 0);
  const times = repetitions === 1 ? "" : `${repetitions} × `;
  return `experiment ${name}: at most ${times}${minutes} action-minutes a run; alarms by the month: ${plan.alarms.length}${reported ? "; a report of each template's run" : ""}`;
}

/** What the monitor costs. */
export function monitorCost({ alarms = [], notify = [] }: MonitorSettings): string {
  const mails = notify.filter((target) => target.startsWith("mailto:")).length;
  const told = tally([
    ...Array<string>(mails).fill("mail"),
    ...Array<string>(notify.length - mails).fill("topic or page"),
  ]);
  return `monitor: by the month 1 dashboard, the alarms asked for (${alarms.length}) and those of the flow log; notifications to ${told}`;
}
