import type { BlastRadius } from "../../experiment";
import type { FaultPlan } from "../faults/plan";
import type { ShadowDescription } from "./driver";

/** Longest time with faults when an experiment sets none. */
export const defaultBlastSeconds = 600;

/**
 * What of a blast radius is exceeded when all these machines and links are hit, one sentence each. A share of machines
 * is rounded up; where neither a number nor a share is given, half of them is the limit.
 */
export function blastRadiusProblems(
  limits: BlastRadius | undefined,
  plans: Pick<FaultPlan, "touches">[],
  shadow: Pick<ShadowDescription, "machines">,
): string[] {
  const all = shadow.machines.map(({ name }) => name);
  const machines = all.filter((name) => plans.some(({ touches }) => touches.machines.includes(name)));
  const links = [...new Set(plans.flatMap(({ touches }) => touches.links))];
  const percent = limits?.percent ?? (limits?.machines === undefined ? 50 : 100);
  const most = Math.min(limits?.machines ?? all.length, Math.ceil((all.length * percent) / 100));
  const problems: string[] = [];
  if (machines.length > most) {
    const hit = `${machines.length} of ${all.length} machines would be hit (${machines.join(", ")})`;
    problems.push(`${hit}, at most ${most} are allowed; narrow the targets or raise the limit`);
  }
  if (limits?.links !== undefined && links.length > limits.links) {
    const hit = `${links.length} links would be hit (${links.join(", ")})`;
    problems.push(`${hit}, at most ${limits.links} are allowed; narrow the targets or raise the limit`);
  }
  return problems;
}
