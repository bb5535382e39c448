import type { ExperimentPlan } from "./experiment/model";

/** What an experiment costs, by the run and by the month. */
export function experimentCost(name: string, plan: ExperimentPlan, repetitions: number): string {
  const actions = plan.templates.flatMap((template) => template.actions);
  const minutes = actions.reduce((sum, { seconds }) => sum + Math.ceil(seconds / 60), 0);
  const times = repetitions === 1 ? "" : `${repetitions} × `;
  return `experiment ${name}: at most ${times}${minutes} action-minutes a run; ${plan.alarms.length} alarms by the month`;
}
