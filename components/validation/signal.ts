import { matchesPattern } from "../internal/patterns";
import { type Problem, didYouMean } from "../internal/problems";
import { Signal } from "../monitor";
import type { Topology } from "../topology";

/** What is wrong with a signal and the machine it is read of. */
export function signalProblems(
  path: string,
  { signal, target }: { signal: string; target?: string },
  topology: Topology,
): Problem[] {
  const known: string[] = Object.values(Signal);
  const problems: Problem[] = [];
  if (!known.includes(signal)) {
    const reason = `no signal "${signal}"; there are ${known.join(", ")}${didYouMean(signal, known)}`;
    problems.push({ path: `${path}.signal`, reason });
  }
  const machines = topology.machines.map(({ name }) => name);
  if (target !== undefined && target !== "service" && !machines.some((name) => matchesPattern(name, target))) {
    const cure = didYouMean(target, machines);
    problems.push({ path: `${path}.target`, reason: `no machine of the shadow matches "${target}"${cure}` });
  }
  return problems;
}

/** What is wrong with a threshold: it has exactly one of `above` and `below`. */
export function thresholdProblems(path: string, { above, below }: { above?: number; below?: number }): Problem[] {
  if ((above === undefined) !== (below === undefined)) return [];
  return [{ path, reason: "set exactly one of `above` and `below`" }];
}
