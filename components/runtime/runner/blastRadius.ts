import type { BlastRadius } from "../../experiment";
import type { FaultPlan } from "../faults/plan";

/** Longest time with faults when an experiment sets none. */
export const defaultBlastSeconds = 600;

/**
 * What of a blast radius is exceeded when all these machines and links are hit, one sentence each. Where neither a
 * number nor a share of machines is given, half of them, rounded up, is the limit.
 */
export function blastRadiusProblems(
  limits: BlastRadius | undefined,
  touches: Pick<FaultPlan, "touches">[],
  machineCount: number,
): string[] {
  const machines = [...new Set(touches.flatMap((plan) => plan.touches.machines))];
  const links = [...new Set(touches.flatMap((plan) => plan.touches.links))];
  const problems: string[] = [];
  const half = Math.ceil(machineCount / 2);
  const byDefault = limits?.machines === undefined && limits?.percent === undefined;
  const most = limits?.machines ?? (byDefault ? half : undefined);
  if (most !== undefined && machines.length > most) {
    const limit = byDefault ? `half of ${machineCount}, ${half}, is the default` : `${most} are allowed`;
    problems.push(`${machines.length} machines would be hit (${machines.join(", ")}); ${limit}`);
  }
  const share = machineCount === 0 ? 0 : (100 * machines.length) / machineCount;
  if (limits?.percent !== undefined && share > limits.percent) {
    const hit = `${share.toFixed(0)} % of ${machineCount} machines would be hit (${machines.join(", ")})`;
    problems.push(`${hit}; ${limits.percent} % are allowed`);
  }
  if (limits?.links !== undefined && links.length > limits.links) {
    problems.push(`${links.length} links would be hit (${links.join(", ")}); ${limits.links} are allowed`);
  }
  return problems;
}
